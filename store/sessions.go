package store

import (
	"context"
	"errors"
	"time"

	"github.com/signet-broker/signet/broker"
)

// Session implements broker.Store.
func (db *DB) Session(ctx context.Context, hash []byte) (s broker.Session, u broker.User, err error) {
	var r userRow
	var amr string
	var authTime, created, seen, idle, ends int64
	now := db.now()
	err = db.one(ctx, `SELECT s.id, s.hash, s.user_id, s.provider, s.subject, s.upstream, s.handle, s.memory, s.auth_time, s.amr, s.acr, s.created, s.seen, s.idle, s.ends,
`+userColumns+` FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.hash = $1 AND s.idle > $2 AND s.ends > $3 AND s.epoch = u.epoch`,
		[]any{hash, now, now},
		append([]any{&s.ID, &s.Hash, &s.User, &s.Provider, &s.Subject, &s.Upstream, &s.Handle, &s.Memory, &authTime, &amr, &s.ACR, &created, &seen, &idle, &ends}, r.dest()...)...)
	if err != nil {
		return broker.Session{}, broker.User{}, err
	}
	if len(s.Memory) == 0 {
		s.Memory = nil
	}
	s.AuthTime, s.Created, s.Seen, s.Idle, s.Ends = at(authTime), at(created), at(seen), at(idle), at(ends)
	if s.AMR, err = unlist(amr); err != nil {
		return broker.Session{}, broker.User{}, unreadable("a session", err)
	}
	u, err = r.user()
	return s, u, err
}

// TouchSession implements broker.Store.
func (db *DB) TouchSession(ctx context.Context, id string, seen, idle time.Time) error {
	return db.engine.write(ctx, op{relaxed: true, again: true, steps: []step{{
		sql: `UPDATE sessions SET seen = $2, idle = $3 WHERE id = $1`, args: []any{id, ms(seen), ms(idle)}, none: broker.ErrNotFound,
	}}})
}

// errNothing ends an operation that has nothing to do.
var errNothing = errors.New("nothing to do")

// EndSession implements broker.Store.
func (db *DB) EndSession(ctx context.Context, id string, e broker.Event) error {
	if !storable([]any{id}) {
		return nil
	}
	steps := db.endSession(id)
	steps[0].none = errNothing
	err := db.engine.write(ctx, op{steps: append(steps, db.record(e))})
	if errors.Is(err, errNothing) { // its families may still be there
		err = db.engine.write(ctx, op{again: true, steps: []step{revokeOf(id)}})
	}
	return err
}

// endSession removes a session, and what was to last only as long as it, and has its apps told.
func (db *DB) endSession(id string) []step {
	steps := []step{{sql: `DELETE FROM sessions WHERE id = $1`, args: []any{id}}, revokeOf(id)}
	return append(steps, db.notify(`f.session = $5`, id)...)
}

func revokeOf(session string) step {
	return step{sql: `UPDATE families SET revoked = 1 WHERE session = $1 AND offline = 0 AND revoked = 0`, args: []any{session}}
}

// addSession adds a session of a user who may sign in; again is a session of the same ID that it replaces. Without
// a User it is of whom its provider and subject belong to.
func addSession(s broker.Session, again bool) step {
	conflict := `ON CONFLICT DO NOTHING`
	if again {
		conflict = `ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, epoch = excluded.epoch, provider = excluded.provider, subject = excluded.subject,
upstream = excluded.upstream, handle = excluded.handle, memory = excluded.memory, auth_time = excluded.auth_time, amr = excluded.amr, acr = excluded.acr, created = excluded.created,
seen = excluded.seen, idle = excluded.idle, ends = excluded.ends WHERE sessions.user_id = excluded.user_id`
	}
	who := `u.id = $3`
	if s.User == "" {
		who = `$3 = '' AND u.id = (SELECT l.user_id FROM links l WHERE l.provider = $4 AND l.subject = $5)`
	}
	return step{
		sql: `INSERT INTO sessions (id, hash, user_id, epoch, provider, subject, upstream, handle, memory, auth_time, amr, acr, created, seen, idle, ends)
SELECT $1, $2, u.id, u.epoch, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15 FROM users u WHERE ` + who + ` AND u.disabled = 0 ` + conflict,
		args: []any{
			s.ID, s.Hash, s.User, s.Provider, s.Subject, indexed(s.Upstream), indexed(s.Handle), memory(s.Memory),
			ms(s.AuthTime), list(s.AMR), s.ACR, ms(s.Created), ms(s.Seen), ms(s.Idle), ms(s.Ends),
		},
		none: broker.ErrConflict,
	}
}

// maxName is how long an upstream's name of a person or a session is that can be found: an index of
// PostgreSQL takes no value of any length. Whoever has a longer one is not found by the upstream's sign-outs.
const maxName = 1000

func indexed(name string) string {
	if len(name) > maxName || !storable([]any{name}) {
		return ""
	}
	return name
}

// memory is a provider's memory as a column that is never NULL.
func memory(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
