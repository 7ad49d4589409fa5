package store

import (
	"context"
	"encoding/json"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
)

// CreateLogout implements broker.Store.
func (db *DB) CreateLogout(ctx context.Context, l broker.Logout) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return db.engine.write(ctx, op{relaxed: true, steps: []step{{
		sql: `INSERT INTO logouts (id, expires, data) VALUES ($1, $2, $3)`, args: []any{l.ID, ms(l.Expires), string(data)},
	}}})
}

// Logout implements broker.Store.
func (db *DB) Logout(ctx context.Context, id string) (l broker.Logout, err error) {
	var data string
	if err := db.one(ctx, `SELECT data FROM logouts WHERE id = $1 AND expires > $2`, []any{id, db.now()}, &data); err != nil {
		return l, err
	}
	if err := json.Unmarshal([]byte(data), &l); err != nil {
		return l, unreadable("a logout", err)
	}
	return l, nil
}

// TakeLogout implements broker.Store.
func (db *DB) TakeLogout(ctx context.Context, id string, e broker.Event) error {
	return db.engine.write(ctx, op{steps: []step{{
		sql: `DELETE FROM logouts WHERE id = $1 AND expires > $2`, args: []any{id, db.now()}, none: broker.ErrNotFound,
	}, db.record(e)}})
}

// ending is the idle of a session that this very transaction ends. No other sees one: it is gone at the end.
const ending = -1

// EndUpstream implements broker.Store.
func (db *DB) EndUpstream(ctx context.Context, provider string, o providers.SignOut, e broker.Event) (ended int, err error) {
	steps := remember(provider, o.Once)
	named := marks(provider, o)
	counts := make([]int64, len(named)) // an operation may be run twice
	for i, mark := range named {
		mark.count = func(n int64) { counts[i] = n }
		steps = append(steps, mark)
	}
	of := e
	of.Type, of.Reason = broker.SessionEnded, broker.EndedUpstream
	steps = append(steps, db.recordEnded(of))
	steps = append(steps, db.endMarked()...)
	if err := db.engine.write(ctx, op{steps: append(steps, db.record(e))}); err != nil {
		return 0, err
	}
	for _, n := range counts {
		ended += int(n)
	}
	return ended, nil
}

// marks are the statements that mark the sessions that an upstream has named.
func marks(provider string, o providers.SignOut) (steps []step) {
	add := func(where string, args ...any) {
		if storable(args) {
			steps = append(steps, step{sql: `UPDATE sessions SET idle = -1 WHERE provider = $1 AND ` + where, args: append([]any{provider}, args...)})
		}
	}
	if o.Handle != "" && len(o.Sessions) == 0 {
		add(`handle = $2`, o.Handle)
	}
	for _, session := range o.Sessions {
		switch {
		case session == "": // nobody's name: every session that has none would match
		case o.Handle != "":
			add(`handle = $2 AND upstream = $3`, o.Handle, session)
		default:
			add(`upstream = $2`, session)
		}
	}
	return steps
}

// endOf ends what a user has open, which the user's new epoch has made void already, and has the apps told.
func (db *DB) endOf(userID string) []step {
	return append([]step{{sql: `UPDATE sessions SET idle = -1 WHERE user_id = $1`, args: []any{userID}}}, db.endMarked()...)
}

// endMarked ends the sessions that are marked.
func (db *DB) endMarked() []step {
	steps := []step{{
		sql: `UPDATE families SET revoked = 1 WHERE offline = 0 AND revoked = 0 AND session IN (SELECT id FROM sessions WHERE idle = -1)`,
	}}
	steps = append(steps, db.notify(`f.session IN (SELECT id FROM sessions WHERE idle = $5)`, int64(ending))...)
	return append(steps, step{sql: `DELETE FROM sessions WHERE idle = -1`})
}

// recordEnded keeps an event for each session that is marked.
func (db *DB) recordEnded(e broker.Event) step {
	args := db.eventArgs(e)
	return step{
		sql: `INSERT INTO events (id, time, type, reason, user_id, app, provider, session, login, addr, request_id, detail)
SELECT $1 || '.' || s.id, $2, $3, $4, s.user_id, '', s.provider, s.id, '', $5, $6, '' FROM sessions s WHERE s.idle = -1`,
		args: []any{args[0], args[1], args[2], args[3], args[9], args[10]},
	}
}
