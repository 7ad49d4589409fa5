package token

import (
	"context"
	"time"

	"github.com/signet-broker/signet/broker"
)

// Family is everything that one sign-in at one app has led to: its access tokens, and one refresh token at
// a time with all its predecessors.
type Family struct {
	ID         string // the first part of the jti of its access tokens
	App        string
	User       string
	Session    string
	Provider   string
	Scope      []string
	AuthTime   time.Time
	AMR        []string
	ACR        string
	Offline    bool      // has refresh tokens
	Generation int64     // of the refresh token that is good now; 1 is the first
	Rotated    time.Time // when that one was made
	Created    time.Time
	Expires    time.Time // unless refreshed
	Ends       time.Time
	Revoked    bool
	Parent     string // the family that it ends with: a token of that one was exchanged; "" mostly
}

// Store keeps families, and takes the artifacts that start them. Errors as in broker.Store.
type Store interface {
	// Artifact returns an artifact, also a spent or expired one that is still known, with its user, and
	// whether the session it came from is alive.
	Artifact(ctx context.Context, hash []byte) (a broker.Artifact, u broker.User, sessionAlive bool, err error)
	// Redeem spends an artifact and adds the family it starts, in one transaction.
	// broker.ErrReplay: it was spent before; then the family it had started is revoked instead and e is
	// not kept but replay is.
	Redeem(ctx context.Context, hash []byte, f Family, e, replay broker.Event) error
	// Burn spends an artifact for nothing. broker.ErrReplay as in Redeem.
	Burn(ctx context.Context, hash []byte, e, replay broker.Event) error

	// Begin adds a family that no artifact starts. broker.ErrNotFound: its user may not sign in, or its Parent
	// is over.
	Begin(ctx context.Context, f Family, e broker.Event) error
	// Family returns a family, also a revoked one, and its user.
	Family(ctx context.Context, id string) (Family, broker.User, error)
	// Rotate makes Generation from+1, Rotated at and Expires expires, if the family is not revoked and its
	// Generation is from: else broker.ErrConflict.
	Rotate(ctx context.Context, id string, from int64, at, expires time.Time) error
	// Extend has a family expire no sooner than expires, if it is not revoked and its Generation is as given:
	// else broker.ErrConflict.
	Extend(ctx context.Context, id string, generation int64, expires time.Time) error
	// Remember takes an id of a scope once, until a time. broker.ErrReplay: it is known.
	Remember(ctx context.Context, scope, id string, until time.Time) error
	// Revoke ends a family for good. One that is revoked or gone already is no error, and adds no event.
	Revoke(ctx context.Context, id string, e broker.Event) error
}
