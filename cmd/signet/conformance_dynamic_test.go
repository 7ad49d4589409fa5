package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/net/html"

	"github.com/signet-broker/signet/broker"
)

// TestConformanceDynamic is the plan oidcc-dynamic-certification-test-plan: every module registers its own app.
func TestConformanceDynamic(t *testing.T) {
	s := newSuite(t, withSuite, withRegistration, withLoopback)
	s.dynamic = true
	var modules []testModule
	for _, more := range [][]testModule{registrationModules(), registeredURIModules(), registeredKeyModules(), registeredRequestModules()} {
		modules = append(modules, more...)
	}
	s.run(t, modules)
}

// TestConformanceBasicDynamic is the plan oidcc-basic-certification-test-plan with client_registration=dynamic_client.
func TestConformanceBasicDynamic(t *testing.T) {
	s := newSuite(t, withSuite, withRegistration)
	s.dynamic = true
	modules := basicModules()
	for i := range modules {
		if modules[i].name == "oidcc-idtoken-unsigned" {
			modules[i].do = (*module).registeredUnsigned
		}
	}
	s.run(t, modules)
}

// TestConformanceThirdPartyInitiated is the plan oidcc-3rdparty-init-login-certification-test-plan.
func TestConformanceThirdPartyInitiated(t *testing.T) {
	s := newSuite(t, withSuite, withRegistration)
	s.dynamic = true
	s.run(t, []testModule{
		{"oidcc-3rd_party-init-login", (*module).initiated},
		{"oidcc-3rd_party-init-login-nohttps", func(m *module) {
			m.notRegistered(map[string]any{"initiate_login_uri": "http://app.example.com/login"}, "invalid_client_metadata")
		}},
	})
}

// registerAll registers an app for each of the suite's.
func (s *suite) registerAll() {
	s.t.Helper()
	s.clients = map[string]registrant{}
	for app, method := range map[string]string{suiteApp: "client_secret_basic", suiteTwo: "client_secret_basic", suitePost: "client_secret_post"} {
		s.clients[app] = s.registered(s.initialToken(), metadata(map[string]any{
			"token_endpoint_auth_method": method, "grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
			"contacts": []string{"ops@app.example.com"}, "post_logout_redirect_uris": []string{afterLogout}, "frontchannel_logout_uri": suiteOut,
		}))
	}
}

// is registers an app that the module goes on with.
func (m *module) is(with map[string]any) registrant {
	m.t.Helper()
	all := map[string]any{"grant_types": []string{"authorization_code", "refresh_token"}}
	maps.Copy(all, with)
	r := m.registered(m.initialToken(), metadata(all))
	m.clients[suiteApp] = r
	return r
}

// notRegistered is metadata that is refused (RFC 7591 §3.2.2).
func (m *module) notRegistered(with map[string]any, code string) {
	m.t.Helper()
	p := m.jsonTo(http.MethodPost, "/register", m.initialToken(), metadata(with))
	var answer map[string]any
	if err := json.Unmarshal([]byte(p.body), &answer); err != nil || p.status != http.StatusBadRequest || answer["error"] != code ||
		!strings.HasPrefix(p.header.Get("Content-Type"), "application/json") || p.header.Get("Cache-Control") != "no-store" {
		m.t.Errorf("register = %v %s", p, p.body)
	}
}

// registeredUnsigned: an app that wants no signature is not registered.
func (m *module) registeredUnsigned() {
	m.notRegistered(map[string]any{"id_token_signed_response_alg": "none"}, "invalid_client_metadata")
	if algs := m.discovery()["id_token_signing_alg_values_supported"].([]any); slices.Contains(algs, any("none")) {
		m.t.Errorf("id_token_signing_alg_values_supported = %v", algs)
	}
}

// initiated: the address where a login begins is kept, and people are sent there with our iss.
func (m *module) initiated() {
	const at = "https://app.example.com/login?tenant=7"
	r := m.is(map[string]any{"initiate_login_uri": at})
	if read := m.told(m.jsonTo(http.MethodGet, r.URI, r.Token, nil)); r.all["initiate_login_uri"] != at || read.all["initiate_login_uri"] != at {
		m.t.Errorf("registered: %v, read: %v", r.all, read.all)
	}
	m.flow(nil)
	p := m.browser.get("/logout?" + url.Values{"client_id": {r.ID}}.Encode())
	link := p.find(func(n *html.Node) bool {
		return strings.HasPrefix(attribute(n, "href"), "https://app.example.com/login")
	})
	if link == nil {
		m.t.Fatalf("no way back to the app: %s", p.body)
	}
	to, err := url.Parse(attribute(link, "href"))
	if err != nil || to.Query().Get("iss") != m.URL || to.Query().Get("tenant") != "7" {
		m.t.Errorf("sent to %v", to)
	}
	// The app begins the login that follows.
	m.flow(nil)
}

// shows is a page of the app's own that people find on the page that asks them.
func shows(member, id string) func(*module) {
	return func(m *module) {
		const at = "https://app.example.com/about/it"
		m.is(map[string]any{member: at})
		q := m.request(nil)
		p := m.browser.get("/authorize?" + q.Encode())
		for p.location != nil || p.has("choose") || p.has("password") {
			switch {
			case p.location != nil:
				p = m.browser.get(p.location.String())
			case p.has("choose"):
				action, form := p.form()
				form.Set("provider", m.at)
				p = m.browser.post(action, form)
			default:
				p = m.browser.password(p, "ann", "correct horse battery")
			}
		}
		link := p.find(func(n *html.Node) bool { return attribute(n, "id") == id })
		if !p.has("consent") || link == nil || attribute(link, "href") != at {
			m.t.Errorf("no link to it: %v %s", p, p.body)
		}
		m.finish(q, m.follow(p), nil)
	}
}

func registrationModules() []testModule {
	return []testModule{
		{"oidcc-idtoken-rs256", func(m *module) { m.is(map[string]any{"id_token_signed_response_alg": "RS256"}); m.idTokenSignature() }},
		{"oidcc-idtoken-unsigned", (*module).registeredUnsigned},
		{"oidcc-userinfo-rs256", (*module).signedUserinfo},
		{"oidcc-discovery-endpoint-verification", func(m *module) {
			m.discoveryVerification()
			m.endpoints(m.discovery(), "registration_endpoint")
		}},
		{"oidcc-server", (*module).server},
		{"oidcc-registration-logo-uri", shows("logo_uri", "app-logo")},
		{"oidcc-registration-policy-uri", shows("policy_uri", "app-policy")},
		{"oidcc-registration-tos-uri", shows("tos_uri", "app-terms")},
		{"oidcc-refresh-token", (*module).refreshToken},
		{"oidcc-server-rotate-keys", func(m *module) {
			before := m.flow(nil)
			at, err := m.signet.ring.Rotate(m.t.Context())
			if err != nil {
				m.t.Fatal(err)
			}
			m.pass(at.At.Sub(m.now()) + time.Second) // apps have had the time to see it
			// A new client: one that has kept the key set asks for it again, as a new one does.
			rp, err := oidc.NewProvider(m.t.Context(), m.URL)
			if err != nil {
				m.t.Fatal(err)
			}
			m.rp = rp
			if after := m.flow(nil); after.header["kid"] == before.header["kid"] {
				m.t.Errorf("signed by %v, before and after", after.header["kid"])
			}
			if _, err := oidc.NewRemoteKeySet(m.t.Context(), m.URL+"/jwks").VerifySignature(m.t.Context(), before.tokens.ID); err != nil {
				m.t.Errorf("what was signed before: %v", err)
			}
		}},
	}
}

// signedUserinfo: UserInfo is a JWT by a key of ours, about the same person, for this app (OpenID Connect Core §5.3.2).
func (m *module) signedUserinfo() {
	r := m.is(map[string]any{"userinfo_signed_response_alg": "RS256"})
	q := m.request(url.Values{"scope": {"openid email"}})
	a := m.send(m.redemption(m.answer(q, m.open(q), "code").Get("code"), nil))
	got := result{tokens: a}
	m.identify(&got, q.Get("nonce"), "RS256")
	p := m.userinfo(a.Access)
	payload, err := oidc.NewRemoteKeySet(m.t.Context(), m.URL+"/jwks").VerifySignature(m.t.Context(), p.body)
	var claims map[string]any
	if err != nil || json.Unmarshal(payload, &claims) != nil || p.header.Get("Content-Type") != "application/jwt" {
		m.t.Fatalf("userinfo = %v %s: %v", p, p.body, err)
	}
	if claims["iss"] != m.URL || claims["aud"] != r.ID || claims["sub"] != got.id.Subject || claims["email"] == nil {
		m.t.Errorf("claims %v", claims)
	}
	if p := m.browser.get("/authorize?" + m.request(url.Values{"id_token_hint": {p.body}}).Encode()); !strings.Contains(p.location.String(), "error=invalid_request") {
		m.t.Errorf("it passes for an ID token: %v", p)
	}
}

func registeredURIModules() []testModule {
	const withQuery = callbackURI + "?foo=bar"
	at := func(uris ...string) map[string]any { return map[string]any{"redirect_uris": uris} }
	refused := func(registered, asked []string) func(*module) {
		return func(m *module) {
			m.is(at(registered...))
			m.shown(m.open(m.request(url.Values{"redirect_uri": asked})))
		}
	}
	return []testModule{
		{"oidcc-ensure-redirect-uri-in-authorization-request", refused([]string{callbackURI, secondURI}, []string{""})},
		{"oidcc-redirect-uri-query-mismatch", refused([]string{withQuery}, []string{callbackURI + "?bar=foo"})},
		{"oidcc-redirect-uri-query-added", refused([]string{callbackURI}, []string{withQuery})},
		{"oidcc-redirect-uri-regfrag", func(m *module) { m.notRegistered(at(callbackURI+"#foobar"), "invalid_redirect_uri") }},
		{"oidcc-redirect-uri-query-OK", func(m *module) {
			m.is(at(withQuery))
			q := m.request(url.Values{"redirect_uri": {withQuery}})
			p := m.open(q)
			got := p.location.Query()
			if !strings.HasPrefix(p.location.String(), withQuery+"&") || got.Get("foo") != "bar" || got.Get("state") != q.Get("state") || got.Get("code") == "" {
				m.t.Fatalf("sent to %v", p.location)
			}
			a := m.send(m.redemption(got.Get("code"), url.Values{"redirect_uri": {withQuery}}))
			m.good(a, "Bearer")
		}},
		{"oidcc-registration-sector-uri", func(m *module) {
			uris := []string{callbackURI, "https://other.example/callback"}
			published := publishes(m, jsonText(uris))
			m.is(map[string]any{"redirect_uris": uris, "subject_type": "pairwise", "sector_identifier_uri": published.URL + "/sector"})
			first := m.flow(nil)
			m.is(map[string]any{"redirect_uris": uris[:1], "subject_type": "pairwise", "sector_identifier_uri": published.URL + "/sector"})
			if second := m.flow(nil); second.id.Subject != first.id.Subject {
				m.t.Errorf("sub %s and %s in one sector", first.id.Subject, second.id.Subject)
			}
			m.is(map[string]any{"subject_type": "pairwise"})
			if other := m.flow(nil); other.id.Subject == first.id.Subject {
				m.t.Error("one sub in two sectors")
			}
		}},
		{"oidcc-registration-sector-bad", func(m *module) {
			for name, text := range map[string]string{"another": `["https://other.example/callback"]`, "none": `[]`, "no list": `{"redirect_uris":["` + callbackURI + `"]}`, "no JSON": callbackURI} {
				published := publishes(m, text)
				for _, kind := range []string{"pairwise", "public"} {
					m.notRegistered(map[string]any{"subject_type": kind, "sector_identifier_uri": published.URL + "/" + url.PathEscape(name)}, "invalid_client_metadata")
				}
			}
		}},
		{"oidcc-ensure-request-object-with-redirect-uri", func(m *module) {
			r := m.is(map[string]any{"jwks": json.RawMessage(publicKeys("rs")), "request_object_signing_alg": "RS256"})
			d := m.object(r.ID, map[string]any{"redirect_uri": callbackURI})
			d.appKey = appKeys()["rs"]
			q := m.request(url.Values{"redirect_uri": {callbackURI + "/NKZLWAGBPQ"}})
			d.claims["state"], d.claims["nonce"], d.claims["scope"] = q.Get("state"), q.Get("nonce"), "openid"
			q.Set("request", d.sign())
			p := m.open(q)
			q.Set("redirect_uri", callbackURI) // what was signed counts
			m.finish(q, p, url.Values{"code_verifier": {verifier}})
			// By another algorithm than the one that is registered it is no request.
			d.appKey = appKeys()["ps"]
			q.Set("request", d.sign())
			if got := m.refusal(q, m.open(q)); got != "invalid_request_object" {
				m.t.Errorf("by PS256: %s", got)
			}
		}},
	}
}

// publishes is an address of the app's that says text.
func publishes(m *module, text string) *httptest.Server {
	m.t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(text))
	}))
	m.t.Cleanup(s.Close)
	return s
}

// keyed registers an app that signs by a key that it publishes, and goes on as it.
func (m *module) keyed(with map[string]any, key *atomic.Value) registrant {
	m.t.Helper()
	r := m.is(merge(map[string]any{"token_endpoint_auth_method": "private_key_jwt"}, with))
	m.client = func(form url.Values) *http.Request {
		d := m.draft(r.ID)
		d.appKey = appKeys()[key.Load().(string)]
		return m.fromApp("/token", asserted(form, d.sign()))
	}
	return r
}

func merge(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func registeredKeyModules() []testModule {
	by := func(name string) *atomic.Value {
		v := new(atomic.Value)
		v.Store(name)
		return v
	}
	offline := url.Values{"scope": {"openid offline_access"}, "prompt": {"consent"}}
	return []testModule{
		{"oidcc-registration-jwks-uri", func(m *module) {
			published := publishes(m, publicKeys("rs"))
			m.keyed(map[string]any{"jwks_uri": published.URL + "/keys", "token_endpoint_auth_signing_alg": "RS256"}, by("rs"))
			m.flow(nil)
		}},
		{"oidcc-refresh-token-rp-key-rotation", func(m *module) {
			farKeys().honest("es")
			defer farKeys().honest("es")
			key := by("es")
			m.keyed(map[string]any{"jwks_uri": farKeys().URL + "/keys"}, key)
			first := m.flow(offline)
			// A new key, published beside nothing of the former.
			key.Store("unknown")
			farKeys().honest("unknown")
			m.refreshes(first, func(token string) tokenAnswer { return m.send(m.toToken(refreshForm(token))) })
		}},
		{"oidcc-ensure-client-assertion-with-iss-aud-succeeds", func(m *module) {
			m.keyed(map[string]any{"jwks": json.RawMessage(publicKeys("es"))}, by("es"))
			m.flow(nil) // aud is the issuer, as one text
			if app := m.signet.registry.App(m.id(m.app)); app == nil || app.Credentials.Method != broker.AuthPrivateKey || !app.ThirdParty {
				m.t.Errorf("app %+v", app)
			}
		}},
	}
}

// registeredRequestModules have a request fetched from where the app has registered it (OpenID Connect Core §6.2).
func registeredRequestModules() []testModule {
	return []testModule{
		{"oidcc-request-uri-unsigned", func(m *module) {
			m.notRegistered(map[string]any{"request_object_signing_alg": "none", "request_uris": []string{"https://app.example.com/object"}}, "invalid_client_metadata")
			q, _ := m.pointing(appKey{alg: "none"})
			if got := m.refusal(q, m.open(q)); got != "invalid_request_object" {
				m.t.Errorf("error = %s", got)
			}
		}},
		{"oidcc-request-uri-signed-rs256", func(m *module) {
			q, inside := m.pointing(appKeys()["rs"])
			p := m.open(q)
			m.finish(inside, p, nil)
			if doc := m.discovery(); doc["request_uri_parameter_supported"] != true || doc["require_request_uri_registration"] != true {
				m.t.Errorf("discovery says %v", doc)
			}
		}},
	}
}

// pointing registers an app with an address for its requests, and is a request that points there. inside is what
// stands there.
func (m *module) pointing(key appKey) (beside, inside url.Values) {
	m.t.Helper()
	var text atomic.Value
	desk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text.Load().(string))) }))
	m.t.Cleanup(desk.Close)
	r := m.is(map[string]any{"jwks": json.RawMessage(publicKeys("rs")), "request_object_signing_alg": "RS256", "request_uris": []string{desk.URL + "/object"}})
	beside, inside = m.request(nil), m.request(nil)
	d := m.draft(r.ID)
	d.appKey = key
	delete(d.claims, "sub")
	for name := range inside {
		d.claims[name] = inside.Get(name)
	}
	text.Store(d.sign())
	if key.alg == "none" {
		inside = beside
	}
	beside.Set("request_uri", desk.URL+"/object")
	return beside, inside
}
