package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// askFor is the parameter claims for names in each place.
func askFor(id, userinfo []string) url.Values {
	members := func(names []string) map[string]any {
		m := map[string]any{}
		for _, n := range names {
			m[n] = nil
		}
		return m
	}
	text, err := json.Marshal(map[string]any{"id_token": members(id), "userinfo": members(userinfo)})
	if err != nil {
		panic(err)
	}
	return url.Values{"claims": {string(text)}}
}

// Claims that are asked for one by one come where they are asked for, now and after a refresh, and bring no others
// with them (OpenID Connect Core §5.5).
func TestClaimsAskedForOneByOne(t *testing.T) {
	s := newSuite(t, withSuite)
	s.run(t, []testModule{
		{"in each place", func(m *module) {
			m.at = "globex"
			with := askFor([]string{"email", "birthdate"}, []string{"name", "phone_number"})
			with.Set("scope", "openid offline_access")
			with.Set("prompt", "consent")
			r := m.flow(with)
			m.says(r.claims, "email", "birthdate")
			m.says(m.person(r.tokens.Access, r.id.Subject), "name", "phone_number")
			next := m.send(m.toToken(refreshForm(r.tokens.Refresh)))
			var claims map[string]any
			decodeClaims(m.t, next.ID, &claims)
			m.says(claims, "email", "birthdate")
			m.says(m.person(next.Access, r.id.Subject), "name", "phone_number")
		}},
		{"beside a scope", func(m *module) {
			m.at = "globex"
			with := askFor(nil, []string{"name"})
			with.Set("scope", "openid email")
			r := m.flow(with)
			m.says(r.claims, "email", "email_verified")
			m.says(m.person(r.tokens.Access, r.id.Subject), "email", "email_verified", "name")
		}},
		{"with a value that is not theirs", func(m *module) {
			m.at = "globex"
			r := m.flow(url.Values{"claims": {`{"id_token":{"given_name":{"essential":true,"value":"Bob"},"locale":{"values":["xx","yy"]}}}`}})
			m.says(r.claims, "given_name", "locale")
		}},
		{"of the protocol", func(m *module) {
			m.at = "globex"
			r := m.flow(askFor([]string{"iss", "sub", "aud", "exp", "client_id", "cnf", "act", "scope"}, []string{"sub", "iss", "cnf"}))
			m.says(r.claims)
			if r.claims["client_id"] != nil || r.claims["cnf"] != nil || len(m.person(r.tokens.Access, r.id.Subject)) != 1 {
				m.t.Errorf("claims %v", r.claims)
			}
		}},
		{"that nobody has", func(m *module) {
			r := m.flow(askFor([]string{"website", "x#de"}, []string{"favourite_dish"}))
			m.says(r.claims)
		}},
		{"without openid", func(m *module) {
			with := askFor([]string{"email"}, []string{"email"})
			with.Set("scope", "offline_access")
			q := m.request(with)
			a := m.send(m.redemption(m.answer(q, m.open(q), "code").Get("code"), nil))
			if p := m.userinfo(a.Access); a.ID != "" || p.status != http.StatusForbidden {
				m.t.Errorf("ID token %q, userinfo %v", a.ID, p)
			}
		}},
		{"65 of them", func(m *module) {
			var names []string
			for i := range 65 {
				names = append(names, fmt.Sprint("c", i))
			}
			q := m.request(askFor(nil, names))
			if got := m.refusal(q, m.open(q)); got != "invalid_request" {
				m.t.Errorf("error = %s", got)
			}
		}},
	})
}

// What reaches an app of somebody else's by a claim is what its person was told of, and is asked about again when it
// is more than they have allowed.
func TestConsentCoversClaims(t *testing.T) {
	w := newWorld(t, withPartner)
	b := w.browser()
	ask := func(with url.Values) url.Values {
		with.Set("scope", "openid")
		return with
	}
	if p := w.browser().question(ask(askFor([]string{"sub", "acr"}, nil)), "ann"); strings.Contains(p.body, "profile") {
		t.Errorf("sub and acr are no profile: %s", p.body)
	}
	p := b.question(ask(askFor([]string{"name"}, nil)), "ann")
	if !strings.Contains(p.body, "<li>See your name and your profile</li>") {
		t.Errorf("the page does not tell of the claim: %s", p.body)
	}
	if a := w.redeem(partnerApp, b.atApp(b.answers(p, "allow")).Get("code"), nil); a.status != http.StatusOK || a.Scope != "openid" {
		t.Fatalf("tokens = %d %s", a.status, a.body)
	}
	none := url.Values{"prompt": {"none"}}
	silently := func(with url.Values) string {
		q := ask(with)
		q["prompt"] = none["prompt"]
		return b.authorize(partnerApp, q).location.Query().Get("error")
	}
	if got := silently(askFor(nil, []string{"given_name"})); got != "" {
		t.Errorf("a claim that was allowed: %s", got)
	}
	for _, name := range []string{"email", "phone_number_verified", "groups"} {
		if got := silently(askFor(nil, []string{name})); got != "consent_required" {
			t.Errorf("%s: %q, want consent_required", name, got)
		}
	}
}
