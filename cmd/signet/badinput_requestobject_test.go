package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// byObject opens the authorization endpoint with a request object, and what OpenID wants beside it.
func (b *browser) byObject(app, object string, more url.Values) *page {
	b.w.t.Helper()
	q := url.Values{"client_id": {app}, "response_type": {"code"}, "scope": {"openid"}, "request": {object}, "redirect_uri": {callbackURI}}
	for name, v := range more {
		q[name] = v
		if v[0] == "" {
			q.Del(name)
		}
	}
	return b.get("/authorize?" + q.Encode())
}

// objects is a row with a request object that change has spoiled. Its app is told.
func objects(id, name string, change func(w *trial, d *draft)) row {
	return row{id: id, name: "request object " + name, reason: "invalid_request_object", do: func(w *trial) *page {
		d := w.object(keyApp, nil)
		change(w, d)
		p := w.browser().byObject(keyApp, d.sign(), nil)
		if p.status != http.StatusSeeOther || strings.Contains(p.location.String(), "evil") {
			w.t.Errorf("sent to %v", p)
		}
		p.url = &url.URL{Path: "/"} // the object's state is not in the address
		return p
	}}
}

func requestObjectRows() []row {
	is := func(name string, v any) func(*trial, *draft) {
		return func(_ *trial, d *draft) { d.claims[name] = v }
	}
	by := func(k appKey) func(*trial, *draft) { return func(_ *trial, d *draft) { d.appKey = k } }
	rows := []row{
		objects("P-33", "without a signature", by(appKey{alg: "none"})),
		objects("P-33", "by the key set as a secret", by(appKey{"es", jose.HS256, []byte(publicKeys("es", "rs", "ed"))})),
		objects("P-33", "by a key of somebody else", by(appKeys()["stranger"])),
		objects("P-33", "that brings its key", func(_ *trial, d *draft) {
			k := jose.JSONWebKey{Key: appKeys()["stranger"].key, KeyID: "es"}
			d.appKey, d.header["jwk"] = appKeys()["stranger"], k.Public()
		}),
		objects("P-33", "that expired", func(w *trial, d *draft) { d.claims["exp"] = w.now().Add(-time.Second).Unix() }),
		objects("P-33", "without exp", func(_ *trial, d *draft) { delete(d.claims, "exp") }),
		objects("P-33", "good for a day", func(w *trial, d *draft) { d.claims["exp"] = w.now().Add(24 * time.Hour).Unix() }),
		objects("P-33", "not good for another minute", func(w *trial, d *draft) { d.claims["nbf"] = w.now().Add(time.Minute).Unix() }),
		objects("P-33", "of another app", is("iss", es256App)),
		objects("P-33", "without iss", func(_ *trial, d *draft) { delete(d.claims, "iss") }),
		objects("P-33", "for another app", is("client_id", es256App)),
		objects("P-33", "for another server", is("aud", "https://other.example")),
		objects("P-33", "for two other servers", is("aud", []string{"https://other.example", "https://another.example"})),
		objects("P-33", "without aud", func(_ *trial, d *draft) { delete(d.claims, "aud") }),
		objects("P-33", "that is an assertion", is("sub", keyApp)),
		objects("P-33", "that says it is an access token", func(_ *trial, d *draft) { d.header["typ"] = "at+jwt" }),
		objects("P-33", "in a request object", is("request", "x")),
		objects("P-33", "with request_uri", is("request_uri", "https://app.example.com/object")),
		objects("P-33", "with another response_type than beside it", is("response_type", "token")),
		objects("P-33", "with a list of numbers", is("resource", []int{1})),
		{id: "P-33", name: "request without a signature that must have one", status: http.StatusSeeOther, reason: "invalid_request", do: func(w *trial) *page {
			return w.browser().authorize(sealedApp, nil)
		}},
		{id: "P-34", name: "request_uri inside, of an app with keys", status: http.StatusSeeOther, reason: "request_uri_not_supported", do: func(w *trial) *page {
			var asked atomic.Int32
			inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
			defer inside.Close()
			p := w.browser().authorize(keyApp, url.Values{"request_uri": {inside.URL + "/object"}})
			if n := asked.Load(); n != 0 {
				w.t.Errorf("asked it %d times", n)
			}
			return p
		}},
		{id: "P-36", name: "redirect_uri of nobody in the request object", status: http.StatusBadRequest, reason: "bad_redirect_uri", do: func(w *trial) *page {
			return w.browser().byObject(keyApp, w.object(keyApp, map[string]any{"redirect_uri": "https://evil.example/"}).sign(), nil)
		}},
		{id: "P-36", name: "no redirect_uri in the request object, one beside it", status: http.StatusBadRequest, reason: "bad_redirect_uri", do: func(w *trial) *page {
			d := w.object(keyApp, nil)
			delete(d.claims, "redirect_uri")
			return w.browser().byObject(keyApp, d.sign(), nil)
		}},
		{id: "P-36", name: "bad request object beside a redirect_uri of nobody", status: http.StatusBadRequest, reason: "invalid_request_object", do: func(w *trial) *page {
			d := w.object(keyApp, nil)
			d.appKey = appKeys()["stranger"]
			return w.browser().byObject(keyApp, d.sign(), url.Values{"redirect_uri": {"https://evil.example/"}})
		}},
		{id: "P-36", name: "redirect_uri in the request object over that beside it", control: true, do: func(w *trial) *page {
			d := w.object(keyApp, map[string]any{"redirect_uri": secondURI, "prompt": "none"})
			p := w.browser().byObject(keyApp, d.sign(), url.Values{"state": {"beside"}, "nonce": {"beside"}, "prompt": {"login"}})
			if p.location == nil || !strings.HasPrefix(p.location.String(), secondURI+"?") || p.location.Query().Get("state") != "st-"+keyApp || p.location.Query().Get("error") != "login_required" {
				w.t.Errorf("%v", p)
			}
			return nil
		}},
		scopeBeside(keyApp, "openid offline_access"),
		scopeBeside(sealedApp, ""),
		{id: "P-36", name: "state beside the request object is not used", control: true, do: func(w *trial) *page {
			d := w.object(keyApp, map[string]any{"prompt": "none"})
			delete(d.claims, "state")
			if p := w.browser().byObject(keyApp, d.sign(), url.Values{"state": {"beside"}}); !p.toApp() || p.location.Query().Has("state") {
				w.t.Errorf("%v", p)
			}
			return nil
		}},
	}
	return append(rows, objectControls()...)
}

// scopeBeside is a login with a scope that is not in the request object: want is what of it counts.
func scopeBeside(app, want string) row {
	return row{id: "P-36", name: "scope beside the request object of " + app, control: true, do: func(w *trial) *page {
		d, b := w.object(app, map[string]any{"provider": "globex", "nbf": w.now().Unix()}), w.browser()
		delete(d.claims, "scope")
		got := b.atApp(b.atGlobex(b.byObject(app, d.sign(), url.Values{"scope": {"openid offline_access"}}), w.globex, "ann"))
		form := url.Values{"grant_type": {"authorization_code"}, "code": {got.Get("code")}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}
		by := app
		if app == keyApp {
			by, form = "", asserted(form, w.draft(app).sign())
		}
		a := w.app(by, "/token", form)
		if a.status != http.StatusOK || a.Scope != want {
			w.t.Errorf("scope %q of %d %s, want %q", a.Scope, a.status, a.body, want)
		}
		return nil
	}}
}

// objectControls are logins that begin with a request object.
func objectControls() []row {
	var rows []row
	for _, name := range []string{"es", "rs", "ps", "ed"} {
		for _, by := range []string{"address", "push"} {
			rows = append(rows, row{id: "P-35", name: fmt.Sprintf("login by a request signed with %s, by %s", name, by), control: true, status: http.StatusOK, do: func(w *trial) *page {
				d, b := w.object(keyApp, map[string]any{"provider": "globex", "max_age": 600, "claims": map[string]any{"id_token": nil}}), w.browser()
				d.appKey, d.header["typ"] = appKeys()[name], "oauth-authz-req+jwt"
				var p *page
				if by == "push" {
					p = w.browser().post("/par", asserted(url.Values{"request": {d.sign()}}, w.draft(keyApp).sign()))
					uri := w.uriOf(p)
					p = b.byURI(keyApp, uri, nil)
				} else {
					p = b.byObject(keyApp, d.sign(), nil)
				}
				got := b.atApp(b.atGlobex(p, w.globex, "ann"))
				form := url.Values{"grant_type": {"authorization_code"}, "code": {got.Get("code")}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}
				return b.post("/token", asserted(form, w.draft(keyApp).sign()))
			}})
		}
	}
	return rows
}
