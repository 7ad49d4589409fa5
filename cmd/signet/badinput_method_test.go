package main

import (
	"crypto/rand"
	"net"
	"net/http"
	"net/url"
	"time"
)

// farRows are keys that an app publishes, or somebody in its place.
func farRows() []row {
	far := func(name string, serve http.HandlerFunc) row {
		return row{id: "P-74", name: "published keys " + name, fresh: true, harsh: true, status: http.StatusUnauthorized, reason: "invalid_client", do: func(w *trial) *page {
			form := w.fresh(farApp)
			farKeys().does(serve)
			defer farKeys().honest("es")
			return w.within(5*time.Second, func() *page { return w.browser().post("/token", asserted(form, w.draft(farApp).sign())) })
		}}
	}
	return []row{
		far("of 64 MB", func(w http.ResponseWriter, _ *http.Request) {
			for range 1024 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}),
		far("that hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		far("that are elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }),
		far("that are none", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }),
		far("that are not there", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }),
		far("of another app", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(publicKeys("stranger"))) }),
		{id: "P-74", name: "published keys inside", status: http.StatusUnauthorized, reason: "invalid_client", do: func(w *trial) *page {
			outside := &trial{world: newWorld(w.t, withKeyApps)} // loopback is not allowed there
			farKeys().honest("es")
			p := outside.browser().post("/token", asserted(url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}, outside.draft(farApp).sign()))
			if n := farKeys().asked.Load(); n != 0 {
				w.t.Errorf("asked them %d times", n)
			}
			return p
		}},
		{id: "P-74", name: "100 assertions by an unknown key", fresh: true, status: http.StatusUnauthorized, reason: "invalid_client", do: func(w *trial) *page {
			farKeys().honest("es")
			var p *page
			for range 50 {
				d := w.draft(farApp)
				d.appKey = appKeys()["unknown"]
				p = w.browser().post("/token", asserted(url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}, d.sign()))
			}
			if n := farKeys().asked.Load(); n > 2 {
				w.t.Errorf("asked for the keys %d times", n)
			}
			return p
		}},
		{id: "P-74", name: "published keys that are renewed", fresh: true, control: true, status: http.StatusOK, do: func(w *trial) *page {
			farKeys().honest("es")
			defer farKeys().honest("es")
			if p := w.browser().post("/token", asserted(w.fresh(farApp), w.draft(farApp).sign())); p.status != http.StatusOK {
				w.t.Fatalf("%v", p)
			}
			farKeys().honest("es", "unknown")
			w.pass(time.Minute)
			form, d := w.fresh(farApp), w.draft(farApp)
			d.appKey = appKeys()["unknown"]
			return w.browser().post("/token", asserted(form, d.sign()))
		}},
	}
}

// by is a row that redeems a good code of an app by another way than its own.
func by(id, name, app string, change func(w *trial, r *http.Request, f url.Values)) row {
	return row{id: id, name: name, status: http.StatusUnauthorized, reason: "invalid_client", do: func(w *trial) *page {
		return w.call(app, appSecret, w.fresh(app), func(r *http.Request, f url.Values) { change(w, r, f) })
	}}
}

// methodRows are apps that use another method than theirs, or two.
func methodRows() []row {
	inForm := func(app, secret string) func(*trial, *http.Request, url.Values) {
		return func(_ *trial, r *http.Request, f url.Values) {
			r.Header.Del("Authorization")
			f.Set("client_id", app)
			f.Set("client_secret", secret)
		}
	}
	inHeader := func(app, secret string) func(*trial, *http.Request, url.Values) {
		return func(_ *trial, r *http.Request, _ url.Values) { r.SetBasicAuth(app, secret) }
	}
	assertion := func(of string, k appKey) func(*trial, *http.Request, url.Values) {
		return func(w *trial, r *http.Request, f url.Values) {
			r.Header.Del("Authorization")
			d := w.draft(of)
			d.appKey = k
			asserted(f, d.sign())
		}
	}
	es := appKeys()["es"]
	good := func(id, name, app string, change func(*trial, *http.Request, url.Values)) row {
		r := by(id, name, app, change)
		r.control, r.status, r.reason = true, http.StatusOK, ""
		return r
	}
	twice := func(name string, change func(*trial, *http.Request, url.Values)) row {
		r := by("P-62", name, keyApp, func(w *trial, r *http.Request, f url.Values) {
			assertion(keyApp, es)(w, r, f)
			change(w, r, f)
		})
		r.status, r.reason = http.StatusBadRequest, "invalid_request"
		return r
	}
	return []row{
		by("P-64", "Basic, registered for the form", postApp, inHeader(postApp, appSecret)),
		by("P-64", "in the form, registered for Basic", basicApp, inForm(basicApp, appSecret)),
		by("P-64", "a secret as it is, registered for assertions by it", sharedApp, inHeader(sharedApp, appSecret)),
		by("P-64", "a secret in the form, registered for assertions by it", sharedApp, inForm(sharedApp, appSecret)),
		by("P-64", "a secret, registered for keys", keyApp, inHeader(keyApp, appSecret)),
		by("P-64", "an empty secret, registered for keys", keyApp, inHeader(keyApp, "")),
		by("P-64", "nothing, registered for keys", keyApp, inForm(keyApp, "")),
		by("P-64", "a secret, registered for none", nobodyApp, inForm(nobodyApp, appSecret)),
		by("P-64", "an assertion by its secret, registered for Basic", basicApp, assertion(basicApp, secretKey(appSecret))),
		by("P-64", "an assertion by its key, of an app with a secret", sealedApp, assertion(sealedApp, es)),
		good("P-64", "Basic", basicApp, inHeader(basicApp, appSecret)),
		good("P-64", "in the form", postApp, inForm(postApp, appSecret)),
		good("P-64", "none", nobodyApp, inForm(nobodyApp, "")),
		good("P-82", "the secret that will be", movingApp, inHeader(movingApp, nextSecret)),
		good("P-82", "the secret that was", movingApp, inForm(movingApp, appSecret)),
		twice("an assertion and a secret in the header", func(_ *trial, r *http.Request, _ url.Values) { r.SetBasicAuth(keyApp, appSecret) }),
		twice("an assertion and a secret in the form", func(_ *trial, _ *http.Request, f url.Values) { f.Set("client_secret", appSecret) }),
		twice("two assertions", func(w *trial, _ *http.Request, f url.Values) { f.Add("client_assertion", w.draft(keyApp).sign()) }),
		by("P-66", "an assertion of another type", keyApp, func(w *trial, r *http.Request, f url.Values) {
			assertion(keyApp, es)(w, r, f)
			f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
		}),
		by("P-66", "an assertion without a type", keyApp, func(w *trial, r *http.Request, f url.Values) {
			assertion(keyApp, es)(w, r, f)
			f.Del("client_assertion_type")
		}),
		by("P-66", "a type without an assertion", nobodyApp, func(w *trial, r *http.Request, f url.Values) {
			inForm(nobodyApp, "")(w, r, f)
			f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		}),
		{id: "P-67", name: "assertion in the address", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			form := w.fresh(keyApp)
			return w.browser().post("/token?"+asserted(url.Values{}, w.draft(keyApp).sign()).Encode(), form)
		}},
	}
}

// floodRows are more than anybody needs.
func floodRows() []row {
	return []row{
		{id: "P-59", name: "1001 codes of nobody", fresh: true, status: http.StatusTooManyRequests, reason: "temporarily_unavailable", do: func(w *trial) *page {
			good := w.fresh(otherApp)
			for range 1000 {
				if a := w.redeem(basicApp, rand.Text()+rand.Text(), nil); a.Error != "invalid_grant" {
					w.t.Fatalf("%d %s", a.status, a.body)
				}
			}
			p := w.redeem(basicApp, rand.Text()+rand.Text(), nil).page(w, "/token")
			if a := w.redeem(otherApp, good.Get("code"), nil); a.status != http.StatusOK {
				w.t.Errorf("another app = %d %s", a.status, a.body)
			}
			w.ready()
			return p
		}},
		{id: "P-81", name: "500 bad secrets", fresh: true, status: http.StatusTooManyRequests, reason: "temporarily_unavailable", do: func(w *trial) *page {
			good := w.fresh(otherApp)
			own := w.fresh(webApp)
			form := url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}
			var p *page
			for range 500 {
				p = w.call(webApp, "wrong", form, func(*http.Request, url.Values) {})
			}
			if p.header.Get("Retry-After") == "" {
				w.t.Error("nobody is told how long to wait")
			}
			if p := w.call(webApp, appSecret, own, func(*http.Request, url.Values) {}); p.status != http.StatusTooManyRequests {
				w.t.Errorf("the good secret at once, where the bad ones come from: %v", p)
			}
			elsewhere := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "client_id": {webApp}, "client_secret": {appSecret}}
			if p := w.from("127.0.0.2").post("/token", elsewhere); w.reason(p) != "invalid_grant" {
				w.t.Errorf("the good secret from elsewhere: %v", p)
			}
			if a := w.redeem(otherApp, good.Get("code"), nil); a.status != http.StatusOK {
				w.t.Errorf("another app = %d %s", a.status, a.body)
			}
			w.pass(time.Minute)
			w.tokens(webApp, "globex", "ann")
			w.ready()
			return p
		}},
	}
}

// from is a browser at another address of this machine.
func (w *world) from(addr string) *browser {
	w.t.Helper()
	b := w.browser()
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}).DialContext}
	w.t.Cleanup(transport.CloseIdleConnections)
	b.client.Transport = transport
	return b
}
