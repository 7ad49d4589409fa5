package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers/password"
)

// Account implements password.Store.
func (db *DB) Account(ctx context.Context, provider, username string) (a password.Account, ok bool, err error) {
	var claims string
	err = db.one(ctx, `SELECT provider, username, subject, hash, claims FROM accounts WHERE provider = $1 AND username = $2`,
		[]any{provider, username}, &a.Provider, &a.Username, &a.Subject, &a.Hash, &claims)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return password.Account{}, false, nil
	case err != nil:
		return password.Account{}, false, err
	}
	if err := json.Unmarshal([]byte(claims), &a.Claims); err != nil {
		return password.Account{}, false, unreadable("an account's claims", err)
	}
	return a, true, nil
}

// CreateAccount adds an account with its user and the link between them. broker.ErrConflict: the username,
// the user or the link exists.
func (db *DB) CreateAccount(ctx context.Context, a password.Account, u broker.User, l broker.Link, e broker.Event) error {
	claims, err := json.Marshal(a.Claims)
	if err != nil {
		return err
	}
	user, err := addUser(u)
	if err != nil {
		return err
	}
	return db.engine.write(ctx, op{steps: []step{{
		sql:  `INSERT INTO accounts (provider, username, subject, hash, claims) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		args: []any{a.Provider, a.Username, a.Subject, a.Hash, string(claims)},
		none: broker.ErrConflict,
	}, user, addLink(l), db.record(e)}})
}

// SetPassword gives an account another hash, ends all sessions of its user, revokes all their families, and
// forgets the browsers that were trusted with the former password. broker.ErrNotFound: no such account.
func (db *DB) SetPassword(ctx context.Context, provider, username, hash string, e broker.Event) error {
	var subject, user string
	err := db.one(ctx, `SELECT a.subject, COALESCE(l.user_id, '') FROM accounts a
LEFT JOIN links l ON l.provider = a.provider AND l.subject = a.subject WHERE a.provider = $1 AND a.username = $2`,
		[]any{provider, username}, &subject, &user)
	if err != nil {
		return err
	}
	if e.User == "" {
		e.User = user
	}
	steps := []step{{
		sql:  `UPDATE accounts SET hash = $3 WHERE provider = $1 AND username = $2`,
		args: []any{provider, username, hash}, none: broker.ErrNotFound,
	}, {
		sql: `DELETE FROM trusted WHERE provider = $1 AND subject = $2`, args: []any{provider, subject},
	}, {
		sql: `UPDATE users SET epoch = epoch + 1 WHERE id = $1`, args: []any{user},
	}}
	steps = append(steps, db.endOf(user)...)
	return db.engine.write(ctx, op{steps: append(steps, db.record(e))})
}

// Count implements password.Store.
func (db *DB) Count(ctx context.Context, names []string, now time.Time, window time.Duration) ([]password.Counter, error) {
	counters := make([]password.Counter, len(names))
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	// Always in the same order, so that two nodes do not wait for each other.
	slices.SortFunc(order, func(i, j int) int { return strings.Compare(names[i], names[j]) })
	var steps []step
	for _, i := range order {
		steps = append(steps, step{
			sql: `INSERT INTO counters (name, count, last, before, expires) VALUES ($1, 1, $2, 0, $3)
ON CONFLICT (name) DO UPDATE SET count = CASE WHEN counters.expires > $4 THEN counters.count + 1 ELSE 1 END,
before = CASE WHEN counters.expires > $5 THEN counters.last ELSE 0 END, last = excluded.last, expires = excluded.expires
RETURNING count, before`,
			args: []any{clean(names[i]), ms(now), ms(now.Add(window)), ms(now), ms(now)},
			row: func(r row) error {
				var count, before int64
				err := r.Scan(&count, &before)
				counters[i] = password.Counter{Count: int(count), Last: at(before)}
				return err
			},
		})
	}
	if err := db.engine.write(ctx, op{relaxed: true, steps: steps}); err != nil {
		return nil, err
	}
	return counters, nil
}

// Forget implements password.Store.
func (db *DB) Forget(ctx context.Context, names []string) error {
	var steps []step
	for _, name := range slices.Sorted(slices.Values(names)) {
		steps = append(steps, step{sql: `DELETE FROM counters WHERE name = $1`, args: []any{clean(name)}})
	}
	return db.engine.write(ctx, op{relaxed: true, again: true, steps: steps})
}

// Trust implements password.Store.
func (db *DB) Trust(ctx context.Context, provider, subject string, device []byte, until time.Time) error {
	return db.engine.write(ctx, op{again: true, steps: []step{{
		sql: `INSERT INTO trusted (provider, subject, device, until) VALUES ($1, $2, $3, $4)
ON CONFLICT (provider, subject, device) DO UPDATE SET until = excluded.until`,
		args: []any{provider, subject, device, ms(until)},
	}}})
}

// Trusted implements password.Store.
func (db *DB) Trusted(ctx context.Context, provider, subject string, device []byte) (bool, error) {
	var until int64
	err := db.one(ctx, `SELECT until FROM trusted WHERE provider = $1 AND subject = $2 AND device = $3 AND until > $4`,
		[]any{provider, subject, device, db.now()}, &until)
	if errors.Is(err, broker.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
