package store

import (
	"context"
	"errors"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
)

// addFamily adds a family. That its user may sign in is known from the artifact that is spent with it.
func addFamily(f token.Family) step {
	return step{
		sql: `INSERT INTO families (id, app, user_id, epoch, session, provider, scope, auth_time, amr, acr, offline, generation, rotated, created, expires, ends, revoked, kept)
SELECT $1, $2, u.id, u.epoch, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
COALESCE((SELECT CASE WHEN s.ends > $14 THEN s.ends ELSE $14 END FROM sessions s WHERE s.id = $4), $14) FROM users u WHERE u.id = $3`,
		args: []any{
			f.ID, f.App, f.User, f.Session, f.Provider, list(f.Scope), ms(f.AuthTime), list(f.AMR), f.ACR, flag(f.Offline), f.Generation,
			ms(f.Rotated), ms(f.Created), ms(f.Expires), ms(f.Ends), flag(f.Revoked),
		},
		none: broker.ErrNotFound,
	}
}

// Begin implements token.Store.
func (db *DB) Begin(ctx context.Context, f token.Family, e broker.Event) error {
	add := addFamily(f)
	add.sql += ` AND u.disabled = 0`
	steps := []step{add}
	if f.Parent != "" {
		steps = append(steps, step{
			sql: `UPDATE families SET parent = $2 WHERE id = $1
AND EXISTS (SELECT 1 FROM families p WHERE p.id = $2 AND p.user_id = families.user_id AND p.epoch = families.epoch AND p.revoked = 0 AND p.expires > $3 AND p.ends > $3)`,
			args: []any{f.ID, f.Parent, db.now()}, none: broker.ErrNotFound,
		})
	}
	return db.engine.write(ctx, op{steps: append(steps, db.record(e))})
}

// Family implements token.Store. It is gone once Expires or Ends is past.
func (db *DB) Family(ctx context.Context, id string) (f token.Family, u broker.User, err error) {
	var r userRow
	var scope, amr string
	var authTime, offline, rotated, created, expires, ends, revoked int64
	now := db.now()
	err = db.one(ctx, `SELECT f.id, f.app, f.user_id, f.session, f.provider, f.scope, f.auth_time, f.amr, f.acr, f.offline, f.generation, f.rotated, f.created,
f.expires, f.ends, f.parent,
CASE WHEN f.epoch = u.epoch AND (f.parent = '' OR EXISTS (SELECT 1 FROM families p WHERE p.id = f.parent AND p.revoked = 0)) THEN f.revoked ELSE 1 END, `+userColumns+` FROM families f JOIN users u ON u.id = f.user_id WHERE f.id = $1 AND f.expires > $2 AND f.ends > $3`,
		[]any{id, now, now},
		append([]any{&f.ID, &f.App, &f.User, &f.Session, &f.Provider, &scope, &authTime, &amr, &f.ACR, &offline, &f.Generation, &rotated, &created,
			&expires, &ends, &f.Parent, &revoked}, r.dest()...)...)
	if err != nil {
		return token.Family{}, broker.User{}, err
	}
	f.AuthTime, f.Rotated, f.Created, f.Expires, f.Ends = at(authTime), at(rotated), at(created), at(expires), at(ends)
	f.Offline, f.Revoked = offline != 0, revoked != 0
	var errScope, errAMR error
	f.Scope, errScope = unlist(scope)
	f.AMR, errAMR = unlist(amr)
	if err := errors.Join(errScope, errAMR); err != nil {
		return token.Family{}, broker.User{}, unreadable("a family", err)
	}
	u, err = r.user()
	return f, u, err
}

// current holds for a family whose user's sessions have not been ended since.
const current = `epoch = (SELECT u.epoch FROM users u WHERE u.id = families.user_id)`

// Rotate implements token.Store. A family that has expired is broker.ErrConflict too.
func (db *DB) Rotate(ctx context.Context, id string, from int64, rotated, expires time.Time) error {
	if !storable([]any{id}) {
		return broker.ErrConflict
	}
	now := db.now()
	return db.engine.write(ctx, op{steps: []step{{
		sql: `UPDATE families SET generation = generation + 1, rotated = $3, expires = $4, kept = CASE WHEN kept > $4 THEN kept ELSE $4 END
WHERE id = $1 AND generation = $2 AND revoked = 0 AND expires > $5 AND ends > $6 AND ` + current,
		args: []any{id, from, ms(rotated), ms(expires), now, now},
		none: broker.ErrConflict,
	}}})
}

// Extend implements token.Store. A family that has expired is broker.ErrConflict too.
func (db *DB) Extend(ctx context.Context, id string, generation int64, expires time.Time) error {
	if !storable([]any{id}) {
		return broker.ErrConflict
	}
	now := db.now()
	return db.engine.write(ctx, op{steps: []step{{
		sql: `UPDATE families SET expires = CASE WHEN expires > $3 THEN expires ELSE $3 END, kept = CASE WHEN kept > $3 THEN kept ELSE $3 END
WHERE id = $1 AND generation = $2 AND revoked = 0 AND expires > $4 AND ends > $5 AND ` + current,
		args: []any{id, generation, ms(expires), now, now},
		none: broker.ErrConflict,
	}}})
}

// Revoke implements token.Store.
func (db *DB) Revoke(ctx context.Context, id string, e broker.Event) error {
	if !storable([]any{id}) {
		return nil
	}
	err := db.engine.write(ctx, op{steps: []step{{
		sql: `UPDATE families SET revoked = 1 WHERE id = $1 AND revoked = 0 AND ` + current, args: []any{id}, none: errNothing,
	}, db.record(e)}})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// keepFamilies keeps a session's families as long as the session, which goes on for longer than it was to.
func keepFamilies(s broker.Session) step {
	return step{sql: `UPDATE families SET kept = $2 WHERE session = $1 AND kept < $2`, args: []any{s.ID, ms(s.Ends)}}
}
