package main

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/op"
	"github.com/signet-broker/signet/broker/token"
)

const boundApp = "bound" // has a secret, and its access tokens are always bound to a key

func withBound(text string) string {
	return strings.Replace(text, "apps:\n", "apps:\n  - {id: "+boundApp+", secret: "+appSecret+", dpop: required, redirect_uris: ["+callbackURI+"]}\n", 1)
}

// keeper is such an app with a refresh token.
type keeper struct {
	*trial
	key   prover
	token string
}

func newKeeper(w *trial) *keeper {
	w.t.Helper()
	k := &keeper{w, fapiKeys()["app"], ""}
	k.token = w.boundTo(k.key, boundApp).Refresh
	return k
}

func (k *keeper) use(token string) tokenAnswer {
	k.t.Helper()
	return k.bound(boundApp, refreshForm(token), k.proof(k.key, http.MethodPost, "/token", ""))
}

func (k *keeper) good(what string, a tokenAnswer) string {
	k.t.Helper()
	if a.status != http.StatusOK || a.Refresh == "" {
		k.t.Fatalf("%s = %d %s", what, a.status, a.body)
	}
	return a.Refresh
}

// A refresh token that is of no use to others stays, for as long as one that is rotated would be used.
func TestConstrainedAppsKeepTheirRefreshTokens(t *testing.T) {
	w := &trial{world: newWorld(t, withBound)}
	k := newKeeper(w)
	const day = 24 * time.Hour
	k.pass(day)
	if again := k.good("after a day", k.use(k.token)); again != k.token {
		t.Error("another token after a day of thirty")
	}
	latest := k.token
	for range 3 { // until day 76
		k.pass(25 * day)
		next := k.good("after 25 days more", k.use(latest))
		if next == latest {
			t.Error("the same token after most of its life")
		}
		// The one before is good until its own end, not taken for stolen.
		k.good("the one before", k.use(latest))
		latest = next
	}
	if a := k.use(k.token); a.Error != "invalid_grant" {
		t.Errorf("the first one, past its end = %d %s", a.status, a.body)
	}
	k.good("the latest", k.use(latest))
	k.pass(14 * day)
	if a := k.use(latest); a.Error != "invalid_grant" {
		t.Errorf("past the cap of 90 days = %d %s", a.status, a.body)
	}
}

func TestKeptRefreshTokensEnd(t *testing.T) {
	w := &trial{world: newWorld(t, withBound)}
	w.addAccount("ann", "ann@acme.example")
	k := newKeeper(w)
	if a := k.bound(boundApp, refreshForm(k.token)); a.status != http.StatusBadRequest {
		t.Errorf("without a proof = %d %s", a.status, a.body)
	}
	if a := k.app(webApp, "/token", refreshForm(k.token)); a.Error != "invalid_grant" {
		t.Errorf("by another app = %d %s", a.status, a.body)
	}
	k.good("by its own app", k.use(k.token))
	if a := k.app(boundApp, "/revoke", url.Values{"token": {k.token}}); a.status != http.StatusOK {
		t.Fatalf("revoke = %d %s", a.status, a.body)
	}
	for range 2 {
		if a := k.use(k.token); a.Error != "invalid_grant" {
			t.Errorf("revoked = %d %s", a.status, a.body)
		}
		k.pass(20 * 24 * time.Hour) // so that its end would be moved
	}
	k.offset.Store(0)
}

// A refresh token that has expired ends its family all the same: what the app was given in its place, and may have
// lost on the way, lives on.
func TestExpiredRefreshTokensAreRevoked(t *testing.T) {
	w := &trial{world: newWorld(t, withBound)}
	k := newKeeper(w)
	k.pass(20 * 24 * time.Hour)
	next := k.good("after 20 days", k.use(k.token))
	k.pass(15 * 24 * time.Hour)
	k.good("the next one", k.use(next))
	for _, app := range []string{webApp, boundApp} {
		if a := k.app(app, "/revoke", url.Values{"token": {k.token}}); a.status != http.StatusOK {
			t.Fatalf("revoke by %s = %d %s", app, a.status, a.body)
		}
		if a := k.use(next); (a.Error == "invalid_grant") != (app == boundApp) {
			t.Errorf("the next one, revoked by %s = %d %s", app, a.status, a.body)
		}
	}
}

// Nothing is handed out for a family that was revoked while its tokens were signed, though nothing is written then:
// neither where a refresh token is kept, nor where a lost successor is given out once more.
func TestRevokedWhileTokensAreSigned(t *testing.T) {
	w := &trial{world: newWorld(t, withBound)}
	s := w.signet
	issuer := &token.Issuer{URL: w.URL, Keys: s.ring, Store: s.db, Apps: s.registry, Now: w.now}
	grant := &op.RefreshGrant{Issuer: issuer, Store: s.db, Now: w.now}
	exchanged := w.tokens(webApp, "globex", "ann").Refresh
	w.refresh(webApp, exchanged)
	for app, raw := range map[string]string{boundApp: newKeeper(w).token, webApp: exchanged} {
		for _, revoked := range []bool{false, true} {
			a, err := grant.Authorize(t.Context(), s.registry.App(app), refreshForm(raw))
			if err != nil {
				t.Fatalf("%s: %v", app, err)
			}
			if revoked {
				if err := s.db.Revoke(t.Context(), a.Family.ID, broker.Event{ID: rand.Text(), Time: w.now(), Type: broker.FamilyRevoked}); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.Commit(t.Context()); (err != nil) != revoked {
				t.Errorf("%s: Commit = %v, revoked %v", app, err, revoked)
			}
		}
	}
}

// An app without a secret proves nothing but a key: its refresh tokens are rotated, bound as they are (RFC 9700 §4.14.2).
func TestAppsWithoutASecretRotate(t *testing.T) {
	w := &trial{world: newWorld(t, func(text string) string {
		return strings.Replace(text, "id: "+publicApp+",", "id: "+publicApp+", dpop: required,", 1)
	})}
	key := fapiKeys()["app"]
	first := w.boundTo(key, publicApp)
	use := func() tokenAnswer {
		return w.bound(publicApp, refreshForm(first.Refresh), w.proof(key, http.MethodPost, "/token", ""))
	}
	if a := use(); a.status != http.StatusOK || a.Refresh == first.Refresh {
		t.Errorf("refresh = %d %s", a.status, a.body)
	}
	w.pass(time.Minute)
	if a := use(); a.Error != "invalid_grant" {
		t.Errorf("the one before = %d %s", a.status, a.body)
	}
	w.lastEvent(broker.RefreshReplayed)
}

// What the app was before it became constrained is still noticed, and what it is afterwards is rotated.
func TestRotationBeginsAndEndsWithTheApp(t *testing.T) {
	w := &trial{world: newWorld(t, withBound)}
	w.reconfigure("dpop: required,", "dpop: optional,")
	k := newKeeper(w)
	second := k.good("rotated", k.use(k.token))
	if second == k.token {
		t.Fatal("an app whose tokens need not be bound keeps its refresh token")
	}
	w.reconfigure("dpop: required,", "dpop: required, dpop_nonce: false,")
	if third := k.good("kept", k.use(second)); third != second {
		t.Error("an app whose tokens are bound gets another refresh token")
	}
	k.pass(time.Minute)
	if a := k.use(k.token); a.Error != "invalid_grant" {
		t.Errorf("the one before = %d %s", a.status, a.body)
	}
	if a := k.use(second); a.Error != "invalid_grant" {
		t.Errorf("after that = %d %s", a.status, a.body)
	}
	w.lastEvent(broker.RefreshReplayed)
}
