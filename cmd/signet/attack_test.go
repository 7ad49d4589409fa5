package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/op"
	"github.com/signet-broker/signet/store"
)

// An attacker starts a login, has somebody else sign in for it (their identity provider posts the answer
// from a browser that sends no cookie), and opens the login's page in the browser that started it.
func TestParkedIdentityNeedsTheBrowserThatBroughtIt(t *testing.T) {
	w := newWorld(t)
	attacker := w.browser()
	p := attacker.authorize(webApp, url.Values{"provider": {"initech"}})
	before := w.counts()
	parked := attacker.atInitech(p, nil) // the post itself comes from a browser of its own: the victim's
	if parked.status != http.StatusSeeOther {
		t.Fatalf("ACS = %v", parked)
	}
	withReceipt := parked.location.String()
	page, _, _ := strings.Cut(withReceipt, "?")
	for name, address := range map[string]string{"none": page, "an empty": page + "?receipt=", "a wrong": page + "?receipt=" + strings.Repeat("A", 26)} {
		if got := attacker.get(address); got.status == http.StatusSeeOther && strings.HasPrefix(got.location.String(), callbackURI) {
			t.Errorf("%s receipt: signed in as somebody else: %v", name, got)
		}
	}
	if got := w.browser().get(withReceipt); got.status != http.StatusBadRequest {
		t.Errorf("the receipt alone finishes a login: %v", got)
	}
	if got := attacker.get(withReceipt); got.location != nil && strings.HasPrefix(got.location.String(), callbackURI) {
		t.Errorf("an identity outlives a try without its receipt: %v", got)
	}
	if after := w.counts(); after["sessions"] != before["sessions"] || after["users"] != before["users"] {
		t.Errorf("rows %v, were %v", after, before)
	}
}

func TestParkedIdentityIsNotKeptForLong(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	parked := b.atInitech(b.authorize(webApp, url.Values{"provider": {"initech"}}), nil)
	w.pass(broker.AttemptLifetime + time.Minute)
	if got := b.get(parked.location.String()); got.status != http.StatusBadRequest {
		t.Errorf("an identity of long ago is taken: %v", got)
	}
	// The login goes on all the same.
	if got := b.get(parked.location.Path); got.status != http.StatusSeeOther || !strings.HasPrefix(got.location.String(), w.initech.URL) {
		t.Errorf("no way on: %v", got)
	}
}

// Events are never removed, so what strangers can add must end somewhere.
func TestStrangersCannotFillTheDatabaseWithEvents(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	refuse := func() int {
		for range 1100 {
			if p := b.get("/callback/globex?state=x&code=y"); p.status != http.StatusBadRequest {
				t.Fatalf("callback = %v", p)
			}
		}
		return w.count("SELECT count(*) FROM events")
	}
	if n := refuse(); n != 1000 {
		t.Errorf("%d events of 1100 refusals, want 1000", n)
	}
	if n := strings.Count(w.log.String(), "too many refusals"); n != 1 {
		t.Errorf("said %d times, want once", n)
	}
	if got := w.browser().signIn(webApp, "globex", "ann"); got.Get("code") == "" {
		t.Error("nobody can sign in any more")
	}
	if n := w.count("SELECT count(*) FROM events WHERE type = 'login.finished'"); n != 1 {
		t.Errorf("%d finished logins are kept, want 1", n)
	}
	w.pass(time.Hour)
	if n := refuse(); n != 2001 {
		t.Errorf("%d events an hour later, want 2001", n)
	}
}

func (w *world) count(query string) (n int) {
	w.t.Helper()
	if err := w.db().QueryRow(query).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// A page of another site can have a browser post here, without its Lax cookies but as a navigation, so that
// the cookies of the answer count.
func TestForeignFormTouchesNoCookie(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn(webApp, "globex", "ann")
	for name, header := range map[string]http.Header{
		"fetch metadata":          {"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
		"origin":                  {"Origin": {"https://evil.example"}},
		"origin of nobody":        {"Origin": {"null"}},
		"metadata without origin": {"Sec-Fetch-Site": {"cross-site"}},
	} {
		for path, form := range map[string]url.Values{"/logout": {}, "/authorize": authorizeQuery(webApp, url.Values{"provider": {"globex"}})} {
			foreign := w.browser() // the same person's, but no cookie goes with it
			foreign.header = header
			p := foreign.post(path, form)
			if p.header.Get("Set-Cookie") != "" || p.status != http.StatusSeeOther {
				t.Errorf("%s with %s: %v, cookies %q", path, name, p, p.header.Values("Set-Cookie"))
				continue
			}
			if p.location.Path != path {
				t.Errorf("%s with %s is sent to %v", path, name, p.location)
			}
			// What follows carries the cookies: the app is answered, and signing out is asked about.
			switch p := b.get(p.location.String()); path {
			case "/logout":
				if !p.has("logout") {
					t.Errorf("%s with %s: not asked: %v", path, name, p)
				}
			case "/authorize":
				if b.atApp(p).Get("code") == "" {
					t.Errorf("%s with %s: %v", path, name, p)
				}
			}
		}
	}
	if b.atApp(b.authorize(webApp, url.Values{"prompt": {"none"}})).Get("code") == "" {
		t.Error("signed out by another site's page")
	}
	if p := w.browser().get("/logout"); p.status != http.StatusOK || p.header.Get("Set-Cookie") != "" {
		t.Errorf("another site's image takes the session's cookie: %v, %q", p, p.header.Get("Set-Cookie"))
	}
	foreign := w.browser()
	foreign.header.Set("Sec-Fetch-Site", "cross-site")
	if p := foreign.post("/authorize", authorizeQuery(webApp, url.Values{"state": {strings.Repeat("s", 5000)}})); p.status != http.StatusBadRequest {
		t.Errorf("a form that is too long for an address: %v", p)
	}
}

func TestLogLineIsBounded(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.post("/saml/initech/acs", url.Values{"RelayState": {strings.Repeat("r", 500_000)}, "SAMLResponse": {"x"}})
	b.get("/login/" + strings.Repeat("l", 20_000))
	for line := range strings.Lines(w.log.String()) {
		if len(line) > 2000 {
			t.Errorf("a line of %d bytes: %.200s", len(line), line)
		}
	}
}

func TestUserinfoOfWhatWasTakenAway(t *testing.T) {
	for name, change := range map[string][2]string{
		"its provider is disabled":       {"{id: globex, kind: oidc,", "{id: globex, disabled: true, kind: oidc,"},
		"the app may use it no more":     {"id: web, name: Acme Web,", "id: web, name: Acme Web, providers: [hooli],"},
		"the app is not registered more": {"{id: web,", "{id: web2,"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c string) string { return strings.Replace(c, ", providers: [globex]", "", 1) })
			a := w.tokens(webApp, "globex", "ann")
			if p := w.userinfo(a.Access); p.status != http.StatusOK {
				t.Fatalf("userinfo = %v", p)
			}
			text := strings.Replace(w.config, change[0], change[1], 1)
			if text == w.config {
				t.Fatalf("%q is not in the configuration", change[0])
			}
			if err := os.WriteFile(w.configFile(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			w.restart()
			if p := w.userinfo(a.Access); p.status != http.StatusUnauthorized {
				t.Errorf("userinfo = %v", p)
			}
		})
	}
}

// disabling is a store in which a user is disabled right after a code of theirs was looked at.
type disabling struct {
	*store.DB
	t *testing.T
}

func (d disabling) Artifact(ctx context.Context, hash []byte) (broker.Artifact, broker.User, bool, error) {
	a, u, alive, err := d.DB.Artifact(ctx, hash)
	if derr := d.SetDisabled(ctx, u.ID, true, broker.Event{Type: broker.UserDisabled}); derr != nil {
		d.t.Fatal(derr)
	}
	return a, u, alive, err
}

func TestUserDisabledWhileTheirCodeIsRedeemed(t *testing.T) {
	w := newWorld(t)
	got := w.browser().signIn(webApp, "globex", "ann")
	g := &op.CodeGrant{Store: disabling{w.signet.db, t}, Now: w.now}
	form := url.Values{"code": {got.Get("code")}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}
	a, err := g.Authorize(t.Context(), w.signet.site.Broker.Registry.App(webApp), form)
	if err != nil {
		t.Fatal(err)
	}
	err = a.Commit(t.Context())
	if e := (*op.Error)(nil); !errors.As(err, &e) || e.Code != "invalid_grant" {
		t.Errorf("Commit = %v, want invalid_grant", err)
	}
	if n := w.counts()["families"]; n != 0 {
		t.Errorf("%d families", n)
	}
}

// without is a registry that a provider was taken from.
type without struct {
	broker.Registry
	id string
}

func (w without) Provider(id string) *broker.Provider {
	if id == w.id {
		return nil
	}
	return w.Registry.Provider(id)
}

func TestProviderTakenAwayWhileARequestForItIsRead(t *testing.T) {
	w := newWorld(t)
	core := w.signet.site.Broker
	core.Registry = without{core.Registry, "globex"} // the door has found it a moment before
	p := w.browser().authorize(webApp, url.Values{"provider": {"globex"}})
	if p.status != http.StatusSeeOther || !strings.HasPrefix(p.location.String(), callbackURI+"?") {
		t.Fatalf("authorize = %v, want that the app is told", p)
	}
	if q := p.location.Query(); q.Get("error") != "invalid_request" || q.Get("state") == "" || q.Get("iss") == "" {
		t.Errorf("the app is told %v", q)
	}
	if n := w.counts()["logins"]; n != 0 {
		t.Errorf("%d logins are left", n)
	}
}

// An app's providers changed while somebody was typing.
func TestPasswordForAnAppThatMayNotUseItAnyMore(t *testing.T) {
	w := newWorld(t)
	w.addAccount("ann", "ann@acme.example")
	b := w.browser()
	form := b.get(b.authorize(webApp, url.Values{"provider": {"local"}}).location.String())
	text := strings.Replace(w.config, "id: web, name: Acme Web,", "id: web, name: Acme Web, providers: [globex],", 1)
	if err := os.WriteFile(w.configFile(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.restart()
	if p := b.password(form, "ann", "correct horse battery"); p.status != http.StatusBadRequest || w.counts()["sessions"] != 0 {
		t.Errorf("signed in: %v, %v", p, w.counts())
	}
}

// What no form can carry must be found before somebody has signed in for it, and is not a fault of ours.
func TestFormPostThatNoFormCanCarry(t *testing.T) {
	const native = "com.example.app:/callback"
	w := newWorld(t, func(c string) string {
		return strings.Replace(c, `"http://127.0.0.1/native"]`, `"http://127.0.0.1/native", "`+native+`"]`, 1)
	})
	for _, state := range []string{"a\x00b", "a\rb", "a\nb"} {
		p := w.browser().authorize(webApp, url.Values{"response_mode": {"form_post"}, "state": {state}, "prompt": {"none"}})
		if p.status != http.StatusBadRequest {
			t.Errorf("state %q: %v", state, p)
		}
	}
	p := w.browser().authorize(publicApp, url.Values{"response_mode": {"form_post"}, "redirect_uri": {native}, "prompt": {"none"}})
	if p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), native+"?") || p.location.Query().Get("error") != "invalid_request" {
		t.Errorf("a form for an app of the machine: %v", p)
	}
}
