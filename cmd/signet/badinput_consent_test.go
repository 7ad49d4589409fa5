package main

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// The apps of consent rows, which are not first-party.
const (
	partnerApp = "partner"
	nativeApp  = "native" // public, on the person's machine
)

// withPartner adds apps of others.
func withPartner(text string) string {
	return strings.Replace(text, "apps:\n", `apps:
  - {id: partner, name: Partner, secret: `+appSecret+`, first_party: false, redirect_uris: [https://app.example.com/callback]}
  - {id: native, name: Native, first_party: false, redirect_uris: ["http://127.0.0.1/native"]}
`, 1)
}

// question signs a person of Globex in for an app that is not first-party, and returns the page that asks.
func (b *browser) question(with url.Values, person string) *page {
	b.w.t.Helper()
	q := url.Values{"provider": {"globex"}, "scope": {"openid profile"}}
	for k, v := range with {
		q[k] = v
	}
	p := b.authorize(partnerApp, q)
	if p.location != nil && !strings.HasPrefix(p.location.String(), b.w.URL) {
		p = b.atGlobex(p, b.w.globex, person)
	}
	if p.location == nil {
		b.w.t.Fatalf("no way to the question: %v", p)
	}
	if p = b.get(p.location.String()); !p.has("consent") {
		b.w.t.Fatalf("the person is not asked: %v", p)
	}
	return p
}

// consented is a browser whose person has allowed partner openid and profile, and what the app got.
func (w *world) consented(person string) (*browser, tokenAnswer) {
	w.t.Helper()
	b := w.browser()
	p := b.question(url.Values{"scope": {"openid profile offline_access"}, "prompt": {"consent"}}, person)
	a := w.redeem(partnerApp, b.atApp(b.answers(p, "allow")).Get("code"), nil)
	if a.status != http.StatusOK {
		w.t.Fatalf("tokens = %d %s", a.status, a.body)
	}
	return b, a
}

// asking has a person asked whatever they have allowed before.
var asking = url.Values{"prompt": {"consent"}}

func consentRows() []row {
	return append(append(consentFormRows(), consentAskedRows()...), consentControlRows()...)
}

// consentFormRows are answers that are not the person's.
func consentFormRows() []row {
	tampered := func(name string, change func(form url.Values) (query string)) row {
		return row{id: "P-37", name: name, status: http.StatusBadRequest, reason: "form_invalid", do: func(w *trial) *page {
			b := w.browser()
			action, form := b.question(asking, "bob").form()
			w.ready()
			form.Set("decision", "allow")
			if query := change(form); query != "" {
				action += "?" + query
			}
			return b.post(action, form)
		}}
	}
	with := func(k, v string) func(url.Values) string {
		return func(form url.Values) string { form.Add(k, v); return "" }
	}
	return []row{
		tampered("the answer names another app", with("client_id", webApp)),
		tampered("the answer names another address", with("redirect_uri", "https://evil.example/")),
		tampered("the answer names another response_type", with("response_type", "token")),
		tampered("the answer names more scopes", with("scope", "openid profile email groups offline_access")),
		tampered("the answer names another user", with("user", "ann")),
		tampered("the answer is yes and no", with("decision", "deny")),
		tampered("the answer is yes twice", with("decision", "allow")),
		tampered("the answer is something else", func(form url.Values) string { form.Set("decision", "ALLOW"); return "" }),
		tampered("the answer's address names another app", func(url.Values) string { return "client_id=web&redirect_uri=https://evil.example/" }),
		{id: "P-38", name: "consent from another browser with its own token", status: http.StatusBadRequest, reason: "state_mismatch", event: "state_mismatch", do: func(w *trial) *page {
			b, other := w.browser(), w.browser()
			action, _ := b.question(asking, "bob").form()
			_, form := w.passwordForm(other)
			w.ready()
			return other.post(action, url.Values{"csrf": form["csrf"], "decision": {"allow"}})
		}},
		{id: "P-38", name: "consent from another browser with the first one's token", status: http.StatusForbidden, reason: "csrf", do: func(w *trial) *page {
			b, other := w.browser(), w.browser()
			action, form := b.question(asking, "bob").form()
			w.passwordForm(other)
			w.ready()
			form.Set("decision", "allow")
			return other.post(action, form)
		}},
		{id: "P-38", name: "consent without the form's token", status: http.StatusForbidden, reason: "csrf", do: func(w *trial) *page {
			b := w.browser()
			action, _ := b.question(asking, "bob").form()
			w.ready()
			return b.post(action, url.Values{"decision": {"allow"}})
		}},
		{id: "P-38", name: "consent from another site", status: http.StatusForbidden, reason: "csrf", do: func(w *trial) *page {
			b := w.browser()
			p := b.question(asking, "bob")
			w.ready()
			b.header = http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}
			return b.answers(p, "allow")
		}},
		{id: "P-38", name: "consent by GET", status: http.StatusOK, do: func(w *trial) *page {
			b := w.browser()
			p := b.question(asking, "bob")
			w.ready()
			action, form := p.form()
			return b.get(action + "?decision=allow&csrf=" + url.QueryEscape(form.Get("csrf")))
		}},
		{id: "P-38", name: "consent before anybody has signed in", status: http.StatusBadRequest, reason: "state_invalid", event: "state_invalid", do: func(w *trial) *page {
			b := w.browser()
			action, form := w.passwordForm(b)
			return b.post(action, url.Values{"csrf": form["csrf"], "decision": {"allow"}})
		}},
		{id: "P-38", name: "consent a second time", status: http.StatusConflict, reason: "login_finished", do: func(w *trial) *page {
			b := w.browser()
			p := b.question(asking, "bob")
			b.atApp(b.answers(p, "allow"))
			w.ready()
			return b.answers(p, "allow")
		}},
		{id: "P-38", name: "consent eight times at once", do: func(w *trial) *page {
			b, before := w.browser(), w.counts()["artifacts"]
			p := b.question(asking, "bob")
			var wait sync.WaitGroup
			for range 8 {
				wait.Go(func() { b.answers(p, "allow") })
			}
			wait.Wait()
			if n := w.counts()["artifacts"] - before; n != 1 {
				w.t.Errorf("%d codes, want 1", n)
			}
			w.ready()
			return nil
		}},
	}
}

// consentAskedRows are apps that want more than they were allowed.
func consentAskedRows() []row {
	silent := func(id, name, reason string, with url.Values) row {
		return row{id: id, name: name, status: http.StatusSeeOther, reason: reason, do: func(w *trial) *page {
			b, _ := w.consented("ann")
			w.ready()
			q := url.Values{"prompt": {"none"}, "scope": {"openid profile"}}
			for k, v := range with {
				q[k] = v
			}
			return b.authorize(partnerApp, q)
		}}
	}
	return []row{
		{id: "P-32", name: "offline_access of an app that is not first-party, nobody asked", status: http.StatusSeeOther, reason: "consent_required", event: "consent_required", do: func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "globex", "bob")
			w.ready()
			return b.authorize(partnerApp, url.Values{"prompt": {"none"}, "scope": {"openid offline_access"}})
		}},
		{id: "P-32", name: "offline_access of an app that was allowed less", status: http.StatusOK, do: func(w *trial) *page {
			w.addAccount("olga", "olga@acme.example")
			b := w.browser()
			p := b.get(b.authorize(partnerApp, url.Values{"provider": {"local"}, "scope": {"openid profile"}}).location.String())
			p = b.get(b.password(p, "olga", "correct horse battery").location.String())
			b.atApp(b.answers(p, "allow"))
			b.atApp(b.authorize(partnerApp, url.Values{"scope": {"openid profile"}}))
			w.ready()
			return b.question(url.Values{"provider": {""}, "scope": {"openid profile offline_access"}}, "olga")
		}},
		silent("P-19", "prompt=none with a scope that was not allowed", "consent_required", url.Values{"scope": {"openid profile groups"}}),
		{id: "P-19", name: "prompt=none of an app on the person's machine, which anybody can pose as", status: http.StatusSeeOther, do: func(w *trial) *page {
			const back = "http://127.0.0.1:7777/native"
			b := w.browser()
			b.signIn(webApp, "globex", "ann")
			asks := url.Values{"redirect_uri": {back}, "scope": {"openid"}}
			for range 2 {
				p := b.get(b.authorize(nativeApp, asks).location.String())
				if !p.has("consent") {
					w.t.Fatalf("not asked: %v", p)
				}
				if to := b.answers(p, "allow").location; to == nil || to.Query().Get("code") == "" {
					w.t.Fatalf("to the app: %v", to)
				}
			}
			w.ready()
			asks.Set("prompt", "none")
			p := b.authorize(nativeApp, asks)
			if p.location == nil || p.location.Query().Get("error") != "consent_required" {
				w.t.Errorf("prompt=none = %v", p)
			}
			return p
		}},
		{id: "P-38", name: "the person says no", status: http.StatusSeeOther, reason: "access_denied", event: "consent_denied", do: func(w *trial) *page {
			b := w.browser()
			p := b.question(asking, "bob")
			w.ready()
			return b.answers(p, "deny")
		}},
		{id: "P-38", name: "the session has ended while its person was asked", status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "globex", "bob")
			p := b.question(asking, "bob")
			action, _ := p.form()
			logout, form := b.get("/logout").form()
			form.Set("confirm", "yes")
			b.post(logout, form)
			w.ready()
			if to := b.answers(p, "allow"); to.location == nil || to.location.String() != action {
				w.t.Errorf("yes without a session = %v", to)
			}
			again := b.get(action)
			if again.has("consent") {
				w.t.Error("somebody who has signed out is asked")
			}
			return again
		}},
		{id: "P-38", name: "another user's session answers", status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "globex", "bob")
			p := b.question(asking, "bob")
			b.atApp(b.atGlobex(b.authorize(webApp, url.Values{"provider": {"globex"}, "prompt": {"login"}}), w.globex, "ann"))
			w.ready()
			return b.answers(p, "allow")
		}},
		{id: "P-88", name: "refresh after the consent was revoked", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			_, a := w.consented("ann")
			w.takeBack("ann@globex.example")
			w.ready()
			if p := w.userinfo(a.Access); p.status != http.StatusUnauthorized {
				w.t.Errorf("userinfo = %v", p)
			}
			return w.refresh(partnerApp, a.Refresh).page(w, "/token")
		}},
		{id: "P-88", name: "a code after the consent was revoked", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			b := w.browser()
			code := b.atApp(b.answers(b.question(asking, "ann"), "allow")).Get("code")
			w.takeBack("ann@globex.example")
			w.ready()
			return w.redeem(partnerApp, code, nil).page(w, "/token")
		}},
		{id: "P-88", name: "another login after the consent was revoked", status: http.StatusOK, do: func(w *trial) *page {
			b, _ := w.consented("ann")
			w.takeBack("ann@globex.example")
			w.ready()
			return b.question(nil, "ann")
		}},
	}
}

// takeBack revokes what somebody has allowed partner, as the command does.
func (w *trial) takeBack(email string) {
	w.t.Helper()
	c := userConsents{Revoke: partnerApp}
	c.Config, c.User = w.configFile(), email
	if err := c.Run(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// consentControlRows are honest apps that are not first-party.
func consentControlRows() []row {
	return []row{
		{id: "P-38", name: "the person says yes, and is not asked again", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			b, a := w.consented("ann")
			if a.Refresh == "" || a.Scope != "openid profile offline_access" {
				w.t.Errorf("scope %q, refresh token %v", a.Scope, a.Refresh != "")
			}
			w.pass(time.Minute)
			w.restart()
			p := b.authorize(partnerApp, url.Values{"prompt": {"none"}, "scope": {"openid profile"}})
			if b.atApp(p).Get("code") == "" {
				w.t.Errorf("asked again: %v", p)
			}
			// Nor in another browser.
			fresh := w.browser()
			again := fresh.atGlobex(fresh.authorize(partnerApp, url.Values{"provider": {"globex"}, "scope": {"openid profile"}}), w.globex, "ann")
			if fresh.atApp(again).Get("code") == "" {
				w.t.Errorf("asked in another browser: %v", again)
			}
			return p
		}},
		{id: "P-38", name: "prompt=consent asks whoever has allowed it", control: true, status: http.StatusOK, do: func(w *trial) *page {
			b, _ := w.consented("ann")
			p := b.question(asking, "ann")
			if !strings.Contains(p.text("person"), "Ann Archer") || !strings.Contains(p.body, "Partner") {
				w.t.Errorf("the page says %.200q", p.body)
			}
			return p
		}},
		{id: "P-38", name: "an app that asks for nothing is allowed once", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			none := url.Values{"scope": {"email_of_nobody"}}
			b.atApp(b.answers(b.question(none, "bob"), "allow"))
			p := b.authorize(partnerApp, none)
			if b.atApp(p).Get("code") == "" {
				w.t.Errorf("asked again: %v", p)
			}
			return p
		}},
		{id: "P-32", name: "prompt=consent of a first-party app", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "globex", "ann")
			p := b.authorize(webApp, url.Values{"prompt": {"consent"}})
			if b.atApp(p).Get("code") == "" {
				w.t.Errorf("asked: %v", p)
			}
			return p
		}},
	}
}
