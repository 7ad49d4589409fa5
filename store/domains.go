package store

import (
	"context"
	"time"

	"github.com/signet-broker/signet/broker"
)

// Domain is an e-mail domain that a provider says is its own.
type Domain struct {
	Domain   string // lower case
	Provider string
	Token    string // what the domain's DNS has to show
	Created  time.Time
	Verified time.Time // when it did; zero: not yet
}

// addDomain adds a domain unless it is there.
func addDomain(d Domain) step {
	return step{
		sql:  `INSERT INTO domains (domain, provider, token, created, verified) VALUES ($1, $2, $3, $4, 0) ON CONFLICT DO NOTHING`,
		args: []any{d.Domain, d.Provider, d.Token, ms(d.Created)},
	}
}

// AddDomain adds a domain that a provider has yet to prove. One that is there keeps its token.
// broker.ErrNotFound: there is no such provider.
func (db *DB) AddDomain(ctx context.Context, d Domain, e broker.Event) error {
	return db.engine.write(ctx, op{steps: []step{
		{sql: `UPDATE providers SET updated = updated WHERE id = $1`, args: []any{d.Provider}, none: broker.ErrNotFound},
		addDomain(d), changed, db.record(e),
	}})
}

// VerifyDomain says that a domain has shown its token. broker.ErrConflict: the row is gone or has another
// token, or the domain belongs to another provider.
func (db *DB) VerifyDomain(ctx context.Context, d Domain, at time.Time, e broker.Event) error {
	return db.engine.write(ctx, op{steps: []step{{
		sql: `UPDATE domains SET verified = $4 WHERE domain = $1 AND provider = $2 AND token = $3
AND NOT EXISTS (SELECT 1 FROM domains o WHERE o.domain = $1 AND o.provider <> $2 AND o.verified > 0)`,
		args: []any{d.Domain, d.Provider, d.Token, ms(at)}, none: broker.ErrConflict,
	}, changed, db.record(e)}})
}

// RemoveDomain takes a domain from a provider. broker.ErrNotFound: it does not have it.
func (db *DB) RemoveDomain(ctx context.Context, domain, provider string, e broker.Event) error {
	return db.engine.write(ctx, op{steps: []step{
		{sql: `DELETE FROM domains WHERE domain = $1 AND provider = $2`, args: []any{domain, provider}, none: broker.ErrNotFound},
		changed, db.record(e),
	}})
}

// Domains returns every domain, proven or not, by domain and provider.
func (db *DB) Domains(ctx context.Context) ([]Domain, error) {
	var all []Domain
	err := db.engine.read(ctx, `SELECT domain, provider, token, created, verified FROM domains ORDER BY domain, provider`, nil, func(r row) error {
		var d Domain
		var created, verified int64
		err := r.Scan(&d.Domain, &d.Provider, &d.Token, &created, &verified)
		d.Created, d.Verified = at(created), at(verified)
		all = append(all, d)
		return err
	})
	return all, err
}
