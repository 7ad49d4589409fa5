package main

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// deviceAnswerRows are answers that are not the person's.
func deviceAnswerRows() []row {
	return []row{
		{id: "P-38", name: "a code without a form's token", status: http.StatusForbidden, reason: "csrf", do: func(w *trial) *page {
			d, b := w.device(tvApp), w.browser()
			b.get("/device")
			return b.post("/device", url.Values{"user_code": {d.Code}})
		}},
		{id: "P-38", name: "a code posted by another site", status: http.StatusForbidden, reason: "csrf", do: func(w *trial) *page {
			d, b := w.device(tvApp), w.browser()
			action, form := b.get("/device").form()
			form.Set("user_code", d.Code)
			b.header = http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}
			return b.post(action, form)
		}},
		{id: "P-38", name: "a device allowed from another browser", status: http.StatusBadRequest, reason: "state_mismatch", event: "state_mismatch", do: func(w *trial) *page {
			d, b, other := w.device(tvApp), w.browser(), w.browser()
			action, _ := b.asked(d, "ann").form()
			_, form := other.get("/device").form()
			w.ready()
			p := other.post(action, url.Values{"csrf": form["csrf"], "decision": {"allow"}})
			w.stays(tvApp, d, "authorization_pending")
			return p
		}},
		{id: "P-38", name: "a device allowed without a form's token", status: http.StatusForbidden, reason: "csrf", do: func(w *trial) *page {
			d, b := w.device(tvApp), w.browser()
			action, _ := b.asked(d, "ann").form()
			w.ready()
			p := b.post(action, url.Values{"decision": {"allow"}})
			w.stays(tvApp, d, "authorization_pending")
			return p
		}},
		{id: "P-38", name: "a link with the code, opened with a live session", status: http.StatusOK, do: func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "globex", "ann")
			d := w.device(tvApp)
			w.ready()
			p := b.get(d.Filled)
			if _, form := p.form(); form.Get("user_code") != d.Code {
				w.t.Errorf("the field holds %q", form.Get("user_code"))
			}
			w.stays(tvApp, d, "authorization_pending")
			return p
		}},
		{id: "P-38", name: "a code typed with a live session", status: http.StatusOK, do: func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "globex", "ann")
			d := w.device(tvApp)
			w.ready()
			p := b.asked(d, "ann")
			w.stays(tvApp, d, "authorization_pending")
			if !strings.Contains(p.text("place"), d.Code) || !strings.Contains(p.text("place"), "127.0.0.1") || !strings.Contains(p.body, "Living Room") {
				w.t.Errorf("the page says %q", p.text("place"))
			}
			return p
		}},
		{id: "P-37", name: "the answer names another app and more scopes", status: http.StatusBadRequest, reason: "form_invalid", do: func(w *trial) *page {
			d, b := w.device(tvApp), w.browser()
			action, form := b.asked(d, "ann").form()
			w.ready()
			form.Set("decision", "allow")
			form.Set("client_id", boxApp)
			form.Set("scope", "openid email")
			p := b.post(action, form)
			w.stays(tvApp, d, "authorization_pending")
			return p
		}},
		{id: "P-142", name: "yes after ten minutes", status: http.StatusBadRequest, reason: "device_expired", event: "device_expired", do: func(w *trial) *page {
			d, b := w.device(tvApp), w.browser()
			open := b.asked(d, "ann")
			w.ready()
			w.pass(10 * time.Minute)
			p := b.answers(open, "allow")
			w.stays(tvApp, d, "expired_token")
			return p
		}},
		{id: "P-142", name: "yes after somebody else has said yes", status: http.StatusConflict, reason: "login_finished", do: func(w *trial) *page {
			d, ann, bob := w.device(tvApp), w.browser(), w.browser()
			first, second := ann.asked(d, "ann"), bob.asked(d, "bob")
			ann.answers(first, "allow")
			w.ready()
			p := bob.answers(second, "allow")
			w.belongsTo(d, "Ann Archer")
			return p
		}},
		{id: "P-142", name: "no after somebody else has said yes", status: http.StatusSeeOther, do: func(w *trial) *page {
			d, ann, bob := w.device(tvApp), w.browser(), w.browser()
			first, second := ann.asked(d, "ann"), bob.asked(d, "bob")
			ann.answers(first, "allow")
			w.ready()
			p := bob.answers(second, "deny")
			w.belongsTo(d, "Ann Archer")
			return p
		}},
		{id: "P-142", name: "yes and no at once", do: func(w *trial) *page {
			d, b := w.device(tvApp), w.browser()
			open := b.asked(d, "ann")
			var wait sync.WaitGroup
			for _, decision := range []string{"allow", "deny", "allow", "deny"} {
				wait.Go(func() { b.answers(open, decision) })
			}
			wait.Wait()
			w.pass(6 * time.Second)
			if a := w.poll(tvApp, d); a.status != http.StatusOK && a.Error != "access_denied" {
				w.t.Errorf("the device gets %d %s", a.status, a.body)
			}
			w.ready()
			return nil
		}},
		{id: "P-142", name: "yes a second time", status: http.StatusConflict, reason: "login_finished", do: func(w *trial) *page {
			d, b := w.device(tvApp), w.browser()
			open := b.asked(d, "ann")
			b.answers(open, "allow")
			w.ready()
			return b.answers(open, "allow")
		}},
	}
}

// belongsTo redeems a device and checks who has allowed it.
func (w *trial) belongsTo(d waiting, name string) {
	w.t.Helper()
	var c struct {
		Name string `json:"name"`
	}
	a := w.poll(tvApp, d)
	if a.status != http.StatusOK {
		w.t.Fatalf("tokens = %d %s", a.status, a.body)
	}
	if decodeClaims(w.t, a.ID, &c); c.Name != name {
		w.t.Errorf("the device is %q's, want %q", c.Name, name)
	}
	w.ready()
}

// deviceControlRows are honest devices.
func deviceControlRows() []row {
	answered := func(a tokenAnswer, w *trial) *page { return a.page(w, "/token") }
	return []row{
		{id: "P-141", name: "a device, from its codes to its tokens and a refresh", control: true, status: http.StatusOK, do: func(w *trial) *page {
			d := w.device(tvApp)
			if d.Page != w.URL+"/device" || d.Filled != d.Page+"?user_code="+d.Code || d.Expires != 600 || d.Interval != 5 || len(d.Code) != 9 {
				w.t.Errorf("device_authorization = %+v", d)
			}
			b := w.browser()
			open := b.asked(d, "ann")
			if done := b.get(b.answers(open, "allow").location.String()); !done.has("answer") {
				w.t.Errorf("after the answer: %v", done)
			}
			a := w.poll(tvApp, d)
			var c struct {
				Session string `json:"sid"`
				Name    string `json:"name"`
			}
			if decodeClaims(w.t, a.ID, &c); c.Session != "" || c.Name != "Ann Archer" || a.Refresh == "" {
				w.t.Errorf("ID token %+v, refresh token %v", c, a.Refresh != "")
			}
			// The device goes on when the browser signs out.
			logout, form := b.get("/logout").form()
			form.Set("confirm", "yes")
			b.post(logout, form)
			if p := w.userinfo(a.Access); p.status != http.StatusOK {
				w.t.Errorf("userinfo after the browser has signed out: %v", p)
			}
			return answered(w.asDevice(tvApp, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.Refresh}}), w)
		}},
		{id: "P-141", name: "a code in small letters with spaces, after four wrong ones", control: true, fresh: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			d, b := w.device(tvApp), w.browser()
			for range 4 {
				b.typed("BCDF-GHJK")
			}
			return b.typed(" " + strings.ToLower(strings.ReplaceAll(d.Code, "-", "  ")) + " ")
		}},
		{id: "P-143", name: "questions five seconds apart, and after slow_down ten", control: true, status: http.StatusOK, do: func(w *trial) *page {
			d := w.device(tvApp)
			for _, step := range []struct {
				pass time.Duration
				want string
			}{{0, "authorization_pending"}, {5 * time.Second, "authorization_pending"}, {time.Second, "slow_down"}, {10 * time.Second, "authorization_pending"}} {
				w.pass(step.pass)
				if a := w.poll(tvApp, d); a.Error != step.want {
					w.t.Errorf("after %s: %s, want %s", step.pass, a.Error, step.want)
				}
			}
			b := w.browser()
			b.answers(b.asked(d, "ann"), "allow")
			return answered(w.poll(tvApp, d), w)
		}},
		{id: "P-144", name: "a confidential app that may not refresh", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.poll(boxApp, w.allowed(boxApp))
			if a.Refresh != "" || strings.Contains(a.Scope, "offline_access") {
				w.t.Errorf("refresh token %v, scope %q", a.Refresh != "", a.Scope)
			}
			return answered(a, w)
		}},
	}
}
