package store

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/signet-broker/signet/broker"
)

const userColumns = `u.id, u.attributes, u.created, u.updated, u.disabled`

// userRow is a user as it is read.
type userRow struct {
	id, attributes             string
	created, updated, disabled int64
}

func (r *userRow) dest() []any {
	return []any{&r.id, &r.attributes, &r.created, &r.updated, &r.disabled}
}

func (r *userRow) user() (broker.User, error) {
	u := broker.User{ID: r.id, Created: at(r.created), Updated: at(r.updated), Disabled: r.disabled != 0}
	if err := json.Unmarshal([]byte(r.attributes), &u.Attributes); err != nil {
		return u, unreadable("a user's attributes", err)
	}
	return u, nil
}

// UserByLink implements broker.Store.
func (db *DB) UserByLink(ctx context.Context, provider, subject string) (broker.User, error) {
	var r userRow
	err := db.one(ctx, `SELECT `+userColumns+` FROM links l JOIN users u ON u.id = l.user_id WHERE l.provider = $1 AND l.subject = $2`,
		[]any{provider, subject}, r.dest()...)
	if err != nil {
		return broker.User{}, err
	}
	return r.user()
}

// HasLocalAccount implements broker.Store.
func (db *DB) HasLocalAccount(ctx context.Context, email string) (bool, error) {
	args := []any{strings.ToLower(email)} // as it is stored
	if email == "" || !storable(args) {
		return false, nil
	}
	found := false
	err := db.engine.read(ctx, `SELECT u.id FROM users u
JOIN links l ON l.user_id = u.id JOIN accounts a ON a.provider = l.provider AND a.subject = l.subject
WHERE u.email = $1 AND u.email <> '' LIMIT 1`, args, func(row) error { found = true; return nil })
	return found, err
}

// Users returns at most limit users in the order of their IDs, beginning after one ("" for the first).
func (db *DB) Users(ctx context.Context, after string, limit int) ([]broker.User, error) {
	return db.users(ctx, `SELECT `+userColumns+` FROM users u WHERE u.id > $1 ORDER BY u.id LIMIT $2`, after, int64(limit))
}

// FindUsers returns those users whose ID, local username or e-mail address is ref.
func (db *DB) FindUsers(ctx context.Context, ref string) ([]broker.User, error) {
	return db.users(ctx, `SELECT `+userColumns+` FROM users u WHERE u.id IN (
	SELECT id FROM users WHERE id = $1
	UNION SELECT id FROM users WHERE email = $2 AND email <> ''
	UNION SELECT l.user_id FROM accounts a JOIN links l ON l.provider = a.provider AND l.subject = a.subject WHERE a.username = $3
) ORDER BY u.id`, ref, strings.ToLower(ref), strings.ToLower(ref))
}

func (db *DB) users(ctx context.Context, query string, args ...any) ([]broker.User, error) {
	if !storable(args) {
		return nil, nil
	}
	var list []broker.User
	err := db.engine.read(ctx, query, args, func(r row) error {
		var ur userRow
		if err := r.Scan(ur.dest()...); err != nil {
			return err
		}
		u, err := ur.user()
		list = append(list, u)
		return err
	})
	return list, err
}

// Links returns a user's links.
func (db *DB) Links(ctx context.Context, userID string) ([]broker.Link, error) {
	args := []any{userID}
	if !storable(args) {
		return nil, nil
	}
	var list []broker.Link
	err := db.engine.read(ctx, `SELECT provider, subject, user_id, created FROM links WHERE user_id = $1 ORDER BY created, provider, subject`, args, func(r row) error {
		var l broker.Link
		var created int64
		err := r.Scan(&l.Provider, &l.Subject, &l.User, &created)
		l.Created = at(created)
		list = append(list, l)
		return err
	})
	return list, err
}

// SetDisabled disables a user or enables them again. Either way all of their sessions end and all of their
// families are revoked. broker.ErrNotFound: there is no such user.
func (db *DB) SetDisabled(ctx context.Context, userID string, disabled bool, e broker.Event) error {
	if !storable([]any{userID}) {
		return broker.ErrNotFound
	}
	if e.User == "" {
		e.User = userID
	}
	return db.endUser(ctx, e, step{
		sql:  `UPDATE users SET disabled = $2, epoch = epoch + 1, updated = $3 WHERE id = $1`,
		args: []any{userID, flag(disabled), db.now()},
		none: broker.ErrNotFound,
	})
}

// EndSessions ends all of a user's sessions and revokes all of their families. broker.ErrNotFound: there is
// no such user.
func (db *DB) EndSessions(ctx context.Context, userID string, e broker.Event) error {
	if !storable([]any{userID}) {
		return broker.ErrNotFound
	}
	if e.User == "" {
		e.User = userID
	}
	return db.endUser(ctx, e, step{sql: `UPDATE users SET epoch = epoch + 1 WHERE id = $1`, args: []any{userID}, none: broker.ErrNotFound})
}

// endUser ends everything of a user by a change of theirs, and has the apps told.
func (db *DB) endUser(ctx context.Context, e broker.Event, change step) error {
	steps := append([]step{change}, db.endOf(e.User)...)
	return db.engine.write(ctx, op{steps: append(steps, db.record(e))})
}

// addUser adds a user.
func addUser(u broker.User) (step, error) {
	attributes, err := attributesJSON(u)
	return step{
		sql:  `INSERT INTO users (id, email, attributes, disabled, epoch, created, updated) VALUES ($1, $2, $3, $4, 0, $5, $6) ON CONFLICT DO NOTHING`,
		args: []any{u.ID, email(u), attributes, flag(u.Disabled), ms(u.Created), ms(u.Updated)},
		none: broker.ErrConflict,
	}, err
}

// updateUser replaces what is known of a user who may sign in.
func updateUser(u broker.User) (step, error) {
	attributes, err := attributesJSON(u)
	return step{
		sql:  `UPDATE users SET email = $2, attributes = $3, updated = $4 WHERE id = $1 AND disabled = 0`,
		args: []any{u.ID, email(u), attributes, ms(u.Updated)},
		none: broker.ErrConflict,
	}, err
}

func addLink(l broker.Link) step {
	return step{
		sql:  `INSERT INTO links (provider, subject, user_id, created) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		args: []any{l.Provider, l.Subject, l.User, ms(l.Created)},
		none: broker.ErrConflict,
	}
}

// maxEmail is how long an address is that people can be found by: RFC 5321 allows 254 bytes, and an index
// of PostgreSQL takes no value of any length.
const maxEmail = 320

func email(u broker.User) string {
	e := strings.ToLower(u.Attributes.Email())
	if len(e) > maxEmail {
		return ""
	}
	return clean(e)
}

func attributesJSON(u broker.User) (string, error) {
	if u.Attributes == nil {
		return "{}", nil
	}
	b, err := json.Marshal(u.Attributes)
	return string(b), err
}
