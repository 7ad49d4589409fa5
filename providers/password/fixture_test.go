package password_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/password"
	"github.com/signet-broker/signet/store"
)

// quick is cheap to hash. A configuration with it would be refused.
var quick = password.Argon2{Memory: 64, Time: 1, Threads: 1}

const secret = "correct horse battery"

var (
	home   = netip.MustParseAddr("192.0.2.1")
	office = netip.MustParseAddr("198.51.100.1")
)

// door is a provider with its store and a clock of its own.
type door struct {
	provider providers.Provider
	db       *store.DB
	now      time.Time
}

func open(t *testing.T, c password.Config) *door {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "signet.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	d := &door{db: db, now: time.Now().Truncate(time.Millisecond)}
	db.Now = func() time.Time { return d.now }
	d.provider = d.reopen(t, "local", c)
	return d
}

// reopen returns one more provider on the same store.
func (d *door) reopen(t *testing.T, id string, c password.Config) providers.Provider {
	t.Helper()
	p, err := password.Kind(d.db).Open(t.Context(), providers.Env{
		ID: id, Now: func() time.Time { return d.now }, Log: slog.New(slog.DiscardHandler),
	}, &c)
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	return p
}

func limited() password.Config {
	return password.Config{Limits: password.DefaultLimits, Argon2: quick}
}

func unlimited() password.Config {
	c := limited()
	c.Limits.Account, c.Limits.Address = 0, 0
	return c
}

// add makes an account with the password secret.
func (d *door) add(t *testing.T, username string) {
	t.Helper()
	hash, err := password.Hash(quick, secret)
	if err != nil {
		t.Fatal(err)
	}
	d.addHash(t, username, hash)
}

func (d *door) addHash(t *testing.T, username, hash string) {
	t.Helper()
	a := password.Account{
		Provider: "local", Username: username, Subject: "subject-" + username, Hash: hash,
		Claims: map[string]any{"email": username + "@acme.example"},
	}
	u := broker.User{ID: "user-" + username, Created: d.now, Updated: d.now}
	l := broker.Link{Provider: a.Provider, Subject: a.Subject, User: u.ID, Created: d.now}
	e := broker.Event{ID: "created-" + username, Time: d.now, Type: broker.UserCreated, User: u.ID}
	if err := d.db.CreateAccount(t.Context(), a, u, l, e); err != nil {
		t.Fatalf("CreateAccount(%q) = %v", username, err)
	}
}

// answer is what a try came to: "in", password.Wrong or password.Throttled with the wait.
type answer struct {
	what string
	wait time.Duration
}

var (
	in    = answer{what: "in"}
	wrong = answer{what: password.Wrong}
)

func throttled(wait time.Duration) answer { return answer{password.Throttled, wait} }

type try struct {
	username, password string
	addr               netip.Addr
	device             string
}

func (d *door) try(t *testing.T, g try) answer {
	t.Helper()
	next, err := d.provider.Continue(t.Context(), &providers.Attempt{ID: "login"}, reply(g))
	if err != nil {
		var e *providers.Error
		if !errors.As(err, &e) || e.Kind != providers.Throttled || e.Reason != password.Throttled {
			t.Errorf("Continue(%+v) = %v", g, err)
			return answer{what: "error"}
		}
		return throttled(e.RetryAfter)
	}
	switch n := next.(type) {
	case providers.Done:
		return in
	case providers.Ask:
		form := n.Data.(password.Form)
		if n.Page != password.Page || form.Username != g.username || form.Problem != password.Wrong || form.Wait != 0 {
			t.Errorf("Continue(%+v) asks %+v", g, n)
		}
		return wrong
	}
	t.Errorf("Continue(%+v) = %T", g, next)
	return answer{}
}

func reply(g try) providers.Reply {
	return providers.Reply{
		Method: "POST", Addr: g.addr, Device: g.device,
		Values: url.Values{"username": {g.username}, "password": {g.password}},
	}
}

// want makes n tries and fails unless each of them comes to a.
func (d *door) want(t *testing.T, n int, g try, a answer) {
	t.Helper()
	for i := range n {
		if got := d.try(t, g); got != a {
			t.Fatalf("try %d of %d as %s from %s: %+v, want %+v", i+1, n, g.username, g.addr, got, a)
		}
	}
}
