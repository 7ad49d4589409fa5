package main

import (
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/egress"
)

// The apps of withReferences.
const (
	refApp  = "referring" // has registered where its requests may stand
	refBare = "referring-bare"
	refPush = "signed-only" // has keys, and no addresses
)

// desk is where requests of apps stand, and how often somebody has asked for one. There is another one on an
// address that may not be reached.
type desk struct {
	*httptest.Server
	inside *httptest.Server
	named  *httptest.Server // inside too, by TLS as example.com
	asked  atomic.Int32
	serve  atomic.Pointer[http.HandlerFunc]
}

var objectDesk = sync.OnceValue(func() *desk {
	d := &desk{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.asked.Add(1)
		(*d.serve.Load())(w, r)
	})
	d.Server = httptest.NewServer(h)
	inside := func() *httptest.Server {
		l, err := net.Listen("tcp", "127.0.0.2:0")
		if err != nil {
			panic(err)
		}
		return &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	}
	d.inside, d.named = inside(), inside()
	d.inside.Start()
	d.named.StartTLS()
	return d
})

func (d *desk) does(h http.HandlerFunc) {
	d.serve.Store(&h)
	d.asked.Store(0)
}

func (d *desk) holds(text string) {
	d.does(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/oauth-authz-req+jwt")
		w.Write([]byte(text))
	})
}

// sumOf is a fragment that names a text.
func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// oldSum is the fragment of an address that was registered with one.
var oldSum = sumOf("what stood there when it was registered")

func withReferences(text string) string {
	d := objectDesk()
	keys, uris := publicKeys("es", "rs", "ps", "ed"), "redirect_uris: ["+callbackURI+"]"
	list := []string{d.URL + "/object", d.URL + "/summed#" + oldSum, d.inside.URL + "/object", "https://example.com/object"}
	apps := "apps:\n  - {id: " + refApp + ", secret: " + appSecret + ", " + uris + ", request_uris: ['" + strings.Join(list, "', '") + "'], jwks: " + keys + "}\n" +
		"  - {id: " + refBare + ", secret: " + appSecret + ", " + uris + ", jwks: " + keys + "}\n" +
		"  - {id: " + refPush + ", secret: " + appSecret + ", require_signed_request: true, " + uris + ", request_uris: ['" + d.URL + "/object'], jwks: " + keys + "}\n"
	return strings.Replace(text, "apps:\n", apps, 1)
}

// newInsideWorld is one in which example.com is a machine of this network.
func newInsideWorld(t testing.TB, edit ...func(string) string) *world {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(objectDesk().named.Certificate())
	return newWorldOn(t, egress.Options{Roots: roots, Route: map[string]string{"example.com:443": objectDesk().named.Listener.Addr().String()}}, edit...)
}

// byReference opens the authorization endpoint with the address of a request object.
func (b *browser) byReference(app, uri string, more url.Values) *page {
	b.w.t.Helper()
	q := url.Values{"client_id": {app}, "response_type": {"code"}, "scope": {"openid"}, "request_uri": {uri}, "redirect_uri": {callbackURI}}
	for name, v := range more {
		if q[name] = v; v[0] == "" {
			q.Del(name)
		}
	}
	return b.get("/authorize?" + q.Encode())
}

// unaddressed is an answer to the app, whose state is not in the address.
func unaddressed(p *page) *page {
	p.url = &url.URL{Path: "/"}
	return p
}

// stands is a row about what stands at a registered address.
func stands(name, reason string, text func(w *trial) string) row {
	return row{id: "P-34", name: "request_uri with " + name, status: http.StatusSeeOther, reason: reason, do: func(w *trial) *page {
		objectDesk().holds(text(w))
		p := w.browser().byReference(refApp, objectDesk().URL+"/object", nil)
		if n := objectDesk().asked.Load(); n != 1 {
			w.t.Errorf("asked for %d times", n)
		}
		return unaddressed(p)
	}}
}

// atServer is a row about a server that a registered address belongs to.
func atServer(name string, h http.HandlerFunc) row {
	return row{id: "P-34", name: "request_uri at a server that " + name, status: http.StatusSeeOther, reason: "invalid_request_uri", do: func(w *trial) *page {
		objectDesk().does(h)
		began := time.Now()
		p := w.browser().byReference(refApp, objectDesk().URL+"/object", nil)
		if took := time.Since(began); took > 6*time.Second {
			w.t.Errorf("the browser waited %v", took)
		}
		return unaddressed(p)
	}}
}

// unasked is a row about an address that nobody may be asked at.
func unasked(name, app, reason string, uri func() string, more url.Values) row {
	return row{id: "P-34", name: "request_uri " + name, status: http.StatusSeeOther, reason: reason, do: func(w *trial) *page {
		objectDesk().holds(w.object(app, nil).sign())
		p := w.browser().byReference(app, uri(), more)
		if n := objectDesk().asked.Load(); n != 0 {
			w.t.Errorf("asked for %d times", n)
		}
		return p
	}}
}

func referenceRows() []row {
	at := func(path string) func() string { return func() string { return objectDesk().URL + path } }
	changed := func(change func(w *trial, d *draft)) func(*trial) string {
		return func(w *trial) string {
			d := w.object(refApp, nil)
			change(w, d)
			return d.sign()
		}
	}
	is := func(name string, v any) func(*trial) string {
		return changed(func(_ *trial, d *draft) { d.claims[name] = v })
	}
	const bad, none = "invalid_request_object", "invalid_request_uri"
	rows := []row{
		unasked("of an app that has registered none", refBare, "request_uri_not_supported", at("/object"), nil),
		unasked("of an app without keys", webApp, "request_uri_not_supported", at("/object"), nil),
		unasked("that is not registered", refApp, none, at("/other"), nil),
		unasked("that goes on", refApp, none, at("/object/../object"), nil),
		unasked("with a query", refApp, none, at("/object?x=y"), nil),
		unasked("with a fragment that is no hash", refApp, none, at("/object#x"), nil),
		unasked("without the fragment it was registered with", refApp, none, at("/summed"), nil),
		unasked("with a user name", refApp, none, func() string { return strings.Replace(objectDesk().URL, "//", "//a@", 1) + "/object" }, nil),
		unasked("of another scheme", refApp, none, func() string { return "file:///etc/passwd" }, nil),
		unasked("of 600 characters", refApp, none, at("/object#"+strings.Repeat("A", 600)), nil),
		unasked("on an address that may not be reached", refApp, none, func() string { return objectDesk().inside.URL + "/object" }, nil),
		unasked("at a name for an address that may not be reached", refApp, none, func() string { return "https://example.com/object" }, nil),
		unasked("beside a request object", refApp, "invalid_request", at("/object"), url.Values{"request": {"e30.e30.x"}}),
		{id: "P-34", name: "request_uri beside a request object, for an address of nobody", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			return w.browser().byReference(refApp, objectDesk().URL+"/object", url.Values{"request": {"e30.e30.x"}, "redirect_uri": {"https://other.example/cb"}})
		}},
		unasked("twice", refApp, "invalid_request", at("/object"), url.Values{"request_uri": {objectDesk().URL + "/object", objectDesk().URL + "/object"}}),
		stands("an object without a signature", bad, changed(func(_ *trial, d *draft) { d.appKey = appKey{alg: "none"} })),
		stands("an object by a key of somebody else", bad, changed(func(_ *trial, d *draft) { d.appKey = appKeys()["stranger"] })),
		stands("another app's object", bad, is("iss", refPush)),
		stands("an object for another app", bad, is("client_id", refPush)),
		stands("an object for another server", bad, is("aud", "https://other.example")),
		stands("an object that expired", bad, changed(func(w *trial, d *draft) { d.claims["exp"] = w.now().Add(-time.Second).Unix() })),
		stands("an object that points on", bad, is("request_uri", "https://app.example.com/next")),
		stands("HTML", bad, func(*trial) string { return "<!DOCTYPE html><p>Not found</p>" }),
		stands("parameters in JSON", bad, func(*trial) string { return `{"client_id":"` + refApp + `","response_type":"code"}` }),
		stands("nothing", none, func(*trial) string { return "" }),
		atServer("sends the browser elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusFound) }),
		atServer("sends it to the machine inside", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, objectDesk().inside.URL+"/object", http.StatusTemporaryRedirect)
		}),
		atServer("has none", http.NotFound),
		atServer("breaks off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		atServer("sends 64 MB", func(w http.ResponseWriter, _ *http.Request) {
			for range 64 << 4 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}),
		atServer("sends a bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(make([]byte, 8<<20))
			z.Close()
		}),
		atServer("drips", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				w.Write([]byte("a"))
				w.(http.Flusher).Flush()
				time.Sleep(50 * time.Millisecond)
			}
		}),
	}
	return append(append(rows, referenceTargets()...), referenceControls()...)
}

// referenceTargets are about where the browser may be sent.
func referenceTargets() []row {
	shown := func(name, reason string, status int, object map[string]any, uri string, more url.Values) row {
		return row{id: "P-36", name: name, status: status, reason: reason, do: func(w *trial) *page {
			objectDesk().holds(w.object(refApp, object).sign())
			return w.browser().byReference(refApp, objectDesk().URL+uri, more)
		}}
	}
	evil := url.Values{"redirect_uri": {"https://evil.example/"}}
	return []row{
		shown("redirect_uri of nobody in what request_uri gives", "bad_redirect_uri", http.StatusBadRequest, map[string]any{"redirect_uri": "https://evil.example/"}, "/object", nil),
		shown("no redirect_uri in what request_uri gives", "bad_redirect_uri", http.StatusBadRequest, map[string]any{"redirect_uri": ""}, "/object", nil),
		shown("redirect_uri of nobody beside a request_uri of nobody", "invalid_request_uri", http.StatusBadRequest, nil, "/other", evil),
		shown("no redirect_uri beside a request_uri of nobody", "invalid_request_uri", http.StatusBadRequest, nil, "/other", url.Values{"redirect_uri": {""}}),
		{id: "P-34", name: "request_uri of an app that is not known", status: http.StatusBadRequest, reason: "unknown_app", do: func(w *trial) *page {
			objectDesk().holds(w.object(refApp, nil).sign())
			p := w.browser().byReference("nobody", objectDesk().URL+"/object", nil)
			if n := objectDesk().asked.Load(); n != 0 {
				w.t.Errorf("asked for %d times", n)
			}
			return p
		}},
		{id: "P-34", name: "request_uri asked for 1000 times", status: http.StatusSeeOther, reason: "temporarily_unavailable", fresh: true, do: func(w *trial) *page {
			objectDesk().does(http.NotFound)
			b := w.browser()
			var p *page
			for range 1000 {
				p = b.byReference(refApp, objectDesk().URL+"/object", nil)
			}
			if n := objectDesk().asked.Load(); n != 600 {
				w.t.Errorf("asked for %d times", n)
			}
			objectDesk().holds(w.object(refPush, map[string]any{"nbf": w.now().Unix()}).sign())
			if p := b.byReference(refPush, objectDesk().URL+"/object", nil); p.toApp() || p.status != http.StatusSeeOther {
				w.t.Errorf("another app: %v", p)
			}
			return unaddressed(p)
		}},
	}
}

// referenceControls are logins that begin with an address.
func referenceControls() []row {
	login := func(name, app string, uri func(text string) string, asked int32) row {
		return row{id: "P-35", name: "login by request_uri " + name, control: true, status: http.StatusOK, do: func(w *trial) *page {
			text := w.object(app, map[string]any{"provider": "globex", "state": "inside", "nbf": w.now().Unix()}).sign()
			objectDesk().holds(text)
			b := w.browser()
			// What stands beside the address counts for nothing.
			p := b.byReference(app, objectDesk().URL+uri(text), url.Values{"provider": {"local"}, "nonce": {"beside"}})
			got := b.atApp(b.atGlobex(p, w.globex, "ann"))
			if got.Get("state") != "inside" {
				w.t.Errorf("state %q", got.Get("state"))
			}
			w.browser().byReference(app, objectDesk().URL+uri(text), nil)
			if n := objectDesk().asked.Load(); n != asked {
				w.t.Errorf("asked for %d times, want %d", n, asked)
			}
			form := url.Values{"grant_type": {"authorization_code"}, "code": {got.Get("code")}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}
			return w.app(app, "/token", form).page(w, "/token")
		}}
	}
	return []row{
		login("as it is registered", refApp, func(string) string { return "/object" }, 2),
		login("as it is registered, with its fragment", refApp, func(string) string { return "/summed#" + oldSum }, 2),
		login("with the SHA-256 of what stands there", refApp, func(text string) string { return "/object#" + sumOf(text) }, 1),
		login("with another SHA-256 than was registered", refApp, func(text string) string { return "/summed#" + sumOf(text) }, 1),
		login("of an app whose requests must be signed", refPush, func(string) string { return "/object" }, 2),
		{id: "P-34", name: "request_uri with the SHA-256 of something else", status: http.StatusSeeOther, reason: "invalid_request_uri", do: func(w *trial) *page {
			objectDesk().holds(w.object(refApp, nil).sign())
			return w.browser().byReference(refApp, objectDesk().URL+"/object#"+sumOf("something else"), nil)
		}},
	}
}
