package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/idptest"
)

// world is a whole Signet in this process as serve would run it, on a real database, with a company's OIDC
// and SAML upstreams and accounts of its own. Its clock can be moved.
type world struct {
	t       testing.TB
	URL     string
	signet  *signet
	globex  *idptest.OIDC  // provider "globex"
	hooli   *idptest.OIDC  // provider "hooli": another company's
	initech *idptest.SAML  // provider "initech"
	out     egress.Options // the way out; see newWorldOn
	famous  *famous        // of newFamousWorld
	log     *logBuffer
	dir     string
	config  string

	offset atomic.Int64
	server *http.Server
	rows   *sql.DB
}

// The apps of a world. Every one has this redirect_uri.
const (
	webApp      = "web"   // confidential
	otherApp    = "other" // confidential, a second one
	publicApp   = "spa"   // without a secret
	laxApp      = "lax"   // confidential, need not use PKCE
	localApp    = "corp"  // only globex
	appSecret   = "a-secret-of-32-characters-or-more"
	callbackURI = "https://app.example.com/callback"
	afterLogout = "https://app.example.com/bye"
)

// worldConfig is the configuration; %s are issuer, globex, hooli, initech's metadata.
const worldConfig = `
issuer: %[1]s
admin_listen: ""
database: sqlite:signet.db
apps:
  - {id: web, name: Acme Web, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], post_logout_redirect_uris: [https://app.example.com/bye], initiate_login_uri: https://app.example.com/login}
  - {id: other, name: Other, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], tokens: {signing: ES256}}
  - {id: spa, name: Single Page, redirect_uris: [https://app.example.com/callback, "http://127.0.0.1/native"], tokens: {signing: EdDSA}}
  - {id: lax, name: Lax, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], pkce: optional}
  - {id: corp, name: Corp Only, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], providers: [globex]}
providers:
  - {id: globex, kind: oidc, name: Globex, issuer: "%[2]s", client_id: signet, client_secret: globex-secret}
  - {id: hooli, kind: oidc, name: Hooli, issuer: "%[3]s", client_id: signet, client_secret: globex-secret, domains: [hooli.example]}
  - {id: initech, kind: saml, name: Initech, metadata_url: "%[4]s"}
  - id: local
    kind: password
    name: Acme account
    argon2: {memory: 7168, time: 1, threads: 1}
`

// newWorld starts one. edit may change the configuration's text.
func newWorld(t testing.TB, edit ...func(string) string) *world {
	t.Helper()
	return newWorldOn(t, egress.Options{}, edit...)
}

// newWorldOn starts one whose broker goes out by out, e.g. into an idptest.Internet.
func newWorldOn(t testing.TB, out egress.Options, edit ...func(string) string) *world {
	t.Helper()
	lendAnew()
	w := &world{t: t, dir: t.TempDir(), log: &logBuffer{}, out: out}
	w.globex = w.oidc("Globex")
	w.hooli = w.oidc("Hooli")
	w.initech = idptest.NewSAML(t, idptest.SAMLOptions{SignIn: "peter", Now: time.Now})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.URL = "http://" + l.Addr().String()
	w.config = fmt.Sprintf(worldConfig, w.URL, w.globex.Issuer, w.hooli.Issuer, w.initech.URL+"/metadata")
	for _, e := range edit {
		w.config = e(w.config)
	}
	if err := os.WriteFile(w.configFile(), []byte(w.config), 0o600); err != nil {
		t.Fatal(err)
	}
	w.open()
	w.server = &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.signet.site.ServeHTTP(rw, r) }), MaxHeaderBytes: 32 << 10, ReadHeaderTimeout: 5 * time.Second}
	go w.server.Serve(l)
	t.Cleanup(func() {
		w.server.Close()
		w.signet.close()
	})
	return w
}

func (w *world) configFile() string { return filepath.Join(w.dir, "signet.yaml") }

// open opens the broker from the configuration file; after a close, it is a restart.
func (w *world) open() {
	w.t.Helper()
	cfg, err := loadConfig(w.configFile())
	if err != nil {
		w.t.Fatalf("loadConfig: %v", err)
	}
	w.signet, err = openAt(w.t.Context(), cfg, slog.New(slog.NewJSONHandler(w.log, nil)), w.now, w.out)
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
}

// restart stops the broker and starts it on the same database.
func (w *world) restart() {
	w.t.Helper()
	w.signet.close()
	w.open()
}

func (w *world) oidc(name string) *idptest.OIDC {
	f, err := idptest.StartOIDC(idptest.OIDCOptions{Name: name, Now: time.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { f.Close() })
	return f
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

// pass moves Signet's clock.
func (w *world) pass(d time.Duration) { w.offset.Add(int64(d)) }

// counts are the rows of the tables that a refusal must not touch.
func (w *world) counts() map[string]int {
	w.t.Helper()
	n := map[string]int{}
	for _, table := range []string{"users", "links", "sessions", "artifacts", "families", "apps"} {
		var count int
		if err := w.db().QueryRow("SELECT count(*) FROM " + table).Scan(&count); err != nil {
			w.t.Fatal(err)
		}
		n[table] = count
	}
	return n
}

// db reads the database directly.
func (w *world) db() *sql.DB {
	if w.rows == nil {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(w.dir, "signet.db")+"?mode=ro&_pragma=busy_timeout(5000)")
		if err != nil {
			w.t.Fatal(err)
		}
		w.rows = db
		w.t.Cleanup(func() { db.Close() })
	}
	return w.rows
}

// logBuffer keeps the log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// browser is a person's: it keeps cookies and shows every redirect.
type browser struct {
	w      *world
	client *http.Client
	header http.Header // sent with every request
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w: w, header: http.Header{}, client: &http.Client{
		Jar: jar, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is an answer.
type page struct {
	w        *world
	url      *url.URL
	status   int
	header   http.Header
	body     string
	location *url.URL // of a redirect, absolute; nil: none
}

func (b *browser) do(req *http.Request) *page {
	b.w.t.Helper()
	for k, v := range b.header {
		req.Header[k] = v
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.w.t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.w.t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	p := &page{w: b.w, url: req.URL, status: resp.StatusCode, header: resp.Header, body: string(body)}
	p.location, _ = resp.Location()
	return p
}

// get opens an address: absolute, or a path of Signet's.
func (b *browser) get(address string) *page {
	b.w.t.Helper()
	return b.do(b.request(http.MethodGet, address, ""))
}

// post submits a form as a page of ours would.
func (b *browser) post(address string, form url.Values) *page {
	b.w.t.Helper()
	req := b.request(http.MethodPost, address, form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

func (b *browser) request(method, address, body string) *http.Request {
	b.w.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.w.URL + address
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(b.w.t.Context()), method, address, strings.NewReader(body))
	if err != nil {
		b.w.t.Fatal(err)
	}
	return req
}

// text returns the text of the element with an id; "" when it is not there.
func (p *page) text(id string) string {
	n := p.find(func(n *html.Node) bool { return attribute(n, "id") == id })
	if n == nil {
		return ""
	}
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return strings.TrimSpace(b.String())
}

func (p *page) has(id string) bool {
	return p.find(func(n *html.Node) bool { return attribute(n, "id") == id }) != nil
}

// form returns where the page's first form goes, and its hidden fields.
func (p *page) form() (action string, fields url.Values) {
	fields = url.Values{}
	form := p.find(func(n *html.Node) bool { return n.Data == "form" })
	if form == nil {
		p.w.t.Fatalf("%s: a page without a form (%d): %.300s", p.url.Path, p.status, p.body)
	}
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Data == "input" && attribute(n, "name") != "" {
			fields.Add(attribute(n, "name"), attribute(n, "value"))
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(form)
	to, err := p.url.Parse(attribute(form, "action"))
	if err != nil {
		p.w.t.Fatal(err)
	}
	return to.String(), fields
}

func (p *page) find(match func(*html.Node) bool) *html.Node {
	root, err := html.Parse(strings.NewReader(p.body))
	if err != nil {
		p.w.t.Fatal(err)
	}
	var walk func(*html.Node) *html.Node
	walk = func(n *html.Node) *html.Node {
		if n.Type == html.ElementNode && match(n) {
			return n
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if found := walk(c); found != nil {
				return found
			}
		}
		return nil
	}
	return walk(root)
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func (p *page) String() string {
	return fmt.Sprintf("%d %s %v %s", p.status, p.url.Path, p.location, p.text("reason"))
}

// tokenAnswer is what the token endpoint says.
type tokenAnswer struct {
	status int
	header http.Header
	body   string

	Access      string `json:"access_token"`
	ID          string `json:"id_token"`
	Refresh     string `json:"refresh_token"`
	Type        string `json:"token_type"`
	Expires     int    `json:"expires_in"`
	Scope       string `json:"scope"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// app calls a program's endpoint with the credentials of an app; "" for none.
func (w *world) app(app, path string, form url.Values) tokenAnswer {
	w.t.Helper()
	b := w.browser()
	req := b.request(http.MethodPost, path, form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if app != "" && app != publicApp {
		req.SetBasicAuth(app, appSecret)
	}
	return w.send(req)
}

func (w *world) send(req *http.Request) tokenAnswer {
	w.t.Helper()
	p := w.browser().do(req)
	a := tokenAnswer{status: p.status, header: p.header, body: p.body}
	if strings.HasPrefix(p.header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal([]byte(p.body), &a); err != nil {
			w.t.Fatalf("%s: %v in %.200s", req.URL.Path, err, p.body)
		}
	}
	return a
}
