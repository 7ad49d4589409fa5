package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"
)

// noticeRows are addresses at which apps want to be told of ended sessions, and are not to be had. Whoever signs
// out notices nothing of that, and the apps are tried again.
func noticeRows() []row {
	// told is a row in which somebody signs out of web and other, which answer as given, each at its path, until over.
	told := func(name string, answer func(rw http.ResponseWriter, r *http.Request, over <-chan struct{}), then func(w *trial, asked *atomic.Int32)) row {
		return row{id: "P-159", name: name, do: func(w *trial) *page {
			var asked atomic.Int32
			over := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				answer(rw, r, over)
			}))
			defer server.Close()
			defer close(over)
			world := newWorld(w.t, func(c string) string {
				for _, app := range []string{webApp, otherApp} {
					c = strings.Replace(c, "{id: "+app+",", fmt.Sprintf("{id: %s, backchannel_logout_uri: %s/%s,", app, server.URL, app), 1)
				}
				return c
			})
			defer world.telling()()
			far := &trial{world: world}
			far.signOutQuickly(world.person("globex", "ann", webApp, otherApp))
			then(far, &asked)
			world.browser().signIn(webApp, "globex", "bob")
			return nil
		}}
	}
	return []row{
		told("apps that fail, and send elsewhere", func(rw http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
			if r.URL.Path == "/"+webApp {
				http.Error(rw, "SECRET", http.StatusInternalServerError)
				return
			}
			http.Redirect(rw, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, func(w *trial, asked *atomic.Int32) {
			w.until("both are tried again", func() bool { return w.tries("refused") == 4 })
			if asked.Load() != 4 || w.notices() != 2 {
				w.t.Errorf("%d requests for 4 tries, %d notices", asked.Load(), w.notices())
			}
		}),
		told("apps that never answer, and a byte at a time", func(rw http.ResponseWriter, r *http.Request, over <-chan struct{}) {
			for {
				if r.URL.Path == "/"+otherApp {
					rw.Write([]byte(" "))
					http.NewResponseController(rw).Flush()
				}
				select {
				case <-over:
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		}, func(w *trial, _ *atomic.Int32) {
			// The 200 of the one has come: it is told, and nobody waits for the rest. The other stays to be told.
			w.until("both tries are over", func() bool { return w.tries("timeout") == 1 && w.notices() == 1 })
		}),
		{id: "P-159", name: "app by a name that leads inside", do: func(w *trial) *page {
			var asked atomic.Int32
			server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
			defer server.Close()
			world := newWorldOn(w.t, leadingTo(server), withRegistration)
			defer world.telling()()
			far := &trial{world: world}
			r := far.told(far.enrol(metadata(map[string]any{"backchannel_logout_uri": "https://example.com/told"})))
			b := world.browser()
			if a := world.redeemAs(r, b.signInAs(r, nil).Get("code")); a.status != http.StatusOK {
				w.t.Fatalf("token = %d %s", a.status, a.body)
			}
			far.signOutQuickly(signedIn{browser: b})
			world.until("it was tried", func() bool { return far.tries("unreachable") > 0 })
			if asked.Load() != 0 || world.notices() != 1 {
				w.t.Errorf("asked %d times, %d notices", asked.Load(), world.notices())
			}
			return nil
		}},
	}
}

// tries counts how often an app was not told, for a reason.
func (w *trial) tries(reason string) int {
	return strings.Count(w.log.String(), `,"reason":"`+reason+`"`)
}

// signOutQuickly has somebody sign out, who must not wait for any app.
func (w *trial) signOutQuickly(s signedIn) {
	w.t.Helper()
	action, form := s.get("/logout").form()
	form.Set("confirm", "yes")
	w.within(time.Second, func() *page { return s.post(action, form) })
	if s.alive() {
		w.t.Error("still signed in")
	}
}
