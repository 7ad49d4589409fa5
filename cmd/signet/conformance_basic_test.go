package main

import (
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/config"
)

// TestConformanceBasic is the plan oidcc-basic-certification-test-plan.
func TestConformanceBasic(t *testing.T) {
	s := newSuite(t, withSuite)
	s.run(t, basicModules())
}

// TestConformanceFormPostBasic is the plan oidcc-formpost-basic-certification-test-plan: the same, but that every
// answer is posted, refusals too.
func TestConformanceFormPostBasic(t *testing.T) {
	s := newSuite(t, withSuite)
	s.mode = "form_post"
	s.run(t, basicModules())
}

func basicModules() []testModule {
	modules := []testModule{
		{"oidcc-server", (*module).server},
		{"oidcc-response-type-missing", (*module).responseTypeMissing},
		{"oidcc-idtoken-signature", (*module).idTokenSignature},
		{"oidcc-idtoken-unsigned", (*module).idTokenUnsigned},
		{"oidcc-userinfo-get", func(m *module) { m.presents(http.MethodGet, true) }},
		{"oidcc-userinfo-post-header", func(m *module) { m.presents(http.MethodPost, true) }},
		{"oidcc-userinfo-post-body", func(m *module) { m.presents(http.MethodPost, false) }},
		{"oidcc-ensure-request-without-nonce-succeeds-for-code-flow", (*module).withoutNonce},
		{"oidcc-alternate-happy-flow", (*module).alternateFlow},
		{"oidcc-codereuse", (*module).codeReuse},
		{"oidcc-codereuse-30seconds", (*module).codeReuseLate},
		{"oidcc-server-client-secret-post", func(m *module) { m.app = suitePost; m.flow(nil) }},
		{"oidcc-refresh-token", (*module).refreshToken},
		{"oidcc-ensure-request-with-valid-pkce-succeeds", (*module).withPKCE},
	}
	for _, more := range [][]testModule{scopeModules(), displayModules(), againModules(), requestModules()} {
		modules = append(modules, more...)
	}
	return modules
}

// server: a code that nobody guesses, and an ID token without what was not asked for.
func (m *module) server() {
	first, second := m.flow(nil), m.flow(nil)
	if len(first.code) < 43 || first.code == second.code {
		m.t.Errorf("codes %q and %q", first.code, second.code)
	}
	for name := range somebody {
		if _, ok := first.claims[name]; ok {
			m.t.Errorf("the ID token for the scope openid has %s", name)
		}
	}
}

func (m *module) responseTypeMissing() {
	q := m.request(url.Values{"response_type": {""}})
	if got := m.refusal(q, m.open(q)); got != "invalid_request" && got != "unsupported_response_type" {
		m.t.Errorf("error = %s", got)
	}
}

// idTokenSignature: RS256, by a key of the key set that the token names.
func (m *module) idTokenSignature() {
	r := m.flow(nil)
	for _, k := range m.keys() {
		if k["kid"] == r.header["kid"] {
			if k["kty"] != "RSA" {
				m.t.Errorf("the key of an RS256 token is %v", k)
			}
			return
		}
	}
	m.t.Errorf("no key %v in the key set", r.header["kid"])
}

// idTokenUnsigned: nobody gets ID tokens without a signature, so discovery offers none, and no app may want them.
func (m *module) idTokenUnsigned() {
	if algs := m.discovery()["id_token_signing_alg_values_supported"].([]any); slices.Contains(algs, any("none")) || !slices.Contains(algs, any("RS256")) {
		m.t.Errorf("id_token_signing_alg_values_supported = %v", algs)
	}
	text := strings.Replace(m.config, "pkce: optional}", "pkce: optional, tokens: {signing: none}}", 1)
	if _, err := config.Load(writeConfig(m.t, text)); err == nil || !strings.Contains(err.Error(), "signing") {
		m.t.Errorf("an app without signatures: %v", err)
	}
}

// presents brings the access token in the header, or in the form of a POST (OpenID Connect Core §5.3.1).
func (m *module) presents(method string, header bool) {
	r := m.flow(nil)
	body := url.Values{}
	if !header {
		body.Set("access_token", r.tokens.Access)
	}
	b := m.world.browser()
	req := b.request(method, "/userinfo", body.Encode())
	if header {
		req.Header.Set("Authorization", "Bearer "+r.tokens.Access)
	} else {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	m.userinfoOf(b.do(req), r.id.Subject)
}

func (m *module) withoutNonce() {
	if r := m.flow(url.Values{"nonce": {""}}); r.claims["nonce"] != nil {
		m.t.Errorf("nonce = %v", r.claims["nonce"])
	}
}

// alternateFlow: the scopes and the parameters in another order.
func (m *module) alternateFlow() {
	m.at = "globex"
	q := m.request(url.Values{"scope": {"email openid"}})
	var raw []string
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(q))) {
		raw = append(raw, url.QueryEscape(name)+"="+url.QueryEscape(q.Get(name)))
	}
	r := m.finish(q, m.follow(m.browser.get("/authorize?"+strings.Join(raw, "&"))), nil)
	claims := m.person(r.tokens.Access, r.id.Subject)
	m.says(claims, "email", "email_verified")
}

func (m *module) codeReuse() {
	r := m.flow(nil)
	m.bad(m.send(m.redemption(r.code, nil)), http.StatusBadRequest, "invalid_grant")
}

// codeReuseLate: what the code was spent for is revoked, since one of the two who have it should not (RFC 6749
// §4.1.2).
func (m *module) codeReuseLate() {
	r := m.flow(nil)
	m.pass(30 * time.Second)
	m.bad(m.send(m.redemption(r.code, nil)), http.StatusBadRequest, "invalid_grant")
	if p := m.userinfo(r.tokens.Access); p.status != http.StatusUnauthorized {
		m.t.Errorf("userinfo afterwards = %v", p)
	}
}

// refreshToken: of two apps each refreshes its own, and neither the other's (OpenID Connect Core §12).
func (m *module) refreshToken() {
	offline := url.Values{"scope": {"openid offline_access"}, "prompt": {"consent"}}
	refresh := func(token string) tokenAnswer { return m.send(m.toToken(refreshForm(token))) }
	m.refreshes(m.flow(offline), refresh)
	m.app = suiteTwo
	theirs := m.refreshes(m.flow(offline), refresh)
	m.app = suiteApp
	m.bad(refresh(theirs.tokens.Refresh), http.StatusBadRequest, "invalid_grant")
}

// refreshes uses the refresh token of a result, and holds what comes of it against the first.
func (m *module) refreshes(first result, refresh func(string) tokenAnswer) result {
	m.t.Helper()
	if t := first.tokens.Refresh; t == "" || strings.ContainsFunc(t, func(c rune) bool { return c < 0x20 || c > 0x7e }) {
		m.t.Fatalf("refresh token %q", t)
	}
	m.pass(2 * time.Second)
	next := result{tokens: refresh(first.tokens.Refresh)}
	m.good(next.tokens, first.tokens.Type)
	nonce := ""
	decodeClaims(m.t, next.tokens.ID, &next.claims)
	if n, ok := next.claims["nonce"].(string); ok {
		nonce = n
	}
	m.identify(&next, nonce, first.header["alg"].(string))
	if nonce != "" && nonce != first.claims["nonce"] {
		m.t.Errorf("nonce = %q, was %v", nonce, first.claims["nonce"])
	}
	for _, name := range []string{"iss", "sub", "aud", "azp", "auth_time"} {
		if !reflect.DeepEqual(next.claims[name], first.claims[name]) {
			m.t.Errorf("%s = %v, was %v", name, next.claims[name], first.claims[name])
		}
	}
	if next.tokens.Access == first.tokens.Access || next.claims["iat"].(float64) <= first.claims["iat"].(float64) {
		m.t.Errorf("iat = %v, was %v", next.claims["iat"], first.claims["iat"])
	}
	if next.tokens.Type == "Bearer" && !strings.HasPrefix(m.app, fapiApp) {
		m.person(next.tokens.Access, first.id.Subject)
	}
	return next
}

func (m *module) withPKCE() {
	q := m.request(url.Values{"code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"}})
	m.finish(q, m.open(q), url.Values{"code_verifier": {verifier}})
}
