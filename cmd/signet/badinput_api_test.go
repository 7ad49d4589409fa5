package main

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/op"
)

// What withAPIs adds to a world.
const (
	selfApp    = "cron" // client_credentials alone
	bothApp    = "both" // people and itself
	onceApp    = "once" // authorization_code alone
	ordersAPI  = "https://orders.example.com/v1"
	stockAPI   = "urn:acme:stock"
	payrollAPI = "https://payroll.example.com" // bothApp's alone
	apiSecret  = "an-api-secret-of-32-characters-or-more"
	allScopes  = "openid email groups offline_access orders:read orders:write stock:read"
)

func withAPIs(text string) string {
	text = strings.Replace(text, "apps:\n", `apps:
  - {id: cron, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], grants: [client_credentials]}
  - {id: both, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], grants: [authorization_code, refresh_token, client_credentials]}
  - {id: once, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], grants: [authorization_code]}
  - {id: strict, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], dpop: required}
  - {id: fresh, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], dpop_nonce: true}
`, 1)
	return strings.Replace(text, "providers:\n", `apis:
  - {id: "https://orders.example.com/v1", secret: an-api-secret-of-32-characters-or-more, access: 5m, signing: ES256, scopes: [{name: "orders:read", description: See orders}, {name: "orders:write"}]}
  - {id: "urn:acme:stock", secret: an-api-secret-of-32-characters-or-more, access: 1h, scopes: [{name: "stock:read"}]}
  - {id: "https://payroll.example.com", apps: [both], scopes: [{name: "payroll:run"}]}
providers:
`, 1)
}

// apiRows are what apps may not have: grants, APIs and scopes.
func apiRows() []row {
	rows := []row{
		self("P-77", "client_credentials of an app of people", http.StatusBadRequest, "unauthorized_client", webApp, nil),
		self("P-77", "client_credentials of an app without a secret", http.StatusBadRequest, "unauthorized_client", publicApp, url.Values{"client_id": {publicApp}}),
		self("P-77", "authorization_code of an app that acts for itself", http.StatusBadRequest, "unauthorized_client", selfApp, url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}),
		self("P-77", "refresh_token of an app that gets none", http.StatusBadRequest, "unauthorized_client", onceApp, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}),
		wants("P-77", "code for an app that acts for itself", selfApp, "unauthorized_client", nil),
		{id: "P-77", name: "grants that may not be configured", do: func(w *trial) *page {
			for _, grants := range []string{"[password]", "[implicit]", "[client_credentials, x]"} {
				if !faulty(w.t, strings.Replace(w.config, "grants: [client_credentials]", "grants: "+grants, 1), "grants") {
					w.t.Errorf("grants: %s may be configured", grants)
				}
			}
			if !faulty(w.t, strings.Replace(w.config, "id: spa,", "id: spa, grants: [client_credentials],", 1), "grants") {
				w.t.Error("an app without a secret may act for itself")
			}
			return nil
		}},
		{id: "P-77", name: "client_credentials of an app without a secret that is registered for it", do: func(w *trial) *page {
			app := &broker.App{ID: "odd", Grants: []string{"client_credentials"}}
			if _, err := (&op.ClientCredentialsGrant{}).Authorize(w.t.Context(), app, url.Values{}); err == nil {
				w.t.Error("it gets a token")
			}
			return nil
		}},
		{id: "P-77", name: "no refresh token for an app that may not use one", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.redeem(onceApp, w.code(onceApp, nil), nil)
			if a.Refresh != "" || a.Access == "" {
				w.t.Errorf("refresh token %q", a.Refresh)
			}
			return a.page(w, "/token")
		}},
		wants("P-93", "resource of nobody", webApp, "invalid_target", url.Values{"resource": {"https://evil.example"}}),
		wants("P-93", "resource that is another app's", webApp, "invalid_target", url.Values{"resource": {payrollAPI}}),
		wants("P-93", "resource with a slash more", webApp, "invalid_target", url.Values{"resource": {ordersAPI + "/"}}),
		wants("P-93", "resource with a fragment", webApp, "invalid_target", url.Values{"resource": {ordersAPI + "#x"}}),
		wants("P-93", "one resource of nobody among good ones", webApp, "invalid_target", url.Values{"resource": {ordersAPI, "https://evil.example"}}),
		wants("P-93", "eleven resources", webApp, "invalid_target", url.Values{"resource": strings.Split(strings.Repeat(ordersAPI+" ", 10)+ordersAPI, " ")}),
		wants("P-93", "scope of another app's API", webApp, "invalid_scope", url.Values{"scope": {"openid payroll:run"}}),
		self("P-93", "itself: resource of nobody", http.StatusBadRequest, "invalid_target", selfApp, url.Values{"resource": {"https://evil.example"}}),
		self("P-93", "itself: resource that is another app's", http.StatusBadRequest, "invalid_target", selfApp, url.Values{"resource": {payrollAPI}}),
		self("P-93", "itself: scope of another app's API", http.StatusBadRequest, "invalid_scope", selfApp, url.Values{"scope": {"payroll:run"}}),
		self("P-93", "itself: scopes of two APIs", http.StatusBadRequest, "invalid_target", selfApp, url.Values{"scope": {"orders:read stock:read"}}),
		self("P-93", "itself: two scope parameters", http.StatusBadRequest, "invalid_request", selfApp, url.Values{"scope": {"orders:read", "stock:read"}}),
	}
	return append(append(rows, narrowRows()...), selfRows()...)
}

// wants is a row that asks for what the app may not have, at the authorization endpoint.
func wants(id, name, app, reason string, with url.Values) row {
	return row{id: id, name: name, status: http.StatusSeeOther, reason: reason, do: func(w *trial) *page {
		return w.browser().authorize(app, with)
	}}
}

// self is a row of an app that asks for a token of its own.
func self(id, name string, status int, reason, app string, with url.Values) row {
	return row{id: id, name: name, control: status == http.StatusOK, status: status, reason: reason, do: func(w *trial) *page {
		return w.self(app, with).page(w, "/token")
	}}
}

func (w *world) self(app string, with url.Values) tokenAnswer {
	w.t.Helper()
	f := url.Values{"grant_type": {"client_credentials"}}
	for k, v := range with {
		f[k] = v
	}
	return w.app(app, "/token", f)
}

// granted signs ann in with scopes of several APIs.
func (w *trial) granted(with url.Values) string {
	w.t.Helper()
	q := url.Values{"scope": {allScopes}}
	for k, v := range with {
		q[k] = v
	}
	return w.code(webApp, q)
}

// claimsAre compares some claims of a token; "" means that one must not be there.
func (w *trial) claimsAre(token string, want map[string]any) {
	w.t.Helper()
	var c map[string]any
	decodeClaims(w.t, token, &c)
	for name, v := range want {
		if got := c[name]; got != v && (v != "" || got != nil) {
			w.t.Errorf("%s = %v, want %v", name, got, v)
		}
	}
}

// alg checks what an access token is signed with.
func (w *trial) alg(token, want string) {
	w.t.Helper()
	var h struct{ Alg, Typ string }
	raw, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err := json.Unmarshal(raw, &h); err != nil || h.Alg != want || h.Typ != "at+jwt" {
		w.t.Errorf("header %s, want alg %s", raw, want)
	}
}

// narrowRows choose one of several APIs that were granted.
func narrowRows() []row {
	redeemFor := func(name, reason string, asked, with url.Values) row {
		return row{id: "P-93", name: name, status: http.StatusBadRequest, reason: reason, do: func(w *trial) *page {
			code := w.granted(asked)
			w.ready()
			return w.redeem(webApp, code, with).page(w, "/token")
		}}
	}
	return []row{
		redeemFor("code: several APIs and none is named", "invalid_target", nil, nil),
		redeemFor("code: two are named", "invalid_target", nil, url.Values{"resource": {ordersAPI, stockAPI}}),
		redeemFor("code: one that was granted and another are named", "invalid_target", url.Values{"resource": {ordersAPI}}, url.Values{"resource": {ordersAPI, "https://evil.example"}}),
		redeemFor("code: one is named that was not asked for", "invalid_target", url.Values{"resource": {ordersAPI}}, url.Values{"resource": {stockAPI}}),
		redeemFor("code: one is named that is nobody's", "invalid_target", nil, url.Values{"resource": {"https://evil.example"}}),
		{id: "P-93", name: "code and refresh, each narrowed to one API", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.redeem(webApp, w.granted(nil), url.Values{"resource": {ordersAPI}})
			w.alg(a.Access, "ES256")
			w.claimsAre(a.Access, map[string]any{"aud": ordersAPI, "scope": "orders:read orders:write", "client_id": webApp})
			if a.Expires != 300 || a.Scope != "orders:read orders:write" || a.ID == "" {
				w.t.Errorf("expires_in %d, scope %q", a.Expires, a.Scope)
			}
			b := w.app(webApp, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.Refresh}, "resource": {stockAPI}})
			w.alg(b.Access, "RS256")
			w.claimsAre(b.Access, map[string]any{"aud": stockAPI, "scope": "stock:read"})
			c := w.app(webApp, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {b.Refresh}, "resource": {w.URL}})
			if p := w.userinfo(c.Access); p.status != http.StatusOK {
				w.t.Errorf("userinfo = %d", p.status)
			}
			w.claimsAre(c.Access, map[string]any{"aud": w.URL, "scope": "openid email groups offline_access"})
			return b.page(w, "/token")
		}},
		{id: "P-93", name: "one API by its scope alone", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.redeem(webApp, w.granted(url.Values{"scope": {"openid stock:read nobodys:scope"}}), nil)
			w.claimsAre(a.Access, map[string]any{"aud": stockAPI, "scope": "stock:read"})
			return a.page(w, "/token")
		}},
		{id: "P-93", name: "resource without the scopes of another", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.redeem(webApp, w.granted(url.Values{"resource": {ordersAPI}}), nil)
			w.claimsAre(a.Access, map[string]any{"aud": ordersAPI, "scope": "orders:read orders:write"})
			return a.page(w, "/token")
		}},
		{id: "P-93", name: "API's access token at userinfo", status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			a := w.redeem(webApp, w.granted(nil), url.Values{"resource": {ordersAPI}})
			w.ready()
			return w.userinfo(a.Access)
		}},
		{id: "P-93", name: "refresh for an API that was not granted", status: http.StatusBadRequest, reason: "invalid_target", do: func(w *trial) *page {
			a := w.redeem(webApp, w.granted(url.Values{"resource": {ordersAPI}}), nil)
			w.ready()
			return w.app(webApp, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.Refresh}, "resource": {stockAPI}}).page(w, "/token")
		}},
		{id: "P-93", name: "refresh for an API that is gone", fresh: true, status: http.StatusBadRequest, reason: "invalid_target", do: func(w *trial) *page {
			a := w.redeem(webApp, w.granted(url.Values{"resource": {ordersAPI}}), nil)
			w.reconfigure(`id: "`+ordersAPI+`",`, `id: "`+ordersAPI+`", apps: [other],`)
			w.ready()
			return w.refresh(webApp, a.Refresh).page(w, "/token")
		}},
		{id: "P-93", name: "code with a scope of an API is asked about as long as its token lives", control: true, do: func(w *trial) *page {
			a := w.redeem(webApp, w.granted(url.Values{"scope": {"openid stock:read"}}), nil)
			w.pass(50 * time.Minute) // the app's own would have expired
			if p := w.inspect(stockAPI, a.Access); !strings.Contains(p.body, `"active":true`) {
				w.t.Errorf("introspection = %s", p.body)
			}
			return nil
		}},
	}
}

// selfRows are tokens of an app's own.
func selfRows() []row {
	return []row{
		{id: "P-93", name: "app's own token at userinfo", status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			return w.userinfo(w.self(selfApp, url.Values{"resource": {w.URL}}).Access)
		}},
		{id: "P-93", name: "app's own token", control: true, status: http.StatusOK, do: func(w *trial) *page {
			events := w.count("SELECT count(*) FROM events")
			a := w.self(selfApp, url.Values{"scope": {"orders:read openid"}})
			w.alg(a.Access, "ES256")
			w.claimsAre(a.Access, map[string]any{"aud": ordersAPI, "sub": selfApp, "client_id": selfApp, "scope": "orders:read", "sid": "", "auth_time": ""})
			if a.ID != "" || a.Refresh != "" || a.Expires != 300 || a.Type != "Bearer" {
				w.t.Errorf("%+v", a)
			}
			if after := w.counts(); !maps.Equal(after, w.before) || w.count("SELECT count(*) FROM events") != events {
				w.t.Errorf("something is kept: %v, was %v", after, w.before)
			}
			return a.page(w, "/token")
		}},
		{id: "P-93", name: "app's own token without a scope has all of the API's", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.self(bothApp, url.Values{"resource": {ordersAPI}})
			w.claimsAre(a.Access, map[string]any{"aud": ordersAPI, "scope": "orders:read orders:write"})
			return a.page(w, "/token")
		}},
	}
}
