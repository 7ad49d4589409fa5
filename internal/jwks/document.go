// Package jwks keeps what others publish, above all the public keys (RFC 7517 §5) that their tokens are signed
// with: fetched when it is first needed, kept while it cannot be had, and asked for again as seldom as can be.
//
// Read in this order: document.go (something published), set.go (keys), remote.go (the keys of an app).
package jwks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-broker/signet/providers"
)

const (
	fresh  = time.Hour        // a document is asked for again when it is older
	stale  = 24 * time.Hour   // and used no longer than that when it cannot be had
	pause  = time.Minute      // between two tries while there is one to use, and between two renewals
	retry  = time.Second      // between two tries while there is none
	settle = time.Second      // a document that young is not renewed: an app may rotate its keys right after their first use
	grace  = 2 * time.Second  // how long a login waits for a new document while the old one would do
	limit  = 8 * time.Second  // of one fetch
	early  = 50 * time.Minute // from then on it is fetched in the background, so that nobody waits
)

// Document is something that an upstream publishes, fetched when it is first needed and kept. Many logins
// wait for one fetch; none of them can end it by going away, and none is bound to wait for it.
type Document[T any] struct {
	fetch func(ctx context.Context) (T, error)
	now   func() time.Time

	mu      sync.Mutex
	value   T
	at      time.Time // when value was fetched; zero: there is none
	tried   time.Time // when a fetch was last begun
	renewed time.Time // when one was last begun by Renew
	failed  time.Time // when one last failed, by the machine's own clock
	err     error     // why
	flight  chan struct{}
}

// NewDocument returns one that fetch gets, which is bounded in time. now is the clock.
func NewDocument[T any](now func() time.Time, fetch func(context.Context) (T, error)) *Document[T] {
	return &Document[T]{fetch: fetch, now: now}
}

// Get returns the document. Its error is an *Error of kind Upstream or Invalid, or wraps ctx's.
func (d *Document[T]) Get(ctx context.Context) (T, error) {
	d.mu.Lock()
	age, have := d.age()
	if have && age < early {
		defer d.mu.Unlock()
		return d.value, nil
	}
	if d.flight == nil {
		if have && d.now().Sub(d.tried) < pause {
			defer d.mu.Unlock()
			return d.value, nil
		}
		if !have && d.err != nil && time.Since(d.failed) < retry {
			defer d.mu.Unlock()
			return d.value, d.err
		}
		d.start(ctx)
	}
	flight, value := d.flight, d.value
	d.mu.Unlock()
	if have && age < fresh {
		return value, nil
	}
	if err := wait(ctx, flight, have); err != nil {
		return value, err
	}
	return d.result()
}

// Renew returns the document as fetched after now, because what is looked for is not in the one at hand;
// ok is false when it is too early to ask again. Strangers can cause it, so it is done once a minute.
func (d *Document[T]) Renew(ctx context.Context) (value T, ok bool) {
	d.mu.Lock()
	if d.flight == nil {
		now := d.now()
		if now.Sub(d.renewed) < pause || now.Sub(d.at) < settle {
			d.mu.Unlock()
			return value, false
		}
		d.renewed = now
		d.start(ctx)
	}
	flight := d.flight
	d.mu.Unlock()
	if wait(ctx, flight, false) != nil {
		return value, false
	}
	value, err := d.result()
	return value, err == nil
}

// Warm begins a fetch that will be needed soon.
func (d *Document[T]) Warm(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, have := d.age(); !have && d.flight == nil && (d.err == nil || time.Since(d.failed) >= retry) {
		d.start(ctx)
	}
}

func (d *Document[T]) age() (age time.Duration, have bool) {
	age = d.now().Sub(d.at)
	return age, !d.at.IsZero() && age < stale
}

func (d *Document[T]) result() (T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, have := d.age(); have {
		return d.value, nil
	}
	var none T
	return none, d.err
}

// start begins the one fetch; d.mu is held.
func (d *Document[T]) start(ctx context.Context) {
	flight, began := make(chan struct{}), d.now()
	d.flight, d.tried = flight, began
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	go func() {
		defer cancel()
		value, err := d.guarded(ctx)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.flight = nil
		close(flight)
		if err != nil {
			d.err, d.failed = err, time.Now()
			return
		}
		d.value, d.at, d.err = value, began, nil
	}()
}

// guarded fetches. A panic over a hostile document would end the process: no handler is above us here.
func (d *Document[T]) guarded(ctx context.Context) (value T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = providers.Broken("upstream_broken", fmt.Errorf("panic over a document: %v", r))
		}
	}()
	return d.fetch(ctx)
}

// wait waits for a fetch; brief: not for long, because there is something to go on with.
func wait(ctx context.Context, flight <-chan struct{}, brief bool) error {
	var enough <-chan time.Time
	if brief {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-flight:
	case <-enough:
	case <-ctx.Done():
		if !brief {
			return providers.Broken("upstream_unreachable", ctx.Err())
		}
	}
	return nil
}

// Verify returns the payload of a JWS that a key of the set has signed. Only for a key that is not known yet
// is the set asked for again. Its errors are ErrNoKey, ErrAmbiguous, go-jose's or the document's.
func Verify(ctx context.Context, d *Document[*Set], jws *jose.JSONWebSignature) ([]byte, error) {
	set, err := d.Get(ctx)
	if err != nil {
		return nil, err
	}
	header := jws.Signatures[0].Protected
	payload, err := set.Verify(jws, header)
	// A key that is not there yet may have come since. A known one that does not verify is no reason to ask.
	if errors.Is(err, ErrNoKey) || err != nil && header.KeyID == "" && !errors.Is(err, ErrAmbiguous) {
		if renewed, ok := d.Renew(ctx); ok {
			payload, err = renewed.Verify(jws, header)
		}
	}
	return payload, err
}
