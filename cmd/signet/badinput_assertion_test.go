package main

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// fresh is a token request for a good code of an app.
func (w *trial) fresh(app string) url.Values {
	with := url.Values{}
	if app == sealedApp {
		with = url.Values{"request": {w.object(app, map[string]any{"provider": "globex", "nbf": w.now().Unix()}).sign()}}
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {w.code(app, with)}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}
	w.ready()
	return form
}

// attests is a row that redeems a good code with an assertion that change has spoiled.
func attests(id, name, app string, change func(w *trial, d *draft)) row {
	return row{id: id, name: "assertion " + name, status: http.StatusUnauthorized, reason: "invalid_client", do: func(w *trial) *page {
		form, d := w.fresh(app), w.draft(app)
		change(w, d)
		return w.browser().post("/token", asserted(form, d.sign()))
	}}
}

// attestsWell is the same for one that is good.
func attestsWell(id, name, app string, change func(w *trial, d *draft)) row {
	r := attests(id, name, app, change)
	r.control, r.status, r.reason = true, http.StatusOK, ""
	return r
}

func assertionRows() []row {
	var rows []row
	for _, more := range [][]row{assertedTimes(), assertedNames(), assertedOnce(), assertedKeys(), assertedHeaders(), farRows(), methodRows(), floodRows()} {
		rows = append(rows, more...)
	}
	return rows
}

func assertedTimes() []row {
	at := func(name string, d time.Duration) func(*trial, *draft) {
		return func(w *trial, a *draft) { a.claims[name] = w.now().Add(d).Unix() }
	}
	is := func(name string, v any) func(*trial, *draft) {
		return func(_ *trial, a *draft) { a.claims[name] = v }
	}
	return []row{
		attests("P-68", "that expired a second ago", keyApp, at("exp", -time.Second)),
		attests("P-68", "that expired five minutes ago", keyApp, at("exp", -5*time.Minute)),
		attests("P-68", "good for six minutes", keyApp, at("exp", 6*time.Minute)),
		attests("P-68", "good for ever", keyApp, is("exp", 1e300)),
		attests("P-68", "without exp", keyApp, func(_ *trial, a *draft) { delete(a.claims, "exp") }),
		attests("P-68", "with exp null", keyApp, is("exp", nil)),
		attests("P-68", "with exp as a text", keyApp, is("exp", "soon")),
		attests("P-68", "not good for another 61 s", keyApp, at("nbf", 61*time.Second)),
		attests("P-68", "issued 61 s from now", keyApp, at("iat", 61*time.Second)),
		attestsWell("P-68", "of a clock that is 8 s ahead", keyApp, func(w *trial, a *draft) { at("nbf", 8*time.Second)(w, a); at("iat", 8*time.Second)(w, a) }),
		attestsWell("P-68", "good for five minutes", keyApp, at("exp", 5*time.Minute)),
		attestsWell("P-68", "without nbf and iat", keyApp, func(_ *trial, a *draft) { delete(a.claims, "iat") }),
	}
}

func assertedNames() []row {
	is := func(name string, v any) func(*trial, *draft) {
		return func(_ *trial, a *draft) { a.claims[name] = v }
	}
	rows := []row{
		attests("P-69", "of another issuer", keyApp, is("iss", webApp)),
		attests("P-69", "about another app", keyApp, is("sub", es256App)),
		attests("P-69", "about an app of nobody", keyApp, is("sub", "nobody")),
		attests("P-69", "without iss", keyApp, func(_ *trial, a *draft) { delete(a.claims, "iss") }),
		attests("P-69", "without sub", keyApp, func(_ *trial, a *draft) { delete(a.claims, "sub") }),
		{id: "P-69", name: "assertion beside another client_id", status: http.StatusUnauthorized, reason: "invalid_client", do: func(w *trial) *page {
			form := asserted(w.fresh(keyApp), w.draft(keyApp).sign())
			form.Set("client_id", webApp)
			return w.browser().post("/token", form)
		}},
		{id: "P-69", name: "assertion beside the same client_id", control: true, status: http.StatusOK, do: func(w *trial) *page {
			form := asserted(w.fresh(keyApp), w.draft(keyApp).sign())
			form.Set("client_id", keyApp)
			return w.browser().post("/token", form)
		}},
	}
	for name, aud := range map[string]func(w *trial) any{
		"a list":             func(w *trial) any { return []string{w.URL} },
		"the token endpoint": func(w *trial) any { return w.URL + "/token" },
		"the PAR endpoint":   func(w *trial) any { return w.URL + "/par" },
		"another server":     func(*trial) any { return "https://other.example" },
		"ours with a slash":  func(w *trial) any { return w.URL + "/" },
		"nobody":             func(*trial) any { return nil },
		"us and another one": func(w *trial) any { return []string{w.URL, "https://other.example"} },
	} {
		rows = append(rows, attests("P-69", "for "+name, keyApp, func(w *trial, a *draft) { a.claims["aud"] = aud(w) }))
	}
	return rows
}

// assertedOnce are assertions that come a second time.
func assertedOnce() []row {
	again := func(name string, between func(w *trial)) row {
		return row{id: "P-71", name: "assertion " + name, status: http.StatusUnauthorized, reason: "invalid_client", do: func(w *trial) *page {
			one, two, raw := w.fresh(keyApp), w.fresh(keyApp), w.draft(keyApp).sign()
			if p := w.browser().post("/token", asserted(one, raw)); p.status != http.StatusOK {
				w.t.Fatalf("the first time: %v", p)
			}
			between(w)
			w.ready()
			return w.browser().post("/token", asserted(two, raw))
		}}
	}
	return []row{
		again("a second time", func(*trial) {}),
		again("a second time after a restart", func(w *trial) { w.restart() }),
		again("a second time within the skew of its exp", func(w *trial) { w.pass(59 * time.Second) }),
		attests("P-71", "without jti", keyApp, func(_ *trial, a *draft) { delete(a.claims, "jti") }),
		attests("P-71", "with an empty jti", keyApp, func(_ *trial, a *draft) { a.claims["jti"] = "" }),
		attests("P-71", "with a jti of 1 KB", keyApp, func(_ *trial, a *draft) { a.claims["jti"] = fmt.Sprintf("%01024d", 1) }),
		{id: "P-71", name: "assertion twice at once", do: func(w *trial) *page {
			raw := w.draft(keyApp).sign()
			var good atomic.Int32
			var all sync.WaitGroup
			for range 4 {
				form := asserted(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, raw)
				all.Go(func() {
					if p := w.browser().post("/token", form); p.status == http.StatusBadRequest {
						good.Add(1)
					} else if p.status != http.StatusUnauthorized {
						w.t.Errorf("%v", p)
					}
				})
			}
			if all.Wait(); good.Load() != 1 {
				w.t.Errorf("%d of 4 were taken", good.Load())
			}
			return nil
		}},
		{id: "P-71", name: "the jti of another app", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a, b := w.draft(keyApp), w.draft(es256App)
			b.claims["jti"] = a.claims["jti"]
			w.browser().post("/token", asserted(w.fresh(keyApp), a.sign()))
			return w.browser().post("/token", asserted(w.fresh(es256App), b.sign()))
		}},
	}
}

func assertedKeys() []row {
	by := func(k appKey) func(*trial, *draft) { return func(_ *trial, d *draft) { d.appKey = k } }
	keys := appKeys()
	der, err := x509.MarshalPKIXPublicKey(keys["es"].key.(*ecdsa.PrivateKey).Public())
	if err != nil {
		panic(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	rows := []row{
		attests("P-72", "without a signature", keyApp, by(appKey{alg: "none"})),
		attests("P-72", "without a signature, by a secret", sharedApp, by(appKey{alg: "none"})),
		attests("P-72", "by the public key as a secret, PEM", keyApp, by(appKey{"es", jose.HS256, asPEM})),
		attests("P-72", "by the public key as a secret, DER", keyApp, by(appKey{"es", jose.HS256, der})),
		attests("P-72", "by the key set as a secret", keyApp, by(appKey{"es", jose.HS256, []byte(publicKeys("es", "rs", "ed"))})),
		attests("P-72", "by an empty secret", keyApp, by(appKey{"es", jose.HS256, make([]byte, 32)})),
		attests("P-72", "by RS256 where ES256 is registered", es256App, by(keys["rs"])),
		attests("P-72", "by PS256 where ES256 is registered", es256App, by(keys["ps"])),
		attests("P-72", "by a key of somebody else", keyApp, by(keys["stranger"])),
		attests("P-72", "by a key that is not registered", keyApp, by(keys["unknown"])),
		attests("P-72", "that names no key of several", keyApp, func(_ *trial, d *draft) { d.kid = "" }),
		attests("P-72", "by a key, of an app with a secret", sharedApp, func(*trial, *draft) {}),
		attests("P-72", "by another secret", sharedApp, by(secretKey("another-secret-of-32-characters-or-more"))),
		attests("P-72", "by HS512", sharedApp, by(appKey{"", jose.HS512, []byte(appSecret + appSecret)})),
		{id: "P-72", name: "assertion that was changed after it was signed", status: http.StatusUnauthorized, reason: "invalid_client", do: func(w *trial) *page {
			a, b := w.draft(keyApp), w.draft(keyApp)
			one, other := a.sign(), b.sign()
			mixed := other[:strings.LastIndex(other, ".")] + one[strings.LastIndex(one, "."):]
			return w.browser().post("/token", asserted(w.fresh(keyApp), mixed))
		}},
		attestsWell("P-72", "by either secret", sharedApp, by(secretKey(nextSecret))),
	}
	for _, name := range []string{"es", "rs", "ps", "ed"} {
		rows = append(rows, attestsWell("P-72", "by "+string(keys[name].alg), keyApp, by(keys[name])))
	}
	return append(rows, attestsWell("P-72", "by its secret", sharedApp, by(secretKey(appSecret))))
}

func assertedHeaders() []row {
	has := func(name jose.HeaderKey, v any) func(*trial, *draft) {
		return func(_ *trial, d *draft) { d.header[name] = v }
	}
	rows := []row{
		attests("P-73", "that says it is an access token", keyApp, has("typ", "at+jwt")),
		attests("P-73", "that says it is a request", keyApp, has("typ", "oauth-authz-req+jwt")),
		attests("P-73", "that says it is a sign-out", sharedApp, func(_ *trial, d *draft) { d.appKey = secretKey(appSecret); d.header["typ"] = "logout+jwt" }),
		attests("P-73", "with crit", keyApp, func(_ *trial, d *draft) { d.header["crit"], d.header["exp"] = []string{"exp"}, 1 }),
		attests("P-73", "with an unencoded payload", keyApp, func(_ *trial, d *draft) { d.header["b64"] = true }),
		attests("P-73", "that brings its key", keyApp, func(_ *trial, d *draft) {
			stranger := appKeys()["stranger"]
			d.appKey = stranger
			k := jose.JSONWebKey{Key: stranger.key, KeyID: "es"}
			d.header["jwk"] = k.Public()
		}),
		attestsWell("P-73", "that says what it is", keyApp, has("typ", "client-authentication+jwt")),
		attestsWell("P-73", "that says it is a JWT", keyApp, has("typ", "JWT")),
	}
	for _, name := range []jose.HeaderKey{"jku", "x5u"} {
		rows = append(rows, row{id: "P-73", name: "assertion that says where its key is, in " + string(name), status: http.StatusUnauthorized, reason: "invalid_client", do: func(w *trial) *page {
			var asked atomic.Int32
			evil := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				rw.Write([]byte(publicKeys("stranger")))
			}))
			defer evil.Close()
			form, d := w.fresh(keyApp), w.draft(keyApp)
			d.appKey, d.header[name] = appKeys()["stranger"], evil.URL
			p := w.browser().post("/token", asserted(form, d.sign()))
			if n := asked.Load(); n != 0 {
				w.t.Errorf("asked it %d times", n)
			}
			return p
		}})
	}
	return rows
}
