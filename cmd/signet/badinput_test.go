package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// row is one input that must be refused or, as a control, accepted, sent to a whole Signet. An id with
// several inputs has several rows and counts once.
type row struct {
	id, name string
	control  bool
	status   int    // of the answer; 0: do has looked at it itself
	reason   string // the app's error, the endpoint's error, or for a page the word in the log; "": there must be none
	event    string // the reason that a login.refused event with the request's ID must give; "": none is looked for
	fresh    bool   // gets a world of its own
	harsh    bool   // could harm the process: an honest login must work right after it
	// do sends it and returns the answer that counts; nil where there is no answer, only what it has seen
	// to itself.
	do func(w *trial) *page
}

// trial is a world while a row is at work in it.
type trial struct {
	*world
	before map[string]int
}

// ready says that what a row needs is there. A refused row must leave behind nothing from here on.
func (w *trial) ready() { w.before = w.counts() }

// group is the rows that share a world.
type group struct {
	name string
	edit []func(string) string // changes the configuration
	rows func() []row
}

// groups are all of them.
var groups = []group{
	{name: "authorize", rows: authorizeRows},
}

// tally counts ids, not rows.
type tally struct {
	refused, accepted map[string]bool // id: all of its rows have held
	panics, sessions  int
}

func (y *tally) note(r row, held bool) {
	m := y.refused
	if r.control {
		m = y.accepted
	}
	was, known := m[r.id]
	m[r.id] = held && (was || !known)
}

func (y *tally) String() string {
	count := func(m map[string]bool) (held int) {
		for _, ok := range m {
			if ok {
				held++
			}
		}
		return held
	}
	return fmt.Sprintf("%d of %d bad inputs refused, %d of %d controls accepted, %d panics, %d new sessions",
		count(y.refused), len(y.refused), count(y.accepted), len(y.accepted), y.panics, y.sessions)
}

// TestBadInput sends every row and ends with the line that counts them.
func TestBadInput(t *testing.T) {
	y := &tally{refused: map[string]bool{}, accepted: map[string]bool{}}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) { g.run(t, y) })
	}
	fmt.Println(y)
}

func (g *group) run(t *testing.T, y *tally) {
	shared := g.world(t)
	for _, r := range g.rows() {
		held := t.Run(r.id+" "+r.name, func(t *testing.T) {
			w := shared
			if r.fresh {
				w = g.world(t)
			}
			defer func(was testing.TB) { w.t = was }(w.t)
			w.t = t
			r.run(w, y)
			if r.fresh {
				w.closeCleanly(y)
			}
		})
		y.note(r, held)
	}
	shared.closeCleanly(y)
}

// world starts the group's world, with the accounts that rows use.
func (g *group) world(t testing.TB) *world {
	w := newWorld(t, g.edit...)
	w.addAccount("ann", "ann@acme.example")
	w.addAccount("bob", "bob@acme.example")
	w.db() // open for as long as the world is
	return w
}

// closeCleanly looks at what a world's rows leave behind: it still works, has met no panic but those that
// were planned, and its log tells no secret.
func (w *world) closeCleanly(y *tally) {
	w.t.Helper()
	w.alive()
	log := w.log.String()
	if n := strings.Count(log, `"msg":"panic"`) - strings.Count(log, `"panic":"`+plannedPanic+`"`); n > 0 {
		y.panics += n
		w.t.Errorf("%d panics\n%s", n, log)
	}
	for _, s := range secretsIn(log) {
		w.t.Errorf("the log tells a secret: %s", s)
	}
}

// plannedPanic is what a row panics with to see what comes of it.
const plannedPanic = "planned"

// alive is an honest login.
func (w *world) alive() {
	w.t.Helper()
	w.offset.Store(0)
	w.globex.Honest()
	if a := w.tokens(webApp, "globex", "ann"); a.ID == "" {
		w.t.Fatal("an honest login gives no ID token")
	}
}

func (r row) run(world *world, y *tally) {
	t := world.t
	w := &trial{world: world}
	w.ready()
	defer world.offset.Store(0)
	p := r.do(w)
	if p != nil {
		r.check(w, p)
	}
	if after := w.counts(); !r.control && !maps.Equal(w.before, after) {
		y.sessions += max(0, after["sessions"]-w.before["sessions"])
		t.Errorf("rows are %v, were %v", after, w.before)
	}
	if r.harsh {
		w.alive()
	}
}

// check compares the answer with what must come.
func (r row) check(w *trial, p *page) {
	t := w.t
	t.Helper()
	if r.status != 0 && p.status != r.status {
		t.Errorf("status %d, want %d: %v", p.status, r.status, p)
	}
	if got := w.reason(p); got != r.reason {
		t.Errorf("reason %q, want %q: %v", got, r.reason, p)
	}
	if r.event != "" {
		w.wantEvent(p, r.event)
	}
	if !r.control {
		for _, c := range (&http.Response{Header: p.header}).Cookies() {
			if strings.HasSuffix(c.Name, "-session") && c.Value != "" {
				t.Errorf("a session's cookie is set: %v", p)
			}
		}
	}
	w.wellFormed(p, r.status)
}

// wellFormed checks what is true of every answer of Signet's. status is what the row wants.
func (w *trial) wellFormed(p *page, status int) {
	t := w.t
	t.Helper()
	if p.header.Get("X-Request-Id") == "" {
		if p.status != http.StatusBadRequest && p.status != http.StatusRequestHeaderFieldsTooLarge { // the server's own, before ours
			t.Errorf("no request ID: %v", p)
		}
		return
	}
	switch {
	case p.status >= 500 && status < 500:
		t.Errorf("a failure of ours: %v", p)
	case !strings.HasPrefix(p.header.Get("Cache-Control"), "no-store") && p.header.Get("Allow") == "" && p.url.Path != "/jwks":
		t.Errorf("may be cached: %v", p)
	}
	if p.location != nil && p.status != http.StatusSeeOther {
		t.Errorf("a redirect with %d", p.status)
	}
	if p.toApp() && p.location.Query().Get("iss") != w.URL {
		t.Errorf("iss = %q in the answer to the app", p.location.Query().Get("iss"))
	}
	if sent := p.url.Query(); p.toApp() && p.url.Path == "/authorize" && len(sent["state"]) < 2 && p.location.Query().Get("state") != sent.Get("state") {
		t.Errorf("state = %.60q, sent %.60q", p.location.Query().Get("state"), sent.Get("state"))
	}
	if !strings.HasPrefix(p.header.Get("Content-Type"), "text/html") {
		return
	}
	if csp := p.header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || p.header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("a page that can be framed or run scripts: %q", csp)
	}
	if p.header.Get("Referrer-Policy") != "no-referrer" {
		t.Error("a page that tells where its visitor was")
	}
	if p.find(func(n *html.Node) bool { return n.Data == "script" && attribute(n, "src") == "" }) != nil {
		t.Errorf("a page with a script of its own: %v", p)
	}
	if p.status >= 400 && p.text("request-id") == "" && !p.has("password") {
		t.Errorf("an error page without a request ID: %v", p)
	}
}

// toApp tells whether an answer sends the browser to the app.
func (p *page) toApp() bool {
	return p.location != nil && strings.HasPrefix(p.location.String(), callbackURI+"?")
}

// reason is the one word of a refusal, as whoever it is for learns it.
func (w *trial) reason(p *page) string {
	w.t.Helper()
	if p.toApp() {
		return p.location.Query().Get("error")
	}
	if strings.HasPrefix(p.header.Get("Content-Type"), "application/json") {
		var body struct{ Error string }
		if err := json.Unmarshal([]byte(p.body), &body); err != nil {
			w.t.Errorf("not JSON: %.200s", p.body)
		}
		return body.Error
	}
	if p.status < 400 {
		return ""
	}
	return w.logged(p)["reason"]
}

// logged is the line that the log has for a request. It is written a moment after the answer.
func (w *world) logged(p *page) map[string]string {
	w.t.Helper()
	id := p.header.Get("X-Request-Id")
	if id == "" {
		return nil
	}
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for line := range strings.Lines(w.log.String()) {
			if !strings.Contains(line, id) || !strings.Contains(line, `"msg":"request"`) {
				continue
			}
			var all map[string]any
			if err := json.Unmarshal([]byte(line), &all); err != nil {
				w.t.Fatalf("log: %v", err)
			}
			said := map[string]string{}
			for k, v := range all {
				said[k] = fmt.Sprint(v)
			}
			return said
		}
	}
	w.t.Fatalf("the log has no line for request %s", id)
	return nil
}

// wantEvent checks that a refusal is kept with its reason.
func (w *world) wantEvent(p *page, reason string) {
	w.t.Helper()
	var got string
	err := w.db().QueryRow("SELECT reason FROM events WHERE type = 'login.refused' AND request_id = ?", p.header.Get("X-Request-Id")).Scan(&got)
	if err != nil || got != reason {
		w.t.Errorf("the event says %q (%v), want %q", got, err, reason)
	}
}

// Secrets have shapes that nothing else in a log has: our own are 52 characters of base32, every token is
// a JOSE object, and a SAML message is XML, plain or in base64.
var secretShapes = []*regexp.Regexp{
	regexp.MustCompile(`[A-Z2-7]{52}`),
	regexp.MustCompile(`eyJ[A-Za-z0-9_-]{12}`),
	regexp.MustCompile(`<\w*:?(Response|Assertion|AuthnRequest)\b`),
	regexp.MustCompile(`(PHNhbWx|PD94bWw|PFJlc3Bvbn|PEFzc2Vyd|PG1kO)[A-Za-z0-9+/]*`),
	regexp.MustCompile(`\$argon2`),
	regexp.MustCompile(`-----BEGIN`),
}

// secretWords are those that the rows use.
var secretWords = []string{appSecret, "correct horse battery", "correct%20horse", "globex-secret", verifier}

func secretsIn(log string) []string {
	var found []string
	for line := range strings.Lines(log) {
		told := slices.ContainsFunc(secretWords, func(s string) bool { return strings.Contains(line, s) }) ||
			slices.ContainsFunc(secretShapes, func(s *regexp.Regexp) bool { return s.MatchString(line) })
		if told {
			found = append(found, line)
		}
	}
	return found
}

// TestSecretsAreSeen holds the search for secrets to secrets as they are.
func TestSecretsAreSeen(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	back := b.atInitech(b.authorize(webApp, url.Values{"provider": {"initech"}}), nil)
	got := b.atApp(b.get(back.location.String()))
	a := w.redeem(webApp, got.Get("code"), nil)
	home, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{got.Get("code"), a.Access, a.ID, a.Refresh, appSecret, verifier, `<samlp:Response ID="x">`, "PHNhbWxwOlJlc3BvbnNl"}
	for _, c := range b.client.Jar.Cookies(home) {
		secrets = append(secrets, c.Value)
	}
	for _, s := range secrets {
		if len(secretsIn(`{"error":"`+s+`"}`)) != 1 {
			t.Errorf("%.40q is not taken for a secret", s)
		}
	}
	if found := secretsIn(w.log.String()); len(found) > 0 {
		t.Errorf("an honest login's log: %s", found)
	}
}
