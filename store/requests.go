package store

import (
	"context"
	"encoding/json"

	"github.com/signet-broker/signet/broker"
)

// requestsKept is how long a request is known after it has expired: a login that began with it may end then.
const requestsKept = broker.LoginLifetime

// AddRequest keeps a request. It may be lost with the machine's power, not with the process.
func (db *DB) AddRequest(ctx context.Context, r broker.Request) error {
	return db.engine.write(ctx, op{relaxed: true, steps: []step{{
		sql:  `INSERT INTO requests (hash, app, data, expires) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		args: []any{r.Hash, r.App, string(r.Data), ms(r.Expires)},
		none: broker.ErrConflict,
	}}})
}

// Request returns a request that has neither expired nor been answered; else broker.ErrNotFound.
func (db *DB) Request(ctx context.Context, hash []byte) (r broker.Request, err error) {
	var data string
	var expires int64
	err = db.one(ctx, `SELECT hash, app, data, expires FROM requests WHERE hash = $1 AND expires > $2`, []any{hash, db.now()}, &r.Hash, &r.App, &data, &expires)
	if err != nil {
		return broker.Request{}, err
	}
	r.Data, r.Expires = json.RawMessage(data), at(expires)
	return r, nil
}

// answer ends a request, for the one login that finishes first (RFC 9126 §4).
func answer(request []byte) []step {
	if len(request) == 0 {
		return nil
	}
	return []step{{sql: `DELETE FROM requests WHERE hash = $1`, args: []any{request}, none: broker.ErrConflict}}
}
