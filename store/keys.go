package store

import (
	"context"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
)

// Keys implements keys.Store.
func (db *DB) Keys(ctx context.Context) ([]keys.Record, error) {
	var all []keys.Record
	err := db.engine.read(ctx, `SELECT id, use, alg, seq, sealed, active, created FROM keys ORDER BY use, alg, seq`, nil, func(r row) error {
		var k keys.Record
		var active, created int64
		err := r.Scan(&k.ID, &k.Use, &k.Alg, &k.Seq, &k.Sealed, &active, &created)
		k.Active, k.Created = at(active), at(created)
		all = append(all, k)
		return err
	})
	return all, err
}

// AddKeys implements keys.Store.
func (db *DB) AddKeys(ctx context.Context, records []keys.Record, e *broker.Event) error {
	var steps []step
	for _, r := range records {
		steps = append(steps, addKey(r))
	}
	if e != nil {
		steps = append(steps, db.record(*e))
	}
	return db.engine.write(ctx, op{steps: steps})
}

func addKey(r keys.Record) step {
	return step{
		sql:  `INSERT INTO keys (id, use, alg, seq, sealed, active, created) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		args: []any{r.ID, r.Use, r.Alg, r.Seq, r.Sealed, ms(r.Active), ms(r.Created)},
		none: broker.ErrConflict,
	}
}

// ActivateKey implements keys.Store.
func (db *DB) ActivateKey(ctx context.Context, id string, at time.Time, add keys.Record, e broker.Event) error {
	steps := []step{{
		sql:  `UPDATE keys SET active = $2 WHERE id = $1 AND active > $3 AND active > $4`,
		args: []any{id, ms(at), ms(at), db.now()},
		none: broker.ErrConflict,
	}, db.record(e)}
	if add.ID != "" {
		steps = append(steps, addKey(add))
	}
	return db.engine.write(ctx, op{steps: steps})
}

// DeleteKeys implements keys.Store.
func (db *DB) DeleteKeys(ctx context.Context, ids []string) error {
	var steps []step
	for _, id := range ids {
		steps = append(steps, step{sql: `DELETE FROM keys WHERE id = $1`, args: []any{id}})
	}
	return db.engine.write(ctx, op{again: true, steps: steps})
}
