package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// scopeModules ask for claims by scope (OpenID Connect Core §5.4).
func scopeModules() []testModule {
	claims := map[string][]string{
		"profile": {
			"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "gender",
			"birthdate", "zoneinfo", "locale",
		},
		"email": {"email", "email_verified"}, "address": {"address"}, "phone": {"phone_number", "phone_number_verified"},
	}
	all := func(scopes ...string) func(*module) {
		return func(m *module) {
			var want []string
			for _, s := range scopes {
				want = append(want, claims[s]...)
			}
			m.at = "globex"
			r := m.flow(url.Values{"scope": {"openid " + strings.Join(scopes, " ")}})
			got := m.person(r.tokens.Access, r.id.Subject)
			m.says(got, want...)
			if at, ok := got["updated_at"].(float64); ok != slices.Contains(scopes, "profile") || ok && at < 1e9 {
				m.t.Errorf("updated_at = %v", got["updated_at"])
			}
		}
	}
	return []testModule{
		{"oidcc-scope-profile", all("profile")},
		{"oidcc-scope-email", all("email")},
		{"oidcc-scope-address", all("address")},
		{"oidcc-scope-phone", all("phone")},
		{"oidcc-scope-all", all("email", "phone", "address", "profile")},
	}
}

// says holds claims about somebody against what is known of them: these, in their types, and no others.
func (m *module) says(claims map[string]any, want ...string) {
	m.t.Helper()
	for name, v := range somebody {
		got, ok := claims[name]
		if ok != slices.Contains(want, name) || ok && !reflect.DeepEqual(got, v) {
			m.t.Errorf("%s = %v (%T)", name, got, got)
		}
	}
}

// displayModules say how the pages should be: what cannot be is no error (OpenID Connect Core §3.1.2.1).
func displayModules() []testModule {
	with := func(name, value string) func(*module) {
		return func(m *module) { m.flow(url.Values{name: {value}}) }
	}
	return []testModule{
		{"oidcc-display-page", with("display", "page")},
		{"oidcc-display-popup", with("display", "popup")},
		{"oidcc-claims-locales", with("claims_locales", "se")},
		{"oidcc-ensure-request-with-unknown-parameter-succeeds", with("extra", "foobar")},
		{"oidcc-ui-locales", func(m *module) {
			q := m.request(url.Values{"ui_locales": {"se de"}})
			p := m.browser.get(m.browser.get("/authorize?" + q.Encode()).location.String())
			if root := p.find(func(n *html.Node) bool { return n.Data == "html" }); attribute(root, "lang") != "de" {
				m.t.Errorf("the page is in %q", attribute(root, "lang"))
			}
			m.finish(q, m.follow(p), nil)
		}},
		{"oidcc-login-hint", func(m *module) {
			q := m.request(url.Values{"login_hint": {"ann@acme.example"}, "provider": {"local"}})
			p := m.browser.get(m.browser.get("/authorize?" + q.Encode()).location.String())
			field := p.find(func(n *html.Node) bool { return attribute(n, "id") == "username" })
			if field == nil || attribute(field, "value") != "ann@acme.example" {
				m.t.Errorf("the hint is not on the page: %v", p)
			}
			m.finish(q, m.follow(p), nil)
		}},
		{"oidcc-ensure-request-with-acr-values-succeeds", func(m *module) {
			if r := m.flow(url.Values{"acr_values": {"1 2"}}); r.claims["acr"] == "1" || r.claims["acr"] == "2" {
				m.t.Errorf("acr = %v, which nobody has vouched for", r.claims["acr"])
			}
		}},
		{"oidcc-claims-essential", func(m *module) {
			m.at = "globex"
			r := m.flow(url.Values{"claims": {`{"userinfo":{"name":{"essential":true}}}`}})
			m.says(r.claims)
			m.says(m.person(r.tokens.Access, r.id.Subject), "name")
		}},
	}
}

// againModules send somebody here a second time.
func againModules() []testModule {
	same := func(first, second url.Values) func(*module) {
		return func(m *module) {
			one := m.flow(first)
			if second.Has("id_token_hint") {
				second = url.Values{"prompt": {"none"}, "id_token_hint": {one.tokens.ID}}
			}
			m.pass(3 * time.Second)
			two := m.flow(second)
			if m.asked != 1 || one.id.Subject != two.id.Subject || one.claims["auth_time"] != two.claims["auth_time"] {
				m.t.Errorf("asked %d times; sub %s, was %s; auth_time %v, was %v", m.asked, two.id.Subject, one.id.Subject, two.claims["auth_time"], one.claims["auth_time"])
			}
		}
	}
	anew := func(second url.Values) func(*module) {
		return func(m *module) {
			one := m.flow(nil)
			m.pass(2 * time.Second)
			two := m.flow(second)
			if m.asked != 2 || one.id.Subject != two.id.Subject || !two.authTime().After(one.authTime()) || m.now().Sub(two.authTime()) > time.Minute {
				m.t.Errorf("asked %d times; sub %s, was %s; auth_time %v, was %v", m.asked, two.id.Subject, one.id.Subject, two.authTime(), one.authTime())
			}
		}
	}
	none := url.Values{"prompt": {"none"}}
	return []testModule{
		{"oidcc-prompt-login", anew(url.Values{"prompt": {"login"}})},
		{"oidcc-max-age-1", anew(url.Values{"max_age": {"1"}})},
		{"oidcc-max-age-10000", same(url.Values{"max_age": {"15000"}}, url.Values{"max_age": {"10000"}})},
		{"oidcc-prompt-none-logged-in", same(nil, none)},
		{"oidcc-id-token-hint", same(nil, url.Values{"id_token_hint": {"of the first"}})},
		{"oidcc-prompt-none-not-logged-in", func(m *module) {
			q := m.request(url.Values{"prompt": {"none"}, "state": {strings.Repeat("long", 32)}})
			if got := m.refusal(q, m.open(q)); got != "login_required" || m.asked != 0 {
				m.t.Errorf("error = %s, asked %d times", got, m.asked)
			}
		}},
	}
}

// requestModules send the request in another way, or to where nobody has registered.
func requestModules() []testModule {
	// object is an unsigned request object of the parameters.
	object := func(q url.Values) string {
		claims := map[string]any{}
		for name := range q {
			claims[name] = q.Get(name)
		}
		raw, err := json.Marshal(claims)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(raw) + "."
	}
	return []testModule{
		{"oidcc-ensure-registered-redirect-uri", func(m *module) {
			m.shown(m.open(m.request(url.Values{"redirect_uri": {callbackURI + "/NKZLWAGBPQ"}})))
		}},
		{"oidcc-ensure-post-request-succeeds", func(m *module) {
			// The form is on the app's page: the browser sends none of our cookies with it.
			q := m.request(nil)
			foreign := m.world.browser()
			foreign.header = http.Header{"Origin": {"https://app.example.com"}, "Sec-Fetch-Site": {"cross-site"}}
			p := foreign.post("/authorize", q)
			if p.status != http.StatusSeeOther {
				m.t.Fatalf("POST = %v", p)
			}
			m.finish(q, m.follow(p), nil)
		}},
		{"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", func(m *module) {
			q := m.request(url.Values{"request_uri": {"https://app.example.com/object#x"}})
			if got := m.refusal(q, m.open(q)); got != "request_uri_not_supported" || m.discovery()["request_uri_parameter_supported"] != m.dynamic {
				m.t.Errorf("error = %s", got)
			}
		}},
		{"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", func(m *module) {
			q := m.request(nil)
			q.Set("request", object(q))
			if got := m.refusal(q, m.open(q)); got != "request_not_supported" {
				m.t.Errorf("error = %s", got)
			}
		}},
		{"oidcc-ensure-request-object-with-redirect-uri", func(m *module) {
			q := m.request(nil)
			q.Set("request", object(q))
			q.Set("redirect_uri", callbackURI+"/NKZLWAGBPQ")
			m.shown(m.open(q))
		}},
	}
}
