package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// The apps of device rows.
const (
	tvApp      = "tv"  // public, with refresh tokens
	boxApp     = "box" // confidential, without
	deviceType = "urn:ietf:params:oauth:grant-type:device_code"
)

// withDevices adds apps without a browser.
func withDevices(text string) string {
	return strings.Replace(text, "apps:\n", `apps:
  - {id: tv, name: Living Room, grants: ["`+deviceType+`", refresh_token]}
  - {id: box, name: Box, secret: `+appSecret+`, grants: ["`+deviceType+`"]}
`, 1)
}

// waiting is what a device is told when it asks for its codes.
type waiting struct {
	Device   string `json:"device_code"`
	Code     string `json:"user_code"`
	Page     string `json:"verification_uri"`
	Filled   string `json:"verification_uri_complete"`
	Expires  int    `json:"expires_in"`
	Interval int    `json:"interval"`
}

// device has an app's program ask for its codes.
func (w *world) device(app string) (d waiting) {
	w.t.Helper()
	a := w.asDevice(app, "/device_authorization", url.Values{"scope": {"openid profile offline_access"}})
	if err := json.Unmarshal([]byte(a.body), &d); err != nil || a.status != http.StatusOK || d.Code == "" || d.Device == "" {
		w.t.Fatalf("device_authorization = %d %s", a.status, a.body)
	}
	return d
}

// asDevice calls an endpoint as an app that may be public.
func (w *world) asDevice(app, path string, form url.Values) tokenAnswer {
	w.t.Helper()
	if app == tvApp {
		form.Set("client_id", app)
		app = ""
	}
	return w.app(app, path, form)
}

// poll asks for a device's tokens.
func (w *world) poll(app string, d waiting) tokenAnswer {
	w.t.Helper()
	return w.asDevice(app, "/token", url.Values{"grant_type": {deviceType}, "device_code": {d.Device}})
}

// typed types a code on the device page.
func (b *browser) typed(code string) *page {
	b.w.t.Helper()
	action, form := b.get("/device").form()
	form.Set("user_code", code)
	return b.post(action, form)
}

// asked types a device's code, signs a person of Globex or of ours in unless there is a session, and returns
// the page that asks.
func (b *browser) asked(d waiting, person string) *page {
	b.w.t.Helper()
	p := b.typed(d.Code)
	if p.location == nil {
		b.w.t.Fatalf("the code was not taken: %v", p)
	}
	if p = b.get(p.location.String()); p.has("choose") {
		action, form := p.form()
		if person == "ann" || person == "bob" {
			form.Set("provider", "globex")
			p = b.atGlobex(b.post(action, form), b.w.globex, person)
		} else {
			form.Set("provider", "local")
			p = b.password(b.get(b.post(action, form).location.String()), person, "correct horse battery")
		}
		p = b.get(p.location.String())
	}
	if !p.has("consent") {
		b.w.t.Fatalf("the person is not asked: %v", p)
	}
	return p
}

// answers presses a button of the page that asks.
func (b *browser) answers(p *page, decision string) *page {
	b.w.t.Helper()
	action, form := p.form()
	form.Set("decision", decision)
	return b.post(action, form)
}

// allowed is a device that ann has allowed.
func (w *world) allowed(app string) waiting {
	w.t.Helper()
	d, b := w.device(app), w.browser()
	if p := b.answers(b.asked(d, "ann"), "allow"); p.location == nil || p.location.Query().Get("answer") != "allowed" {
		w.t.Fatalf("allow = %v", p)
	}
	return d
}

// stays checks that a device gets an answer other than tokens.
func (w *trial) stays(app string, d waiting, want string) {
	w.t.Helper()
	w.pass(6 * time.Second)
	if a := w.poll(app, d); a.Error != want {
		w.t.Errorf("the device gets %d %q, want %s", a.status, a.Error, want)
	}
}

func deviceRows() []row {
	var rows []row
	for _, more := range [][]row{userCodeRows(), devicePollRows(), deviceAnswerRows(), deviceControlRows()} {
		rows = append(rows, more...)
	}
	return rows
}

// userCodeRows are codes that are guessed or used up.
func userCodeRows() []row {
	wrong := func(id, name string, do func(w *trial) *page) row {
		return row{id: id, name: name, status: http.StatusBadRequest, reason: "device_unknown", do: do}
	}
	guess := func(w *trial, b func() *browser, most int) (last *page) {
		d := w.device(tvApp)
		refused := 0
		for n := range 200 {
			if last = b().typed("BCDF-GH" + string("BCDFGHJKLMNPQRSTVWXZ"[n%20]) + string("BCDFGHJKLMNPQRSTVWXZ"[n/20])); last.status == http.StatusTooManyRequests {
				refused++
			} else if last.status != http.StatusBadRequest || n > most {
				w.t.Fatalf("guess %d = %v", n, last)
			}
		}
		if refused < 200-most || last.header.Get("Retry-After") == "" || !last.has("problem") || !last.has("user-code") {
			w.t.Errorf("%d of 200 guesses were slowed down, want %d; %v", refused, 200-most, last)
		}
		w.stays(tvApp, d, "authorization_pending")
		return last
	}
	return []row{
		{id: "P-141", name: "200 codes guessed in a browser", fresh: true, status: http.StatusTooManyRequests, reason: "throttled", do: func(w *trial) *page {
			b := w.browser()
			return guess(w, func() *browser { return b }, 5)
		}},
		{id: "P-141", name: "200 codes guessed in as many browsers", fresh: true, status: http.StatusTooManyRequests, reason: "throttled", do: func(w *trial) *page {
			return guess(w, w.browser, 20)
		}},
		{id: "P-141", name: "100 codes guessed at once", fresh: true, do: func(w *trial) *page {
			b := w.browser()
			action, form := b.get("/device").form()
			var wait sync.WaitGroup
			var looked sync.Map
			for n := range 100 {
				wait.Go(func() {
					form := url.Values{"csrf": form["csrf"], "user_code": {"BCDF-GHJK"}}
					if p := b.post(action, form); p.status == http.StatusBadRequest {
						looked.Store(n, true)
					}
				})
			}
			wait.Wait()
			n := 0
			looked.Range(func(any, any) bool { n++; return true })
			if n > 5 {
				w.t.Errorf("%d codes were looked up, want at most 5", n)
			}
			return nil
		}},
		wrong("P-141", "a code that is typed a sixth time", func(w *trial) *page {
			d := w.device(tvApp)
			b := w.browser()
			open := b.asked(d, "ann")
			w.ready()
			for range 4 {
				if p := w.browser().typed(d.Code); p.status != http.StatusSeeOther {
					w.t.Fatalf("typed = %v", p)
				}
			}
			p := w.browser().typed(d.Code)
			w.stays(tvApp, d, "expired_token")
			if late := b.answers(open, "allow"); late.status != http.StatusConflict {
				w.t.Errorf("a burnt code was allowed: %v", late)
			}
			w.stays(tvApp, d, "expired_token")
			return p
		}),
		wrong("P-142", "a code whose device was allowed", func(w *trial) *page {
			d := w.allowed(tvApp)
			w.ready()
			return w.browser().typed(d.Code)
		}),
		wrong("P-142", "a code whose device has its tokens", func(w *trial) *page {
			d := w.allowed(tvApp)
			if a := w.poll(tvApp, d); a.status != http.StatusOK {
				w.t.Fatalf("tokens = %d %s", a.status, a.body)
			}
			w.ready()
			return w.browser().typed(d.Code)
		}),
		wrong("P-142", "a code whose device was denied", func(w *trial) *page {
			d, b := w.device(tvApp), w.browser()
			b.answers(b.asked(d, "ann"), "deny")
			w.ready()
			return w.browser().typed(d.Code)
		}),
		wrong("P-142", "a code after ten minutes", func(w *trial) *page {
			d := w.device(tvApp)
			w.pass(10 * time.Minute)
			p := w.browser().typed(d.Code)
			w.stays(tvApp, d, "expired_token")
			return p
		}),
		wrong("P-141", "a code that is no code", func(w *trial) *page {
			return w.browser().typed(`' OR 1=1 --"><script>`)
		}),
		wrong("P-141", "a code with a NUL", func(w *trial) *page {
			return w.browser().typed("BCDF\x00GHJK")
		}),
		wrong("P-141", "a code with vowels", func(w *trial) *page {
			return w.browser().typed("AAAA-EEEE")
		}),
		{id: "P-141", name: "two codes at once", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			d, b := w.device(tvApp), w.browser()
			action, form := b.get("/device").form()
			form["user_code"] = []string{"BCDF-GHJK", d.Code}
			return b.post(action, form)
		}},
	}
}

// devicePollRows are questions of programs.
func devicePollRows() []row {
	polls := func(id, name string, status int, reason string, do func(w *trial) tokenAnswer) row {
		return row{id: id, name: name, status: status, reason: reason, do: func(w *trial) *page { return do(w).page(w, "/token") }}
	}
	const bad = http.StatusBadRequest
	return []row{
		polls("P-142", "a device_code after ten minutes", bad, "expired_token", func(w *trial) tokenAnswer {
			d := w.device(tvApp)
			w.pass(10 * time.Minute)
			return w.poll(tvApp, d)
		}),
		polls("P-142", "a device_code that was allowed, after ten minutes", bad, "expired_token", func(w *trial) tokenAnswer {
			d := w.allowed(tvApp)
			w.ready()
			w.pass(10 * time.Minute)
			return w.poll(tvApp, d)
		}),
		polls("P-142", "a device_code after the person said no", bad, "access_denied", func(w *trial) tokenAnswer {
			d, b := w.device(tvApp), w.browser()
			if p := b.answers(b.asked(d, "ann"), "deny"); p.location == nil || p.location.Query().Get("answer") != "denied" {
				w.t.Errorf("deny = %v", p)
			}
			w.ready()
			return w.poll(tvApp, d)
		}),
		polls("P-142", "a device_code a second time", bad, "invalid_grant", func(w *trial) tokenAnswer {
			d := w.allowed(tvApp)
			if a := w.poll(tvApp, d); a.status != http.StatusOK {
				w.t.Fatalf("tokens = %d %s", a.status, a.body)
			}
			w.ready()
			return w.poll(tvApp, d)
		}),
		polls("P-142", "a device_code whose user was disabled since", bad, "invalid_grant", func(w *trial) tokenAnswer {
			w.addAccount("dora", "dora@acme.example")
			d, b := w.device(tvApp), w.browser()
			b.answers(b.asked(d, "dora"), "allow")
			w.disable("dora@acme.example", true)
			w.ready()
			return w.poll(tvApp, d)
		}),
		polls("P-142", "a device_code that is guessed", bad, "invalid_grant", func(w *trial) tokenAnswer {
			return w.poll(tvApp, waiting{Device: strings.Repeat("A", 52)})
		}),
		polls("P-142", "a user_code as device_code", bad, "invalid_grant", func(w *trial) tokenAnswer {
			return w.poll(tvApp, waiting{Device: w.device(tvApp).Code})
		}),
		polls("P-143", "a question right after another", bad, "slow_down", func(w *trial) tokenAnswer {
			d := w.device(tvApp)
			if a := w.poll(tvApp, d); a.Error != "authorization_pending" {
				w.t.Errorf("first question: %s", a.body)
			}
			return w.poll(tvApp, d)
		}),
		polls("P-143", "the old interval after slow_down", bad, "slow_down", func(w *trial) tokenAnswer {
			d := w.device(tvApp)
			w.poll(tvApp, d)
			w.poll(tvApp, d)
			w.pass(5 * time.Second)
			return w.poll(tvApp, d)
		}),
		polls("P-144", "a device_code of another app", bad, "invalid_grant", func(w *trial) tokenAnswer {
			d := w.allowed(tvApp)
			w.ready()
			a := w.poll(boxApp, d)
			w.ready()
			if own := w.poll(tvApp, d); own.status != http.StatusOK {
				w.t.Errorf("its own app: %d %s", own.status, own.body)
			}
			w.ready()
			return a
		}),
		polls("P-144", "a device_code of a confidential app without its secret", http.StatusUnauthorized, "invalid_client", func(w *trial) tokenAnswer {
			d := w.allowed(boxApp)
			w.ready()
			return w.app("", "/token", url.Values{"grant_type": {deviceType}, "device_code": {d.Device}, "client_id": {boxApp}})
		}),
		polls("P-146", "codes for an app that may not", bad, "unauthorized_client", func(w *trial) tokenAnswer {
			return w.app(webApp, "/device_authorization", url.Values{"scope": {"openid"}})
		}),
		polls("P-146", "tokens for an app that may not", bad, "unauthorized_client", func(w *trial) tokenAnswer {
			d := w.allowed(tvApp)
			w.ready()
			return w.app(webApp, "/token", url.Values{"grant_type": {deviceType}, "device_code": {d.Device}})
		}),
		{id: "P-146", name: "codes by GET", status: http.StatusMethodNotAllowed, reason: "method_not_allowed", do: func(w *trial) *page {
			return w.browser().get("/device_authorization?client_id=tv")
		}},
		{id: "P-147", name: "eight questions at once after the answer", do: func(w *trial) *page {
			d := w.allowed(tvApp)
			before := w.counts()["families"]
			var wait sync.WaitGroup
			answers := make([]tokenAnswer, 8)
			for n := range answers {
				wait.Go(func() { answers[n] = w.poll(tvApp, d) })
			}
			wait.Wait()
			won := 0
			for _, a := range answers {
				switch {
				case a.status == http.StatusOK:
					won++
				case a.Error != "invalid_grant":
					w.t.Errorf("a loser gets %d %s", a.status, a.body)
				}
			}
			if won != 1 || w.counts()["families"] != before+1 {
				w.t.Errorf("%d got tokens, %d families", won, w.counts()["families"]-before)
			}
			w.ready()
			return nil
		}},
	}
}
