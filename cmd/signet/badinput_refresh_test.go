package main

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/signet-broker/signet/broker"
)

// refreshRows are refresh tokens, and what takes tokens back.
func refreshRows() []row {
	return []row{
		{id: "P-83", name: "refresh token of another app", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.ready()
			p := w.refresh(otherApp, a.Refresh).page(w, "/token")
			if b := w.refresh(publicApp, a.Refresh); b.Error != "invalid_grant" {
				w.t.Errorf("by a public app = %d %s", b.status, b.Error)
			}
			if b := w.refresh(webApp, a.Refresh); b.status != http.StatusOK {
				w.t.Errorf("its own app afterwards = %d %s", b.status, b.Error)
			}
			return p
		}},
		{id: "P-84", name: "rotated refresh token after its successor was used", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			return w.stolen(func(tokenAnswer) {})
		}},
		{id: "P-84", name: "rotated refresh token after the grace", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			first := w.tokens(webApp, "globex", "ann")
			second := w.refresh(webApp, first.Refresh)
			w.ready()
			w.pass(31 * time.Second)
			p := w.refresh(webApp, first.Refresh).page(w, "/token")
			w.dead(webApp, second)
			return p
		}},
		{id: "P-84", name: "a refresh token at once by several gets one successor", control: true, do: func(w *trial) *page {
			first := w.tokens(webApp, "globex", "ann")
			answers := make([]tokenAnswer, 4)
			var all sync.WaitGroup
			for i := range answers {
				all.Go(func() { answers[i] = w.refresh(webApp, first.Refresh) })
			}
			all.Wait()
			for _, a := range answers {
				if a.status != http.StatusOK || a.Refresh != answers[0].Refresh {
					w.t.Errorf("%d %s, another successor: %v", a.status, a.Error, a.Refresh != answers[0].Refresh)
				}
			}
			return nil
		}},
		{id: "P-86", name: "rotated refresh token after a restart", fresh: true, status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			return w.stolen(func(tokenAnswer) { w.restart() })
		}},
		{id: "P-87", name: "more scope than was granted", status: http.StatusBadRequest, reason: "invalid_scope", do: func(w *trial) *page {
			code := w.code(webApp, url.Values{"scope": {"openid email offline_access"}})
			a := w.redeem(webApp, code, nil)
			w.ready()
			p := w.refreshFor(a.Refresh, "openid email groups")
			if b := w.refreshFor(a.Refresh, "openid admin"); b.status != http.StatusBadRequest {
				w.t.Errorf("a scope of nobody = %d", b.status)
			}
			if b := w.refreshFor(a.Refresh, "openid"); b.status != http.StatusOK || b.Scope != "openid" {
				w.t.Errorf("less scope = %d %s %q", b.status, b.Error, b.Scope)
			}
			return p.page(w, "/token")
		}},
		{id: "P-87", name: "scope without a value is the one that was granted", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			b := w.refreshFor(a.Refresh, "")
			if b.Scope != a.Scope || b.ID == "" {
				w.t.Errorf("scope %q, was %q", b.Scope, a.Scope)
			}
			return b.page(w, "/token")
		}},
		{id: "P-88", name: "user was disabled", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			w.addAccount("fred", "fred@acme.example")
			a := w.tokens(webApp, "local", "fred")
			w.disable("fred@acme.example", true)
			w.ready()
			p := w.refresh(webApp, a.Refresh).page(w, "/token")
			w.dead(webApp, a)
			w.disable("fred@acme.example", false)
			w.dead(webApp, a)
			return p
		}},
		{id: "P-88", name: "password was changed", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			w.addAccount("gina", "gina@acme.example")
			a := w.tokens(webApp, "local", "gina")
			w.setPassword("gina", "another horse battery")
			w.ready()
			p := w.refresh(webApp, a.Refresh).page(w, "/token")
			w.dead(webApp, a)
			return p
		}},
		{id: "P-88", name: "provider is gone", fresh: true, status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			a := w.tokens(webApp, "hooli", "ann")
			w.reconfigure("id: hooli,", "id: hooli, disabled: true,")
			w.ready()
			return w.refresh(webApp, a.Refresh).page(w, "/token")
		}},
		{id: "P-88", name: "app may not use the provider any more", fresh: true, status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			a := w.tokens(webApp, "hooli", "ann")
			w.reconfigure("id: web,", "id: web, providers: [globex],")
			w.ready()
			return w.refresh(webApp, a.Refresh).page(w, "/token")
		}},
		{id: "P-89", name: "not used for 31 days", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.ready()
			w.pass(31 * 24 * time.Hour)
			return w.refresh(webApp, a.Refresh).page(w, "/token")
		}},
		{id: "P-89", name: "used every 25 days until the cap of 90", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.ready()
			for range 3 {
				w.pass(25 * 24 * time.Hour)
				if a = w.refresh(webApp, a.Refresh); a.status != http.StatusOK {
					w.t.Fatalf("%d %s before the cap", a.status, a.Error)
				}
			}
			w.pass(16 * 24 * time.Hour)
			return w.refresh(webApp, a.Refresh).page(w, "/token")
		}},
		{id: "P-91", name: "refreshed ID token is about the same sign-in", control: true, status: http.StatusOK, do: func(w *trial) *page {
			first := w.tokens(webApp, "local", "ann")
			w.pass(10 * time.Minute)
			second := w.refresh(webApp, first.Refresh)
			var was, is map[string]any
			decodeClaims(w.t, first.ID, &was)
			decodeClaims(w.t, second.ID, &is)
			for _, name := range []string{"iss", "sub", "aud", "azp", "auth_time", "sid"} {
				if was[name] == nil || is[name] != was[name] {
					w.t.Errorf("%s = %v, was %v", name, is[name], was[name])
				}
			}
			if n := is["nonce"]; n != nil && n != was["nonce"] {
				w.t.Errorf("nonce = %v, was %v", n, was["nonce"])
			}
			if is["iat"].(float64) < was["iat"].(float64)+600 {
				w.t.Errorf("iat = %v, was %v", is["iat"], was["iat"])
			}
			return second.page(w, "/token")
		}},
		{id: "P-103", name: "revoked by another app", status: http.StatusOK, do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.ready()
			for _, token := range []string{a.Access, a.Refresh, a.ID} {
				if p := w.revoke(otherApp, token); p.status != http.StatusOK || p.body != "" {
					w.t.Errorf("revoke = %d %s", p.status, p.body)
				}
			}
			p := w.revoke(publicApp, a.Refresh)
			if p := w.userinfo(a.Access); p.status != http.StatusOK {
				w.t.Errorf("userinfo = %d", p.status)
			}
			if b := w.refresh(webApp, a.Refresh); b.status != http.StatusOK {
				w.t.Errorf("refresh = %d %s", b.status, b.Error)
			}
			return p.page(w, "/revoke")
		}},
		{id: "P-103", name: "revoked by nobody", status: http.StatusUnauthorized, reason: "invalid_client", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.ready()
			return w.revoke("", a.Refresh).page(w, "/revoke")
		}},
		{id: "P-104", name: "refresh token revoked: its access token", status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.ready()
			w.revoke(webApp, a.Refresh)
			w.dead(webApp, a)
			return w.userinfo(a.Access)
		}},
		{id: "P-104", name: "access token revoked: its refresh token", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.ready()
			w.revoke(webApp, a.Access)
			w.dead(webApp, a)
			return w.refresh(webApp, a.Refresh).page(w, "/token")
		}},
	}
}

// stolen uses a refresh token, then its successor, then the first again.
func (w *trial) stolen(meanwhile func(tokenAnswer)) *page {
	w.t.Helper()
	first := w.tokens(webApp, "globex", "ann")
	second := w.refresh(webApp, first.Refresh)
	third := w.refresh(webApp, second.Refresh)
	if third.status != http.StatusOK {
		w.t.Fatalf("the successor = %d %s", third.status, third.Error)
	}
	w.ready()
	meanwhile(third)
	p := w.refresh(webApp, first.Refresh).page(w, "/token")
	w.dead(webApp, third)
	w.lastEvent(broker.RefreshReplayed)
	return p
}

// dead checks that nothing can be had for what an app was given.
func (w *trial) dead(app string, a tokenAnswer) {
	w.t.Helper()
	if p := w.userinfo(a.Access); p.status != http.StatusUnauthorized {
		w.t.Errorf("the access token is good: %d", p.status)
	}
	if b := w.refresh(app, a.Refresh); b.Error != "invalid_grant" {
		w.t.Errorf("the refresh token is good: %d %s", b.status, b.Error)
	}
}

func (w *trial) refreshFor(token, scope string) tokenAnswer {
	w.t.Helper()
	return w.app(webApp, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "scope": {scope}})
}

func (w *trial) revoke(app, token string) tokenAnswer {
	w.t.Helper()
	f := url.Values{"token": {token}}
	if app == publicApp {
		f.Set("client_id", app)
	}
	return w.app(app, "/revoke", f)
}

// setPassword does what the command does.
func (w *trial) setPassword(username, word string) {
	w.t.Helper()
	c := userPassword{}
	c.Config, c.Username = w.configFile(), username
	if err := c.with(w.t.Context(), word, func(s *signet, a newAccount) error {
		return s.db.SetPassword(w.t.Context(), a.provider.ID, a.username, a.hash, broker.Event{ID: strings.Repeat("p", 8) + username, Time: s.now(), Type: broker.PasswordSet, Provider: a.provider.ID})
	}); err != nil {
		w.t.Fatal(err)
	}
}
