package store

import (
	"context"
	"time"

	"github.com/signet-broker/signet/broker"
)

// Provider is a row of a provider that is not in the configuration file.
type Provider struct {
	ID       string
	Version  int64 // counts its documents
	Kind     string
	Name     string
	Peer     string // the upstream and our registration there; "" when unknown
	Disabled bool
	Created  time.Time
	Updated  time.Time
	Sealed   []byte // the document; absent from Providers
}

// changed makes every node read the providers again.
var changed = step{sql: `INSERT INTO changes (name, count) VALUES ('providers', 1) ON CONFLICT (name) DO UPDATE SET count = changes.count + 1`}

// ProvidersChanged returns a number that grows with every change of providers and of their domains.
func (db *DB) ProvidersChanged(ctx context.Context) (n int64, err error) {
	err = db.engine.read(ctx, `SELECT count FROM changes WHERE name = 'providers'`, nil, func(r row) error { return r.Scan(&n) })
	return n, err
}

// AddProvider adds a provider and the domains that it has yet to prove. broker.ErrConflict: its id or its
// peer is taken.
func (db *DB) AddProvider(ctx context.Context, p Provider, domains []Domain, e broker.Event) error {
	steps := []step{{
		sql: `INSERT INTO providers (id, version, kind, name, peer, disabled, created, updated, sealed)
VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		args: []any{p.ID, p.Kind, p.Name, p.Peer, flag(p.Disabled), ms(p.Created), ms(p.Created), p.Sealed},
		none: broker.ErrConflict,
	}}
	for _, d := range domains {
		steps = append(steps, addDomain(d))
	}
	return db.engine.write(ctx, op{steps: append(steps, changed, db.record(e))})
}

// SetProviderDisabled keeps people out of a provider, or lets them in again. broker.ErrNotFound: there is none.
func (db *DB) SetProviderDisabled(ctx context.Context, id string, disabled bool, at time.Time, e broker.Event) error {
	return db.engine.write(ctx, op{steps: []step{{
		sql: `UPDATE providers SET disabled = $2, updated = $3 WHERE id = $1`, args: []any{id, flag(disabled), ms(at)}, none: broker.ErrNotFound,
	}, changed, db.record(e)}})
}

// RemoveProvider removes a provider and what was proven for it. Its people stay. broker.ErrNotFound: there is
// none.
func (db *DB) RemoveProvider(ctx context.Context, id string, e broker.Event) error {
	return db.engine.write(ctx, op{steps: []step{
		{sql: `DELETE FROM providers WHERE id = $1`, args: []any{id}, none: broker.ErrNotFound},
		{sql: `DELETE FROM domains WHERE provider = $1`, args: []any{id}},
		changed, db.record(e),
	}})
}

// Providers returns every row without its document, by id.
func (db *DB) Providers(ctx context.Context) ([]Provider, error) {
	var all []Provider
	err := db.engine.read(ctx, `SELECT id, version, kind, name, peer, disabled, created, updated FROM providers ORDER BY id`, nil, func(r row) error {
		var p Provider
		err := p.scan(r)
		all = append(all, p)
		return err
	})
	return all, err
}

// Provider returns a row with its document.
func (db *DB) Provider(ctx context.Context, id string) (p Provider, err error) {
	if !storable([]any{id}) {
		return p, broker.ErrNotFound
	}
	err = broker.ErrNotFound
	readErr := db.engine.read(ctx, `SELECT id, version, kind, name, peer, disabled, created, updated, sealed FROM providers WHERE id = $1`, []any{id}, func(r row) error {
		err = nil
		return p.scan(r, &p.Sealed)
	})
	if readErr != nil {
		return Provider{}, readErr
	}
	return p, err
}

func (p *Provider) scan(r row, more ...any) error {
	var disabled, created, updated int64
	err := r.Scan(append([]any{&p.ID, &p.Version, &p.Kind, &p.Name, &p.Peer, &disabled, &created, &updated}, more...)...)
	p.Disabled, p.Created, p.Updated = disabled != 0, at(created), at(updated)
	return err
}

// ProviderWithPeer returns the id of the provider that has a peer; "" when none has.
func (db *DB) ProviderWithPeer(ctx context.Context, peer string) (id string, err error) {
	if !storable([]any{peer}) {
		return "", nil
	}
	err = db.engine.read(ctx, `SELECT id FROM providers WHERE peer = $1 AND peer <> ''`, []any{peer}, func(r row) error { return r.Scan(&id) })
	return id, err
}

// HasLinks tells whether anybody has ever signed in at a provider.
func (db *DB) HasLinks(ctx context.Context, provider string) (has bool, err error) {
	err = db.engine.read(ctx, `SELECT 1 FROM links WHERE provider = $1 LIMIT 1`, []any{provider}, func(row) error {
		has = true
		return nil
	})
	return has, err
}
