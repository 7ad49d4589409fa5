package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Signed answers (JARM), checked with the published keys.
func TestAnswersCanBeSigned(t *testing.T) {
	w := newWorld(t)
	keys := oidc.NewRemoteKeySet(t.Context(), w.URL+"/jwks")
	read := func(raw, app string) url.Values {
		t.Helper()
		payload, err := keys.VerifySignature(t.Context(), raw)
		if err != nil {
			t.Fatalf("%v in %q", err, raw)
		}
		parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
		if err != nil {
			t.Fatal(err)
		}
		var c jwt.Claims
		var all map[string]any
		if err := parsed.UnsafeClaimsWithoutVerification(&c, &all); err != nil || len(payload) == 0 {
			t.Fatal(err)
		}
		if left := time.Until(c.Expiry.Time()); c.Issuer != w.URL || len(c.Audience) != 1 || c.Audience[0] != app || left <= 0 || left > 10*time.Minute || c.Subject != "" {
			t.Errorf("claims %v", all)
		}
		got := url.Values{}
		for name, v := range all {
			if text, ok := v.(string); ok {
				got.Set(name, text)
			}
		}
		return got
	}
	for _, app := range []string{webApp, otherApp} {
		for _, mode := range []string{"jwt", "query.jwt", "form_post.jwt"} {
			b := w.browser()
			p := b.atGlobex(b.authorize(app, url.Values{"provider": {"globex"}, "response_mode": {mode}}), w.globex, "ann")
			var sent url.Values
			if mode == "form_post.jwt" {
				action, fields := p.form()
				if action != callbackURI || len(fields) != 1 {
					t.Errorf("%s: a form for %s: %v", mode, action, fields)
				}
				sent = fields
			} else if sent = p.location.Query(); len(sent) != 1 {
				t.Errorf("%s: %v", mode, p.location)
			}
			got := read(sent.Get("response"), app)
			if got.Get("state") != "st-"+app || got.Get("iss") != w.URL {
				t.Errorf("%s: %v", mode, got)
			}
			if a := w.redeem(app, got.Get("code"), nil); a.status != http.StatusOK {
				t.Errorf("%s: token = %d %s", mode, a.status, a.body)
			}
			// A signed answer is no hint about anybody, and no bearer's token.
			if p := w.browser().authorize(app, url.Values{"id_token_hint": {sent.Get("response")}, "prompt": {"none"}}); p.location.Query().Get("error") != "invalid_request" {
				t.Errorf("as a hint: %v", p)
			}
			if p := w.userinfo(sent.Get("response")); p.status != http.StatusUnauthorized {
				t.Errorf("as an access token: %v", p)
			}
			// Refusals are signed as well.
			p = w.browser().authorize(app, url.Values{"prompt": {"none"}, "response_mode": {mode}})
			if mode == "form_post.jwt" {
				_, sent = p.form()
			} else {
				sent = p.location.Query()
			}
			if got := read(sent.Get("response"), app); got.Get("error") != "login_required" {
				t.Errorf("%s: %v", mode, got)
			}
		}
	}
}

// P-29: an acr is what the upstream has said, or nothing; one that is essential is had or refused.
func TestAuthenticationContextIsNeverInvented(t *testing.T) {
	w := newWorld(t)
	const had, higher = "urn:globex:password", "urn:globex:phr"
	claims := func(text string) url.Values { return url.Values{"provider": {"globex"}, "claims": {text}} }
	acrOf := func(got url.Values) string {
		t.Helper()
		var c struct{ ACR string }
		a := w.redeem(webApp, got.Get("code"), nil)
		if a.status != http.StatusOK {
			t.Fatalf("token = %d %s", a.status, a.body)
		}
		decodeClaims(t, a.ID, &c)
		return c.ACR
	}
	for name, with := range map[string]url.Values{
		"acr_values":            {"provider": {"globex"}, "acr_values": {higher + " " + had}},
		"a voluntary acr":       claims(`{"id_token":{"acr":{"values":["` + higher + `"]}}}`),
		"an essential acr, had": claims(`{"id_token":{"acr":{"essential":true,"values":["` + higher + `","` + had + `"]}}}`),
		"any essential acr":     claims(`{"id_token":{"acr":{"essential":true}}}`),
		"what nobody knows":     claims(`{"userinfo":{"x":null,"email":{"essential":true}},"id_token":{"y":{"value":1}},"z":{}}`),
	} {
		b := w.browser()
		if got := acrOf(b.atApp(b.atGlobex(b.authorize(webApp, with), w.globex, "ann"))); got != had {
			t.Errorf("%s: acr %q", name, got)
		}
	}
	essential := claims(`{"id_token":{"acr":{"essential":true,"value":"` + higher + `"}}}`)
	b := w.browser()
	for _, how := range []string{"a new login", "a session that is not enough"} {
		if got := b.atApp(b.atGlobex(b.authorize(webApp, essential), w.globex, "ann")); got.Get("error") != "unmet_authentication_requirements" || got.Has("code") {
			t.Errorf("%s: %v", how, got)
		}
	}
	essential.Set("prompt", "none")
	if got := b.atApp(b.authorize(webApp, essential)); got.Get("error") != "login_required" {
		t.Errorf("without a person: %v", got)
	}
	for _, text := range []string{"x", `[]`, `{"id_token":[]}`, `{"id_token":{"acr":[]}}`, `{"id_token":{},"id_token":{}}`, `{"id_token":{"acr":{"essential":"yes"}}}`, strings.Repeat(`{"id_token":`, 300)} {
		if got := w.browser().atApp(w.browser().authorize(webApp, claims(text))); got.Get("error") != "invalid_request" {
			t.Errorf("claims %.40s: %v", text, got)
		}
	}
}
