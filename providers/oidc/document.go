package oidc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/signet-broker/signet/providers"
)

const (
	fresh  = time.Hour        // a document is asked for again when it is older
	stale  = 24 * time.Hour   // and used no longer than that when it cannot be had
	pause  = time.Minute      // between two tries while there is one to use, and between two renewals
	retry  = time.Second      // between two tries while there is none
	settle = 5 * time.Second  // a document that young is not renewed
	grace  = 2 * time.Second  // how long a login waits for a new document while the old one would do
	limit  = 8 * time.Second  // of one fetch
	early  = 50 * time.Minute // from then on it is fetched in the background, so that nobody waits
)

// document is something that an upstream publishes, fetched when it is first needed and kept. Many logins
// wait for one fetch; none of them can end it by going away, and none is bound to wait for it.
type document[T any] struct {
	fetch func(ctx context.Context) (T, error)
	now   func() time.Time

	mu      sync.Mutex
	value   T
	at      time.Time // when value was fetched; zero: there is none
	tried   time.Time // when a fetch was last begun
	renewed time.Time // when one was last begun by renew
	failed  time.Time // when one last failed, by the machine's own clock
	err     error     // why
	flight  chan struct{}
}

func newDocument[T any](now func() time.Time, fetch func(context.Context) (T, error)) *document[T] {
	return &document[T]{fetch: fetch, now: now}
}

// get returns the document. Its error is an *Error of kind Upstream or Invalid, or wraps ctx's.
func (d *document[T]) get(ctx context.Context) (T, error) {
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

// renew returns the document as fetched after now, because what is looked for is not in the one at hand;
// ok is false when it is too early to ask again. Strangers can cause it, so it is done once a minute.
func (d *document[T]) renew(ctx context.Context) (value T, ok bool) {
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

// warm begins a fetch that will be needed soon.
func (d *document[T]) warm(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, have := d.age(); !have && d.flight == nil && (d.err == nil || time.Since(d.failed) >= retry) {
		d.start(ctx)
	}
}

func (d *document[T]) age() (age time.Duration, have bool) {
	age = d.now().Sub(d.at)
	return age, !d.at.IsZero() && age < stale
}

func (d *document[T]) result() (T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, have := d.age(); have {
		return d.value, nil
	}
	var none T
	return none, d.err
}

// start begins the one fetch; d.mu is held.
func (d *document[T]) start(ctx context.Context) {
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
func (d *document[T]) guarded(ctx context.Context) (value T, err error) {
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
