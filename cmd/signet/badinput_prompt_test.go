package main

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// promptRows are requests that say what may happen with the person.
func promptRows() []row {
	rows := []row{
		told("P-19", "prompt=none and nobody signed in", url.Values{"prompt": {"none"}}, "login_required"),
		told("P-19", "prompt=none for a provider", url.Values{"prompt": {"none"}, "provider": {"globex"}}, "login_required"),
		onPage("P-19", "prompt=none to another site", webApp, url.Values{"prompt": {"none"}, "redirect_uri": {"https://evil.example/"}}, "bad_redirect_uri"),
		{id: "P-22", name: "prompt=login with a session", status: http.StatusOK, do: func(w *trial) *page { return w.signsInAgain(url.Values{"prompt": {"login"}}) }},
		{id: "P-22", name: "prompt=select_account with a session", status: http.StatusOK, do: func(w *trial) *page { return w.signsInAgain(url.Values{"prompt": {"select_account"}}) }},
		{id: "P-23", name: "max_age=0 with a session", status: http.StatusOK, do: func(w *trial) *page { return w.signsInAgain(url.Values{"max_age": {"0"}}) }},
		{id: "P-23", name: "max_age=1 with an older session", status: http.StatusOK, do: func(w *trial) *page { return w.signsInAgain(url.Values{"max_age": {"1"}}) }},
		{id: "P-23", name: "max_age=1 and prompt=none with an older session", status: http.StatusSeeOther, reason: "login_required", event: "login_required", do: func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "local", "ann")
			w.pass(time.Minute)
			w.ready()
			return b.authorize(webApp, url.Values{"max_age": {"1"}, "prompt": {"none"}})
		}},
		{id: "P-23", name: "max_age that a session satisfies", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "local", "ann")
			w.pass(time.Minute)
			p := b.authorize(webApp, url.Values{"max_age": {"3600"}, "prompt": {"none"}})
			if b.atApp(p).Get("code") == "" {
				w.t.Errorf("no code: %v", p)
			}
			return p
		}},
		{id: "P-29", name: "acr that nobody can give", status: http.StatusOK, do: func(w *trial) *page {
			b := w.browser()
			p := b.authorize(webApp, url.Values{"provider": {"local"}, "acr_values": {"phr phrh urn:example:gold"}})
			got := b.atApp(b.password(b.get(p.location.String()), "ann", "correct horse battery"))
			a := w.redeem(webApp, got.Get("code"), nil)
			for _, token := range []string{a.ID, a.Access} {
				var c map[string]any
				if decodeClaims(w.t, token, &c); c["acr"] != nil || len(c["amr"].([]any)) != 1 {
					w.t.Errorf("acr %v, amr %v after a password", c["acr"], c["amr"])
				}
			}
			w.ready()
			return a.page(w, "/token")
		}},
		{id: "P-31", name: "without scope openid", status: http.StatusForbidden, reason: "insufficient_scope", do: func(w *trial) *page {
			b := w.browser()
			got := b.atApp(b.atGlobex(b.authorize(webApp, url.Values{"provider": {"globex"}, "scope": {"profile email"}}), w.globex, "ann"))
			a := w.redeem(webApp, got.Get("code"), nil)
			if a.status != http.StatusOK || a.ID != "" || a.Refresh != "" || a.Access == "" {
				w.t.Errorf("token = %d, ID token %v", a.status, a.ID != "")
			}
			w.ready()
			return w.userinfo(a.Access)
		}},
		// Apps are in the configuration, so the operator has consented for everybody.
		{id: "P-32", name: "offline_access without prompt=consent", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			if a.Refresh == "" {
				w.t.Error("no refresh token")
			}
			return a.page(w, "/token")
		}},
	}
	for _, p := range []string{"none login", "login none", "none none", "create", "NONE", "login,consent"} {
		rows = append(rows, told("P-21", "prompt "+p, url.Values{"prompt": {p}}, "invalid_request"))
	}
	for _, m := range []string{"-1", "abc", "1e9", "1000000000", "0x10", "9223372036854775808", "1.5", "+5", " 5"} {
		rows = append(rows, told("P-24", "max_age "+m, url.Values{"max_age": {m}}, "invalid_request"))
	}
	return append(rows, formRows()...)
}

// signsInAgain sends a browser with a session a request for which that is not enough. It returns the page
// where the password is asked for, once it is certain that auth_time is of the new sign-in.
func (w *trial) signsInAgain(with url.Values) *page {
	w.t.Helper()
	authTime := func(code string) int64 {
		var c struct {
			AuthTime int64 `json:"auth_time"`
		}
		decodeClaims(w.t, w.redeem(webApp, code, nil).ID, &c)
		return c.AuthTime
	}
	b := w.browser()
	first := authTime(b.signIn(webApp, "local", "ann").Get("code"))
	w.pass(5 * time.Minute)
	with.Set("provider", "local")
	w.ready()
	p := b.authorize(webApp, with)
	if p.location == nil || p.toApp() {
		w.t.Fatalf("the session was enough: %v", p)
	}
	form := b.get(p.location.String())
	if after := w.counts(); after["artifacts"] != w.before["artifacts"] || after["sessions"] != w.before["sessions"] {
		w.t.Errorf("rows are %v, were %v", after, w.before)
	}
	if again := authTime(b.atApp(b.password(form, "ann", "correct horse battery")).Get("code")); again < first+300 {
		w.t.Errorf("auth_time %d, was %d", again, first)
	}
	w.ready()
	return form
}

// hintRows are id_token_hint and login_hint.
func hintRows() []row {
	// hinted signs bob in and asks whether he is whom a token of ann's says.
	hinted := func(id, name, reason string, hint func(w *trial, ann tokenAnswer) url.Values) row {
		return row{id: id, name: name, status: http.StatusSeeOther, reason: reason, do: func(w *trial) *page {
			ann := w.tokens(webApp, "globex", "ann")
			b := w.browser()
			b.signIn(webApp, "globex", "bob")
			w.ready()
			return b.authorize(webApp, hint(w, ann))
		}}
	}
	none := []string{"none"}
	return []row{
		hinted("P-26", "id_token_hint of another user with prompt=none", "login_required", func(_ *trial, ann tokenAnswer) url.Values {
			return url.Values{"prompt": none, "id_token_hint": {ann.ID}}
		}),
		hinted("P-26", "id_token_hint that is an access token", "invalid_request", func(_ *trial, ann tokenAnswer) url.Values {
			return url.Values{"prompt": none, "id_token_hint": {ann.Access}}
		}),
		hinted("P-26", "id_token_hint that is a refresh token", "invalid_request", func(_ *trial, ann tokenAnswer) url.Values {
			return url.Values{"prompt": none, "id_token_hint": {ann.Refresh}}
		}),
		hinted("P-26", "id_token_hint with another signature", "invalid_request", func(_ *trial, ann tokenAnswer) url.Values {
			return url.Values{"prompt": none, "id_token_hint": {flipped(ann.ID)}}
		}),
		hinted("P-26", "id_token_hint without a signature", "invalid_request", func(_ *trial, ann tokenAnswer) url.Values {
			return url.Values{"prompt": none, "id_token_hint": {unsigned(ann.ID)}}
		}),
		hinted("P-26", "id_token_hint of another app", "invalid_request", func(w *trial, _ tokenAnswer) url.Values {
			other := w.tokens(otherApp, "globex", "bob")
			w.ready()
			return url.Values{"prompt": none, "id_token_hint": {other.ID}}
		}),
		{id: "P-26", name: "another user signs in than id_token_hint says", status: http.StatusSeeOther, reason: "login_required", event: "login_required", do: func(w *trial) *page {
			ann := w.tokens(webApp, "globex", "ann")
			w.tokens(webApp, "globex", "bob") // is known
			w.ready()
			b := w.browser()
			return b.atGlobex(b.authorize(webApp, url.Values{"provider": {"globex"}, "id_token_hint": {ann.ID}}), w.globex, "bob")
		}},
		{id: "P-27", name: "login_hint with markup", status: http.StatusOK, do: func(w *trial) *page {
			return w.hintShown(`"><script>alert("1")</script>@acme.example`)
		}},
		{id: "P-27", name: "login_hint with SQL", status: http.StatusOK, do: func(w *trial) *page {
			return w.hintShown(`' OR 1=1; DROP TABLE users; --`)
		}},
		{id: "P-27", name: "login_hint of 10 KB", status: http.StatusOK, do: func(w *trial) *page {
			p := w.hintShown(strings.Repeat("h", 10<<10))
			if strings.Contains(p.body, "hhhhhhhhhh") {
				w.t.Error("all of it is shown")
			}
			return p
		}},
		{id: "P-27", name: "login_hint with a line break", status: http.StatusSeeOther, do: func(w *trial) *page {
			p := w.browser().authorize(webApp, url.Values{"provider": {"globex"}, "login_hint": {"ann\r\nX: y"}})
			if p.location.Query().Has("login_hint") {
				w.t.Errorf("the upstream gets %q", p.location.Query().Get("login_hint"))
			}
			return p
		}},
	}
}

// hintShown opens the pages that show a login_hint, and returns the last one.
func (w *trial) hintShown(hint string) (p *page) {
	w.t.Helper()
	for _, with := range []url.Values{{}, {"provider": {"local"}}} {
		with.Set("login_hint", hint)
		b := w.browser()
		if p = b.get(b.authorize(webApp, with).location.String()); strings.Contains(p.body, "<script>alert") {
			w.t.Errorf("the hint is markup: %v", p)
		}
	}
	return p
}

// formRows are what is sent to the pages of a login.
func formRows() []row {
	return []row{
		{id: "P-37", name: "the form names another app, address and type", status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			p := b.get(b.authorize(webApp, url.Values{"provider": {"local"}}).location.String())
			action, form := p.form()
			for k, v := range map[string]string{
				"username": "ann", "password": "correct horse battery", "client_id": otherApp, "redirect_uri": "https://evil.example/",
				"response_type": "token", "response_mode": "fragment", "state": "evil", "code_challenge": challengeOf(strings.Repeat("e", 43)), "scope": "admin",
			} {
				form.Set(k, v)
			}
			p = b.post(action+"?"+url.Values{"redirect_uri": {"https://evil.example/"}, "client_id": {otherApp}}.Encode(), form)
			got := b.atApp(p)
			if got.Get("state") != "st-"+webApp {
				w.t.Errorf("state %q", got.Get("state"))
			}
			if a := w.redeem(otherApp, got.Get("code"), nil); a.Error != "invalid_grant" {
				w.t.Errorf("the app that the form named: %d %s", a.status, a.Error)
			}
			if a := w.redeem(webApp, got.Get("code"), nil); a.status != http.StatusOK || a.Scope != "openid profile email groups offline_access" {
				w.t.Errorf("the app that asked: %d %s, scope %q", a.status, a.Error, a.Scope)
			}
			w.ready()
			return p.uncookied()
		}},
		{id: "P-38", name: "the form comes from another browser with its own token", status: http.StatusBadRequest, reason: "state_mismatch", event: "state_mismatch", do: func(w *trial) *page {
			action, _ := w.passwordForm(w.browser())
			other := w.browser()
			_, form := w.passwordForm(other)
			form.Set("username", "ann")
			form.Set("password", "correct horse battery")
			return other.post(action, form)
		}},
		{id: "P-38", name: "the form comes from another browser with the first one's token", status: http.StatusForbidden, reason: "csrf", do: func(w *trial) *page {
			action, form := w.passwordForm(w.browser())
			other := w.browser()
			w.passwordForm(other)
			form.Set("username", "ann")
			form.Set("password", "correct horse battery")
			return other.post(action, form)
		}},
		{id: "P-38", name: "a provider is chosen from another browser", status: http.StatusBadRequest, reason: "state_mismatch", event: "state_mismatch", do: func(w *trial) *page {
			action, _ := w.passwordForm(w.browser())
			other := w.browser()
			_, form := w.passwordForm(other)
			return other.post(action, url.Values{"csrf": form["csrf"], "provider": {"globex"}})
		}},
		{id: "P-38", name: "a login is given up from another browser", status: http.StatusBadRequest, reason: "state_mismatch", event: "state_mismatch", do: func(w *trial) *page {
			action, _ := w.passwordForm(w.browser())
			other := w.browser()
			_, form := w.passwordForm(other)
			return other.post(action, url.Values{"csrf": form["csrf"], "cancel": {"yes"}})
		}},
		{id: "P-38", name: "a login's page is opened from another browser", status: http.StatusBadRequest, reason: "state_mismatch", event: "state_mismatch", do: func(w *trial) *page {
			action, _ := w.passwordForm(w.browser())
			return w.browser().get(action)
		}},
		{id: "P-39", name: "the password is not posted on to the app", status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			p := b.password(b.get(b.authorize(webApp, url.Values{"provider": {"local"}}).location.String()), "ann", "correct horse battery")
			if b.atApp(p).Get("code") == "" {
				w.t.Errorf("no code: %v", p)
			}
			w.ready()
			return p.uncookied()
		}},
		{id: "P-41", name: "another origin asks to read /authorize", status: http.StatusMethodNotAllowed, reason: "method_not_allowed", do: func(w *trial) *page {
			b := w.browser()
			b.header = http.Header{"Origin": {"https://evil.example"}}
			if p := b.authorize(webApp, url.Values{"prompt": {"none"}}); p.header.Get("Access-Control-Allow-Origin") != "" {
				w.t.Error("another origin may read the answer")
			}
			b.header.Set("Access-Control-Request-Method", "GET")
			p := b.do(b.request(http.MethodOptions, "/authorize", ""))
			if p.header.Get("Access-Control-Allow-Origin") != "" {
				w.t.Error("another origin may send")
			}
			return p
		}},
		{id: "P-42", name: "iss comes with a code and with an error", status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "globex", "ann")
			if got := b.atApp(b.authorize(webApp, url.Values{"response_type": {"token"}})); got.Get("iss") != w.URL {
				w.t.Errorf("with an error: %v", got)
			}
			p := b.authorize(webApp, nil)
			if got := b.atApp(p); got.Get("code") == "" || len(got["iss"]) != 1 || got.Get("iss") != w.URL {
				w.t.Errorf("with a code: %v", got)
			}
			w.ready()
			return p
		}},
	}
}

// passwordForm begins a login and returns the form of its password page.
func (w *trial) passwordForm(b *browser) (action string, form url.Values) {
	w.t.Helper()
	return b.get(b.authorize(webApp, url.Values{"provider": {"local"}}).location.String()).form()
}
