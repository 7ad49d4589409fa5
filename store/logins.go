package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
)

// CreateLogin implements broker.Store.
func (db *DB) CreateLogin(ctx context.Context, l broker.Login) error {
	data, err := loginJSON(l)
	if err != nil {
		return err
	}
	err = db.engine.write(ctx, op{relaxed: true, steps: []step{{
		sql:  `INSERT INTO logins (id, version, expires, data) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		args: []any{l.ID, l.Version, ms(l.Expires), data},
		none: broker.ErrConflict,
	}}})
	if err == nil && len(data) <= recentRow {
		db.logins.put(l.ID, l)
	}
	return err
}

// RecentLogin implements broker.Store.
func (db *DB) RecentLogin(id string) (broker.Login, bool) {
	l, ok := db.logins.take(id)
	return l, ok && ms(l.Expires) > db.now()
}

// Login implements broker.Store.
func (db *DB) Login(ctx context.Context, id string) (l broker.Login, err error) {
	var data string
	var version int64
	err = db.one(ctx, `SELECT version, data FROM logins WHERE id = $1 AND expires > $2`, []any{id, db.now()}, &version, &data)
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal([]byte(data), &l); err != nil {
		return l, unreadable("a login", err)
	}
	l.Version = version
	return l, nil
}

// UpdateLogin implements broker.Store.
func (db *DB) UpdateLogin(ctx context.Context, l broker.Login, once []providers.Once) error {
	update, err := db.updateLogin(l)
	if err != nil {
		return err
	}
	db.logins.take(l.ID)
	o := op{relaxed: len(once) == 0, steps: append([]step{update}, remember(l.Provider, once)...)}
	err = db.engine.write(ctx, o)
	if errors.Is(err, broker.ErrConflict) {
		if _, gone := db.Login(ctx, l.ID); errors.Is(gone, broker.ErrNotFound) {
			return gone
		}
	}
	return err
}

// updateLogin replaces a login that is as it was when it was read.
func (db *DB) updateLogin(l broker.Login) (step, error) {
	data, err := loginJSON(l)
	return step{
		sql:  `UPDATE logins SET version = version + 1, data = $1 WHERE id = $2 AND version = $3 AND expires > $4`,
		args: []any{data, l.ID, l.Version, db.now()},
		none: broker.ErrConflict,
	}, err
}

// remember makes proofs unusable a second time. A name can be as long as an upstream likes: its hash is kept.
func remember(provider string, once []providers.Once) []step {
	steps := make([]step, 0, len(once))
	for _, o := range once {
		id := sha256.Sum256([]byte(o.ID))
		steps = append(steps, step{
			sql:  `INSERT INTO once (provider, id, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			args: []any{provider, id[:], ms(o.Until)},
			none: broker.ErrReplay,
		})
	}
	return steps
}

func loginJSON(l broker.Login) (string, error) {
	l.Expires, l.Begun = whole(l.Expires), whole(l.Begun)
	if l.Identity != nil {
		identity := *l.Identity
		identity.AuthTime = whole(identity.AuthTime)
		l.Identity = &identity
	}
	var row any = &l
	if l.Asked != nil {
		row = struct {
			*broker.Login
			Request any `json:"request"`
		}{&l, l.Asked}
	}
	b, err := json.Marshal(row)
	return string(b), err
}
