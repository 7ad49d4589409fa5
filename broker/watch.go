package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/signet-broker/signet/providers"
)

const (
	watchEvery     = 6 * time.Hour
	inspectionTime = 15 * time.Second // for one provider
	day            = 24 * time.Hour
)

// warnBefore are the days before something expires at which it is told, the nearest first. 0: it has expired.
var warnBefore = []int{0, 7, 30, 60}

// WatchStore remembers what a Watch has told.
type WatchStore interface {
	Record(ctx context.Context, e Event) error
	// Remember takes an id of a scope once, until a time: ErrReplay when it is known.
	Remember(ctx context.Context, scope, id string, until time.Time) error
}

// Watch inspects the providers now and then, and tells of what expires 60, 30 and 7 days ahead: once each,
// however many nodes there are and however often they start.
type Watch struct {
	Providers func() []*Provider
	Store     WatchStore
	Now       func() time.Time
	Log       *slog.Logger
	Observe   func(Event)                                  // is told of every event; may be nil
	Found     func(provider string, f []providers.Finding) // is told of every inspection, for metrics; may be nil
}

// Run inspects until ctx ends, soon after the start for the first time.
func (w *Watch) Run(ctx context.Context) {
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			w.Round(ctx)
			timer.Reset(watchEvery)
		}
	}
}

// Round inspects every provider once.
func (w *Watch) Round(ctx context.Context) {
	for _, p := range w.Providers() {
		if ctx.Err() != nil {
			return
		}
		if p.Registered && !p.IsOpen() {
			continue // there may be thousands that nobody uses, and none is opened for this
		}
		o, err := p.Open(ctx)
		if err != nil {
			w.Log.Warn("the provider cannot be opened", "provider", p.ID, "error", err)
			continue
		}
		inspector, ok := o.Upstream.(providers.Inspector)
		if !ok {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, inspectionTime)
		found := inspector.Inspect(bounded)
		cancel()
		if w.Found != nil {
			w.Found(p.ID, found)
		}
		for _, f := range found {
			w.tell(ctx, p, f)
		}
	}
}

func (w *Watch) tell(ctx context.Context, p *Provider, f providers.Finding) {
	log := w.Log.With("provider", p.ID, "what", f.Name)
	if f.Problem != "" {
		log.Warn("the provider needs attention", "problem", f.Problem)
	}
	days, ok := w.due(f.Expires)
	if !ok {
		return
	}
	id := fmt.Sprintf("%s %s %d %d", p.ID, f.Name, f.Expires.Unix(), days)
	err := w.Store.Remember(ctx, "@watch", id, f.Expires.Add(60*day))
	switch {
	case errors.Is(err, ErrReplay):
		return
	case err != nil:
		log.Warn("it could not be remembered that something expires", "error", err)
		return
	}
	e := Event{ID: rand.Text(), Time: w.Now(), Type: ProviderExpiring, Provider: p.ID, Reason: f.Name, Detail: expiry(f, w.Now())}
	log.Warn("something expires", "detail", e.Detail)
	if err := w.Store.Record(ctx, e); err != nil {
		log.Warn("the event could not be kept", "error", err)
	}
	if w.Observe != nil {
		w.Observe(e)
	}
}

// due returns the warning that is due, in days before; ok is false when none is.
func (w *Watch) due(expires time.Time) (days int, ok bool) {
	if expires.IsZero() {
		return 0, false
	}
	left := expires.Sub(w.Now())
	for _, days := range warnBefore {
		if left <= time.Duration(days)*day {
			return days, true
		}
	}
	return 0, false
}

// expiry is a sentence for people.
func expiry(f providers.Finding, now time.Time) string {
	on, left := f.Expires.UTC().Format(time.DateOnly), f.Expires.Sub(now)
	when := "expires on " + on
	switch {
	case left <= 0:
		when = "expired on " + on
	case left < 2*day:
		when += ", in " + left.Round(time.Hour).String()
	default:
		when += fmt.Sprintf(", in %d days", int(left/day))
	}
	if f.Detail == "" {
		return f.Name + " " + when
	}
	return f.Name + " (" + f.Detail + ") " + when
}
