package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-broker/signet/config"
)

// asks is a row that sends one authentication request from a browser in which nobody is signed in.
func asks(id, name, app string, with url.Values, status int, reason string) row {
	return row{id: id, name: name, status: status, reason: reason, do: func(w *trial) *page {
		return w.browser().authorize(app, with)
	}}
}

// onPage is a row whose request is refused on a page: it may not reach the app.
func onPage(id, name, app string, with url.Values, reason string) row {
	return asks(id, name, app, with, http.StatusBadRequest, reason)
}

// told is a row whose request is refused to the app.
func told(id, name string, with url.Values, reason string) row {
	return asks(id, name, webApp, with, http.StatusSeeOther, reason)
}

func authorizeRows() []row {
	var rows []row
	for _, more := range [][]row{targetRows(), redirectRows(), parameterRows(), promptRows(), hintRows(), objectRows(), challengeRows()} {
		rows = append(rows, more...)
	}
	return rows
}

func targetRows() []row {
	return []row{
		onPage("P-1", "client_id of nobody", "nobody", nil, "unknown_app"),
		onPage("P-1", "client_id with a space", webApp+" ", nil, "unknown_app"),
		onPage("P-1", "client_id in capitals", strings.ToUpper(webApp), nil, "unknown_app"),
		onPage("P-1", "no client_id", "", nil, "unknown_app"),
		onPage("P-1", "two client_ids", webApp, url.Values{"client_id": {webApp, otherApp}}, "invalid_request"),
		onPage("P-11", "two redirect_uris", webApp, url.Values{"redirect_uri": {callbackURI, "https://evil.example/"}}, "invalid_request"),
		onPage("P-11", "the same redirect_uri twice", webApp, url.Values{"redirect_uri": {callbackURI, callbackURI}}, "invalid_request"),
		{id: "P-11", name: "another redirect_uri in the address of a POST", status: http.StatusBadRequest, reason: "bad_redirect_uri", do: func(w *trial) *page {
			q := authorizeQuery(webApp, url.Values{"redirect_uri": {"https://evil.example/"}})
			return w.browser().post("/authorize?"+authorizeQuery(webApp, nil).Encode(), q)
		}},
		onPage("P-13", "no redirect_uri, one is registered", webApp, url.Values{"redirect_uri": {""}}, "bad_redirect_uri"),
		{id: "P-13", name: "an empty redirect_uri", status: http.StatusBadRequest, reason: "bad_redirect_uri", do: func(w *trial) *page {
			return w.browser().get("/authorize?" + authorizeQuery(webApp, url.Values{"redirect_uri": {""}}).Encode() + "&redirect_uri=")
		}},
		{id: "P-12", name: "a query that is not urlencoded", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			return w.browser().get("/authorize?" + authorizeQuery(webApp, nil).Encode() + "&x=%zz")
		}},
		{id: "P-43", name: "a provider that is not this app's", status: http.StatusSeeOther, reason: "invalid_request", do: func(w *trial) *page {
			for _, name := range []string{"identity_provider", "idp_identifier", "connector_id", "kc_idp_hint"} {
				if p := w.browser().authorize(localApp, url.Values{name: {"hooli"}}); w.reason(p) != "invalid_request" {
					w.t.Errorf("%s: %v", name, p)
				}
			}
			return w.browser().authorize(localApp, url.Values{"provider": {"hooli"}})
		}},
		{id: "P-43", name: "a provider that is not this app's, chosen on the page", status: http.StatusBadRequest, reason: "idp_disabled", event: "idp_disabled", do: func(w *trial) *page {
			b := w.browser()
			login := b.authorize(webApp, nil).location.String()
			_, form := b.get(login).form()
			form = url.Values{"csrf": form["csrf"], "provider": {"nobody"}}
			return b.post(login, form)
		}},
		{id: "P-43", name: "a session from a provider that is not this app's", status: http.StatusSeeOther, reason: "login_required", event: "login_required", do: func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "hooli", "bob")
			w.ready()
			return b.authorize(localApp, url.Values{"prompt": {"none"}})
		}},
	}
}

// redirectRows are redirect_uris that look like a registered one.
func redirectRows() []row {
	var rows []row
	for _, u := range [][3]string{
		{"P-2", "of another site", "https://evil.example/callback"},
		{"P-2", "with the registered one in its query", "https://evil.example/?" + callbackURI},
		{"P-2", "with the registered host as user", "https://app.example.com@evil.example/callback"},
		{"P-2", "with a backslash", `https://evil.example\@app.example.com/callback`},
		{"P-2", "of the app after logout", afterLogout},
		{"P-3", "with a slash at the end", callbackURI + "/"},
		{"P-3", "with a path above", "https://app.example.com/x/../callback"},
		{"P-3", "with a path below and above", callbackURI + "/../callback"},
		{"P-3", "with encoded dots", "https://app.example.com/%2e%2e/callback"},
		{"P-3", "with dots encoded twice", "https://app.example.com/%252e%252e/callback"},
		{"P-3", "with an encoded letter", "https://app.example.com/%63allback"},
		{"P-4", "with a host in capitals", "https://APP.example.com/callback"},
		{"P-4", "with the default port", "https://app.example.com:443/callback"},
		{"P-4", "with a dot after the host", "https://app.example.com./callback"},
		{"P-4", "with a Cyrillic host", "https://\u0430pp.example.com/callback"},
		{"P-4", "with a subdomain", "https://x.app.example.com/callback"},
		{"P-6", "with a query", callbackURI + "?x=1"},
		{"P-6", "with an empty query", callbackURI + "?"},
		{"P-6", "with a fragment", callbackURI + "#x"},
		{"P-6", "with an empty fragment", callbackURI + "#"},
		{"P-6", "with a parameter", callbackURI + ";x"},
		{"P-6", "with a space at the end", callbackURI + " "},
		{"P-6", "with a NUL at the end", callbackURI + "\x00"},
		{"P-6", "with a line break", callbackURI + "\r\nSet-Cookie: x=y"},
		{"P-7", "with http", "http://app.example.com/callback"},
		{"P-7", "with javascript", "javascript:alert(1)//" + callbackURI},
		{"P-7", "with data", "data:text/html,x"},
		{"P-7", "with a scheme of its own", "com.example.app:/callback"},
		{"P-7", "without a scheme", "//app.example.com/callback"},
		{"P-8", "with a path in capitals", "https://app.example.com/Callback"},
	} {
		rows = append(rows, onPage(u[0], "redirect_uri "+u[1], webApp, url.Values{"redirect_uri": {u[2]}}, "bad_redirect_uri"))
	}
	for _, u := range [][2]string{
		{"with a zone", "http://[::1%25lo]/native"},
		{"with another loopback address", "http://127.0.0.2:4000/native"},
		{"with an address that begins like it", "http://127.0.0.11:4000/native"},
		{"with the loopback address in IPv6", "http://[::ffff:127.0.0.1]:4000/native"},
		{"with localhost", "http://localhost:4000/native"},
		{"with the address as a number", "http://2130706433/native"},
		{"with the address as the start of a name", "http://127.0.0.1.evil.example/native"},
		{"with the address as user", "http://127.0.0.1:80@evil.example/native"},
		{"with a port too large", "http://127.0.0.1:70000/native"},
		{"with a signed port", "http://127.0.0.1:+80/native"},
		{"with an empty port", "http://127.0.0.1:/native"},
		{"with a port and another path", "http://127.0.0.1:4000/native/"},
		{"with a port and a query", "http://127.0.0.1:4000/native?x"},
		{"with TLS", "https://127.0.0.1:4000/native"},
	} {
		rows = append(rows, onPage("P-4", "loopback redirect_uri "+u[0], publicApp, url.Values{"redirect_uri": {u[1]}}, "bad_redirect_uri"))
	}
	rows = append(rows, row{id: "P-4", name: "loopback redirect_uri with a port", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
		p := w.browser().authorize(publicApp, url.Values{"redirect_uri": {"http://127.0.0.1:49152/native"}, "prompt": {"none"}})
		if p.location == nil || !strings.HasPrefix(p.location.String(), "http://127.0.0.1:49152/native?") {
			w.t.Errorf("not sent to the app: %v", p)
		}
		return p
	}})
	return append(rows, registeredRows()...)
}

// registeredRows are redirect_uris that must not be registered: the configuration is where that is done.
func registeredRows() []row {
	refused := func(id, name, uri string) row {
		return row{id: id, name: "registered redirect_uri " + name, do: func(w *trial) *page {
			text := strings.Replace(w.config, "["+callbackURI+"]", "['"+uri+"']", 1)
			if !faulty(w.t, text, "apps.0.redirect_uris") {
				w.t.Errorf("%s may be registered", uri)
			}
			return nil
		}}
	}
	return []row{
		refused("P-7", "with http", "http://app.example.com/callback"),
		refused("P-7", "with javascript", "javascript:alert(1)"),
		refused("P-7", "with data", "data:text/html,x"),
		refused("P-7", "with a scheme of its own for an app with a secret", "com.example.app:/callback"),
		refused("P-9", "with a wildcard", "https://*.example.com/callback"),
		refused("P-9", "with a wildcard at the end", "https://app.example.com/*"),
		refused("P-9", "with a regular expression", `https://app\.example\.com/.+`),
		refused("P-9", "with a beginning and an end", "^https://app.example.com/$"),
	}
}

// faulty tells whether a configuration is refused because of a key.
func faulty(t testing.TB, text, key string) bool {
	t.Helper()
	_, err := config.Load(writeConfig(t, text))
	return err != nil && strings.Contains(err.Error(), key)
}

// parameterRows are parameters that are repeated, too long, odd or unknown.
func parameterRows() []row {
	var rows []row
	for _, name := range []string{
		"state", "nonce", "scope", "code_challenge", "code_challenge_method", "response_type", "response_mode", "prompt", "max_age", "claims",
		"login_hint", "id_token_hint", "ui_locales", "acr_values", "request", "request_uri", "provider", "kc_idp_hint",
	} {
		rows = append(rows, told("P-12", "two of "+name, url.Values{name: {"a", "b"}}, "invalid_request"))
	}
	rows = append(rows, told("P-12", "two of response_mode, one a form", url.Values{"response_mode": {"form_post", "query"}}, "invalid_request"))
	for _, t := range []string{"", "token", "id_token", "code id_token", "id_token token", "none", "CODE", "code code", "code "} {
		rows = append(rows, told("P-14", "response_type "+t, url.Values{"response_type": {t}}, "unsupported_response_type"))
	}
	for _, m := range []string{"fragment", "fragment.jwt", "web_message", "FORM_POST", "query.JWT"} {
		rows = append(rows, told("P-14", "response_mode "+m, url.Values{"response_mode": {m}}, "invalid_request"))
	}
	none := url.Values{"prompt": {"none"}}
	with := func(name, value string) url.Values { return url.Values{"prompt": none["prompt"], name: {value}} }
	rows = append(rows,
		row{id: "P-16", name: "state that ends a script, in a form", status: http.StatusOK, do: func(w *trial) *page {
			state := `</script><script>alert("1")</script>'&amp;`
			p := w.browser().authorize(webApp, url.Values{"prompt": {"none"}, "response_mode": {"form_post"}, "state": {state}})
			action, form := p.form()
			if action != callbackURI || form.Get("state") != state || form.Get("error") != "login_required" || form.Get("iss") != w.URL {
				w.t.Errorf("form for %s: %v", action, form)
			}
			if strings.Contains(p.body, "alert(\"1\")") {
				w.t.Error("the state is markup")
			}
			return p
		}},
		told("P-17", "state of 8 KB", with("state", strings.Repeat("s", 8<<10)), "login_required"), // comes back as it was
		told("P-17", "state that is not ASCII", with("state", "zustand-ä-状态-😀"), "login_required"),
		told("P-17", "state with line breaks", with("state", "a\r\nSet-Cookie: signet-session=evil\r\n\r\n<html>"), "login_required"),
		onPage("P-17", "state of more than 8 KB", webApp, with("state", strings.Repeat("s", 8<<10+1)), "invalid_request"),
		onPage("P-17", "state that is not UTF-8", webApp, with("state", "a\xffb"), "invalid_request"),
		told("P-18", "nonce of 10 KB", url.Values{"nonce": {strings.Repeat("n", 10<<10)}}, "invalid_request"),
		told("P-18", "nonce that is not UTF-8", url.Values{"nonce": {"a\xffb"}}, "invalid_request"),
		told("P-28", "claims of 5 KB", url.Values{"claims": {strings.Repeat("c", 5<<10)}}, "invalid_request"),
		row{id: "P-28", name: "claims nested deeply", status: http.StatusSeeOther, reason: "invalid_request", do: func(w *trial) *page {
			deep := url.Values{"claims": {strings.Repeat("[", 8<<10)}}
			return w.within(20*time.Millisecond, func() *page { return w.browser().authorize(webApp, deep) })
		}},
		row{id: "P-28", name: "claims of 1 MB", status: http.StatusRequestEntityTooLarge, reason: "too_large", do: func(w *trial) *page {
			q := authorizeQuery(webApp, url.Values{"claims": {strings.Repeat("{", 1<<20)}})
			return w.within(20*time.Millisecond, func() *page { return w.browser().post("/authorize", q) })
		}},
		row{id: "P-18", name: "nonce of 64 characters", control: true, status: http.StatusOK, do: func(w *trial) *page {
			nonce := strings.Repeat("n", 64)
			b := w.browser()
			got := b.atApp(b.atGlobex(b.authorize(webApp, url.Values{"provider": {"globex"}, "nonce": {nonce}}), w.globex, "ann"))
			var c struct{ Nonce string }
			a := w.redeem(webApp, got.Get("code"), nil)
			if decodeClaims(w.t, a.ID, &c); c.Nonce != nonce {
				w.t.Errorf("nonce %q", c.Nonce)
			}
			return a.page(w, "/token")
		}},
	)
	return rows
}

// objectRows are request objects, which are not supported, and what else takes the place of parameters.
func objectRows() []row {
	unsigned := "eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL2V2aWwuZXhhbXBsZS8iLCJjbGllbnRfaWQiOiJ3ZWIifQ."
	return []row{
		told("P-33", "unsigned request object", url.Values{"request": {unsigned}}, "request_not_supported"),
		told("P-33", "registration", url.Values{"registration": {"{}"}}, "registration_not_supported"),
		{id: "P-34", name: "request_uri on a machine inside", status: http.StatusSeeOther, reason: "request_uri_not_supported", do: func(w *trial) *page {
			var asked atomic.Int32
			inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
			defer inside.Close()
			p := w.browser().authorize(webApp, url.Values{"request_uri": {inside.URL + "/object"}})
			if n := asked.Load(); n != 0 {
				w.t.Errorf("asked it %d times", n)
			}
			return p
		}},
		told("P-36", "request object with another redirect_uri", url.Values{"request": {unsigned}, "response_mode": {"query"}}, "request_not_supported"),
		onPage("P-36", "redirect_uri in the request object alone", webApp, url.Values{"request": {unsigned}, "redirect_uri": {""}}, "bad_redirect_uri"),
	}
}

// challengeRows are PKCE's at this end.
func challengeRows() []row {
	ask := func(id, name, app string, with url.Values) row {
		return asks(id, name, app, with, http.StatusSeeOther, "invalid_request")
	}
	without := url.Values{"code_challenge": {""}, "code_challenge_method": {""}}
	rows := []row{
		ask("P-44", "public app without code_challenge", publicApp, without),
		ask("P-44", "app that must use PKCE without code_challenge", webApp, without),
		ask("P-46", "method plain", publicApp, url.Values{"code_challenge": {verifier}, "code_challenge_method": {"plain"}}),
		ask("P-46", "method plain by an app that need not use PKCE", laxApp, url.Values{"code_challenge": {verifier}, "code_challenge_method": {"plain"}}),
		ask("P-46", "challenge without a method", publicApp, url.Values{"code_challenge_method": {""}}),
		ask("P-46", "challenge without a method by an app that need not use PKCE", laxApp, url.Values{"code_challenge_method": {""}}),
		ask("P-46", "method without a challenge", laxApp, url.Values{"code_challenge": {""}}),
		ask("P-46", "method s256", publicApp, url.Values{"code_challenge_method": {"s256"}}),
	}
	for name, c := range map[string]string{
		"of 42 characters": strings.Repeat("a", 42), "of 44 characters": strings.Repeat("a", 44), "of 129 characters": strings.Repeat("a", 129),
		"with padding": strings.Repeat("a", 43) + "=", "in base64": strings.Repeat("a", 42) + "+", "with a line break": strings.Repeat("a", 43) + "\n",
	} {
		rows = append(rows, ask("P-47", "challenge "+name, publicApp, url.Values{"code_challenge": {c}}))
	}
	return rows
}
