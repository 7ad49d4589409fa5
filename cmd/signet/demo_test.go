package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// startDemo runs the demo on free ports. What it logs from warnings on fails the test.
func startDemo(t *testing.T) *demo {
	t.Helper()
	var log bytes.Buffer
	d := &demo{out: io.Discard, log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	t.Cleanup(func() {
		begun := time.Now()
		d.close()
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("close took %s, want it to be quick", took)
		}
		if _, err := os.Stat(d.dir); d.dir != "" && !os.IsNotExist(err) {
			t.Errorf("the temporary folder is still there: %v", err)
		}
		if log.Len() > 0 {
			t.Errorf("the demo's log is not quiet:\n%s", &log)
		}
	})
	if err := d.start(t.Context()); err != nil {
		t.Fatalf("start = %v", err)
	}
	return d
}

// demoTab is a browser as far as the demo needs one: cookies, links, forms. Cookies are shared over ports, as
// in real browsers.
type demoTab struct {
	t      *testing.T
	client *http.Client
	url    *url.URL
	status int
	body   string
	doc    *html.Node
}

func newDemoTab(t *testing.T) *demoTab {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &demoTab{t: t, client: &http.Client{Jar: jar, Timeout: 20 * time.Second}}
}

func (b *demoTab) open(address string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(req)
}

func (b *demoTab) do(req *http.Request) {
	b.t.Helper()
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatalf("%s %s = %v", req.Method, req.URL, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.url, b.status, b.body = resp.Request.URL, resp.StatusCode, string(raw)
	if b.doc, err = html.Parse(bytes.NewReader(raw)); err != nil {
		b.t.Fatal(err)
	}
}

func nodeAttr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// byID returns an element, nil when the page has none.
func (b *demoTab) byID(id string) *html.Node {
	for n := range b.doc.Descendants() {
		if n.Type == html.ElementNode && nodeAttr(n, "id") == id {
			return n
		}
	}
	return nil
}

// text is what an element says.
func (b *demoTab) text(id string) string {
	b.t.Helper()
	e := b.byID(id)
	if e == nil {
		b.t.Fatalf("%s (%d) has no #%s:\n%s", b.url, b.status, id, b.body)
	}
	var s strings.Builder
	for n := range e.Descendants() {
		if n.Type == html.TextNode {
			s.WriteString(n.Data)
		}
	}
	return strings.Join(strings.Fields(s.String()), " ")
}

// click follows a link or sends the form of a button, with fill in its fields.
func (b *demoTab) click(id string, fill ...string) {
	b.t.Helper()
	e := b.byID(id)
	if e == nil {
		b.t.Fatalf("%s (%d) has no #%s:\n%s", b.url, b.status, id, b.body)
	}
	if e.Data == "a" {
		to, err := b.url.Parse(nodeAttr(e, "href"))
		if err != nil {
			b.t.Fatal(err)
		}
		b.open(to.String())
		return
	}
	var form *html.Node
	for n := range e.Ancestors() {
		if n.Data == "form" {
			form = n
			break
		}
	}
	values := url.Values{}
	for n := range form.Descendants() {
		if n.Data == "input" {
			values.Add(nodeAttr(n, "name"), nodeAttr(n, "value"))
		}
	}
	if name := nodeAttr(e, "name"); name != "" {
		values.Set(name, nodeAttr(e, "value"))
	}
	for i := 0; i+1 < len(fill); i += 2 {
		values.Set(fill[i], fill[i+1])
	}
	to, err := b.url.Parse(nodeAttr(form, "action"))
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, to.String(), strings.NewReader(values.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", b.url.Scheme+"://"+b.url.Host)
	b.do(req)
}

// signedInAs checks who an app says is there.
func (b *demoTab) signedInAs(app demoClient, name string) {
	b.t.Helper()
	if got := b.text("name"); got != name || "http://"+b.url.Host != app.URL {
		b.t.Fatalf("%s says %q, want %q at %s", b.url, got, name, app.URL)
	}
}

func TestDemoSignsInEverywhere(t *testing.T) {
	d := startDemo(t)
	if len(d.cfg.Warnings) > 0 {
		t.Errorf("the demo's configuration has warnings: %v", d.cfg.Warnings)
	}
	for _, c := range []struct {
		name, email, group string
		signIn             func(b *demoTab)
	}{
		{"Hana Scorpio", "hana@globex.example", "admins", func(b *demoTab) { b.click("provider-globex"); b.click("person-hana") }},
		{"Odile Brandt", "odile@globex.example", "contractors", func(b *demoTab) { b.click("provider-globex"); b.click("person-odile") }},
		{"Milo Waddell", "milo@initech.example", "facilities", func(b *demoTab) { b.click("provider-initech"); b.click("person-milo"); b.click("continue") }},
		{"Ann Archer", "ann@example.com", "friends", func(b *demoTab) {
			b.click("provider-local")
			b.click("submit", "username", "ann", "password", "violet-teapot-7")
		}},
		{"Petra Gibson", "petra@initech.example", "engineering", func(b *demoTab) {
			b.click("email-submit", "email", "petra@initech.example")
			b.click("person-petra")
			b.click("continue")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newDemoTab(t)
			b.open(d.app.URL)
			b.click("sign-in")
			c.signIn(b)
			b.signedInAs(d.app, c.name)
			if got := b.text("email"); got != c.email {
				t.Errorf("e-mail = %q, want %q", got, c.email)
			}
			for _, token := range []string{"id-token", "access-token"} {
				if got := b.text(token); !strings.Contains(got, c.group) {
					t.Errorf("#%s does not name the group %s: %s", token, c.group, got)
				}
			}
			refreshes(b, d.app, c.name)

			b.click("other-app")
			b.signedInAs(d.second, c.name)

			b.click("sign-out")
			b.text("signed-out")
			b.open(d.second.URL)
			if b.byID("sign-in") == nil {
				t.Errorf("the second app still shows somebody after the sign-out")
			}
			b.endedAt(d.app)
			b.click("sign-in")
			if b.byID("choose") == nil {
				t.Errorf("after the sign-out Signet asks nobody: %s\n%s", b.url, b.body)
			}
		})
	}
}

// refreshes checks that Refresh brings other tokens and says so, twice.
func refreshes(b *demoTab, app demoClient, name string) {
	b.t.Helper()
	for range 2 {
		before := b.text("raw-refresh")
		b.click("refresh")
		b.signedInAs(app, name)
		if after := b.text("raw-refresh"); after == before {
			b.t.Errorf("the refresh token is the same after a refresh")
		}
		if news := b.text("refreshed"); strings.Count(news, "jti") != 2 {
			b.t.Errorf("Refresh does not tell that both tokens are new: %s", news)
		}
	}
}

func TestDemoShortcutsLeadToOneProvider(t *testing.T) {
	d := startDemo(t)
	for way, landmark := range map[string]string{"way-globex": "person-marek", "way-initech": "person-petra", "way-local": "password"} {
		b := newDemoTab(t)
		b.open(d.app.URL)
		b.click(way)
		if b.byID(landmark) == nil {
			t.Errorf("#%s leads to %s, which has no #%s", way, b.url, landmark)
		}
	}
}

func TestDemoCancelledSignInGoesOn(t *testing.T) {
	d := startDemo(t)
	b := newDemoTab(t)
	b.open(d.app.URL)
	b.click("way-initech")
	b.click("cancel")
	b.click("continue")
	if b.byID("error") == nil || b.byID("reason") == nil {
		t.Fatalf("a cancelled sign-in shows no error: %s\n%s", b.url, b.body)
	}
}

// The apps' cookies must not be taken for each other's, nor for Signet's: a browser sends all of a host's
// to each of its ports.
func TestDemoCookiesDoNotCollide(t *testing.T) {
	d := startDemo(t)
	b := newDemoTab(t)
	b.open(d.app.URL)
	b.click("way-globex")
	b.click("person-hana")
	b.click("other-app")
	b.signedInAs(d.second, "Hana Scorpio")
	b.click("switch")
	b.click("provider-local")
	b.click("submit", "username", "ben", "password", "quiet-harbour-9")
	b.signedInAs(d.second, "Ben Okafor")
	b.endedAt(d.app) // Hana's session has ended, and with it what she had there
	b.open(d.second.URL)
	b.signedInAs(d.second, "Ben Okafor")
}

// endedAt waits until an app has heard that the session has ended.
func (b *demoTab) endedAt(app demoClient) {
	b.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if b.open(app.URL); b.byID("ended") != nil {
			return
		}
	}
	b.t.Errorf("%s has not heard that the session has ended", app.Name)
}

func TestDemoTakesAnotherPortAndSaysSo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	var out bytes.Buffer
	d := &demo{out: &out, log: slog.New(slog.DiscardHandler), ports: ports{signet: taken, second: taken}}
	defer d.close()
	if err := d.start(t.Context()); err != nil {
		t.Fatalf("start = %v", err)
	}
	if got := strings.Count(out.String(), "is taken: "); got != 2 {
		t.Errorf("%d lines tell of a taken port, want 2:\n%s", got, &out)
	}
	b := newDemoTab(t)
	b.open(d.app.URL)
	b.click("way-globex")
	b.click("person-hana")
	b.signedInAs(d.app, "Hana Scorpio")
}

func TestDemoTellsWhereToBegin(t *testing.T) {
	var out bytes.Buffer
	d := &demo{out: &out, app: demoClient{URL: "http://127.0.0.1:5555"}}
	d.tell()
	for _, want := range []string{"http://127.0.0.1:5555", "ann", "violet-teapot-7", "ben", "quiet-harbour-9", "Hana Scorpio", "Marek Dunne", "Odile Brandt", "Petra Gibson", "Milo Waddell"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not tell %q:\n%s", want, &out)
		}
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 81 {
			t.Errorf("a line of %d characters does not fit a terminal: %s", len(line)-1, line)
		}
	}
}
