package password

import (
	"context"
	"time"
)

// Account is a person's account kept here.
type Account struct {
	Provider string
	Username string // as matched: lower case, NFKC
	Subject  string // the identity's subject, never reused
	Hash     string // argon2id, as a PHC string
	Claims   map[string]any
}

// Counter says how often something was tried, and when last.
type Counter struct {
	Count int       // in the window, this one included
	Last  time.Time // the try before this one; zero when there was none
}

// Store keeps accounts and counts tries.
type Store interface {
	// Account returns an account; ok is false when there is none.
	Account(ctx context.Context, provider, username string) (a Account, ok bool, err error)
	// Count adds a try at now to each key and returns each one's counter, in one transaction. A counter
	// that was not touched for window begins anew. May be lost with the machine's power.
	Count(ctx context.Context, keys []string, now time.Time, window time.Duration) ([]Counter, error)
	// Forget removes counters.
	Forget(ctx context.Context, keys []string) error
	// Trust remembers that a browser has signed in to an account, until a time.
	Trust(ctx context.Context, provider, subject string, device []byte, until time.Time) error
	Trusted(ctx context.Context, provider, subject string, device []byte) (bool, error)
}
