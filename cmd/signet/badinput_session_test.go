package main

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

func sessionRows() []row {
	var rows []row
	for _, more := range [][]row{cookieRows(), endedRows(), forgeryRows(), pageRows(), tabRows()} {
		rows = append(rows, more...)
	}
	return rows
}

const sessionCookie, browserCookie = "signet-session", "signet-browser"

// cookie is the value of a cookie that a browser keeps for Signet.
func (b *browser) cookie(name string) string {
	home, err := url.Parse(b.w.URL)
	if err != nil {
		b.w.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(home) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// holding is a browser that sends a cookie beside its own.
func (w *trial) holding(name, value string) *browser {
	b := w.browser()
	b.header.Set("Cookie", name+"="+value)
	return b
}

// silently asks for a login in which nothing may be shown.
func (b *browser) silently() *page {
	b.w.t.Helper()
	return b.authorize(webApp, url.Values{"prompt": {"none"}})
}

func cookieRows() []row {
	return []row{
		{id: "P-161", name: "the session's cookie changes with a sign-in", status: http.StatusSeeOther, reason: "login_required", do: func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "globex", "ann")
			was := b.cookie(sessionCookie)
			p := b.authorize(webApp, url.Values{"prompt": {"login"}, "provider": {"globex"}})
			b.atApp(b.atGlobex(p, w.globex, "ann"))
			if is := b.cookie(sessionCookie); is == was || is == "" {
				w.t.Error("the cookie is the one from before")
			}
			w.ready()
			return w.holding(sessionCookie, was).silently()
		}},
		{id: "P-161", name: "a session's cookie that was planted before", status: http.StatusSeeOther, reason: "login_required", do: func(w *trial) *page {
			planted := strings.Repeat("A", 52)
			b := w.browser()
			home, _ := url.Parse(w.URL)
			b.client.Jar.SetCookies(home, []*http.Cookie{{Name: sessionCookie, Value: planted}})
			b.signIn(webApp, "globex", "ann")
			if b.cookie(sessionCookie) == planted {
				w.t.Error("the planted cookie is the session's")
			}
			w.ready()
			return w.holding(sessionCookie, planted).silently()
		}},
		{id: "P-161", name: "the account of another in the same browser", status: http.StatusSeeOther, reason: "login_required", do: func(w *trial) *page {
			b := w.browser()
			first := b.signIn(webApp, "globex", "ann")
			was := b.cookie(sessionCookie)
			p := b.authorize(webApp, url.Values{"prompt": {"login"}, "provider": {"globex"}})
			second := b.atApp(b.atGlobex(p, w.globex, "bob"))
			if a := w.redeem(webApp, first.Get("code"), nil); a.Error != "invalid_grant" {
				w.t.Errorf("a code of the session before = %d", a.status)
			}
			if a := w.redeem(webApp, second.Get("code"), nil); a.status != http.StatusOK {
				w.t.Errorf("a code of the session now = %d %s", a.status, a.Error)
			}
			w.ready()
			return w.holding(sessionCookie, was).silently()
		}},
		{id: "P-162", name: "what the cookies are", do: secureCookies},
		{id: "P-163", name: "the browser's cookie twice", status: http.StatusBadRequest, reason: "state_mismatch", event: "state_mismatch", do: func(w *trial) *page {
			b := w.browser()
			back := b.backFrom(b.authorize(webApp, url.Values{"provider": {"globex"}}), w.globex, "ann")
			b.header.Set("Cookie", browserCookie+"="+strings.Repeat("A", 52))
			return b.get(back.String())
		}},
		{id: "P-163", name: "the session's cookie twice", status: http.StatusSeeOther, reason: "login_required", do: func(w *trial) *page {
			b, other := w.browser(), w.browser()
			b.signIn(webApp, "globex", "ann")
			other.signIn(webApp, "globex", "bob")
			w.ready()
			b.header.Set("Cookie", sessionCookie+"="+other.cookie(sessionCookie))
			return b.silently()
		}},
		{id: "P-163", name: "the cookies of somebody else's login", status: http.StatusBadRequest, reason: "state_mismatch", event: "state_mismatch", do: func(w *trial) *page {
			evil, victim := w.browser(), w.browser()
			back := evil.backFrom(evil.authorize(webApp, url.Values{"provider": {"globex"}}), w.globex, "bob")
			victim.authorize(webApp, url.Values{"provider": {"globex"}})
			return victim.get(back.String())
		}},
	}
}

// secureCookies signs somebody in at a Signet that browsers reach by TLS and looks at its cookies.
func secureCookies(w *trial) *page {
	const host = "login.example.com"
	far := newWorld(w.t, func(text string) string {
		issuer := text[strings.Index(text, "issuer: ")+len("issuer: "):]
		issuer, _, _ = strings.Cut(issuer, "\n")
		return strings.Replace(text, "issuer: "+issuer, "issuer: https://"+host, 1)
	})
	far.addAccount("ann", "ann@acme.example")
	var held []string // as a browser that speaks TLS would send them
	send := func(method, path, body string) *page {
		b := far.browser()
		req := b.request(method, path, body)
		req.Host = host
		req.Header.Set("Cookie", strings.Join(held, "; "))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		p := b.do(req)
		if p.header.Get("Strict-Transport-Security") == "" {
			w.t.Errorf("%s may be reached without TLS", path)
		}
		for _, c := range (&http.Response{Header: p.header}).Cookies() {
			if !strings.HasPrefix(c.Name, "__Host-signet-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
				w.t.Errorf("cookie %s", strings.Replace(c.String(), c.Value, "…", 1))
			}
			held = append(held, c.Name+"="+c.Value)
		}
		return p
	}
	p := send(http.MethodGet, "/authorize?"+authorizeQuery(webApp, url.Values{"provider": {"local"}}).Encode(), "")
	login := strings.TrimPrefix(p.location.String(), "https://"+host)
	_, form := send(http.MethodGet, login, "").form()
	form.Set("username", "ann")
	form.Set("password", "correct horse battery")
	p = send(http.MethodPost, login, form.Encode())
	if !p.toApp() || len(held) != 3 { // browser, session, last
		w.t.Fatalf("%v, cookies %d", p, len(held))
	}
	silently := "/authorize?" + authorizeQuery(webApp, url.Values{"prompt": {"none"}}).Encode()
	if p = send(http.MethodGet, silently, ""); p.location.Query().Get("code") == "" {
		w.t.Errorf("the session is not known: %v", p)
	}
	for i, c := range held {
		held[i] = strings.TrimPrefix(c, "__Host-") // what a sibling domain could set
	}
	if p = send(http.MethodGet, silently, ""); p.location.Query().Get("error") != "login_required" {
		w.t.Errorf("a cookie that is not bound to the host counts: %v", p)
	}
	return nil
}

// endedRows are sessions that are over.
func endedRows() []row {
	// after signs somebody in, has something happen, and sends the session's cookie again.
	after := func(name, username string, happens func(w *trial, b *browser)) row {
		return row{id: "P-164", name: name, status: http.StatusSeeOther, reason: "login_required", event: "login_required", do: func(w *trial) *page {
			w.addAccount(username, username+"@acme.example")
			b := w.browser()
			b.signIn(webApp, "local", username)
			secret := b.cookie(sessionCookie)
			if p := w.holding(sessionCookie, secret).silently(); p.location.Query().Get("code") == "" {
				w.t.Fatalf("before: %v", p)
			}
			happens(w, b)
			w.ready()
			return w.holding(sessionCookie, secret).silently()
		}}
	}
	return []row{
		after("after sign-out", "hugo", func(_ *trial, b *browser) { b.signOut() }),
		after("after the user was disabled", "iris", func(w *trial, _ *browser) { w.disable("iris@acme.example", true) }),
		after("after the user was disabled and enabled", "jack", func(w *trial, _ *browser) {
			w.disable("jack@acme.example", true)
			w.disable("jack@acme.example", false)
		}),
		after("after the password was changed", "kate", func(w *trial, _ *browser) { w.setPassword("kate", "another horse battery") }),
		after("after 13 hours without use", "lars", func(w *trial, _ *browser) { w.pass(13 * time.Hour) }),
		after("after 8 days of use", "mona", func(w *trial, b *browser) {
			for range 16 {
				w.pass(11 * time.Hour)
				b.silently()
			}
		}),
		{id: "P-168", name: "back to a login's page after sign-out", status: http.StatusConflict, reason: "login_finished", do: func(w *trial) *page {
			b := w.browser()
			login := b.authorize(webApp, url.Values{"provider": {"local"}}).location.String()
			b.atApp(b.password(b.get(login), "ann", "correct horse battery"))
			b.signOut()
			w.ready()
			return b.get(login)
		}},
	}
}

// forgeryRows are forms that another site submits.
func forgeryRows() []row {
	fill := func(form url.Values) {
		form.Set("username", "ann")
		form.Set("password", "correct horse battery")
	}
	from := func(name string, change func(b *browser, form url.Values)) row {
		return row{id: "P-166", name: name, status: http.StatusForbidden, reason: "csrf", do: func(w *trial) *page {
			b := w.browser()
			action, form := w.passwordForm(b)
			fill(form)
			change(b, form)
			for _, more := range []url.Values{{"provider": {"globex"}}, {"cancel": {"yes"}}, {"email": {"ann@hooli.example"}}} {
				if form.Has("csrf") {
					more["csrf"] = form["csrf"]
				}
				if p := b.post(action, more); p.status != http.StatusForbidden {
					w.t.Errorf("%v = %v", more, p)
				}
			}
			return b.post(action, form)
		}}
	}
	return []row{
		from("without a token", func(_ *browser, f url.Values) { f.Del("csrf") }),
		from("with an empty token", func(_ *browser, f url.Values) { f.Set("csrf", "") }),
		from("with a token of nobody", func(_ *browser, f url.Values) { f.Set("csrf", strings.Repeat("A", 43)) }),
		from("with the token of a browser without a cookie", func(_ *browser, f url.Values) { f.Set("csrf", "q8ZBNpFfUUFIoRZbtRDP3GjhUtYWRRBLuMoCg1hBFVE") }),
		from("from another site", func(b *browser, _ url.Values) { b.header.Set("Sec-Fetch-Site", "cross-site") }),
		from("from another subdomain", func(b *browser, _ url.Values) { b.header.Set("Sec-Fetch-Site", "same-site") }),
		from("with another origin", func(b *browser, _ url.Values) { b.header.Set("Origin", "https://evil.example") }),
		from("with no origin that can be told", func(b *browser, _ url.Values) { b.header.Set("Origin", "null") }),
		{id: "P-166", name: "a JSON body", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			b := w.browser()
			action, form := w.passwordForm(b)
			fill(form)
			req := b.request(http.MethodPost, action, form.Encode())
			req.Header.Set("Content-Type", "text/plain")
			return b.do(req)
		}},
		{id: "P-166", name: "the form as it is", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			action, form := w.passwordForm(b)
			fill(form)
			b.header = http.Header{"Origin": {w.URL}, "Sec-Fetch-Site": {"same-origin"}}
			p := b.post(action, form)
			b.atApp(p)
			return p
		}},
	}
}

// pageRows are what every page tells the browser.
func pageRows() []row {
	return []row{
		{id: "P-167", name: "every page can be framed by nobody", do: func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "globex", "ann")
			pages := map[string]*page{
				"choose":     b.get(b.authorize(webApp, url.Values{"prompt": {"select_account"}}).location.String()),
				"password":   b.get(b.authorize(webApp, url.Values{"prompt": {"login"}, "provider": {"local"}}).location.String()),
				"form_post":  b.authorize(webApp, url.Values{"response_mode": {"form_post"}, "response_type": {"token"}}),
				"error":      b.authorize("nobody", nil),
				"logout":     b.get("/logout"),
				"missing":    b.get("/nowhere"),
				"method":     b.do(b.request(http.MethodDelete, "/authorize", "")),
				"logged out": w.browser().get("/logout"),
			}
			for name, p := range pages {
				if !strings.HasPrefix(p.header.Get("Content-Type"), "text/html") {
					w.t.Errorf("%s is no page: %v", name, p)
				}
				w.wellFormed(p, p.status)
			}
			w.ready()
			return nil
		}},
		{id: "P-169", name: "the redirect with the code does not tell where it came from", status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			p := b.atGlobex(b.authorize(webApp, url.Values{"provider": {"globex"}}), w.globex, "ann")
			again := b.authorize(webApp, nil)
			for name, p := range map[string]*page{"callback": p, "authorize": again} {
				if b.atApp(p).Get("code") == "" || p.header.Get("Referrer-Policy") != "no-referrer" || p.header.Get("Cache-Control") != "no-store" {
					w.t.Errorf("%s: Referrer-Policy %q, Cache-Control %q", name, p.header.Get("Referrer-Policy"), p.header.Get("Cache-Control"))
				}
			}
			w.ready()
			return again
		}},
	}
}

// tabRows are two logins of one browser at once.
func tabRows() []row {
	return []row{
		{id: "P-171", name: "two tabs for two apps", do: func(w *trial) *page {
			b := w.browser()
			at := url.Values{"provider": {"globex"}}
			one, two := b.authorize(webApp, at), b.authorize(otherApp, at)
			backTwo, backOne := b.backFrom(two, w.globex, "ann"), b.backFrom(one, w.globex, "ann")
			for app, back := range map[string]*url.URL{otherApp: backTwo, webApp: backOne} {
				got := b.atApp(b.get(back.String()))
				if got.Get("state") != "st-"+app {
					w.t.Errorf("%s gets the state %s", app, got.Get("state"))
				}
				if a := w.redeem(map[string]string{webApp: otherApp, otherApp: webApp}[app], got.Get("code"), nil); a.Error != "invalid_grant" {
					w.t.Errorf("the other app redeems the code of %s: %d", app, a.status)
				}
				if a := w.redeem(app, got.Get("code"), nil); a.status != http.StatusOK {
					w.t.Errorf("%s = %d %s", app, a.status, a.Error)
				}
			}
			w.ready()
			return nil
		}},
		// The upstream takes its code once, so one of them can win; whoever comes too late may end the attempt
		// for the winner, too. Then the person signs in again.
		{id: "P-171", name: "one answer of an upstream in several tabs at once", do: func(w *trial) *page {
			b := w.browser()
			back := b.backFrom(b.authorize(webApp, url.Values{"provider": {"globex"}}), w.globex, "ann")
			w.ready()
			codes := w.atOnce(4, func() *page { return b.get(back.String()) })
			if after := w.counts(); codes > 1 || after["sessions"] != w.before["sessions"]+codes || after["artifacts"] != w.before["artifacts"]+codes {
				w.t.Errorf("%d codes, rows are %v, were %v", codes, after, w.before)
			}
			again := b.authorize(webApp, url.Values{"provider": {"globex"}, "prompt": {"login"}})
			if b.atApp(b.atGlobex(again, w.globex, "ann")).Get("code") == "" {
				w.t.Error("the person cannot sign in any more")
			}
			w.ready()
			return nil
		}},
		{id: "P-171", name: "one password form in several tabs at once", do: func(w *trial) *page {
			b := w.browser()
			action, form := w.passwordForm(b)
			form.Set("username", "ann")
			form.Set("password", "correct horse battery")
			w.ready()
			codes := w.atOnce(4, func() *page { return b.post(action, form) })
			if after := w.counts(); codes != 1 || after["sessions"] != w.before["sessions"]+1 || after["artifacts"] != w.before["artifacts"]+1 {
				w.t.Errorf("%d codes, rows are %v, were %v", codes, after, w.before)
			}
			w.ready()
			return nil
		}},
	}
}

// atOnce does the same several times at once, and returns how often the app got a code. The others must be
// refused.
func (w *trial) atOnce(n int, do func() *page) (codes int) {
	pages := make([]*page, n)
	var all sync.WaitGroup
	for i := range pages {
		all.Go(func() { pages[i] = do() })
	}
	all.Wait()
	for _, p := range pages {
		switch {
		case p.toApp() && p.location.Query().Get("code") != "":
			codes++
		case p.status != http.StatusBadRequest && p.status != http.StatusConflict && p.status != http.StatusTooManyRequests:
			w.t.Errorf("a loser gets %v", p)
		}
	}
	return codes
}
