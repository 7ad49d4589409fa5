package main

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/internal/idptest"
)

const (
	exchangeType = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessType   = "urn:ietf:params:oauth:token-type:access_token"
	idType       = "urn:ietf:params:oauth:token-type:id_token"

	swapApp    = "swap"   // web's tokens, and ID tokens of globex and hooli
	narrowApp  = "narrow" // web's tokens, for people of globex alone
	makerApp   = "maker"  // ID tokens of globex, and makes users of them
	phoneApp   = "phone"  // the same without a secret
	soloApp    = "solo"   // signs people in, and exchanges its own tokens
	shownApp   = "shown"  // the same, its tokens bound to its certificate
	unregister = "other"  // has not got the grant
	askingApp  = "asking" // has it, and is somebody else's
)

func withExchange(text string) string {
	const has = "secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback]"
	return strings.Replace(withCertificates(withIssuers(withAPIs(text))), "apps:\n", `apps:
  - {id: swap, `+has+`, grants: [client_credentials, "`+exchangeType+`"], token_exchange: {apps: [web, swap], providers: [globex, hooli]}}
  - {id: narrow, `+has+`, providers: [globex], grants: ["`+exchangeType+`"], token_exchange: {apps: [web], providers: [globex]}}
  - {id: maker, `+has+`, grants: ["`+exchangeType+`"], token_exchange: {providers: [globex], create: true}}
  - {id: phone, redirect_uris: [https://app.example.com/callback], grants: ["`+exchangeType+`"], token_exchange: {providers: [globex]}}
  - {id: asking, `+has+`, first_party: false, grants: ["`+exchangeType+`"], token_exchange: {apps: [web], providers: [globex]}}
  - {id: solo, `+has+`, grants: [authorization_code, "`+exchangeType+`"]}
  - {id: shown, `+has+`, grants: [authorization_code, "`+exchangeType+`"], certificate_bound: true}
`+issuerApps(has), 1)
}

// swap asks for an exchange of an access token.
func (w *world) swap(app, subject string, with url.Values) tokenAnswer {
	w.t.Helper()
	f := url.Values{"grant_type": {exchangeType}, "subject_token": {subject}, "subject_token_type": {accessType}}
	maps.Copy(f, with)
	if app == phoneApp {
		f.Set("client_id", app)
		app = ""
	}
	return w.app(app, "/token", f)
}

// swapID asks for an exchange of an ID token of globex.
func (w *world) swapID(app, subject string, with url.Values) tokenAnswer {
	w.t.Helper()
	f := url.Values{"subject_token_type": {idType}, "provider": {"globex"}, "scope": {"openid email"}}
	maps.Copy(f, with)
	return w.swap(app, subject, f)
}

// swaps is a row that changes an exchange of ann's token for the orders API, which is good without the change.
func swaps(id, name string, status int, reason string, with url.Values) row {
	return swapsBy(id, name, status, reason, swapApp, func(_ *trial, a tokenAnswer) (string, url.Values) { return a.Access, with })
}

func swapsBy(id, name string, status int, reason, app string, change func(w *trial, a tokenAnswer) (string, url.Values)) row {
	return row{id: id, name: "exchange " + name, control: status == http.StatusOK, status: status, reason: reason, do: func(w *trial) *page {
		subject, with := change(w, w.orders())
		w.ready()
		return w.swap(app, subject, with).page(w, "/token")
	}}
}

func exchangeRows() []row {
	var rows []row
	for _, more := range [][]row{bearerGrantRows(), subjectRows(), deadSubjectRows(), narrowerRows(), actorRows(), upstreamRows(), askedRows(), senderRows()} {
		rows = append(rows, more...)
	}
	return rows
}

// subjectRows are subject tokens that are not what they are called, or not this app's to exchange.
func subjectRows() []row {
	const bad = http.StatusBadRequest
	is := func(id, name string, token func(w *trial, a tokenAnswer) string) row {
		return swapsBy(id, name, bad, "invalid_request", swapApp, func(w *trial, a tokenAnswer) (string, url.Values) { return token(w, a), nil })
	}
	return []row{
		is("P-133", "of another issuer", signedAnew("ES256", keys.TypeAccess, map[string]any{"iss": "https://other.example"})),
		is("P-133", "signed by a stranger", func(w *trial, a tokenAnswer) string { return w.forged(a.Access, "RS256", nil) }),
		is("P-133", "unsigned", func(_ *trial, a tokenAnswer) string { return unsigned(a.Access) }),
		is("P-133", "with a bit changed", func(_ *trial, a tokenAnswer) string { return flipped(a.Access) }),
		is("P-133", "of an upstream, called an access token", func(w *trial, _ tokenAnswer) string { return w.globex.IDToken("ann") }),
		is("P-133", "that is our ID token", func(_ *trial, a tokenAnswer) string { return a.ID }),
		is("P-133", "that is a refresh token", func(_ *trial, a tokenAnswer) string { return a.Refresh }),
		is("P-133", "that is a text", func(*trial, tokenAnswer) string { return "x" }),
		is("P-133", "of 40 KB", func(*trial, tokenAnswer) string { return strings.Repeat("x", 40<<10) }),
		is("P-133", "of an app that it may not exchange for", func(w *trial, _ tokenAnswer) string { return w.tokens(otherApp, "globex", "ann").Access }),
		is("P-133", "of nobody: an app's own", func(w *trial, _ tokenAnswer) string {
			return w.self(swapApp, url.Values{"resource": {ordersAPI}}).Access
		}),
		swapsBy("P-133", "of another app, by an app that may exchange its own alone", bad, "invalid_request", soloApp, func(_ *trial, a tokenAnswer) (string, url.Values) { return a.Access, nil }),
		swapsBy("P-77", "by an app without the grant", bad, "unauthorized_client", unregister, func(_ *trial, a tokenAnswer) (string, url.Values) { return a.Access, nil }),
		swapsBy("P-77", "by somebody else's app, which has to ask people", bad, "unauthorized_client", askingApp, func(_ *trial, a tokenAnswer) (string, url.Values) { return a.Access, nil }),
		swapsBy("P-136", "of a person whose provider the app may not use", bad, "invalid_grant", narrowApp, func(w *trial, _ tokenAnswer) (string, url.Values) {
			return w.redeem(webApp, w.browser().signInFor(webApp, "ann", url.Values{"scope": {allScopes}, "resource": {ordersAPI}}), nil).Access, nil
		}),
		swapsBy("P-136", "of a person whose provider the app may use", http.StatusOK, "", narrowApp, func(w *trial, a tokenAnswer) (string, url.Values) {
			return w.redeem(webApp, w.code(webApp, url.Values{"scope": {"openid orders:read"}}), nil).Access, nil
		}),
		swaps("P-138", "for somebody who is named", http.StatusForbidden, "unauthorized_client", url.Values{"requested_subject": {"bob"}}),
		swaps("P-138", "for nobody who is named", http.StatusForbidden, "unauthorized_client", url.Values{"requested_subject": {""}}),
	}
}

// deadSubjectRows are tokens that were good a moment ago.
func deadSubjectRows() []row {
	dead := func(name string, kill func(w *trial, a tokenAnswer)) row {
		return row{id: "P-134", name: "exchange of a token " + name, status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			w.addAccountOnce("hans", "hans@acme.example")
			b := w.browser()
			code := b.signInFor(webApp, "hans", url.Values{"scope": {allScopes}, "resource": {ordersAPI}})
			a := w.redeem(webApp, code, nil)
			c := w.swap(swapApp, a.Access, nil)
			w.active(w.inspect(ordersAPI, c.Access))
			kill(w, a)
			w.ready()
			w.inactive(w.inspect(ordersAPI, c.Access)) // what it was exchanged for is dead with it
			return w.swap(swapApp, a.Access, nil).page(w, "/token")
		}}
	}
	fresh := func(r row) row { r.fresh = true; return r }
	return []row{
		dead("that has expired", func(w *trial, _ tokenAnswer) { w.pass(6 * time.Minute) }),
		dead("that was revoked", func(w *trial, a tokenAnswer) { w.revoke(webApp, a.Access) }),
		dead("whose refresh token was revoked", func(w *trial, a tokenAnswer) { w.revoke(webApp, a.Refresh) }),
		dead("of a disabled user", func(w *trial, _ tokenAnswer) {
			w.disable("hans@acme.example", true)
			w.disable("hans@acme.example", false)
		}),
		dead("whose password has changed", func(w *trial, _ tokenAnswer) { w.setPassword("hans", "correct horse battery") }),
		fresh(dead("of a provider that is gone", func(w *trial, _ tokenAnswer) { w.reconfigure("  - id: local\n", "  - id: local\n    disabled: true\n") })),
		{id: "P-134", name: "exchange of a token of a session that ended", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			b := w.browser()
			code := b.atApp(b.atGlobex(b.authorize(webApp, url.Values{"provider": {"globex"}, "scope": {"openid orders:read"}}), w.globex, "ann")).Get("code")
			a := w.redeem(webApp, code, nil)
			c := w.swap(swapApp, a.Access, nil)
			b.signOut()
			w.ready()
			w.inactive(w.inspect(ordersAPI, c.Access))
			return w.swap(swapApp, a.Access, nil).page(w, "/token")
		}},
		{id: "P-134", name: "exchange of an exchanged token of a token that was revoked", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			a := w.orders()
			c := w.swap(swapApp, a.Access, nil)
			d := w.swap(swapApp, c.Access, nil)
			w.active(w.inspect(ordersAPI, d.Access))
			w.revoke(webApp, a.Access)
			w.ready()
			w.inactive(w.inspect(ordersAPI, d.Access))
			return w.swap(swapApp, c.Access, nil).page(w, "/token")
		}},
		{id: "P-134", name: "revoking an exchanged token leaves the one that it came of", control: true, do: func(w *trial) *page {
			a := w.orders()
			c := w.swap(swapApp, a.Access, nil)
			w.revoke(swapApp, c.Access)
			w.inactive(w.inspect(ordersAPI, c.Access))
			w.active(w.inspect(ordersAPI, a.Access))
			return nil
		}},
	}
}

// narrowerRows ask for more than the subject token has.
func narrowerRows() []row {
	const bad = http.StatusBadRequest
	return []row{
		swaps("P-133", "for a scope that was granted, and is not in the token", bad, "invalid_scope", url.Values{"scope": {"stock:read"}}),
		swaps("P-133", "for a scope of Signet itself", bad, "invalid_scope", url.Values{"scope": {"orders:read openid"}}),
		swaps("P-133", "for an API that is another app's", bad, "invalid_target", url.Values{"resource": {payrollAPI}}),
		swaps("P-133", "for an API of nobody", bad, "invalid_target", url.Values{"audience": {"https://evil.example"}}),
		swaps("P-133", "for two APIs", bad, "invalid_target", url.Values{"resource": {ordersAPI}, "audience": {stockAPI}}),
		{id: "P-133", name: "exchange for Signet itself", status: bad, reason: "invalid_target", do: func(w *trial) *page {
			a := w.orders()
			w.ready()
			return w.swap(swapApp, a.Access, url.Values{"audience": {w.URL}}).page(w, "/token")
		}},
		{id: "P-134", name: "exchange: narrower, and no longer than what it came of", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.orders()
			w.pass(4 * time.Minute)
			c := w.swap(swapApp, a.Access, url.Values{"scope": {"orders:read"}, "resource": {ordersAPI}, "requested_token_type": {accessType}})
			var was, is struct {
				Sub, Sid string
				Exp      int64
				AuthTime int64 `json:"auth_time"`
			}
			decodeClaims(w.t, a.Access, &was)
			decodeClaims(w.t, c.Access, &is)
			w.claimsAre(c.Access, map[string]any{"aud": ordersAPI, "client_id": swapApp, "scope": "orders:read", "act": ""})
			if was != is || c.Expires > 60 || c.Refresh != "" || c.ID != "" || c.Type != "Bearer" || !strings.Contains(c.body, `"issued_token_type":"`+accessType+`"`) {
				w.t.Errorf("%+v, was %+v: %s", is, was, c.body)
			}
			w.active(w.inspect(ordersAPI, c.Access))
			return c.page(w, "/token")
		}},
		{id: "P-134", name: "exchange for an API whose tokens live long: no longer than what it came of", control: true, status: http.StatusOK, do: func(w *trial) *page {
			c := w.swap(swapApp, w.orders().Access, url.Values{"audience": {stockAPI}})
			w.claimsAre(c.Access, map[string]any{"aud": stockAPI, "scope": ""})
			if c.Expires > 300 {
				w.t.Errorf("expires_in %d", c.Expires)
			}
			return c.page(w, "/token")
		}},
		{id: "P-134", name: "exchange of a token for userinfo", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.redeem(webApp, w.granted(nil), url.Values{"resource": {w.URL}})
			c := w.swap(swapApp, a.Access, nil)
			w.claimsAre(c.Access, map[string]any{"aud": w.URL, "scope": "openid email groups"})
			if p := w.userinfo(c.Access); p.status != http.StatusOK || c.ID != "" || c.Refresh != "" {
				w.t.Errorf("userinfo = %d, ID token %q, refresh token %q", p.status, c.ID, c.Refresh)
			}
			return c.page(w, "/token")
		}},
	}
}

// upstreamRows are ID tokens of upstreams as subject tokens: the catalogue of what is wrong with one, but for what
// ties it to a login.
func upstreamRows() []row {
	var rows []row
	for i := range idptest.OIDCRows {
		o := &idptest.OIDCRows[i]
		// What belongs to a login, what is longer than a form may be, and times that are looked at below.
		apart := slices.Contains([]string{"nonce", "at_hash", "c_hash"}, o.Reason) ||
			slices.Contains([]string{"kid of 64 KB", "ID token of 1 MB", "exp a second ago", "clock 10 min behind"}, o.Name)
		if o.Header == nil && o.Claims == nil && o.Sign == nil || o.Callback != nil || o.Response != nil || o.Cold() || o.UserInfo || o.MaxAge > 0 || o.ACRValues != nil || apart {
			continue
		}
		r := row{id: "P-137", name: "exchange of " + o.ID + " " + o.Name, control: o.Control, status: http.StatusBadRequest, reason: "invalid_request"}
		if o.Control {
			r.status, r.reason = http.StatusOK, ""
		}
		r.do = func(w *trial) *page {
			w.tokens(webApp, "globex", "ann")
			w.globex.Misbehave(o)
			defer w.globex.Honest()
			subject := w.globex.IDToken("ann")
			w.ready()
			return w.swapID(swapApp, subject, nil).page(w, "/token")
		}
		rows = append(rows, r)
	}
	return append(rows, otherUpstreamRows()...)
}

func otherUpstreamRows() []row {
	const bad = http.StatusBadRequest
	of := func(id, name string, status int, reason, app, person string, with url.Values) row {
		return row{id: id, name: "exchange of an ID token " + name, control: status == http.StatusOK, status: status, reason: reason, do: func(w *trial) *page {
			w.tokens(webApp, "globex", "ann")
			w.ready()
			return w.swapID(app, w.globex.IDToken(person), with).page(w, "/token")
		}}
	}
	claims := func(c map[string]any) *idptest.OIDCRow {
		return &idptest.OIDCRow{Claims: func(_ *idptest.OIDC, claims map[string]any) { maps.Copy(claims, c) }}
	}
	made := func(id, name string, status int, claimed func(w *trial) map[string]any) row {
		r := row{id: id, name: "exchange of an ID token " + name, control: status == http.StatusOK, status: status, reason: "invalid_request"}
		if r.control {
			r.reason = ""
		}
		r.do = func(w *trial) *page {
			w.tokens(webApp, "globex", "ann")
			w.globex.Misbehave(claims(claimed(w)))
			defer w.globex.Honest()
			subject := w.globex.IDToken("ann")
			w.ready()
			return w.swapID(swapApp, subject, nil).page(w, "/token")
		}
		return r
	}
	return []row{
		of("P-133", "of another provider", bad, "invalid_request", swapApp, "ann", url.Values{"provider": {"hooli"}}),
		of("P-133", "of a provider that nobody named, of two", bad, "invalid_request", swapApp, "ann", url.Values{"provider": {""}}),
		of("P-133", "of a provider of nobody", bad, "invalid_request", swapApp, "ann", url.Values{"provider": {"nobody"}}),
		of("P-133", "of a provider that has none", bad, "invalid_request", swapApp, "ann", url.Values{"provider": {"local"}}),
		of("P-136", "of a provider that the app takes none of", bad, "invalid_request", makerApp, "ann", url.Values{"provider": {"hooli"}}),
		of("P-136", "by an app that takes none", bad, "invalid_request", soloApp, "ann", nil),
		of("P-137", "of somebody who has never been here", bad, "invalid_request", swapApp, "carol", nil),
		of("P-133", "for an API that is another app's", bad, "invalid_target", swapApp, "ann", url.Values{"resource": {payrollAPI}}),
		of("P-133", "for a scope of another app's API", bad, "invalid_scope", swapApp, "ann", url.Values{"scope": {"payroll:run"}}),
		made("P-137", "for another client", bad, func(*trial) map[string]any { return map[string]any{"aud": "their-client"} }),
		made("P-137", "for another client and us, by them", bad, func(*trial) map[string]any {
			return map[string]any{"aud": []string{"signet", "their-client"}, "azp": "their-client"}
		}),
		made("P-137", "that ended half a minute ago", bad, func(w *trial) map[string]any { return map[string]any{"exp": w.now().Add(-30 * time.Second).Unix()} }),
		made("P-137", "of half an hour ago", http.StatusOK, func(w *trial) map[string]any { return map[string]any{"iat": w.now().Add(-30 * time.Minute).Unix()} }),
		of("P-137", "without an app's secret", http.StatusOK, "", phoneApp, "ann", url.Values{"provider": {""}}),
		{id: "P-137", name: "exchange of an ID token of a disabled user", status: bad, reason: "invalid_request", fresh: true, do: func(w *trial) *page {
			w.tokens(webApp, "globex", "bob")
			w.disable(userOf(w, "bob"), true)
			w.ready()
			return w.swapID(swapApp, w.globex.IDToken("bob"), nil).page(w, "/token")
		}},
		{id: "P-137", name: "exchange of our own ID token", status: bad, reason: "invalid_request", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.ready()
			return w.swapID(swapApp, a.ID, nil).page(w, "/token")
		}},
		{id: "P-137", name: "exchange of an ID token: the user of the login, until it ends", control: true, status: http.StatusOK, do: exchangeUpstream},
		{id: "P-137", name: "exchange of an ID token makes a user where that is configured", control: true, status: http.StatusOK, fresh: true, do: exchangeCreates},
	}
}

func exchangeUpstream(w *trial) *page {
	var was, is struct {
		Sub string
		Exp int64
	}
	decodeClaims(w.t, w.tokens(webApp, "globex", "ann").ID, &was)
	w.globex.Misbehave(&idptest.OIDCRow{Claims: func(_ *idptest.OIDC, c map[string]any) {
		c["exp"] = w.now().Add(10 * time.Minute).Unix()
		delete(c, "auth_time")
	}})
	defer w.globex.Honest()
	a := w.swapID(swapApp, w.globex.IDToken("ann"), url.Values{"resource": {stockAPI}, "scope": {"openid stock:read offline_access"}})
	decodeClaims(w.t, a.Access, &is)
	w.claimsAre(a.Access, map[string]any{"aud": stockAPI, "client_id": swapApp, "scope": "stock:read", "auth_time": "", "acr": "urn:globex:password"})
	if is.Sub != was.Sub || a.Expires > 600 || a.Refresh != "" || a.ID != "" {
		w.t.Errorf("sub %q, want %q; %s", is.Sub, was.Sub, a.body)
	}
	w.active(w.inspect(stockAPI, a.Access))
	return a.page(w, "/token")
}

func exchangeCreates(w *trial) *page {
	users := w.count("SELECT count(*) FROM users")
	a := w.swapID(makerApp, w.globex.IDToken("eve"), nil)
	b := w.swapID(makerApp, w.globex.IDToken("eve"), nil)
	var first, second, login struct{ Sub string }
	decodeClaims(w.t, a.Access, &first)
	decodeClaims(w.t, b.Access, &second)
	decodeClaims(w.t, w.tokens(webApp, "globex", "eve").ID, &login)
	if n := w.count("SELECT count(*) FROM users"); n != users+1 || first != second || first != login {
		w.t.Errorf("%d users, were %d: %v, %v, %v", n, users, first, second, login)
	}
	if n := w.count("SELECT count(*) FROM events WHERE type = 'user.created' AND app = 'maker'"); n != 1 {
		w.t.Errorf("%d events of a new user", n)
	}
	if p := w.userinfo(a.Access); !strings.Contains(p.body, `"email":"eve@`) {
		w.t.Errorf("userinfo = %s", p.body)
	}
	return a.page(w, "/token")
}

// userOf is the address of a person of globex.
func userOf(w *trial, person string) string {
	w.t.Helper()
	var email string
	if err := w.db().QueryRow("SELECT u.email FROM users u JOIN links l ON l.user_id = u.id WHERE l.provider = 'globex' AND l.subject = ?", person).Scan(&email); err != nil {
		w.t.Fatal(err)
	}
	return email
}

// askedRows are requests that are not what RFC 8693 says.
func askedRows() []row {
	const bad = http.StatusBadRequest
	rows := []row{
		swaps("P-133", "without a subject token", bad, "invalid_request", url.Values{"subject_token": {""}}),
		swaps("P-133", "without its type", bad, "invalid_request", url.Values{"subject_token_type": nil}),
		swaps("P-133", "of a type that is none", bad, "invalid_request", url.Values{"subject_token_type": {"urn:ietf:params:oauth:token-type:saml2"}}),
		swaps("P-133", "for a refresh token", bad, "invalid_request", url.Values{"requested_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"}}),
		swaps("P-133", "for an ID token", bad, "invalid_request", url.Values{"requested_token_type": {idType}}),
		swaps("P-139", "with a type of no actor token", bad, "invalid_request", url.Values{"actor_token_type": {accessType}}),
	}
	for _, name := range []string{"subject_token_type", "requested_token_type", "scope", "provider"} {
		rows = append(rows, swaps("P-133", "with two of "+name, bad, "invalid_request", url.Values{name: {accessType, accessType}}))
	}
	return rows
}
