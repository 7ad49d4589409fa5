package store

import (
	"context"

	"github.com/signet-broker/signet/broker"
)

// Consents implements broker.Store.
func (db *DB) Consents(ctx context.Context, userID, app string) ([]string, error) {
	var list []string
	err := db.engine.read(ctx, `SELECT scope FROM consents WHERE user_id = $1 AND app = $2`, []any{userID, app}, func(r row) error {
		var scope string
		err := r.Scan(&scope)
		list = append(list, scope)
		return err
	})
	return list, err
}

// UserConsents returns what a user has allowed, an app after the other; Created is when it was first asked for.
func (db *DB) UserConsents(ctx context.Context, userID string) ([]broker.Consent, error) {
	var list []broker.Consent
	err := db.engine.read(ctx, `SELECT app, scope, created FROM consents WHERE user_id = $1 ORDER BY app, created, scope`, []any{userID}, func(r row) error {
		var app, scope string
		var created int64
		if err := r.Scan(&app, &scope, &created); err != nil {
			return err
		}
		if n := len(list); n == 0 || list[n-1].App != app {
			list = append(list, broker.Consent{User: userID, App: app, Created: at(created)})
		}
		c := &list[len(list)-1]
		c.Scopes = append(c.Scopes, scope)
		return nil
	})
	return list, err
}

// RevokeConsent takes back what a user has allowed an app: it is asked again, and what it had got is revoked.
// broker.ErrNotFound: nothing was allowed.
func (db *DB) RevokeConsent(ctx context.Context, userID, app string, e broker.Event) error {
	if !storable([]any{userID, app}) {
		return broker.ErrNotFound
	}
	return db.engine.write(ctx, op{steps: []step{
		{sql: `DELETE FROM consents WHERE user_id = $1 AND app = $2`, args: []any{userID, app}, none: broker.ErrNotFound},
		{sql: `UPDATE families SET revoked = 1 WHERE user_id = $1 AND app = $2 AND revoked = 0`, args: []any{userID, app}},
		// What is allowed and not fetched yet.
		{sql: `DELETE FROM artifacts WHERE user_id = $1 AND app = $2 AND family = ''`, args: []any{userID, app}},
		{sql: `UPDATE devices SET state = $3 WHERE user_id = $1 AND app = $2 AND state = $4`, args: []any{userID, app, int64(broker.DeviceRefused), int64(broker.DeviceAllowed)}},
		db.record(e),
	}})
}

// addConsent remembers what a user has allowed.
func addConsent(c *broker.Consent) []step {
	if c == nil {
		return nil
	}
	steps := make([]step, 0, len(c.Scopes))
	for _, scope := range c.Scopes {
		steps = append(steps, step{
			sql:  `INSERT INTO consents (user_id, app, scope, created) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			args: []any{c.User, c.App, scope, ms(c.Created)},
		})
	}
	return steps
}
