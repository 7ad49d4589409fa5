package main

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// push leaves an honest request of an app here, with overrides, and returns the answer.
func (w *world) push(app string, with url.Values) *page {
	w.t.Helper()
	form := authorizeQuery(app, with)
	b := w.browser()
	switch app {
	case keyApp, es256App, pushApp:
		return b.post("/par", asserted(form, w.draft(app).sign()))
	case publicApp:
		return b.post("/par", form)
	}
	req := b.request(http.MethodPost, "/par", form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(app, appSecret)
	return b.do(req)
}

// pushed is the request_uri of an honest request.
func (w *world) pushed(app string, with url.Values) string {
	w.t.Helper()
	return w.uriOf(w.push(app, with))
}

// uriOf reads the answer to a push.
func (w *world) uriOf(p *page) string {
	w.t.Helper()
	var answer struct {
		URI       string `json:"request_uri"`
		ExpiresIn int    `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(p.body), &answer); err != nil || p.status != http.StatusCreated {
		w.t.Fatalf("push = %v %s", p, p.body)
	}
	if !strings.HasPrefix(answer.URI, "urn:ietf:params:oauth:request_uri:") || answer.ExpiresIn < 60 || answer.ExpiresIn >= 600 {
		w.t.Fatalf("push = %s", p.body)
	}
	return answer.URI
}

// byURI opens the authorization endpoint with the name of a pushed request.
func (b *browser) byURI(app, uri string, more url.Values) *page {
	b.w.t.Helper()
	q := url.Values{"client_id": {app}, "request_uri": {uri}}
	maps.Copy(q, more)
	return b.get("/authorize?" + q.Encode())
}

var atGlobexDirectly = url.Values{"provider": {"globex"}}

// pushes is a row that pushes something wrong.
func pushes(id, name, app string, with url.Values, status int, reason string) row {
	return row{id: id, name: "pushed " + name, status: status, reason: reason, do: func(w *trial) *page { return w.push(app, with) }}
}

func parRows() []row {
	gone := func(id, name string, do func(w *trial) *page) row {
		return row{id: id, name: name, status: http.StatusBadRequest, reason: "invalid_request_uri", do: do}
	}
	rows := []row{
		pushes("P-111", "request_uri", webApp, url.Values{"request_uri": {"urn:ietf:params:oauth:request_uri:x"}}, http.StatusBadRequest, "invalid_request"),
		pushes("P-111", "request_uri of an address", webApp, url.Values{"request_uri": {"https://app.example.com/object"}}, http.StatusBadRequest, "invalid_request"),
		pushes("P-111", "redirect_uri of nobody", webApp, url.Values{"redirect_uri": {"https://evil.example/"}}, http.StatusBadRequest, "invalid_request"),
		pushes("P-111", "request without redirect_uri", webApp, url.Values{"redirect_uri": {""}}, http.StatusBadRequest, "invalid_request"),
		pushes("P-111", "request without PKCE", webApp, url.Values{"code_challenge": {""}, "code_challenge_method": {""}}, http.StatusBadRequest, "invalid_request"),
		pushes("P-111", "request with plain PKCE", webApp, url.Values{"code_challenge": {verifier}, "code_challenge_method": {"plain"}}, http.StatusBadRequest, "invalid_request"),
		pushes("P-111", "response_type token", webApp, url.Values{"response_type": {"token"}}, http.StatusBadRequest, "unsupported_response_type"),
		pushes("P-111", "nonce twice", webApp, url.Values{"nonce": {"a", "b"}}, http.StatusBadRequest, "invalid_request"),
		pushes("P-111", "request object of an app without keys", webApp, url.Values{"request": {"e30.e30."}}, http.StatusBadRequest, "request_not_supported"),
		pushes("P-111", "request object without a signature", keyApp, url.Values{"request": {"eyJhbGciOiJub25lIn0.e30."}}, http.StatusBadRequest, "invalid_request_object"),
		pushes("P-111", "request without a signature that must have one", sealedApp, nil, http.StatusBadRequest, "invalid_request"),
		{id: "P-61", name: "push with a wrong secret", status: http.StatusUnauthorized, reason: "invalid_client", do: func(w *trial) *page {
			form := authorizeQuery(webApp, url.Values{"client_secret": {"wrong"}})
			return w.browser().post("/par", form)
		}},
		{id: "P-112", name: "push by GET", status: http.StatusMethodNotAllowed, reason: "method_not_allowed", do: func(w *trial) *page {
			return w.browser().get("/par?" + authorizeQuery(publicApp, nil).Encode())
		}},
		gone("P-113", "request_uri of another app", func(w *trial) *page {
			return w.browser().byURI(otherApp, w.pushed(webApp, nil), nil)
		}),
		gone("P-114", "request_uri that is guessed", func(w *trial) *page {
			return w.browser().byURI(webApp, "urn:ietf:params:oauth:request_uri:"+rand.Text()+rand.Text(), nil)
		}),
		gone("P-114", "request_uri that is cut", func(w *trial) *page {
			uri := w.pushed(webApp, nil)
			return w.browser().byURI(webApp, uri[:len(uri)-1], nil)
		}),
		gone("P-114", "request_uri after its time", func(w *trial) *page {
			uri := w.pushed(webApp, nil)
			w.pass(2 * time.Minute)
			return w.browser().byURI(webApp, uri, nil)
		}),
		gone("P-114", "request_uri of a login that is finished", func(w *trial) *page {
			uri, b := w.pushed(webApp, atGlobexDirectly), w.browser()
			b.atApp(b.atGlobex(b.byURI(webApp, uri, nil), w.globex, "ann"))
			w.ready()
			return w.browser().byURI(webApp, uri, nil)
		}),
		gone("P-114", "request_uri of a login that a session has finished", func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "globex", "ann")
			uri := w.pushed(webApp, nil)
			b.atApp(b.byURI(webApp, uri, nil))
			w.ready()
			return b.byURI(webApp, uri, nil)
		}),
		{id: "P-114", name: "two logins of one request_uri, the second to finish", status: http.StatusConflict, reason: "login_finished", do: func(w *trial) *page {
			uri, one, two := w.pushed(webApp, atGlobexDirectly), w.browser(), w.browser()
			first, second := one.byURI(webApp, uri, nil), two.byURI(webApp, uri, nil)
			back := two.backFrom(second, w.globex, "bob")
			one.atApp(one.atGlobex(first, w.globex, "ann"))
			w.ready()
			return two.get(back.String())
		}},
		{id: "P-114", name: "request_uri that is opened again before the login is finished", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			uri, b := w.pushed(webApp, atGlobexDirectly), w.browser()
			b.byURI(webApp, uri, nil)
			w.pass(100 * time.Second)
			p := b.byURI(webApp, uri, nil)
			w.pass(time.Minute) // the login may end when the request is out of its time
			p = b.atGlobex(p, w.globex, "ann")
			if a := w.redeem(webApp, b.atApp(p).Get("code"), nil); a.status != http.StatusOK {
				w.t.Errorf("token = %d %s", a.status, a.body)
			}
			return p
		}},
		{id: "P-116", name: "request in the address of an app that must push", status: http.StatusSeeOther, reason: "invalid_request", do: func(w *trial) *page {
			return w.browser().authorize(pushApp, nil)
		}},
		{id: "P-117", name: "push of 1 MB", status: http.StatusRequestEntityTooLarge, reason: "invalid_request", do: func(w *trial) *page {
			return w.push(webApp, url.Values{"state": {strings.Repeat("s", 1<<20)}})
		}},
		{id: "P-117", name: "10000 pushes of one app", fresh: true, status: http.StatusTooManyRequests, reason: "temporarily_unavailable", do: func(w *trial) *page {
			// The minute begins with a push of some seconds ago, so that for nobody the clock goes back behind it.
			w.offset.Store(int64(-10 * time.Second))
			if p := w.push(webApp, nil); p.status != http.StatusCreated {
				w.t.Fatalf("the first push: %v", p)
			}
			begun := time.Now()
			var refused atomic.Pointer[page]
			var all sync.WaitGroup
			for range 10 { // together, for they share commits
				all.Go(func() {
					for range 1_000 {
						w.offset.Store(int64(-time.Since(begun))) // the minute does not pass, however slow the machine
						if p := w.push(webApp, nil); p.status != http.StatusCreated {
							refused.Store(p)
							return
						}
					}
				})
			}
			all.Wait()
			p := refused.Load()
			if p == nil {
				w.t.Fatal("all were taken")
			}
			if p.header.Get("Retry-After") == "" {
				w.t.Error("nobody is told how long to wait")
			}
			if p := w.push(otherApp, nil); p.status != http.StatusCreated {
				w.t.Errorf("another app: %v", p)
			}
			return p
		}},
	}
	return append(rows, parControls()...)
}

// parControls are logins that begin with a pushed request.
func parControls() []row {
	signsIn := func(name, app string) row {
		return row{id: "P-115", name: "login by a pushed request of " + name, control: true, status: http.StatusOK, do: func(w *trial) *page {
			b := w.browser()
			// What stands beside the name counts for nothing: it can be anybody's.
			beside := url.Values{"redirect_uri": {"https://evil.example/"}, "state": {"evil"}, "scope": {"openid"}, "code_challenge": {"evil"}}
			got := b.atApp(b.atGlobex(b.byURI(app, w.pushed(app, atGlobexDirectly), beside), w.globex, "ann"))
			if got.Get("state") != "st-"+app {
				w.t.Errorf("the app got %v", got)
			}
			form := url.Values{"grant_type": {"authorization_code"}, "code": {got.Get("code")}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}
			switch app {
			case webApp:
				return w.call(app, appSecret, form, func(*http.Request, url.Values) {})
			case publicApp:
				form.Set("client_id", app)
				return b.post("/token", form)
			}
			return b.post("/token", asserted(form, w.draft(app).sign()))
		}}
	}
	return []row{
		signsIn("an app with a secret", webApp), signsIn("a public app", publicApp), signsIn("an app with keys", keyApp), signsIn("an app that must", pushApp),
	}
}
