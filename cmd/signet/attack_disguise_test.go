package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A provider that is disabled keeps its domains: no other may speak for their people meanwhile.
func TestDomainsOfADisabledProviderStayItsOwn(t *testing.T) {
	w := newWorld(t, func(c string) string { return strings.Replace(c, "{id: hooli,", "{id: hooli, disabled: true,", 1) })
	w.globex.Misbehave(with(map[string]any{"sub": "impostor", "email": "gavin@hooli.example", "email_verified": true}))
	p := w.browser().at("globex", w.globex, "ann")
	if p.status != http.StatusForbidden {
		t.Errorf("an address of a disabled provider's domain, from another: %v", p)
	}
	if n := w.count("SELECT count(*) FROM links WHERE subject = 'impostor'"); n != 0 {
		t.Errorf("%d users of it", n)
	}
}

// Whoever has a user already is held to what newcomers are when their address becomes another.
func TestKnownPersonDoesNotTakeALocalAddress(t *testing.T) {
	w := newWorld(t)
	w.addAccount("bob", "bob@acme.example")
	as := func(email string) *page {
		w.globex.Misbehave(with(map[string]any{"sub": "mallory", "email": email, "email_verified": true}))
		return w.browser().at("globex", w.globex, "ann")
	}
	w.browser().atApp(as("mallory@globex.example"))
	if p := as("Bob@acme.example"); p.status != http.StatusConflict {
		t.Errorf("the address of an account kept here: %v", p)
	}
	w.browser().atApp(as("mallory@globex.example"))
	w.browser().atApp(as("mallory@elsewhere.example"))
}

// Anybody can make proofs for an app without a secret: those that come with no good grant leave nothing behind.
func TestProofsOfStrangersAreNotWrittenDown(t *testing.T) {
	w := newWorld(t)
	good := w.tokens(publicApp, "globex", "ann").Access
	proofs := func() int { return w.count("SELECT count(*) FROM once WHERE provider = 'dpop proof'") }
	for name, form := range map[string]url.Values{
		"no such code":          {"grant_type": {"authorization_code"}, "code": {"x"}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}},
		"no such refresh token": {"grant_type": {"refresh_token"}, "refresh_token": {good}},
		"no such grant":         {"grant_type": {"x"}},
		"no grant of its own":   {"grant_type": {"client_credentials"}},
	} {
		form.Set("client_id", publicApp)
		req := w.browser().request(http.MethodPost, "/token", form.Encode())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("DPoP", w.proof(provers()["ES256"], http.MethodPost, "/token", ""))
		if p := w.browser().do(req); p.status < 400 || proofs() != 0 {
			t.Errorf("%s: %v, %d proofs are kept", name, p, proofs())
		}
	}
}

// Nothing shows that a telephone number is one of a registered provider's people.
func TestNumbersOfARegisteredProviderAreNotVerified(t *testing.T) {
	w := newWorld(t, withLoopback)
	f := w.oidc("joker")
	w.register(block("joker", f, "domains: [joker.example]"), "joker.example")
	f.Misbehave(with(map[string]any{"email": "jack@joker.example", "email_verified": true, "phone_number": "+15550100", "phone_number_verified": true}))
	b := w.browser()
	p := b.atGlobex(b.authorize(webApp, url.Values{"provider": {"joker"}, "scope": {"openid email phone"}}), f, "ann")
	var c map[string]any
	decodeClaims(t, w.redeem(webApp, b.atApp(p).Get("code"), nil).ID, &c)
	if c["phone_number"] != "+15550100" || c["phone_number_verified"] != nil || c["email_verified"] != true {
		t.Errorf("claims = %v", c)
	}
}

// Somebody at the same address as many others cannot keep them from an app that has no secret to guess.
func TestPublicAppIsNotLockedOut(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for range 150 {
		b.post("/token", url.Values{"client_id": {publicApp}, "client_secret": {"x"}, "grant_type": {"authorization_code"}})
	}
	if p := b.post("/token", url.Values{"client_id": {publicApp}, "client_secret": {"x"}, "grant_type": {"authorization_code"}}); p.status != http.StatusUnauthorized {
		t.Errorf("a secret that it does not have: %v", p)
	}
	w.tokens(publicApp, "globex", "ann")
}

// What strangers can push for an app without a secret is bounded, in size and in number.
func TestPushedRequestsOfStrangersAreBounded(t *testing.T) {
	w := newWorld(t)
	if p := w.push(publicApp, url.Values{"filler": {strings.Repeat("x", 60<<10)}}); p.status != http.StatusBadRequest {
		t.Errorf("60 KB: %v", p)
	}
	w.pushed(publicApp, url.Values{"state": {strings.Repeat("s", 8<<10)}})
	last := 0
	for range 400 {
		last = w.push(publicApp, nil).status
	}
	if kept := w.count("SELECT count(*) FROM requests"); last != http.StatusTooManyRequests || kept > 350 {
		t.Errorf("%d requests of a minute are kept, the last answer is %d", kept, last)
	}
	w.pushed(webApp, nil)
}
