package main

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/signet-broker/signet/internal/idptest"
)

// The tests of the files conformance_*_test.go bear the names of the OpenID Foundation's test modules, and do
// against the real handlers what the name and the standard behind it say. What one of those modules only warns
// of is no failure here either. Not among them: session management in an iframe, and the checks of a server's TLS.

// suite is a world and what an app knows of it that nobody here wrote.
type suite struct {
	*world
	rp   *oidc.Provider
	mode string // the response_mode of every request; "": none is named
	// dynamic: in the place of each app of the configuration one is registered, for every module anew.
	dynamic bool
	clients map[string]registrant // by what they stand for
}

// id is the client_id of an app of the suite.
func (s *suite) id(app string) string {
	if r, ok := s.clients[app]; ok {
		return r.ID
	}
	return app
}

// secret is its client_secret.
func (s *suite) secret(app string) string {
	if r, ok := s.clients[app]; ok {
		return r.Secret
	}
	return appSecret
}

// The apps of the suites.
const (
	suiteApp  = "suite"
	suiteTwo  = "suite-two"
	suitePost = "suite-post" // client_secret_post
	suiteOut  = "https://app.example.com/out"
)

// withSuite adds the apps of the Basic plan, which send no PKCE, and a provider that says all there is of a person.
func withSuite(text string) string {
	const app = "  - {id: %s, secret: " + appSecret + ", auth: %s, redirect_uris: [" + callbackURI + "], post_logout_redirect_uris: [" + afterLogout +
		"], frontchannel_logout_uri: " + suiteOut + ", pkce: optional}\n"
	apps := "apps:\n"
	for _, a := range [][2]string{{suiteApp, "client_secret_basic"}, {suiteTwo, "client_secret_basic"}, {suitePost, "client_secret_post"}} {
		apps += strings.NewReplacer("id: %s", "id: "+a[0], "auth: %s", "auth: "+a[1]).Replace(app)
	}
	text = strings.Replace(text, "apps:\n", apps, 1)
	return strings.Replace(text, "{id: globex, ", "{id: globex, map: {"+everyClaim()+"}, ", 1)
}

// somebody is all that the standard claims of OpenID Connect Core §5.1 say of a person.
var somebody = map[string]any{
	"name": "Ann Able", "given_name": "Ann", "family_name": "Able", "middle_name": "B.", "nickname": "annie", "preferred_username": "ann",
	"profile": "https://people.example/ann", "picture": "https://people.example/ann.png", "website": "https://ann.example", "gender": "female",
	"birthdate": "1990-02-03", "zoneinfo": "Europe/Berlin", "locale": "de-DE",
	"email": "ann@globex.example", "email_verified": true, "phone_number": "+49 30 1234567", "phone_number_verified": true,
	"address": map[string]any{"formatted": "Ring 1\n10115 Berlin", "country": "Germany"},
}

// everyClaim is a mapping of all of it. What has no key of its own is an attribute of the operator's.
func everyClaim() string {
	own := []string{"birthdate", "gender", "middle_name", "nickname", "profile", "website", "zoneinfo"}
	var rules, attributes []string
	for _, name := range slices.Sorted(maps.Keys(somebody)) {
		rule := name + ": claims." + name
		if slices.Contains(own, name) {
			attributes = append(attributes, rule)
		} else {
			rules = append(rules, rule)
		}
	}
	return strings.Join(rules, ", ") + ", attributes: {" + strings.Join(attributes, ", ") + "}"
}

// newSuite starts a world for a plan.
func newSuite(t *testing.T, edit ...func(string) string) *suite {
	t.Helper()
	s := &suite{world: newWorld(t, edit...)}
	s.addAccount("ann", "ann@acme.example")
	s.globex.Misbehave(&idptest.OIDCRow{Claims: func(_ *idptest.OIDC, c map[string]any) { maps.Copy(c, somebody) }})
	var err error
	if s.rp, err = oidc.NewProvider(t.Context(), s.URL); err != nil {
		t.Fatal(err)
	}
	return s
}

// module is one test of a plan: a browser in which somebody goes to an app, and signs in when asked.
type module struct {
	*suite
	*browser
	app   string
	at    string // the provider that is chosen
	asked int    // how often they signed in
	// client is a request to the token endpoint, for an app that has no secret.
	client func(form url.Values) *http.Request
}

// testModule is a module's name and what it does.
type testModule struct {
	name string
	do   func(m *module)
}

// run runs modules, each with a browser of its own.
func (s *suite) run(t *testing.T, modules []testModule) {
	seen := map[string]bool{}
	for _, x := range modules {
		if seen[x.name] {
			t.Errorf("%s is there twice", x.name)
		}
		seen[x.name] = true
		t.Run(x.name, func(t *testing.T) {
			defer func(was testing.TB) { s.t = was; s.offset.Store(0) }(s.t)
			s.t = t
			if s.dynamic {
				s.registerAll()
			}
			x.do(&module{suite: s, browser: s.browser(), app: suiteApp, at: "local"})
		})
	}
}

// request is an authentication request as the suite makes it: no PKCE, the scope openid alone.
func (m *module) request(with url.Values) url.Values {
	q := url.Values{
		"client_id": {m.id(m.app)}, "redirect_uri": {callbackURI}, "response_type": {"code"}, "scope": {"openid"}, "state": {rand.Text()}, "nonce": {rand.Text()},
	}
	if m.mode != "" {
		q.Set("response_mode", m.mode)
	}
	maps.Copy(q, with)
	for name, v := range q {
		if len(v) == 1 && v[0] == "" {
			q.Del(name)
		}
	}
	return q
}

// follow goes on from a page of Signet's, and signs in wherever it is asked, until there is an answer for the
// app or a page that nobody is asked anything on.
func (m *module) follow(p *page) *page {
	m.t.Helper()
	for range 8 {
		switch {
		case p.location != nil && strings.HasPrefix(p.location.String(), m.URL):
			p = m.browser.get(p.location.String())
		case p.location != nil && strings.HasPrefix(p.location.String(), m.globex.Issuer):
			m.asked++
			p = m.browser.atGlobex(p, m.globex, "ann")
		case p.has("choose"):
			action, form := p.form()
			form.Set("provider", m.at)
			p = m.browser.post(action, form)
		case p.has("password"):
			m.asked++
			p = m.browser.password(p, "ann", "correct horse battery")
		case p.has("consent"):
			action, form := p.form()
			form.Set("decision", "allow")
			p = m.browser.post(action, form)
		default:
			return p
		}
	}
	m.t.Fatalf("the sign-in has no end: %v", p)
	return nil
}

// open sends a request to the authorization endpoint and goes on from there.
func (m *module) open(q url.Values) *page {
	m.t.Helper()
	return m.follow(m.browser.get("/authorize?" + q.Encode()))
}

// answer is what the app gets, where and how it is to get it: its own state, our iss, and nothing beside them
// and want (RFC 6749 §4.1.2, RFC 9207).
func (m *module) answer(q url.Values, p *page, want ...string) url.Values {
	m.t.Helper()
	var got url.Values
	if q.Get("response_mode") == "form_post" {
		action, form := p.form()
		if p.status != http.StatusOK || action != q.Get("redirect_uri") {
			m.t.Fatalf("no form for the app: %v", p)
		}
		got = form
	} else {
		if p.location == nil || !strings.HasPrefix(p.location.String(), q.Get("redirect_uri")+"?") || p.status != http.StatusSeeOther {
			m.t.Fatalf("not sent to the app: %v", p)
		}
		got = p.location.Query()
	}
	if got.Get("state") != q.Get("state") || got.Get("iss") != m.URL || got.Has("state") != q.Has("state") {
		m.t.Errorf("state %q, iss %q; asked with state %q", got.Get("state"), got.Get("iss"), q.Get("state"))
	}
	known := append([]string{"state", "iss"}, want...)
	for name, v := range got {
		if !slices.Contains(known, name) || len(v) != 1 {
			m.t.Errorf("the app got %s=%v", name, v)
		}
	}
	for _, name := range want {
		if got.Get(name) == "" {
			m.t.Fatalf("the app got no %s: %v", name, got)
		}
	}
	return got
}

// refusal is the error that the app gets.
func (m *module) refusal(q url.Values, p *page) string {
	m.t.Helper()
	return m.answer(q, p, "error", "error_description").Get("error")
}

// shown is a page that says what is wrong, and sends nobody anywhere.
func (m *module) shown(p *page) {
	m.t.Helper()
	if p.status != http.StatusBadRequest || p.location != nil || !p.has("error") || p.text("reason") == "" {
		m.t.Errorf("not refused by a page: %v", p)
	}
}

// result is a finished login.
type result struct {
	code   string
	tokens tokenAnswer
	id     *oidc.IDToken
	claims map[string]any // of the ID token
	header map[string]any
}

// flow goes through a whole login: request, code, tokens, UserInfo.
func (m *module) flow(with url.Values) result {
	m.t.Helper()
	q := m.request(with)
	return m.finish(q, m.open(q), nil)
}

// finish redeems the code of an answer, and checks what comes of it.
func (m *module) finish(q url.Values, p *page, with url.Values) result {
	m.t.Helper()
	r := result{code: m.answer(q, p, "code").Get("code")}
	r.tokens = m.send(m.redemption(r.code, with))
	m.good(r.tokens, "Bearer")
	m.identify(&r, q.Get("nonce"), "RS256")
	m.person(r.tokens.Access, r.id.Subject)
	return r
}

// redemption is the request that redeems a code.
func (m *module) redemption(code string, with url.Values) *http.Request {
	m.t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callbackURI}}
	maps.Copy(form, with)
	return m.toToken(form)
}

// toToken is a request to the token endpoint as the app authenticates.
func (m *module) toToken(form url.Values) *http.Request {
	m.t.Helper()
	if m.client != nil {
		return m.client(form)
	}
	if m.app == suitePost {
		form.Set("client_id", m.id(m.app))
		form.Set("client_secret", m.secret(m.app))
	}
	req := m.fromApp("/token", form)
	if m.app != suitePost {
		req.SetBasicAuth(m.id(m.app), m.secret(m.app))
	}
	return req
}

// fromApp is a form for an endpoint, from an app and not from a browser.
func (m *module) fromApp(path string, form url.Values) *http.Request {
	m.t.Helper()
	req := m.world.browser().request(http.MethodPost, path, form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

// good holds a token response against RFC 6749 §5.1.
func (m *module) good(a tokenAnswer, kind string) {
	m.t.Helper()
	if a.status != http.StatusOK || a.Access == "" || a.ID == "" || a.Type != kind || a.Expires <= 0 {
		m.t.Fatalf("token = %d %s", a.status, a.body)
	}
	if !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" {
		m.t.Errorf("headers of the token response: %v", a.header)
	}
}

// bad holds an error response against RFC 6749 §5.2.
func (m *module) bad(a tokenAnswer, status int, codes ...string) {
	m.t.Helper()
	if a.status != status || !slices.Contains(codes, a.Error) || a.Access != "" {
		m.t.Errorf("token = %d %s, want %d %v", a.status, a.body, status, codes)
	}
	if !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") || a.header.Get("Cache-Control") != "no-store" || strings.ContainsAny(a.Description, "\r\n\t\"\\") {
		m.t.Errorf("headers of the error %v, description %q", a.header, a.Description)
	}
}

// identify verifies the ID token of a result by a client that nobody here wrote (OpenID Connect Core §3.1.3.7).
func (m *module) identify(r *result, nonce, alg string) {
	m.t.Helper()
	var err error
	r.id, err = m.rp.Verifier(&oidc.Config{ClientID: m.id(m.app), SupportedSigningAlgs: []string{alg}, Now: m.now}).Verify(m.t.Context(), r.tokens.ID)
	if err != nil {
		m.t.Fatalf("ID token: %v", err)
	}
	if err := r.id.VerifyAccessToken(r.tokens.Access); err != nil || r.id.Nonce != nonce {
		m.t.Errorf("nonce %q, want %q; at_hash: %v", r.id.Nonce, nonce, err)
	}
	decodeClaims(m.t, r.tokens.ID, &r.claims)
	decodeClaims(m.t, "."+r.tokens.ID[:strings.Index(r.tokens.ID, ".")]+".", &r.header)
	now := m.now().Unix()
	for _, name := range []string{"iat", "exp", "auth_time"} {
		if at, ok := r.claims[name].(float64); !ok || at < float64(now-3600*24) || at > float64(now+3600*24) {
			m.t.Errorf("%s = %v", name, r.claims[name])
		}
	}
	if sub := r.id.Subject; sub == "" || len(sub) > 255 || strings.ContainsFunc(sub, func(c rune) bool { return c > 0x7e || c < 0x20 }) {
		m.t.Errorf("sub = %q", sub)
	}
	if kid, _ := r.header["kid"].(string); kid == "" || r.header["alg"] != alg {
		m.t.Errorf("header %v", r.header)
	}
}

// person reads UserInfo and holds it against the ID token (OpenID Connect Core §5.3.2).
func (m *module) person(access, subject string) map[string]any {
	m.t.Helper()
	return m.userinfoOf(m.userinfo(access), subject)
}

func (m *module) userinfoOf(p *page, subject string) map[string]any {
	m.t.Helper()
	var claims map[string]any
	if err := json.Unmarshal([]byte(p.body), &claims); err != nil || p.status != http.StatusOK || !strings.HasPrefix(p.header.Get("Content-Type"), "application/json") {
		m.t.Fatalf("userinfo = %v %s, %v", p, p.body, err)
	}
	if claims["sub"] != subject {
		m.t.Errorf("userinfo is of %v, the ID token of %s", claims["sub"], subject)
	}
	return claims
}

// authTime is when the person of a result signed in.
func (r result) authTime() time.Time {
	at, _ := r.claims["auth_time"].(float64)
	return time.Unix(int64(at), 0)
}
