package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/signet-broker/signet/broker/keys"
)

// ask posts to the introspection endpoint. who is an app, or an API; "" is nobody.
func (w *world) ask(who, secret string, form url.Values, header http.Header) *page {
	w.t.Helper()
	b := w.browser()
	for k, v := range header {
		b.header[k] = v
	}
	req := b.request(http.MethodPost, "/introspect", form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if who != "" {
		req.SetBasicAuth(url.QueryEscape(who), secret)
	}
	return b.do(req)
}

// inspect asks honestly.
func (w *world) inspect(who, token string) *page {
	w.t.Helper()
	secret := apiSecret
	if !strings.Contains(who, ":") {
		secret = appSecret
	}
	return w.ask(who, secret, url.Values{"token": {token}}, nil)
}

// inactive checks that an answer says nothing but that.
func (w *trial) inactive(p *page) *page {
	w.t.Helper()
	if p.status != http.StatusOK || p.body != `{"active":false}` {
		w.t.Errorf("introspection = %d %s", p.status, p.body)
	}
	return p
}

func (w *trial) active(p *page) map[string]any {
	w.t.Helper()
	var c map[string]any
	if err := json.Unmarshal([]byte(p.body), &c); err != nil || c["active"] != true {
		w.t.Errorf("introspection = %d %s", p.status, p.body)
	}
	return c
}

// orders is a token of ann's for the orders API, by web.
func (w *trial) orders() tokenAnswer {
	w.t.Helper()
	return w.redeem(webApp, w.granted(url.Values{"resource": {ordersAPI}}), nil)
}

func introspectRows() []row {
	rows := []row{
		strange("P-106", "by another app", func(w *trial, a tokenAnswer) *page { return w.inspect(otherApp, a.Access) }),
		strange("P-106", "by another API", func(w *trial, a tokenAnswer) *page { return w.inspect(stockAPI, a.Access) }),
		strange("P-106", "refresh token by another app", func(w *trial, a tokenAnswer) *page { return w.inspect(otherApp, a.Refresh) }),
		strange("P-106", "refresh token by the API", func(w *trial, a tokenAnswer) *page { return w.inspect(ordersAPI, a.Refresh) }),
		strange("P-106", "access token for userinfo by an API", func(w *trial, _ tokenAnswer) *page {
			return w.inspect(ordersAPI, w.tokens(webApp, "globex", "ann").Access)
		}),
		asker("P-106", "by nobody", http.StatusUnauthorized, "invalid_client", "", "", nil),
		asker("P-106", "API with a wrong secret", http.StatusUnauthorized, "invalid_client", ordersAPI, "wrong", nil),
		asker("P-106", "API without a secret of its own", http.StatusUnauthorized, "invalid_client", payrollAPI, "", nil),
		asker("P-106", "API with an app's secret", http.StatusUnauthorized, "invalid_client", ordersAPI, appSecret, nil),
		asker("P-106", "API in the header, another in the form", http.StatusUnauthorized, "invalid_client", ordersAPI, apiSecret, url.Values{"client_id": {stockAPI}}),
		asker("P-106", "API with its secret twice", http.StatusBadRequest, "invalid_request", ordersAPI, apiSecret, url.Values{"client_secret": {apiSecret}}),
		asker("P-106", "app in the form, API in the header", http.StatusUnauthorized, "invalid_client", ordersAPI, apiSecret, url.Values{"client_id": {webApp}}),
		asker("P-106", "app with a wrong secret", http.StatusUnauthorized, "invalid_client", webApp, "wrong", nil),
		asker("P-106", "app without a secret", http.StatusUnauthorized, "invalid_client", "", "", url.Values{"client_id": {publicApp}}),
		asker("P-107", "no token", http.StatusBadRequest, "invalid_request", ordersAPI, apiSecret, url.Values{"token": {""}}),
		asker("P-107", "two tokens", http.StatusBadRequest, "invalid_request", ordersAPI, apiSecret, url.Values{"token": {"a", "b"}}),
		{id: "P-107", name: "1 MB", status: http.StatusRequestEntityTooLarge, reason: "invalid_request", harsh: true, do: func(w *trial) *page {
			return w.inspect(ordersAPI, strings.Repeat("a", 1<<20))
		}},
		{id: "P-106", name: "bearer token as credentials", status: http.StatusUnauthorized, reason: "invalid_client", do: func(w *trial) *page {
			a := w.orders()
			w.ready()
			return w.ask("", "", url.Values{"token": {a.Access}}, http.Header{"Authorization": {"Bearer " + a.Access}})
		}},
		{id: "P-106", name: "good tokens, by whom they concern", control: true, status: http.StatusOK, do: askGood},
		{id: "P-106", name: "signed answer", control: true, do: askSigned},
	}
	return append(append(rows, deadRows()...), garbageRows()...)
}

// strange is a row that asks about good tokens of web's for the orders API, and is told nothing.
func strange(id, name string, do func(*trial, tokenAnswer) *page) row {
	return row{id: id, name: name, status: http.StatusOK, do: func(w *trial) *page {
		a := w.orders()
		w.active(w.inspect(ordersAPI, a.Access))
		w.active(w.inspect(webApp, a.Refresh))
		w.ready()
		p := do(w, a)
		w.ready() // some sign in on the way
		return w.inactive(p)
	}}
}

// asker is a row of somebody who may not ask, about a good token.
func asker(id, name string, status int, reason, who, secret string, with url.Values) row {
	return row{id: id, name: name, status: status, reason: reason, do: func(w *trial) *page {
		form := url.Values{"token": {w.orders().Access}}
		for k, v := range with {
			form[k] = v
		}
		w.ready()
		return w.ask(who, secret, form, nil)
	}}
}

// deadRows are tokens that were good a moment ago.
func deadRows() []row {
	dead := func(id, name string, kill func(*trial, tokenAnswer)) row {
		return row{id: id, name: "inactive at once: " + name, status: http.StatusOK, do: func(w *trial) *page {
			w.addAccountOnce("hans", "hans@acme.example")
			a := w.redeem(webApp, w.browser().signInFor(webApp, "hans", url.Values{"scope": {allScopes}, "resource": {ordersAPI}}), nil)
			w.active(w.inspect(ordersAPI, a.Access))
			w.active(w.inspect(webApp, a.Refresh))
			kill(w, a)
			w.ready()
			w.inactive(w.inspect(webApp, a.Access))
			w.inactive(w.inspect(webApp, a.Refresh))
			return w.inactive(w.inspect(ordersAPI, a.Access))
		}}
	}
	fresh := func(r row) row { r.fresh = true; return r }
	return []row{
		dead("P-104", "refresh token revoked", func(w *trial, a tokenAnswer) { w.revoke(webApp, a.Refresh) }),
		dead("P-104", "access token revoked", func(w *trial, a tokenAnswer) { w.revoke(webApp, a.Access) }),
		dead("P-96", "user disabled", func(w *trial, _ tokenAnswer) {
			w.disable("hans@acme.example", true)
			w.disable("hans@acme.example", false)
		}),
		dead("P-96", "password changed", func(w *trial, _ tokenAnswer) { w.setPassword("hans", "correct horse battery") }),
		dead("P-96", "family of a refresh token that was used twice", func(w *trial, a tokenAnswer) {
			w.pass(time.Second)
			b := w.refresh(webApp, a.Refresh)
			w.refresh(webApp, b.Refresh)
			w.refresh(webApp, a.Refresh)
		}),
		fresh(dead("P-96", "provider gone", func(w *trial, _ tokenAnswer) {
			w.reconfigure("  - id: local\n", "  - id: local\n    disabled: true\n")
		})),
		fresh(dead("P-96", "app may not use the provider any more", func(w *trial, _ tokenAnswer) {
			w.reconfigure("id: web,", "id: web, providers: [globex],")
		})),
		{id: "P-96", name: "inactive at once: session ended", status: http.StatusOK, do: func(w *trial) *page {
			b := w.browser()
			code := b.atApp(b.atGlobex(b.authorize(webApp, url.Values{"provider": {"globex"}, "scope": {"openid orders:read"}}), w.globex, "ann")).Get("code")
			a := w.redeem(webApp, code, nil)
			w.active(w.inspect(ordersAPI, a.Access))
			b.signOut()
			w.ready()
			return w.inactive(w.inspect(ordersAPI, a.Access))
		}},
		{id: "P-96", name: "inactive at once: the API is another app's now", fresh: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.orders()
			w.reconfigure(`id: "`+ordersAPI+`",`, `id: "`+ordersAPI+`", apps: [other],`)
			w.ready()
			w.inactive(w.inspect(webApp, a.Access))
			return w.inactive(w.inspect(ordersAPI, a.Access))
		}},
		{id: "P-96", name: "inactive at once: an app's own token when it may have none", fresh: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.self(selfApp, url.Values{"resource": {ordersAPI}})
			w.active(w.inspect(ordersAPI, a.Access))
			w.reconfigure("grants: [client_credentials]", "grants: [authorization_code]")
			w.ready()
			return w.inactive(w.inspect(ordersAPI, a.Access))
		}},
		{id: "P-96", name: "expired", status: http.StatusOK, do: func(w *trial) *page {
			a, own := w.orders(), w.self(selfApp, url.Values{"resource": {ordersAPI}})
			w.ready()
			w.pass(6 * time.Minute)
			w.inactive(w.inspect(ordersAPI, own.Access))
			return w.inactive(w.inspect(ordersAPI, a.Access))
		}},
	}
}

// garbageRows are no tokens, or others than they are taken for.
func garbageRows() []row {
	asked := func(id, name string, token func(*trial, tokenAnswer) string) row {
		return row{id: id, name: name, status: http.StatusOK, do: func(w *trial) *page {
			a := w.orders()
			t := token(w, a)
			w.ready()
			w.inactive(w.inspect(webApp, t))
			return w.inactive(w.inspect(ordersAPI, t))
		}}
	}
	return []row{
		asked("P-107", "ID token", func(_ *trial, a tokenAnswer) string { return a.ID }),
		asked("P-107", "garbage", func(*trial, tokenAnswer) string { return "garbage" }),
		asked("P-107", "60 KB", func(*trial, tokenAnswer) string { return strings.Repeat("a", 60_000) }),
		asked("P-107", "with a bit changed", func(_ *trial, a tokenAnswer) string { return flipped(a.Access) }),
		asked("P-107", "without a signature", func(_ *trial, a tokenAnswer) string { return unsigned(a.Access) }),
		asked("P-107", "of type JWT", signedAnew("ES256", keys.TypeID, nil)),
		asked("P-107", "from another issuer", signedAnew("ES256", keys.TypeAccess, map[string]any{"iss": "https://evil.example"})),
		asked("P-107", "for two audiences", signedAnew("ES256", keys.TypeAccess, map[string]any{"aud": []string{ordersAPI, stockAPI}})),
		asked("P-107", "without exp", signedAnew("ES256", keys.TypeAccess, map[string]any{"exp": nil})),
		asked("P-107", "of a family of nobody", signedAnew("ES256", keys.TypeAccess, map[string]any{"jti": "AAAAAAAAAAAAAAAAAAAAAAAAAA.B"})),
		asked("P-107", "of a user and without a family", signedAnew("ES256", keys.TypeAccess, map[string]any{"jti": "B"})),
		asked("P-107", "of a user and without a family, of an app that may act for itself", func(w *trial, _ tokenAnswer) string {
			a := w.redeem(bothApp, w.code(bothApp, url.Values{"scope": {"openid orders:read"}}), nil)
			w.active(w.inspect(ordersAPI, a.Access))
			return signedAnew("ES256", keys.TypeAccess, map[string]any{"jti": "B"})(w, a)
		}),
		asked("P-107", "of another user", signedAnew("ES256", keys.TypeAccess, map[string]any{"sub": "AAAAAAAAAAAAAAAAAAAAAAAAAA"})),
		asked("P-107", "signed answer of an introspection", func(w *trial, a tokenAnswer) string {
			return w.ask(ordersAPI, apiSecret, url.Values{"token": {a.Access}}, http.Header{"Accept": {"application/token-introspection+jwt"}}).body
		}),
		asked("P-107", "refresh token that was exchanged", func(w *trial, a tokenAnswer) string {
			b := w.refresh(webApp, a.Refresh)
			w.active(w.inspect(webApp, a.Refresh)) // for as long as its successor can be lost
			w.active(w.inspect(webApp, b.Refresh))
			w.pass(31 * time.Second)
			return a.Refresh
		}),
	}
}

// askGood asks about every sort of good token.
func askGood(w *trial) *page {
	a := w.orders()
	p := w.inspect(ordersAPI, a.Access)
	c := w.active(p)
	for name, want := range map[string]any{
		"aud": ordersAPI, "iss": w.URL, "client_id": webApp, "scope": "orders:read orders:write", "token_type": "Bearer", "sub": subjectOf(w, a.ID),
	} {
		if c[name] != want {
			w.t.Errorf("%s = %v, want %v", name, c[name], want)
		}
	}
	for _, name := range []string{"exp", "iat", "jti", "auth_time", "sid"} {
		if c[name] == nil {
			w.t.Errorf("no %s in %s", name, p.body)
		}
	}
	w.active(w.inspect(webApp, a.Access))
	if c := w.active(w.inspect(webApp, a.Refresh)); c["scope"] == "" || c["exp"] == nil || c["client_id"] != webApp {
		w.t.Errorf("refresh token: %v", c)
	}
	own := w.self(selfApp, url.Values{"resource": {ordersAPI}})
	if c := w.active(w.inspect(ordersAPI, own.Access)); c["sub"] != selfApp || c["aud"] != ordersAPI {
		w.t.Errorf("own token: %v", c)
	}
	w.active(w.inspect(selfApp, own.Access))
	w.active(w.ask("", "", url.Values{"token": {a.Access}, "token_type_hint": {"refresh_token"}, "client_id": {ordersAPI}, "client_secret": {apiSecret}}, nil))
	w.active(w.ask("", "", url.Values{"token": {a.Refresh}, "client_id": {webApp}, "client_secret": {appSecret}}, nil))
	return p
}

func subjectOf(w *trial, token string) any {
	w.t.Helper()
	var c map[string]any
	decodeClaims(w.t, token, &c)
	return c["sub"]
}

// askSigned has the answer signed (RFC 9701).
func askSigned(w *trial) *page {
	a := w.orders()
	accept := http.Header{"Accept": {"application/json;q=0.5, application/token-introspection+jwt"}}
	for token, want := range map[string]bool{a.Access: true, "garbage": false} {
		p := w.ask(ordersAPI, apiSecret, url.Values{"token": {token}}, accept)
		if got := p.header.Get("Content-Type"); got != "application/token-introspection+jwt" {
			w.t.Fatalf("content type %q: %s", got, p.body)
		}
		var set jose.JSONWebKeySet
		if err := json.Unmarshal([]byte(w.browser().get("/jwks").body), &set); err != nil {
			w.t.Fatal(err)
		}
		signed, err := jwt.ParseSigned(p.body, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			w.t.Fatal(err)
		}
		var c struct {
			Issuer   string         `json:"iss"`
			Audience string         `json:"aud"`
			Issued   int64          `json:"iat"`
			Token    map[string]any `json:"token_introspection"`
			Subject  string         `json:"sub"` // neither this nor exp: it is no token (RFC 9701 §5)
			Expires  int64          `json:"exp"`
		}
		if err := signed.Claims(set, &c); err != nil {
			w.t.Fatal(err)
		}
		if c.Issuer != w.URL || c.Audience != ordersAPI || c.Issued == 0 || c.Token["active"] != want || c.Subject != "" || c.Expires != 0 {
			w.t.Errorf("%+v", c)
		}
		if typ := signed.Headers[0].ExtraHeaders[jose.HeaderType]; typ != "token-introspection+jwt" {
			w.t.Errorf("typ %v", typ)
		}
	}
	return nil
}

// addAccountOnce makes an account that another row may have made.
func (w *trial) addAccountOnce(username, email string) {
	w.t.Helper()
	if w.count("SELECT count(*) FROM accounts WHERE username = '"+username+"'") == 0 {
		w.addAccount(username, email)
	}
}

// signInFor signs somebody with an account here in, and returns the code.
func (b *browser) signInFor(app, person string, with url.Values) string {
	b.w.t.Helper()
	q := url.Values{"provider": {"local"}}
	for k, v := range with {
		q[k] = v
	}
	return b.atApp(b.password(b.get(b.authorize(app, q).location.String()), person, "correct horse battery")).Get("code")
}
