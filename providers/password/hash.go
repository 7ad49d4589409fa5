package password

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"runtime"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/signet-broker/signet/providers"
)

const (
	saltBytes = 16
	keyBytes  = 32
)

// What a stored hash may cost: one that was imported with more would stop the machine at its first sign-in.
const (
	maxMemory  = 256 << 10 // KiB
	maxTime    = 16
	maxThreads = 16
)

// queue is how long a password waits for its turn to be hashed.
const queue = 7 * time.Second

func (c Argon2) params() *argon2id.Params {
	return &argon2id.Params{Memory: c.Memory, Iterations: c.Time, Parallelism: c.Threads, SaltLength: saltBytes, KeyLength: keyBytes}
}

// Hash returns the argon2id hash of a password as a PHC string. The password is hashed in NFKC, so that it
// does not depend on the keyboard (NIST SP 800-63B §3.1.1.2).
func Hash(c Argon2, password string) (string, error) {
	if c.Time < 1 || c.Threads < 1 {
		return "", fmt.Errorf("argon2 with time %d and %d threads", c.Time, c.Threads)
	}
	return argon2id.CreateHash(norm.NFKC.String(password), c.params())
}

// dummy returns a hash that no password has and that takes as long to verify as one of Hash.
func (c Argon2) dummy() string {
	random := make([]byte, saltBytes+keyBytes)
	rand.Read(random)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.Memory, c.Time, c.Threads,
		b64.EncodeToString(random[:saltBytes]), b64.EncodeToString(random[saltBytes:]))
}

// checkHash refuses a stored hash that is none, that proves nothing, or that costs too much to verify.
func checkHash(hash string) error {
	p, salt, key, err := argon2id.DecodeHash(hash)
	switch {
	case err != nil:
		return err
	case p.Iterations < 1 || p.Parallelism < 1:
		return fmt.Errorf("argon2 with time %d and %d threads", p.Iterations, p.Parallelism)
	case p.Memory > maxMemory || p.Iterations > maxTime || p.Parallelism > maxThreads:
		return fmt.Errorf("argon2 with memory %d KiB, time %d and %d threads is too expensive", p.Memory, p.Iterations, p.Parallelism)
	case len(salt) < 8 || len(salt) > 64:
		return fmt.Errorf("a salt of %d bytes", len(salt))
	case len(key) < 16 || len(key) > 64:
		return fmt.Errorf("a key of %d bytes", len(key)) // an empty key would match every password
	}
	return nil
}

// gate bounds how many passwords are hashed at once: each takes a processor and 19 MiB.
type gate chan struct{}

func newGate() gate { return make(gate, runtime.GOMAXPROCS(0)) }

// verify tells whether hash, which has passed checkHash, is that of password. It waits for its turn, and
// gives up with an Unavailable error when that takes too long.
func (g gate) verify(ctx context.Context, password, hash string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, queue)
	defer cancel()
	select {
	case g <- struct{}{}:
	case <-ctx.Done():
		return false, &providers.Error{Kind: providers.Unavailable, Reason: "overloaded", RetryAfter: queue, Err: ctx.Err()}
	}
	defer func() { <-g }()
	ok, err := argon2id.ComparePasswordAndHash(norm.NFKC.String(password), hash)
	if err != nil {
		return false, fmt.Errorf("verify password: %w", err)
	}
	return ok, nil
}
