package store

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
)

const addEvent = `INSERT INTO events (id, time, type, reason, user_id, app, provider, session, login, addr, request_id, detail)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

// Record implements broker.Store.
func (db *DB) Record(ctx context.Context, e broker.Event) error {
	return db.engine.write(ctx, op{steps: []step{db.record(e)}})
}

// record keeps an event in the transaction of what it tells of.
func (db *DB) record(e broker.Event) step { return step{sql: addEvent, args: db.eventArgs(e)} }

// recordSession is record for an event of a session of this very operation, whose user is the event's.
func (db *DB) recordSession(e broker.Event) step {
	return step{
		sql: `INSERT INTO events (id, time, type, reason, user_id, app, provider, session, login, addr, request_id, detail)
SELECT $1, $2, $3, $4, $5 || s.user_id, $6, $7, $8, $9, $10, $11, $12 FROM sessions s WHERE s.id = $8`,
		args: db.eventArgs(e),
	}
}

func (db *DB) eventArgs(e broker.Event) []any {
	if e.ID == "" {
		e.ID = rand.Text()
	}
	if e.Time.IsZero() {
		e.Time = db.Now()
	}
	return []any{
		clean(e.ID), ms(e.Time), clean(e.Type), clean(e.Reason), clean(e.User), clean(e.App), clean(e.Provider),
		clean(e.Session), clean(e.Login), clean(e.Addr), clean(e.RequestID), clean(e.Detail),
	}
}

// EventFilter narrows what Events returns.
type EventFilter func(*eventQuery)

type eventQuery struct {
	where []string
	args  []any
}

func (q *eventQuery) add(condition string, value any) {
	q.args = append(q.args, value)
	q.where = append(q.where, condition+" $"+strconv.Itoa(len(q.args)))
}

// OfUser narrows events to those of a user.
func OfUser(id string) EventFilter {
	return func(q *eventQuery) { q.add("user_id <> '' AND user_id =", id) }
}

// OfType narrows events to those of a type, e.g. broker.LoginFinished.
func OfType(t string) EventFilter { return func(q *eventQuery) { q.add("type =", t) } }

// Since narrows events to those at or after a time.
func Since(t time.Time) EventFilter { return func(q *eventQuery) { q.add("time >=", ms(t)) } }

// Events returns at most limit events, the last first. There is no index for it: it reads as many as it takes.
func (db *DB) Events(ctx context.Context, limit int, filters ...EventFilter) ([]broker.Event, error) {
	q := eventQuery{where: []string{"TRUE"}}
	for _, f := range filters {
		f(&q)
	}
	q.args = append(q.args, int64(limit))
	query := `SELECT id, time, type, reason, user_id, app, provider, session, login, addr, request_id, detail FROM events
WHERE ` + strings.Join(q.where, " AND ") + ` ORDER BY seq DESC LIMIT $` + strconv.Itoa(len(q.args))
	var list []broker.Event
	if !storable(q.args) {
		return nil, nil
	}
	err := db.engine.read(ctx, query, q.args, func(r row) error {
		var e broker.Event
		var t int64
		err := r.Scan(&e.ID, &t, &e.Type, &e.Reason, &e.User, &e.App, &e.Provider, &e.Session, &e.Login, &e.Addr, &e.RequestID, &e.Detail)
		e.Time = at(t)
		list = append(list, e)
		return err
	})
	return list, err
}
