// Package keys is the key ring: it makes Signet's keys, seals them in the database, rotates them on
// schedule and signs, verifies, encrypts and decrypts with them.
//
// Of every (use, algorithm) there is a line of keys. The one whose time has come last is in use; its
// successor stands ready and is published long before (RFC 7517), so that a rotation, also one by hand,
// never meets a verifier that has not seen the key; its predecessors stay until the last thing they signed
// has expired.
//
// Read in this order: ring.go (loading and looking up), line.go (what a key is), sign.go, refresh.go,
// lasting.go, rotate.go, remote.go (signing keys that are kept elsewhere), certificate.go.
package keys

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Schedule says when keys change.
type Schedule struct {
	Every time.Duration // how long a key is in use
	Ahead time.Duration // how long a key is published before it is used, at least
	Keep  time.Duration // how long a signing key is published after its successor took over
	Poll  time.Duration // how often another node's changes are looked for; 0: every five seconds
	// RSA makes an RSA key of 2048 bits; nil: a new one. Tests that open hundreds of rings have it lend them keys.
	RSA func() (*rsa.PrivateKey, error)
}

func (s Schedule) newRSA() (*rsa.PrivateKey, error) {
	if s.RSA != nil {
		return s.RSA()
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

// Default holds for a year's four rotations. Gateways cache a key set for up to two hours, and may have fetched
// it through another cache or from a node that had not looked for changes yet, and nodes' clocks differ: three
// hours outlast all of that. 25 h do so for the longest access and ID token.
var Default = Schedule{Every: 90 * 24 * time.Hour, Ahead: 3 * time.Hour, Keep: 25 * time.Hour}

// keepRefresh outlasts every refresh token.
const keepRefresh = 10 * 366 * 24 * time.Hour

// Box seals private keys.
type Box interface {
	Seal(purpose string, plaintext []byte) ([]byte, error)
	Open(purpose string, sealed []byte) ([]byte, error)
}

// Ring holds the keys in memory. It is safe for many goroutines.
type Ring struct {
	store     Store
	box       Box
	now       func() time.Time
	log       *slog.Logger
	schedule  Schedule
	elsewhere Elsewhere

	keys    atomic.Pointer[set]
	loading sync.Mutex
	loaded  time.Time // when last looked for an unknown key

	verified verified

	names sync.Map  // by kid: the name of a key here, where it has another than in the database
	tried time.Time // when a key that is kept elsewhere was last asked for
}

// set is all keys at one moment. It is never changed.
type set struct {
	lines map[line][]*key // by Active, oldest first
	byID  map[string]*key
	jwks  []byte
}

type line struct{ use, alg string }

// Open loads the ring, and makes the keys that are missing: at a first start that takes a moment.
// It fails when the database was sealed with another master key, and when an algorithm has no key that can sign
// because those that are kept elsewhere cannot be had.
func Open(ctx context.Context, s Store, box Box, now func() time.Time, log *slog.Logger, schedule Schedule, e Elsewhere) (*Ring, error) {
	r := &Ring{store: s, box: box, now: now, log: log, schedule: schedule, elsewhere: e}
	if err := r.maintain(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Run keeps the ring current until ctx ends: other nodes' keys are read, due keys are made, old ones removed.
func (r *Ring) Run(ctx context.Context) {
	tick := time.NewTicker(cmp.Or(r.schedule.Poll, 5*time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.maintain(ctx); err != nil && ctx.Err() == nil {
				r.log.WarnContext(ctx, "keys could not be looked after; those in memory stay in use", "error", err)
			}
		}
	}
}

// load reads all keys. Those that are in memory already are not opened again.
func (r *Ring) load(ctx context.Context) (*set, error) {
	records, err := r.store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	old := r.keys.Load()
	s := &set{lines: map[line][]*key{}, byID: map[string]*key{}}
	for _, rec := range records {
		k, err := r.reopen(old, rec)
		if err != nil {
			return nil, err
		}
		l := line{rec.Use, rec.Alg}
		s.lines[l] = append(s.lines[l], k)
		s.byID[rec.ID] = k
	}
	var public jose.JSONWebKeySet
	for l, ks := range s.lines {
		slices.SortFunc(ks, func(a, b *key) int { return int(a.Seq - b.Seq) })
		if l.use == "sig" {
			for _, k := range ks {
				public.Keys = append(public.Keys, k.public)
			}
		}
	}
	slices.SortFunc(public.Keys, func(a, b jose.JSONWebKey) int { return s.order(a.KeyID, b.KeyID) })
	if s.jwks, err = json.Marshal(public); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	r.keys.Store(s)
	return s, nil
}

// order is by algorithm, RS256 first for clients that take the first key, and the newest last.
func (s *set) order(a, b string) int {
	x, y := s.byID[a], s.byID[b]
	if x.Alg != y.Alg {
		return slices.Index(Algorithms, x.Alg) - slices.Index(Algorithms, y.Alg)
	}
	return int(x.Seq - y.Seq)
}

func (r *Ring) reopen(old *set, rec Record) (*key, error) {
	if old != nil {
		if k := old.byID[rec.ID]; k != nil && k.Active.Equal(rec.Active) {
			return k, nil
		}
	}
	plain, err := r.box.Open(purpose(rec), rec.Sealed)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", rec.ID, err)
	}
	return open(rec, plain)
}

// current returns the key of a line that is in use. Where none is yet, another node whose clock is ahead of
// ours has made the first one a moment ago, and uses it.
func (s *set) current(l line, now time.Time) (*key, error) {
	ks := s.lines[l]
	for i := len(ks) - 1; i >= 0; i-- {
		if i == 0 || !ks[i].Active.After(now) {
			return ks[i], nil
		}
	}
	return nil, fmt.Errorf("no key for %s %s", l.use, l.alg)
}

// find returns a key by its ID. One that is unknown may have been made by another node a moment ago, so
// the database is asked, once a second at most.
func (r *Ring) find(ctx context.Context, id string) *key {
	if k := r.keys.Load().byID[id]; k != nil {
		return k
	}
	r.loading.Lock()
	defer r.loading.Unlock()
	if r.now().Sub(r.loaded) < time.Second {
		return r.keys.Load().byID[id]
	}
	r.loaded = r.now()
	s, err := r.load(ctx)
	if err != nil {
		r.log.WarnContext(ctx, "keys could not be read", "error", err)
		return nil
	}
	return s.byID[id]
}

// JWKS returns the public keys as a JWK Set (RFC 7517 §5).
func (r *Ring) JWKS() []byte { return r.keys.Load().jwks }

func parsePrivate(der []byte) (crypto.Signer, error) {
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	s, ok := k.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%T cannot sign", k)
	}
	return s, nil
}
