package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
)

// Notify names the configured apps that want to be told of ended sessions. Of the registered ones each row says
// so; registered tells whether there may be any. It is called before the first use.
func (db *DB) Notify(apps []string, registered bool) {
	db.notified, db.registered = quoted(apps), registered
}

// quoted is a list of IDs as one text, in which an ID is found between quotes: none has any in it.
func quoted(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return `"` + strings.Join(ids, `" "`) + `"`
}

// notify makes a notice for each app that took part in sessions that end. where names the sessions' families,
// f, by $5.
func (db *DB) notify(where string, arg any) []step {
	if db.notified == "" && !db.registered {
		return nil
	}
	wants := `REPLACE($3, '"' || f.app || '"', '') <> $4`
	if db.registered {
		wants = `(` + wants + ` OR EXISTS (SELECT 1 FROM apps a WHERE a.id = f.app AND a.notified = 1))`
	}
	now := db.now()
	return []step{{
		sql: `INSERT INTO notices (session, app, user_id, tries, due, created)
SELECT DISTINCT f.session, f.app, f.user_id, 0, CAST($1 AS BIGINT), CAST($2 AS BIGINT) FROM families f
WHERE f.session <> '' AND ` + wants + ` AND ` + where + ` ON CONFLICT DO NOTHING`,
		args: []any{now, now, db.notified, db.notified, arg},
	}}
}

// SessionApps implements broker.Store.
func (db *DB) SessionApps(ctx context.Context, id string) (apps []string, err error) {
	args := []any{id}
	if id == "" || !storable(args) {
		return nil, nil
	}
	err = db.engine.read(ctx, `SELECT DISTINCT app FROM families WHERE session = $1 ORDER BY app`, args, func(r row) error {
		var app string
		err := r.Scan(&app)
		apps = append(apps, app)
		return err
	})
	return apps, err
}

// LeaseNotices implements backchannel.Store.
func (db *DB) LeaseNotices(ctx context.Context, until time.Time, limit, each int, busy []string) (list []broker.Notice, err error) {
	now := db.now()
	waiting := false
	err = db.engine.read(ctx, `SELECT 1 FROM notices WHERE due <= $1 LIMIT 1`, []any{now}, func(row) error { waiting = true; return nil })
	if err != nil || !waiting {
		return nil, err // no write for nothing
	}
	leased := map[broker.Notice]bool{} // an operation may be run twice
	err = db.engine.write(ctx, op{steps: []step{{
		// An UPDATE that had to wait for another node looks at due again, and finds it moved.
		sql: `UPDATE notices SET due = $1, tries = tries + 1 WHERE due <= $2 AND (session, app) IN (
	SELECT w.session, w.app FROM (
		SELECT n.session, n.app, n.due, ROW_NUMBER() OVER (PARTITION BY n.app ORDER BY n.due) AS place
		FROM notices n WHERE n.due <= $3 AND REPLACE($4, '"' || n.app || '"', '') = $5
	) w WHERE w.place <= $6 ORDER BY w.due LIMIT $7
) RETURNING session, app, user_id, tries, created`,
		args: []any{ms(until), now, now, quoted(busy), quoted(busy), int64(each), int64(limit)},
		row: func(r row) error {
			var n broker.Notice
			var tries, created int64
			err := r.Scan(&n.Session, &n.App, &n.User, &tries, &created)
			n.Tries, n.Created = int(tries), at(created)
			leased[n] = true
			return err
		},
	}}})
	return slices.Collect(maps.Keys(leased)), err
}

// PostponeNotice implements backchannel.Store.
func (db *DB) PostponeNotice(ctx context.Context, n broker.Notice, due time.Time) error {
	return db.engine.write(ctx, op{relaxed: true, again: true, steps: []step{{
		sql: `UPDATE notices SET due = $3 WHERE session = $1 AND app = $2 AND tries = $4`, args: []any{n.Session, n.App, ms(due), int64(n.Tries)},
	}}})
}

// DropNotice implements backchannel.Store.
func (db *DB) DropNotice(ctx context.Context, n broker.Notice, e *broker.Event) error {
	steps := []step{{sql: `DELETE FROM notices WHERE session = $1 AND app = $2`, args: []any{n.Session, n.App}}}
	if e != nil {
		steps[0].none = errNothing // another node has given it up
		steps = append(steps, db.record(*e))
	}
	err := db.engine.write(ctx, op{again: e == nil, steps: steps})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}
