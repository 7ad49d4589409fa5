package store

import (
	"context"
	"time"

	"github.com/signet-broker/signet/providers"
)

// Remember takes an id of a scope once, until a time. broker.ErrReplay: it is known already. Its scopes and
// the providers share one table: a scope is not named as a provider could be.
func (db *DB) Remember(ctx context.Context, scope, id string, until time.Time) error {
	return db.engine.write(ctx, op{steps: remember(scope, []providers.Once{{ID: id, Until: until}})})
}
