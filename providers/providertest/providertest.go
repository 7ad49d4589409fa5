// Package providertest is what every kind of provider must pass.
//
// A kind's own tests hold what is particular to its protocol. Run holds the contract of
// providers.Provider: what an honest login gives, and what a hostile reply may never give.
package providertest

import (
	"crypto/rand"
	"errors"
	"maps"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/signet-broker/signet/providers"
)

// Harness is one provider with an honest upstream behind it.
type Harness struct {
	Provider providers.Provider
	// SignIn plays the browser and the honest upstream: it takes what Begin gave and returns what the
	// browser brings back. It is called from several goroutines at once.
	SignIn   func(t *testing.T, a providers.Attempt, next providers.Next) providers.Reply
	Subject  string   // whom SignIn signs in
	Optional []string // keys of a reply that prove nothing and may be missing or odd
	Down     func()   // makes the upstream unreachable; nil where there is no upstream
	Up       func()   // ends Down
}

// Run checks one kind. open is called once for each check and gives a provider of its own, which is not
// warm: nothing has been fetched yet.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Run("an honest login gives the person", func(t *testing.T) { honest(t, open(t)) })
	t.Run("the id goes out and alone proves nothing", func(t *testing.T) { idOnly(t, open(t)) })
	t.Run("two attempts share no memory", func(t *testing.T) { distinct(t, open(t)) })
	t.Run("a hostile reply is refused", func(t *testing.T) { hostile(t, open(t)) })
	t.Run("a reply belongs to its attempt", func(t *testing.T) { crossed(t, open(t)) })
	t.Run("many people sign in at once", func(t *testing.T) { concurrent(t, open(t)) })
	t.Run("an ended context ends the call", func(t *testing.T) { cancelled(t, open(t)) })
	t.Run("an unreachable upstream is said to be so", func(t *testing.T) { unreachable(t, open(t)) })
}

// Attempt returns a fresh attempt, as the broker makes them.
func Attempt() providers.Attempt {
	return providers.Attempt{ID: rand.Text(), Begun: time.Now()}
}

// begin starts an attempt and fails the test if that is refused.
func begin(t *testing.T, p providers.Provider, a *providers.Attempt) providers.Next {
	t.Helper()
	next, err := p.Begin(t.Context(), a)
	if err != nil {
		t.Fatalf("Begin: %v", err)
	}
	if _, ok := next.(providers.Done); ok || next == nil {
		t.Fatalf("Begin = %T, want a place to send the person to", next)
	}
	return next
}

func honest(t *testing.T, h Harness) {
	a := Attempt()
	reply := h.SignIn(t, a, begin(t, h.Provider, &a))
	done := finish(t, h, &a, reply)
	id := done.Identity
	if n := len(id.Subject); n < 1 || n > 255 {
		t.Errorf("subject has %d bytes, want 1 to 255", n)
	}
	if age := time.Since(id.AuthTime); id.AuthTime.IsZero() || age < -2*time.Minute {
		t.Errorf("AuthTime = %v, want a time in the past", id.AuthTime)
	}
	for _, once := range done.Once {
		if once.ID == "" || !once.Until.After(time.Now()) {
			t.Errorf("Once = %+v, want an ID and a time ahead", once)
		}
	}
}

// finish hands a reply to the provider and wants the harness's person.
func finish(t *testing.T, h Harness, a *providers.Attempt, reply providers.Reply) providers.Done {
	t.Helper()
	next, err := h.Provider.Continue(t.Context(), a, reply)
	if err != nil {
		t.Fatalf("Continue: %v", err)
	}
	done, ok := next.(providers.Done)
	if !ok {
		t.Fatalf("Continue = %T, want Done", next)
	}
	if done.Identity.Subject != h.Subject {
		t.Fatalf("subject = %q, want %q", done.Identity.Subject, h.Subject)
	}
	return done
}

// refused hands a reply to the provider, which must not take it. A provider that asks on our own pages may
// also ask again.
func refused(t *testing.T, h Harness, a providers.Attempt, reply providers.Reply, asks bool) {
	t.Helper()
	next, err := h.Provider.Continue(t.Context(), &a, reply)
	if err == nil {
		if _, ok := next.(providers.Ask); ok && asks {
			return
		}
		t.Fatalf("Continue = %T, want a refusal", next)
	}
	var e *providers.Error
	switch {
	case !errors.As(err, &e):
		t.Fatalf("Continue: error is %T (%v), want *providers.Error", err, err)
	case e.Reason == "":
		t.Fatalf("Continue: error without a reason: %v", err)
	case e.Kind != providers.Invalid && !(asks && e.Kind == providers.Throttled):
		t.Fatalf("Continue: kind %d (%v), want Invalid", e.Kind, err)
	}
}

// idOnly: who knows nothing but the id, which has been in URLs and logs, is nobody.
func idOnly(t *testing.T, h Harness) {
	a := Attempt()
	next := begin(t, h.Provider, &a)
	_, asks := next.(providers.Ask)
	if out := sent(t, next); !asks && !slices.ContainsFunc(slices.Collect(maps.Values(out)), func(v []string) bool {
		return slices.Contains(v, a.ID)
	}) {
		t.Errorf("the attempt's ID is not among what goes out: %v", out)
	}
	honest := h.SignIn(t, a, next)
	for _, key := range []string{"state", "RelayState"} {
		refused(t, h, a, providers.Reply{Method: honest.Method, Values: url.Values{key: {a.ID}}}, asks)
	}
}

// sent returns the parameters that a step sends out; none for a page of ours.
func sent(t *testing.T, next providers.Next) url.Values {
	t.Helper()
	switch n := next.(type) {
	case providers.Redirect:
		u, err := url.Parse(n.URL)
		if err != nil || !u.IsAbs() {
			t.Fatalf("redirect to %q, want an absolute URL", n.URL)
		}
		return u.Query()
	case providers.Post:
		return n.Fields
	}
	return nil
}

func distinct(t *testing.T, h Harness) {
	a, b := Attempt(), Attempt()
	next := begin(t, h.Provider, &a)
	begin(t, h.Provider, &b)
	if _, asks := next.(providers.Ask); !asks && (len(a.State) == 0 || string(a.State) == string(b.State)) {
		t.Errorf("two attempts remember %q and %q, want two different memories", a.State, b.State)
	}
}

// crossed: what one browser brought back must not sign in another (login CSRF, code injection).
func crossed(t *testing.T, h Harness) {
	a, b := Attempt(), Attempt()
	next := begin(t, h.Provider, &a)
	begin(t, h.Provider, &b)
	if _, asks := next.(providers.Ask); asks {
		t.Skip("the reply is typed by the person: it belongs to no attempt")
	}
	reply := h.SignIn(t, a, next)
	refused(t, h, b, reply, false)

	// The same with the names exchanged: the attacker can write what state says.
	renamed := providers.Reply{Method: reply.Method, Values: url.Values{}}
	for k, v := range h.SignIn(t, a, next).Values {
		for _, s := range v {
			if s == a.ID {
				s = b.ID
			}
			renamed.Values.Add(k, s)
		}
	}
	refused(t, h, b, renamed, false)
}
