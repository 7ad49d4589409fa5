package store

import (
	"context"
	"time"

	"github.com/signet-broker/signet/broker"
)

// appsChanged makes every node read what has changed, and numbers the change. Whoever changes apps waits here
// for the others, so that a higher number is never seen before a lower one.
var appsChanged = step{sql: `UPDATE changes SET count = count + 1 WHERE name = 'apps'`}

// AppsChanged returns a number that grows with every change of registered apps.
func (db *DB) AppsChanged(ctx context.Context) (n int64, err error) {
	err = db.engine.read(ctx, `SELECT count FROM changes WHERE name = 'apps'`, nil, func(r row) error { return r.Scan(&n) })
	return n, err
}

// AddApp adds an app. broker.ErrNotFound: the initial access token is unknown, expired or used up.
// broker.ErrConflict: there are as many as there may be.
func (db *DB) AddApp(ctx context.Context, a broker.Registered, by broker.Admission, e broker.Event) error {
	steps := []step{appsChanged}
	if by.TokenHash != nil {
		steps = append(steps, step{
			sql:  `UPDATE app_tokens SET used = used + 1 WHERE hash = $1 AND expires > $2 AND (most = 0 OR used < most)`,
			args: []any{by.TokenHash, db.now()}, none: broker.ErrNotFound,
		})
	} else {
		steps[0] = step{
			sql:  appsChanged.sql + ` AND (SELECT COUNT(*) FROM apps WHERE via = '') < $1`,
			args: []any{int64(by.Most)}, none: broker.ErrConflict,
		}
	}
	return db.engine.write(ctx, op{steps: append(steps, step{
		sql: `INSERT INTO apps (id, version, change, name, via, document, secret_hash, sealed, token_hash, notified, disabled, created, updated)
VALUES ($1, 1, (SELECT count FROM changes WHERE name = 'apps'), $2, $3, $4, $5, $6, $7, $8, 0, $9, $10) ON CONFLICT DO NOTHING`,
		args: []any{a.ID, a.Name, a.Via, string(a.Document), blob(a.SecretHash), blob(a.Sealed), blob(a.TokenHash), flag(a.Notified), ms(a.Created), ms(a.Created)},
		none: broker.ErrConflict,
	}, db.record(e))})
}

// blob is how bytes are kept that may be missing.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// UpdateApp replaces what an app says of itself, and its secret; with anew, what people have allowed it is
// forgotten. broker.ErrConflict: it is gone, or a.Version is not its version any more.
func (db *DB) UpdateApp(ctx context.Context, a broker.Registered, anew bool, at time.Time, e broker.Event) error {
	steps := []step{appsChanged, {
		sql: `UPDATE apps SET version = version + 1, change = (SELECT count FROM changes WHERE name = 'apps'), name = $3, document = $4,
secret_hash = $5, sealed = $6, notified = $7, updated = $8 WHERE id = $1 AND version = $2`,
		args: []any{a.ID, a.Version, a.Name, string(a.Document), blob(a.SecretHash), blob(a.Sealed), flag(a.Notified), ms(at)},
		none: broker.ErrConflict,
	}}
	if anew {
		steps = append(steps, forgetConsents(a.ID))
	}
	return db.engine.write(ctx, op{steps: append(steps, db.record(e))})
}

func forgetConsents(app string) step {
	return step{sql: `DELETE FROM consents WHERE app = $1 AND substr(app, 1, 4) = 'dyn-'`, args: []any{app}}
}

// SetAppDisabled keeps people out of an app, or lets them in again. broker.ErrNotFound: there is none.
func (db *DB) SetAppDisabled(ctx context.Context, id string, disabled bool, at time.Time, e broker.Event) error {
	return db.engine.write(ctx, op{steps: []step{appsChanged, {
		sql:  `UPDATE apps SET disabled = $2, change = (SELECT count FROM changes WHERE name = 'apps'), updated = $3 WHERE id = $1`,
		args: []any{id, flag(disabled), ms(at)}, none: broker.ErrNotFound,
	}, db.record(e)}})
}

// RemoveApp removes an app with all that people have allowed it and all that it has got. broker.ErrNotFound:
// there is none.
func (db *DB) RemoveApp(ctx context.Context, id string, e broker.Event) error {
	if !storable([]any{id}) {
		return broker.ErrNotFound
	}
	steps := []step{appsChanged, {sql: `DELETE FROM apps WHERE id = $1`, args: []any{id}, none: broker.ErrNotFound}, forgetConsents(id)}
	for _, sql := range []string{
		`UPDATE families SET revoked = 1 WHERE app = $1 AND substr(app, 1, 4) = 'dyn-' AND revoked = 0`,
		`DELETE FROM artifacts WHERE app = $1 AND substr(app, 1, 4) = 'dyn-'`,
		`DELETE FROM requests WHERE app = $1`,
		`DELETE FROM devices WHERE app = $1`,
	} {
		steps = append(steps, step{sql: sql, args: []any{id}})
	}
	return db.engine.write(ctx, op{steps: append(steps, db.record(e))})
}

const appColumns = `id, version, change, name, via, document, secret_hash, sealed, token_hash, notified, disabled, created, updated`

// AppsSince returns the apps that were written after a change, in the order of their changes.
func (db *DB) AppsSince(ctx context.Context, change int64) ([]broker.Registered, error) {
	var all []broker.Registered
	err := db.engine.read(ctx, `SELECT `+appColumns+` FROM apps WHERE change > $1 ORDER BY change`, []any{change}, func(r row) error {
		a, err := scanApp(r)
		all = append(all, a)
		return err
	})
	return all, err
}

// AppIDs returns the ids of all registered apps.
func (db *DB) AppIDs(ctx context.Context) (ids []string, err error) {
	err = db.engine.read(ctx, `SELECT id FROM apps`, nil, func(r row) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// RegisteredApp returns a registered app; broker.ErrNotFound when there is none.
func (db *DB) RegisteredApp(ctx context.Context, id string) (a broker.Registered, err error) {
	if !storable([]any{id}) {
		return a, broker.ErrNotFound
	}
	err = broker.ErrNotFound
	readErr := db.engine.read(ctx, `SELECT `+appColumns+` FROM apps WHERE id = $1`, []any{id}, func(r row) error {
		a, err = scanApp(r)
		return err
	})
	if readErr != nil {
		return broker.Registered{}, readErr
	}
	return a, err
}

func scanApp(r row) (a broker.Registered, err error) {
	var document string
	var notified, disabled, created, updated int64
	err = r.Scan(&a.ID, &a.Version, &a.Change, &a.Name, &a.Via, &document, &a.SecretHash, &a.Sealed, &a.TokenHash, &notified, &disabled, &created, &updated)
	a.Document, a.Notified, a.Disabled, a.Created, a.Updated = []byte(document), notified != 0, disabled != 0, at(created), at(updated)
	if len(a.SecretHash) == 0 {
		a.SecretHash = nil
	}
	if len(a.Sealed) == 0 {
		a.Sealed = nil
	}
	return a, err
}

// AddInitialToken adds an initial access token. broker.ErrConflict: its id is taken.
func (db *DB) AddInitialToken(ctx context.Context, t broker.InitialToken, e broker.Event) error {
	return db.engine.write(ctx, op{steps: []step{{
		sql:  `INSERT INTO app_tokens (id, hash, most, used, created, expires) VALUES ($1, $2, $3, 0, $4, $5) ON CONFLICT DO NOTHING`,
		args: []any{t.ID, t.Hash, int64(t.Most), ms(t.Created), ms(t.Expires)}, none: broker.ErrConflict,
	}, db.record(e)}})
}

// RemoveInitialToken removes an initial access token. The apps that came by it stay. broker.ErrNotFound: there is
// none.
func (db *DB) RemoveInitialToken(ctx context.Context, id string, e broker.Event) error {
	return db.engine.write(ctx, op{steps: []step{
		{sql: `DELETE FROM app_tokens WHERE id = $1`, args: []any{id}, none: broker.ErrNotFound}, db.record(e),
	}})
}

// InitialToken returns an initial access token that can still register an app; else broker.ErrNotFound.
func (db *DB) InitialToken(ctx context.Context, hash []byte) (t broker.InitialToken, err error) {
	var most, used, created, expires int64
	err = db.one(ctx, `SELECT id, hash, most, used, created, expires FROM app_tokens WHERE hash = $1 AND expires > $2 AND (most = 0 OR used < most)`,
		[]any{hash, db.now()}, &t.ID, &t.Hash, &most, &used, &created, &expires)
	t.Most, t.Used, t.Created, t.Expires = int(most), int(used), at(created), at(expires)
	return t, err
}

// InitialTokens returns all of them without their hashes, by id.
func (db *DB) InitialTokens(ctx context.Context) (all []broker.InitialToken, err error) {
	err = db.engine.read(ctx, `SELECT id, most, used, created, expires FROM app_tokens ORDER BY id`, nil, func(r row) error {
		var t broker.InitialToken
		var most, used, created, expires int64
		err := r.Scan(&t.ID, &most, &used, &created, &expires)
		t.Most, t.Used, t.Created, t.Expires = int(most), int(used), at(created), at(expires)
		all = append(all, t)
		return err
	})
	return all, err
}
