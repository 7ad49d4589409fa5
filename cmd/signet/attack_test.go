package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
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
