package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// guessRows are passwords that somebody guesses.
func guessRows() []row {
	return []row{
		{id: "P-186", name: "20 passwords for one account", fresh: true, status: http.StatusTooManyRequests, reason: "throttled", event: "throttled", do: func(w *trial) *page {
			owner := w.browser()
			owner.signIn(webApp, "local", "ann")
			b := w.browser()
			action, form := w.passwordForm(b)
			form.Set("username", "ann")
			w.ready()
			var p *page
			for i := range 20 {
				form.Set("password", fmt.Sprint("wrong horse battery ", i))
				p = b.post(action, form)
			}
			if p.header.Get("Retry-After") == "" {
				w.t.Error("nobody is told how long to wait")
			}
			form.Set("password", "correct horse battery")
			if p := b.post(action, form); p.status != http.StatusTooManyRequests {
				w.t.Errorf("the right password at once = %v", p)
			}
			// Its owner gets in meanwhile where they are known, and everywhere a while later.
			again := owner.authorize(webApp, url.Values{"provider": {"local"}, "prompt": {"login"}})
			owner.atApp(owner.password(owner.get(again.location.String()), "ann", "correct horse battery"))
			w.pass(16 * time.Minute)
			w.browser().signIn(webApp, "local", "ann")
			w.ready()
			return p
		}},
		{id: "P-187", name: "one password for 60 accounts", fresh: true, status: http.StatusTooManyRequests, reason: "throttled", event: "throttled", do: func(w *trial) *page {
			b := w.browser()
			action, form := w.passwordForm(b)
			form.Set("password", "wrong horse battery")
			var p *page
			for i := range 60 {
				form.Set("username", fmt.Sprint("user", i))
				p = b.post(action, form)
			}
			return p
		}},
		{id: "P-188", name: "whether an account exists", do: func(w *trial) *page {
			far := newWorld(w.t, func(text string) string {
				return strings.Replace(text, "argon2: {", "limits: {account: 0, address: 0}\n    argon2: {", 1)
			})
			far.addAccount("ann", "ann@acme.example")
			b := far.browser()
			action, form := b.get(b.authorize(webApp, url.Values{"provider": {"local"}}).location.String()).form()
			form.Set("password", "wrong horse battery")
			try := func(username string) (*page, time.Duration) {
				form.Set("username", username)
				start := time.Now()
				p := b.post(action, form)
				return p, time.Since(start)
			}
			same := func(p *page, username string) string {
				body := strings.ReplaceAll(p.body, p.header.Get("X-Request-Id"), "ID")
				return fmt.Sprint(p.status, strings.ReplaceAll(body, username, "NAME"))
			}
			known, _ := try("ann")
			unknown, _ := try("nob")
			if same(known, "ann") != same(unknown, "nob") || known.status != http.StatusUnauthorized {
				w.t.Errorf("known %v, unknown %v", known, unknown)
			}
			var apart time.Duration
			for range 4 { // a busy machine may spoil a round
				var a, u []time.Duration
				for i := range 40 {
					// In turns: a hash is large, so garbage is collected every so many of them, and would be at the
					// same one of two each time.
					names, took := [2]string{"ann", "nob"}, [2]time.Duration{}
					for j := range names {
						_, took[(i+j)%2] = try(names[(i+j)%2])
					}
					a, u = append(a, took[0]), append(u, took[1])
				}
				slices.Sort(a)
				slices.Sort(u)
				// Where a hash takes longer, whoever does without it stands out as much.
				most := max(5*time.Millisecond, a[20]/3)
				w.t.Logf("medians %v and %v", a[20], u[20])
				if apart = (a[20] - u[20]).Abs(); apart < most {
					return nil
				}
			}
			w.t.Errorf("medians are %s apart", apart)
			return nil
		}},
	}
}
