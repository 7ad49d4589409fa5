package store

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
)

// Burned is the Family of an artifact that was spent for nothing.
const Burned = "-"

// madeArtifact is an artifact with the user it was made for.
type madeArtifact struct {
	broker.Artifact
	user broker.User
}

// Artifact implements token.Store. One that was made here a moment ago is read from memory, once: spend
// checks again that it is good, its user may sign in and its session is alive.
func (db *DB) Artifact(ctx context.Context, hash []byte) (a broker.Artifact, u broker.User, sessionAlive bool, err error) {
	if made, ok := db.artifacts.take(string(hash)); ok {
		return made.Artifact, made.user, true, nil
	}
	var r userRow
	var data string
	var expires, alive int64
	now := db.now()
	err = db.one(ctx, `SELECT a.hash, a.app, a.user_id, a.session, a.provider, a.data, a.expires, a.family,
CASE WHEN s.idle > $2 AND s.ends > $3 AND s.epoch = u.epoch THEN 1 ELSE 0 END, `+userColumns+`
FROM artifacts a JOIN users u ON u.id = a.user_id LEFT JOIN sessions s ON s.id = a.session WHERE a.hash = $1`,
		[]any{hash, now, now},
		append([]any{&a.Hash, &a.App, &a.User, &a.Session, &a.Provider, &data, &expires, &a.Family, &alive}, r.dest()...)...)
	if err != nil {
		return broker.Artifact{}, broker.User{}, false, err
	}
	if data != "" {
		a.Data = json.RawMessage(data)
	}
	a.Expires = at(expires)
	u, err = r.user()
	return a, u, alive != 0, err
}

// addArtifact adds an artifact of a user who may sign in, or gives it to the device that waits for it. Without a
// User it is of whom its session is of.
func (db *DB) addArtifact(a broker.Artifact) step {
	if a.Device {
		return db.allowDevice(a)
	}
	who := `u.id = $3`
	if a.User == "" {
		who = `$3 = '' AND u.id = (SELECT s.user_id FROM sessions s WHERE s.id = $4)`
	}
	return step{
		sql: `INSERT INTO artifacts (hash, app, user_id, epoch, session, provider, data, expires, family)
SELECT $1, $2, u.id, u.epoch, $4, $5, $6, $7, $8 FROM users u WHERE ` + who + ` AND u.disabled = 0 ON CONFLICT DO NOTHING`,
		args: []any{a.Hash, a.App, a.User, a.Session, a.Provider, string(a.Data), ms(a.Expires), a.Family},
		none: broker.ErrConflict,
	}
}

// errSpent says that an artifact is not good, whyever.
var errSpent = errors.New("artifact not good")

// spend takes a good artifact for a family. Of two who try, one finds it. Its session is held meanwhile, so that
// whoever ends it finds the family.
func (db *DB) spend(hash []byte, family string) step {
	now := db.now()
	return step{
		sql: `UPDATE artifacts SET family = $2 WHERE hash = $1 AND family = '' AND expires > $3
AND epoch = (SELECT u.epoch FROM users u WHERE u.id = artifacts.user_id AND u.disabled = 0)
AND EXISTS (SELECT 1 FROM sessions s WHERE s.id = artifacts.session AND s.epoch = artifacts.epoch AND s.idle > $4 AND s.ends > $5 /* share */)`,
		args: []any{hash, family, now, now, now},
		none: errSpent,
	}
}

// Redeem implements token.Store. An artifact of a user whose sessions were ended since it was made is
// broker.ErrNotFound.
func (db *DB) Redeem(ctx context.Context, hash []byte, f token.Family, e, replay broker.Event) error {
	err := db.engine.write(ctx, op{steps: []step{db.spend(hash, f.ID), addFamily(f), db.record(e)}})
	if errors.Is(err, errSpent) {
		return db.replayed(ctx, hash, replay)
	}
	return err
}

// Burn implements token.Store.
func (db *DB) Burn(ctx context.Context, hash []byte, e, replay broker.Event) error {
	err := db.engine.write(ctx, op{steps: []step{db.spend(hash, Burned), db.record(e)}})
	if errors.Is(err, errSpent) {
		return db.replayed(ctx, hash, replay)
	}
	return err
}

// replayed revokes what an artifact was spent for: whoever has it a second time may have had it first.
func (db *DB) replayed(ctx context.Context, hash []byte, e broker.Event) error {
	args := append(db.eventArgs(e), hash)
	err := db.engine.write(ctx, op{again: true, steps: []step{{
		sql: `INSERT INTO events (id, time, type, reason, user_id, app, provider, session, login, addr, request_id, detail)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM artifacts WHERE hash = $13 AND family <> ''`, args: args, none: broker.ErrNotFound,
	}, {
		sql:  `UPDATE families SET revoked = 1 WHERE revoked = 0 AND id = (SELECT family FROM artifacts WHERE hash = $1)`,
		args: []any{hash},
	}}})
	if err != nil {
		return err
	}
	return broker.ErrReplay
}
