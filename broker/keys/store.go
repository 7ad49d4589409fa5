package keys

import (
	"context"
	"time"

	"github.com/signet-broker/signet/broker"
)

// Record is a key as it is stored. Of each (Use, Alg) there is one line of keys, numbered by Seq.
type Record struct {
	ID     string // kid: the RFC 7638 thumbprint, or random for symmetric keys
	Use    string // "sig", "refresh", "subject", "saml"
	Alg    string // a JWA name
	Seq    int64  // 1, 2, 3, … in its line
	Sealed []byte // the private key, encrypted
	// Active is since when it is used. A key is published before that, and stays published for a time
	// after its successor's Active.
	Active  time.Time
	Created time.Time
}

// Store keeps keys. Errors as in broker.Store.
type Store interface {
	Keys(ctx context.Context) ([]Record, error)
	// AddKeys adds records, all or none. broker.ErrConflict: a (Use, Alg, Seq) or ID exists.
	AddKeys(ctx context.Context, r []Record, e *broker.Event) error
	// ActivateKey sets Active of a key that is still in the future to at. broker.ErrConflict: it is not.
	// add is its successor, added in the same transaction; one without an ID is none.
	ActivateKey(ctx context.Context, id string, at time.Time, add Record, e broker.Event) error
	DeleteKeys(ctx context.Context, ids []string) error
}
