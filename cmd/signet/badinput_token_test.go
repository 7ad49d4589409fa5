package main

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/signet-broker/signet/broker"
)

// oddSecret is a client secret with everything that Basic's urlencoding is about.
const (
	oddApp    = "odd"
	oddSecret = "a:secret+with/odd=%41&32-characters"
)

// withOddApp adds the app that has it.
func withOddApp(text string) string {
	return strings.Replace(text, "apps:\n", "apps:\n  - {id: odd, name: Odd, secret: '"+oddSecret+"', redirect_uris: [https://app.example.com/callback]}\n", 1)
}

func tokenRows() []row {
	var rows []row
	for _, more := range [][]row{codeRows(), spentRows(), lostRows(), clientRows()} {
		rows = append(rows, more...)
	}
	return rows
}

// code signs ann in at Globex for an app and returns what it gets to redeem.
func (w *trial) code(app string, with url.Values) string {
	w.t.Helper()
	b := w.browser()
	q := url.Values{"provider": {"globex"}}
	maps.Copy(q, with)
	return b.atApp(b.atGlobex(b.authorize(app, q), w.globex, "ann")).Get("code")
}

// redeems is a row that makes something wrong of the redemption of web's good code.
func redeems(id, name, app string, with url.Values, reason string) row {
	return row{id: id, name: name, status: http.StatusBadRequest, reason: reason, do: func(w *trial) *page {
		code := w.code(webApp, nil)
		w.ready()
		return w.redeem(app, code, with).page(w, "/token")
	}}
}

// spoils is a redeems that spends the code: it is no good afterwards.
func spoils(id, name, app string, asked, with url.Values) row {
	return row{id: id, name: name, status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
		code := w.code(app, asked)
		w.ready()
		p := w.redeem(app, code, with).page(w, "/token")
		if again := w.redeem(app, code, nil); again.Error != "invalid_grant" {
			w.t.Errorf("the code is good afterwards: %d", again.status)
		}
		return p
	}}
}

// changed is a row that redeems something that is not quite the code, which stays good.
func changed(id, name string, change func(string) string) row {
	return row{id: id, name: name, status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
		code := w.code(webApp, nil)
		w.ready()
		p := w.redeem(webApp, change(code), nil).page(w, "/token")
		w.unchanged()
		if a := w.redeem(webApp, code, nil); a.status != http.StatusOK {
			w.t.Errorf("the code itself = %d %s", a.status, a.Error)
		}
		w.ready()
		return p
	}}
}

func codeRows() []row {
	none := url.Values{"code_challenge": {""}, "code_challenge_method": {""}}
	rows := []row{
		spoils("P-48", "no code_verifier", webApp, nil, url.Values{"code_verifier": {""}}),
		spoils("P-48", "no code_verifier from a public app", publicApp, nil, url.Values{"code_verifier": {""}}),
		spoils("P-49", "another code_verifier", webApp, nil, url.Values{"code_verifier": {strings.Repeat("w", 43)}}),
		spoils("P-49", "code_verifier that is the challenge", webApp, nil, url.Values{"code_verifier": {challengeOf(verifier)}}),
		spoils("P-49", "code_verifier of 42 characters that fits", webApp,
			url.Values{"code_challenge": {challengeOf(strings.Repeat("v", 42))}}, url.Values{"code_verifier": {strings.Repeat("v", 42)}}),
		spoils("P-49", "code_verifier of 129 characters that fits", webApp,
			url.Values{"code_challenge": {challengeOf(strings.Repeat("v", 129))}}, url.Values{"code_verifier": {strings.Repeat("v", 129)}}),
		spoils("P-46", "code_verifier without a challenge", laxApp, none, nil),
		redeems("P-49", "two code_verifiers", webApp, url.Values{"code_verifier": {verifier, verifier}}, "invalid_request"),
		redeems("P-12", "two codes", webApp, url.Values{"code": {"a", "b"}}, "invalid_request"),
		redeems("P-12", "two redirect_uris", webApp, url.Values{"redirect_uri": {callbackURI, callbackURI}}, "invalid_request"),
		redeems("P-12", "two grant_types", webApp, url.Values{"grant_type": {"authorization_code", "authorization_code"}}, "invalid_request"),
		spoils("P-54", "with another redirect_uri", webApp, nil, url.Values{"redirect_uri": {callbackURI + "/"}}),
		spoils("P-54", "without a redirect_uri", webApp, nil, url.Values{"redirect_uri": {""}}),
		redeems("P-57", "no code", webApp, url.Values{"code": {""}}, "invalid_grant"),
		changed("P-57", "truncated", func(c string) string { return c[:len(c)-1] }),
		changed("P-57", "padded", func(c string) string { return c + "=" }),
		changed("P-57", "with a space", func(c string) string { return c + " " }),
		changed("P-57", "in lower case", strings.ToLower),
		changed("P-57", "with a letter changed", func(c string) string { return strings.Repeat("2", 8) + c[8:] }),
		changed("P-57", "with a NUL", func(c string) string { return c + "\x00" }),
		{id: "P-54", name: "by another app", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			code := w.code(webApp, nil)
			w.ready()
			p := w.redeem(otherApp, code, nil).page(w, "/token")
			if a := w.redeem(publicApp, code, nil); a.Error != "invalid_grant" {
				w.t.Errorf("by a public app = %d %s", a.status, a.Error)
			}
			w.unchanged()
			if a := w.redeem(webApp, code, nil); a.status != http.StatusOK {
				w.t.Errorf("its own app afterwards = %d %s", a.status, a.Error)
			}
			w.ready()
			return p
		}},
		{id: "P-56", name: "of another Signet", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			elsewhere := &trial{world: newWorld(w.t)}
			return w.redeem(webApp, elsewhere.code(webApp, nil), nil).page(w, "/token")
		}},
		{id: "P-59", name: "300 codes of nobody", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			spent := w.code(webApp, nil)
			w.redeem(webApp, spent, nil)
			w.ready()
			want := w.redeem(webApp, spent, nil)
			for range 300 {
				if a := w.redeem(webApp, rand.Text()+rand.Text(), nil); a.status != want.status || a.body != want.body {
					w.t.Fatalf("%d %s, a spent one gets %d %s", a.status, a.body, want.status, want.body)
				}
			}
			return want.page(w, "/token")
		}},
	}
	return rows
}

// unchanged checks in the middle of a row what is checked at its end.
func (w *trial) unchanged() {
	w.t.Helper()
	if after := w.counts(); !maps.Equal(after, w.before) {
		w.t.Errorf("rows are %v, were %v", after, w.before)
	}
}

// spentRows are codes that were good for somebody.
func spentRows() []row {
	return []row{
		{id: "P-51", name: "a code at once by several", do: func(w *trial) *page {
			code := w.code(webApp, nil)
			answers := make([]tokenAnswer, 4)
			var all sync.WaitGroup
			for i := range answers {
				all.Go(func() { answers[i] = w.redeem(webApp, code, nil) })
			}
			all.Wait()
			good := 0
			for _, a := range answers {
				switch {
				case a.status == http.StatusOK:
					good++
				case a.status != http.StatusBadRequest || a.Error != "invalid_grant":
					w.t.Errorf("a loser gets %d %s", a.status, a.Error)
				}
			}
			if good != 1 {
				w.t.Errorf("%d get tokens", good)
			}
			w.ready()
			return nil
		}},
		{id: "P-52", name: "a code again", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			code := w.code(webApp, nil)
			a := w.redeem(webApp, code, nil)
			if p := w.userinfo(a.Access); p.status != http.StatusOK {
				w.t.Errorf("userinfo before = %d", p.status)
			}
			w.ready()
			w.pass(10 * time.Second)
			p := w.redeem(webApp, code, nil).page(w, "/token")
			if p := w.userinfo(a.Access); p.status != http.StatusUnauthorized {
				w.t.Errorf("its access token is good: %d", p.status)
			}
			if again := w.refresh(webApp, a.Refresh); again.Error != "invalid_grant" {
				w.t.Errorf("its refresh token is good: %d", again.status)
			}
			w.lastEvent(broker.CodeReplayed)
			return p
		}},
		{id: "P-52", name: "a code again when it would have expired", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			code := w.code(webApp, nil)
			a := w.redeem(webApp, code, nil)
			w.ready()
			w.pass(2 * time.Minute)
			p := w.redeem(webApp, code, nil).page(w, "/token")
			if p := w.userinfo(a.Access); p.status != http.StatusUnauthorized {
				w.t.Errorf("its access token is good: %d", p.status)
			}
			return p
		}},
		{id: "P-53", name: "a code after 61 s", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			code := w.code(webApp, nil)
			w.ready()
			w.pass(61 * time.Second)
			return w.redeem(webApp, code, nil).page(w, "/token")
		}},
		{id: "P-53", name: "a code after 50 s", control: true, status: http.StatusOK, do: func(w *trial) *page {
			code := w.code(webApp, nil)
			w.pass(50 * time.Second)
			return w.redeem(webApp, code, nil).page(w, "/token")
		}},
	}
}

// lostRows are codes of those who may not have them any more.
func lostRows() []row {
	return []row{
		{id: "P-58", name: "a code of a user who was disabled", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			w.addAccount("carl", "carl@acme.example")
			code := w.browser().signIn(webApp, "local", "carl").Get("code")
			w.disable("carl@acme.example", true)
			w.ready()
			return w.redeem(webApp, code, nil).page(w, "/token")
		}},
		{id: "P-58", name: "a code of a user who was disabled and is enabled again", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			w.addAccount("dora", "dora@acme.example")
			code := w.browser().signIn(webApp, "local", "dora").Get("code")
			w.disable("dora@acme.example", true)
			w.disable("dora@acme.example", false)
			w.ready()
			return w.redeem(webApp, code, nil).page(w, "/token")
		}},
		{id: "P-58", name: "a code whose session has ended", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			b := w.browser()
			code := b.signIn(webApp, "globex", "ann").Get("code")
			b.signOut()
			w.ready()
			return w.redeem(webApp, code, nil).page(w, "/token")
		}},
		{id: "P-58", name: "a code of an app that is gone", fresh: true, status: http.StatusUnauthorized, reason: "invalid_client", do: func(w *trial) *page {
			code := w.code(laxApp, nil)
			w.reconfigure("id: lax,", "id: lax2,")
			w.ready()
			return w.redeem(laxApp, code, nil).page(w, "/token")
		}},
		{id: "P-58", name: "a code from a provider that is gone", fresh: true, status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			b := w.browser()
			code := b.atApp(b.atGlobex(b.authorize(webApp, url.Values{"provider": {"hooli"}}), w.hooli, "ann")).Get("code")
			w.reconfigure("id: hooli,", "id: hooli, disabled: true,")
			w.ready()
			return w.redeem(webApp, code, nil).page(w, "/token")
		}},
	}
}

// disable disables or enables a user as the command does.
func (w *trial) disable(email string, disabled bool) {
	w.t.Helper()
	found, err := w.signet.db.FindUsers(w.t.Context(), email)
	if err != nil || len(found) != 1 {
		w.t.Fatalf("%d users %s: %v", len(found), email, err)
	}
	e := broker.Event{ID: rand.Text(), Time: w.now(), Type: broker.UserDisabled, User: found[0].ID}
	if err := w.signet.db.SetDisabled(context.WithoutCancel(w.t.Context()), found[0].ID, disabled, e); err != nil {
		w.t.Fatal(err)
	}
}

// reconfigure restarts with another configuration.
func (w *trial) reconfigure(was, is string) {
	w.t.Helper()
	text := strings.Replace(w.config, was, is, 1)
	if text == w.config {
		w.t.Fatalf("%q is not in the configuration", was)
	}
	if err := os.WriteFile(w.configFile(), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.restart()
}

// signOut ends a browser's session on the page that asks.
func (b *browser) signOut() {
	b.w.t.Helper()
	action, form := b.get("/logout").form()
	form.Set("confirm", "yes")
	if p := b.post(action, form); p.status != http.StatusOK {
		b.w.t.Fatalf("sign out: %v", p)
	}
}
