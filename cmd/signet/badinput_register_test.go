package main

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/internal/egress"
)

// registerRows are about who may register an app, and what such an app may say of itself.
func registerRows() []row {
	var rows []row
	for _, more := range [][]row{initialRows(), registeredURIRows(), registeredPageRows(), registeredAlgRows(), registeredShapeRows(), registeredInsideRows(), ownershipRows(), registeredPowerRows()} {
		rows = append(rows, more...)
	}
	return rows
}

// enrol sends a registration by a token that is good for this one.
func (w *trial) enrol(m any) *page {
	w.t.Helper()
	token := w.initialToken()
	w.ready()
	return w.jsonTo(http.MethodPost, "/register", token, m)
}

// badMetadata is a registration that must be refused.
func badMetadata(id, name, code string, with map[string]any) row {
	return row{id: id, name: "registered " + name, status: http.StatusBadRequest, reason: code, do: func(w *trial) *page { return w.enrol(metadata(with)) }}
}

// registeredURIRows: where browsers may not be sent to.
func registeredURIRows() []row {
	bad := func(id, name string, with map[string]any) row {
		return badMetadata(id, name, "invalid_redirect_uri", with)
	}
	at := func(uris ...string) map[string]any { return map[string]any{"redirect_uris": uris} }
	native := func(uris ...string) map[string]any {
		return map[string]any{"redirect_uris": uris, "application_type": "native"}
	}
	var many []string
	for i := range 10_000 {
		many = append(many, fmt.Sprintf("%s/%d", "https://a.example", i))
	}
	return []row{
		bad("P-149", "with a fragment", at(callbackURI+"#x")),
		bad("P-149", "with an empty fragment", at(callbackURI+"#")),
		bad("P-149", "with a fragment beside an honest one", at(callbackURI, callbackURI+"#x")),
		bad("P-149", "with http", at("http://app.example.com/callback")),
		bad("P-149", "with a wildcard", at("https://*.example.com/callback")),
		bad("P-149", "at this machine, as a page of the web", map[string]any{"redirect_uris": []string{"http://127.0.0.1/callback"}, "application_type": "web"}),
		bad("P-149", "at this machine beside a page of the web", at(callbackURI, "http://127.0.0.1/callback")),
		bad("P-149", "nowhere", at()),
		bad("P-149", "at an empty address", at("")),
		bad("P-149", "with a name and a password", at("https://app.example.com@evil.example/callback")),
		bad("P-149", "with a backslash", at(`https://evil.example\@app.example.com/callback`)),
		bad("P-149", "without a host", at("https:///callback")),
		bad("P-149", "at an address of 3,000 bytes", at("https://app.example.com/"+strings.Repeat("a", 3000))),
		bad("P-7", "with javascript", at("javascript:alert(1)//"+callbackURI)),
		bad("P-7", "with data", at("data:text/html,x")),
		bad("P-7", "with vbscript, on a person's machine", native("vbscript:x")),
		bad("P-7", "with javascript, on a person's machine", native("javascript:alert(1)")),
		bad("P-7", "with a scheme of its own in the web", map[string]any{"redirect_uris": []string{"com.example.app:/callback"}, "application_type": "web"}),
		bad("P-7", "with a scheme without a dot", native("myapp:/callback")),
		bad("P-7", "with http elsewhere, on a person's machine", native("http://192.0.2.7/callback")),
		bad("P-7", "without a scheme", at("//app.example.com/callback")),
		bad("P-7", "with blob", at("blob:https://app.example.com/1")),
		bad("P-9", "with a wildcard at the end", at("https://app.example.com/*")),
		bad("P-9", "with a regular expression", at("^https://app.example.com/.*$")),
		badMetadata("P-401", "at 1,500 addresses", "invalid_client_metadata", at(many[:1500]...)),
		{id: "P-401", name: "registered at 10,000 addresses", status: http.StatusRequestEntityTooLarge, reason: "invalid_client_metadata", harsh: true, do: func(w *trial) *page {
			return w.enrol(metadata(at(many...)))
		}},
		badMetadata("P-149", "with javascript after the sign-out", "invalid_client_metadata", map[string]any{"post_logout_redirect_uris": []string{"javascript:alert(1)"}}),
		badMetadata("P-149", "with http after the sign-out", "invalid_client_metadata", map[string]any{"post_logout_redirect_uris": []string{"http://app.example.com/bye"}}),
		{id: "P-7", name: "registered on a person's machine", control: true, status: http.StatusCreated, do: func(w *trial) *page {
			return w.enrol(metadata(native("http://127.0.0.1/callback", "http://[::1]/callback", "com.example.app:/callback", callbackURI)))
		}},
		{id: "P-149", name: "registered with a query, and said once though sent twice", control: true, status: http.StatusCreated, do: func(w *trial) *page {
			p := w.enrol(metadata(at(callbackURI+"?a=b", callbackURI+"?a=b")))
			if !strings.Contains(p.body, `"redirect_uris":["`+callbackURI+`?a=b"]`) {
				w.t.Errorf("%s", p.body)
			}
			return p
		}},
	}
}

// registeredPageRows: pages of the app that people are shown, or sent to.
func registeredPageRows() []row {
	var rows []row
	for _, name := range []string{"logo_uri", "policy_uri", "tos_uri", "client_uri", "initiate_login_uri", "frontchannel_logout_uri", "backchannel_logout_uri", "jwks_uri", "sector_identifier_uri"} {
		for what, uri := range map[string]string{
			"javascript": "javascript:alert(1)", "javascript behind a host": "javascript://app.example.com/%0aalert(1)", "data": "data:image/svg+xml,<svg onload=alert(1)>",
			"http": "http://app.example.com/x", "a line break": "https://app.example.com/\nx", "nothing but a path": "/x", "a user": "https://a:b@app.example.com/x",
		} {
			rows = append(rows, badMetadata("P-151", name+" with "+what, "invalid_client_metadata", map[string]any{name: uri}))
		}
	}
	text := func(name string, value any) row {
		return badMetadata("P-151", "name: "+name, "invalid_client_metadata", map[string]any{"client_name": value})
	}
	return append(rows,
		text("turned around", "Calendar\u202egnp"),
		text("with a line break", "Calendar\nGoogle"),
		text("of nothing that is seen", "\u200b\u200b"),
		text("of 1,000 characters", strings.Repeat("a", 1000)),
		badMetadata("P-151", "name in a language that is none", "invalid_client_metadata", map[string]any{"client_name#<b>": "x"}),
		badMetadata("P-151", "name in another language, turned around", "invalid_client_metadata", map[string]any{"client_name#de": "\u202ex"}),
		badMetadata("P-151", "page for the sign-out at another host", "invalid_client_metadata", map[string]any{"frontchannel_logout_uri": "https://evil.example/out"}),
		row{id: "P-151", name: "registered name with markup", control: true, status: http.StatusCreated, do: func(w *trial) *page {
			p := w.enrol(metadata(map[string]any{"client_name": "<script>alert(1)</script>", "logo_uri": "https://app.example.com/\"onload=alert(1)"}))
			r := w.told(p)
			b := w.browser()
			shown := b.atGlobex(b.authorize(r.ID, url.Values{"provider": {"globex"}}), w.globex, "ann")
			shown = b.get(shown.location.String())
			if !shown.has("consent") || strings.Contains(shown.body, "<script>alert") || strings.Contains(shown.body, `"onload`) || strings.Count(shown.body, "<img") != 1 {
				w.t.Errorf("the consent page: %s", shown.body)
			}
			return p
		}},
	)
}

// registeredAlgRows: what has to be signed, or encrypted, and by what.
func registeredAlgRows() []row {
	bad := func(id, name string, with map[string]any) row {
		return badMetadata(id, name, "invalid_client_metadata", with)
	}
	keys := json.RawMessage(publicKeys("es"))
	return []row{
		bad("P-99", "for ID tokens without a signature", map[string]any{"id_token_signed_response_alg": "none"}),
		bad("P-99", "for ID tokens by its secret", map[string]any{"id_token_signed_response_alg": "HS256"}),
		bad("P-99", "for UserInfo with alg none", map[string]any{"userinfo_signed_response_alg": "none"}),
		bad("P-99", "for requests without a signature", map[string]any{"request_object_signing_alg": "none"}),
		bad("P-99", "for answers without a signature", map[string]any{"authorization_signed_response_alg": "none"}),
		bad("P-99", "for assertions without a signature", map[string]any{"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "none", "jwks": keys}),
		bad("P-99", "for assertions by a public key as a secret", map[string]any{"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "HS256", "jwks": keys}),
		bad("P-402", "for encrypted ID tokens", map[string]any{"id_token_encrypted_response_alg": "RSA-OAEP"}),
		bad("P-402", "for the implicit flow", map[string]any{"response_types": []string{"id_token token"}}),
		bad("P-402", "with an unknown method", map[string]any{"token_endpoint_auth_method": "trust_me"}),
		bad("P-402", "private_key_jwt without keys", map[string]any{"token_endpoint_auth_method": "private_key_jwt"}),
		bad("P-402", "keys twice", map[string]any{"jwks": keys, "jwks_uri": "https://app.example.com/keys"}),
		bad("P-402", "with a private key", map[string]any{"jwks": json.RawMessage(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`)}),
		bad("P-402", "with a private key beside a public one", map[string]any{"jwks": json.RawMessage(strings.Replace(publicKeys("es"), `[{`, `[{"kty":"oct","k":"c2VjcmV0"},{`, 1))}),
		bad("P-402", "with a weak key", map[string]any{"jwks": json.RawMessage(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`)}),
		bad("P-402", "tls_client_auth without an authority", map[string]any{"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "app.example.com"}),
		bad("P-402", "by a statement of nobody's", map[string]any{"software_statement": "x"}).as("invalid_software_statement"),
		bad("P-402", "by a statement of a stranger's", map[string]any{"software_statement": "eyJhbGciOiJub25lIn0.e30."}).as("unapproved_software_statement"),
		{id: "P-402", name: "registered for devices and a sector", do: func(w *trial) *page {
			both := map[string]any{"subject_type": "pairwise", "grant_types": []string{"authorization_code", "urn:ietf:params:oauth:grant-type:device_code"}}
			outside := newWorld(w.t, func(c string) string {
				return registering(c, `mode: token, grants: [authorization_code, "urn:ietf:params:oauth:grant-type:device_code"]`)
			})
			if p := (&trial{world: outside}).enrol(metadata(both)); p.status != http.StatusBadRequest || !strings.Contains(p.body, "invalid_client_metadata") {
				w.t.Errorf("%v %s", p, p.body)
			}
			return nil
		}},
		bad("P-402", "pairwise at several hosts", map[string]any{"subject_type": "pairwise", "redirect_uris": []string{callbackURI, "https://b.example/callback"}}),
		bad("P-402", "pairwise on people's machines", map[string]any{"subject_type": "pairwise", "redirect_uris": []string{"http://127.0.0.1/callback"}}),
		bad("P-402", "for a part of a second", map[string]any{"default_max_age": 1.5}),
		bad("P-402", "for an age below nothing", map[string]any{"default_max_age": -1}),
	}
}

// as is the same row with another answer.
func (r row) as(code string) row {
	r.reason = code
	return r
}

// registeredShapeRows are no metadata.
func registeredShapeRows() []row {
	raw := func(name, body string) row {
		return row{id: "P-401", name: "a registration " + name, status: http.StatusBadRequest, reason: "invalid_client_metadata", harsh: true, do: func(w *trial) *page { return w.enrol(body) }}
	}
	deep := strings.Repeat(`{"a":`, 8000) + "1" + strings.Repeat("}", 8000)
	return []row{
		raw("of nothing", " "), raw("of a list", `[]`), raw("of a text", `"x"`), raw("of half an object", `{"redirect_uris":["`), raw("of two objects", `{}{}`),
		raw("with a member twice", `{"redirect_uris":["https://evil.example/"],"redirect_uris":["`+callbackURI+`"]}`),
		raw("with an unknown member twice", `{"x":1,"x":2,"redirect_uris":["`+callbackURI+`"]}`),
		raw("with a text for a list", `{"redirect_uris":"`+callbackURI+`"}`),
		raw("with numbers for addresses", `{"redirect_uris":[1,2]}`),
		raw("with a list for a name", `{"redirect_uris":["`+callbackURI+`"],"client_name":["x"]}`),
		raw("with an object for a method", `{"redirect_uris":["`+callbackURI+`"],"token_endpoint_auth_method":{}}`),
		raw("with a text for keys", `{"redirect_uris":["`+callbackURI+`"],"jwks":"x"}`),
		raw("with a text for a switch", `{"redirect_uris":["`+callbackURI+`"],"dpop_bound_access_tokens":"yes"}`),
		raw("with broken UTF-8", "{\"redirect_uris\":[\""+callbackURI+"\"],\"client_name\":\"\xff\"}"),
		raw("with NUL", `{"redirect_uris":["`+callbackURI+`"],"client_name":"a\u0000b"}`),
		raw("8,000 deep as keys", `{"redirect_uris":["`+callbackURI+`"],"jwks":`+deep+`}`),
		{id: "P-401", name: "a registration 8,000 deep in what nobody reads", control: true, harsh: true, status: http.StatusCreated, do: func(w *trial) *page {
			p := w.enrol(`{"redirect_uris":["` + callbackURI + `"],"x":` + deep + `}`)
			if strings.Contains(p.body, `"x"`) {
				w.t.Errorf("it is given back: %.300s", p.body)
			}
			return p
		}},
		{id: "P-401", name: "a registration of 1 MB", status: http.StatusRequestEntityTooLarge, reason: "invalid_client_metadata", harsh: true, do: func(w *trial) *page {
			return w.enrol(metadata(map[string]any{"client_name": strings.Repeat("a", 1<<20)}))
		}},
		{id: "P-401", name: "a registration as a form", status: http.StatusBadRequest, reason: "invalid_client_metadata", do: func(w *trial) *page {
			token := w.initialToken()
			b := w.browser()
			req := b.request(http.MethodPost, "/register", "redirect_uris="+url.QueryEscape(callbackURI))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Authorization", "Bearer "+token)
			return b.do(req)
		}},
		{id: "P-401", name: "a registration that chooses its name and secrets", control: true, status: http.StatusCreated, do: func(w *trial) *page {
			p := w.enrol(metadata(map[string]any{
				"client_id": webApp, "client_secret": appSecret, "registration_access_token": appSecret, "registration_client_uri": "https://evil.example", "first_party": true, "providers": []string{"x"},
			}))
			if r := w.told(p); r.ID == webApp || r.Secret == appSecret || r.Token == appSecret || strings.Contains(p.body, "evil") || r.all["first_party"] != nil || r.all["providers"] != nil {
				w.t.Errorf("%s", p.body)
			}
			return p
		}},
	}
}

// registeredInsideRows: what would have Signet ask what only it can reach.
func registeredInsideRows() []row {
	var rows []row
	for _, name := range []string{"jwks_uri", "sector_identifier_uri", "backchannel_logout_uri"} {
		for _, host := range []string{"https://169.254.169.254", "https://127.0.0.1", "http://127.0.0.1:5557", "https://localhost", "https://10.0.0.7", "https://[::1]", "https://[::ffff:10.0.0.7]", "https://[fd00:ec2::254]"} {
			rows = append(rows, badMetadata("P-403", name+" at "+host, "invalid_client_metadata", map[string]any{name: host + "/latest/meta-data"}))
		}
	}
	rows = append(rows, badMetadata("P-403", "request_uris inside", "invalid_client_metadata", map[string]any{"request_uris": []string{"https://169.254.169.254/latest"}}))
	// A name that leads inside, and an upstream on this machine that must hear nothing.
	asked := new(atomic.Int32)
	inside := func(name string) row {
		return row{id: "P-403", name: "registered " + name + " by a name that leads inside", status: http.StatusBadRequest, reason: "invalid_client_metadata", do: func(w *trial) *page {
			server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				rw.Write([]byte(`["` + callbackURI + `"]`))
			}))
			defer server.Close()
			outside := newWorldOn(w.t, leadingTo(server), withRegistration)
			p := (&trial{world: outside}).enrol(metadata(map[string]any{name: "https://example.com/list"}))
			if asked.Load() != 0 {
				w.t.Errorf("asked %d times", asked.Load())
			}
			return p
		}}
	}
	keys := row{id: "P-403", name: "registered keys by a name that leads inside", do: func(w *trial) *page {
		server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			rw.Write([]byte(publicKeys("es")))
		}))
		defer server.Close()
		outside := &trial{world: newWorldOn(w.t, leadingTo(server), withRegistration)}
		r := outside.told(outside.enrol(metadata(map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://example.com/keys"})))
		p := outside.browser().post("/token", asserted(url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}, outside.draft(r.ID).sign()))
		if r.ID == "" || p.status != http.StatusUnauthorized || asked.Load() != 0 {
			w.t.Errorf("asked %d times: %v %s", asked.Load(), p, p.body)
		}
		return nil
	}}
	return append(rows, inside("sector_identifier_uri"), keys)
}

// leadingTo is a way out on which example.com is a server of this machine.
func leadingTo(server *httptest.Server) egress.Options {
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return egress.Options{Roots: roots, Route: map[string]string{"example.com:443": server.Listener.Addr().String()}}
}

// registeredPowerRows: a registered app never has more than people give it, and the operator.
func registeredPowerRows() []row {
	bad := func(name string, with map[string]any) row {
		return badMetadata("P-404", name, "invalid_client_metadata", with)
	}
	const exchange, bearer = "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer"
	return []row{
		bad("to exchange tokens", map[string]any{"grant_types": []string{"authorization_code", exchange}}),
		bad("to bring assertions", map[string]any{"grant_types": []string{"authorization_code", bearer}}),
		bad("to act for itself", map[string]any{"grant_types": []string{"client_credentials"}, "redirect_uris": nil}),
		bad("to take passwords", map[string]any{"grant_types": []string{"password"}}),
		bad("to refresh what it never gets", map[string]any{"grant_types": []string{"refresh_token"}, "redirect_uris": nil}),
		bad("to ask for groups alone", map[string]any{"scope": "groups admin"}),
		{id: "P-404", name: "registered app that people have not allowed anything", status: http.StatusSeeOther, reason: "consent_required", do: func(w *trial) *page {
			r := w.registered(w.initialToken(), metadata(nil))
			b := w.browser()
			b.signIn(webApp, "globex", "ann")
			w.ready()
			return b.authorize(r.ID, url.Values{"prompt": {"none"}, "scope": {"openid"}})
		}},
		{id: "P-404", name: "registered app that is another one since people allowed it", status: http.StatusSeeOther, reason: "consent_required", do: func(w *trial) *page {
			r := w.registered(w.initialToken(), metadata(nil))
			b := w.browser()
			b.signInAs(r, nil)
			if p := b.authorize(r.ID, url.Values{"prompt": {"none"}}); b.atApp(p).Get("code") == "" {
				w.t.Errorf("asked again: %v", p)
			}
			w.jsonTo(http.MethodPut, r.URI, r.Token, metadata(map[string]any{"client_id": r.ID, "client_name": "Your bank"}))
			w.ready()
			return b.authorize(r.ID, url.Values{"prompt": {"none"}})
		}},
		{id: "P-404", name: "registered app gets no scope that it may not ask for", control: true, do: func(w *trial) *page {
			r := w.registered(w.initialToken(), metadata(nil))
			b := w.browser()
			a := w.redeemAs(r, b.signInAs(r, url.Values{"scope": {"openid groups email"}}).Get("code"))
			if a.status != http.StatusOK || a.Scope != "openid email" {
				w.t.Errorf("token = %d %s", a.status, a.body)
			}
			return nil
		}},
		{id: "P-404", name: "registered app gets no claim of a scope that it may not ask for", control: true, do: func(w *trial) *page {
			r := w.registered(w.initialToken(), metadata(map[string]any{"scope": "openid"}))
			b := w.browser()
			a := w.redeemAs(r, b.signInAs(r, url.Values{"scope": {"openid"}, "claims": {`{"userinfo":{"email":{"essential":true}},"id_token":{"name":null}}`}}).Get("code"))
			if p := w.userinfo(a.Access); a.status != http.StatusOK || p.status != http.StatusOK || strings.Contains(p.body, "email") {
				w.t.Errorf("token %d, userinfo %s", a.status, p.body)
			}
			var c map[string]any
			if decodeClaims(w.t, a.ID, &c); c["name"] != nil {
				w.t.Errorf("ID token %v", c)
			}
			return nil
		}},
		{id: "P-404", name: "registered app at an API of the operator's", do: func(w *trial) *page {
			// Another world: this one has no APIs.
			outside := &trial{world: newWorld(w.t, withAPIs, withRegistration)}
			r := outside.registered(outside.initialToken(), metadata(nil))
			p := outside.browser().authorize(r.ID, url.Values{"resource": {ordersAPI}})
			if p.location == nil || p.location.Query().Get("error") != "invalid_target" {
				w.t.Errorf("%v", p)
			}
			return nil
		}},
		{id: "P-404", name: "registered app's id before it is there", status: http.StatusBadRequest, reason: "unknown_app", do: func(w *trial) *page {
			return w.browser().authorize(broker.RegisteredPrefix+"AAAAAAAAAAAAAAAAAAAAAAAAAA", nil)
		}},
	}
}
