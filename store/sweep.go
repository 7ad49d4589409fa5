package store

import (
	"context"
	"time"

	"github.com/signet-broker/signet/broker"
)

const (
	sweepStep  = 500                   // rows a transaction removes at most
	sweepPause = 20 * time.Millisecond // between two transactions, for everybody else
	// artifactsKept is how long a spent artifact is known, so that its replay revokes what it made.
	artifactsKept = 24 * time.Hour
	// onceKept is for a clock that leapt ahead and back again: what was used stays used.
	onceKept = 2 * time.Hour
)

// Sweep removes what has expired by now, a little at a time. Events stay.
func (db *DB) Sweep(ctx context.Context, now time.Time) error {
	for _, s := range []struct {
		sql    string
		before time.Time
	}{
		{`DELETE FROM once WHERE (provider, id) IN (SELECT provider, id FROM once WHERE until <= $1 LIMIT $2)`, now.Add(-onceKept)},
		{`DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE idle <= $1 LIMIT $2)`, now},
		{`DELETE FROM families WHERE id IN (SELECT id FROM families WHERE kept <= $1 LIMIT $2)`, now},
		{`DELETE FROM logouts WHERE id IN (SELECT id FROM logouts WHERE expires <= $1 LIMIT $2)`, now},
		{`DELETE FROM requests WHERE hash IN (SELECT hash FROM requests WHERE expires <= $1 LIMIT $2)`, now.Add(-requestsKept)},
		{`DELETE FROM devices WHERE hash IN (SELECT hash FROM devices WHERE expires <= $1 LIMIT $2)`, now.Add(-devicesKept)},
		{`DELETE FROM counters WHERE name IN (SELECT name FROM counters WHERE expires <= $1 LIMIT $2)`, now},
		{`DELETE FROM trusted WHERE (provider, subject, device) IN (SELECT provider, subject, device FROM trusted WHERE until <= $1 LIMIT $2)`, now},
		{`DELETE FROM app_tokens WHERE id IN (SELECT id FROM app_tokens WHERE expires <= $1 LIMIT $2)`, now},
	} {
		if err := db.sweep(ctx, s.sql, ms(s.before)); err != nil {
			return err
		}
	}
	// What every login writes, and what all live about as long, is found by when it was made: an index of when
	// it ends would be one more to write.
	made := broker.Stamp(now.Add(time.Millisecond - broker.LoginLifetime))
	if err := db.sweep(ctx, `DELETE FROM logins WHERE id IN (SELECT id FROM logins WHERE expires <= $1 AND id < $3 LIMIT $2)`, ms(now), made); err != nil {
		return err
	}
	spent := now.Add(-artifactsKept)
	return db.sweep(ctx, `DELETE FROM artifacts WHERE hash IN (SELECT hash FROM artifacts WHERE expires <= $1 AND hash < $3 LIMIT $2)`, ms(spent), []byte(broker.Stamp(spent)))
}

func (db *DB) sweep(ctx context.Context, query string, before int64, more ...any) error {
	for {
		var n int64
		err := db.engine.write(ctx, op{relaxed: true, again: true, steps: []step{{
			sql: query, args: append([]any{before, int64(sweepStep)}, more...), count: func(removed int64) { n = removed },
		}}})
		if err != nil || n < sweepStep {
			return err
		}
		select {
		case <-time.After(sweepPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
