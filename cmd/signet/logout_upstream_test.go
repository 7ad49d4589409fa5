package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/signet-broker/signet/broker"
)

// withLogout has sign-outs here handed upstream.
func withLogout(c string) string {
	c = strings.Replace(c, "{id: globex, ", "{id: globex, logout: true, ", 1)
	return strings.Replace(c, "{id: initech, ", "{id: initech, logout: true, ", 1)
}

// leave signs a person out by the app's wish, and returns where the browser goes first.
func (s signedIn) leave(with url.Values) *page {
	s.w.t.Helper()
	q := url.Values{"id_token_hint": {s.tokens.ID}, "post_logout_redirect_uri": {afterLogout}, "state": {"x&y"}}
	for k, v := range with {
		q[k] = v
	}
	return s.get("/logout?" + q.Encode())
}

// there follows the browser to an upstream and returns the address that it comes back to.
func (s signedIn) there(p *page) string {
	s.w.t.Helper()
	if p.location == nil {
		s.w.t.Fatalf("not sent upstream: %v", p)
	}
	back := s.w.browser().get(p.location.String())
	if back.location == nil || !strings.HasPrefix(back.location.String(), s.w.URL) {
		s.w.t.Fatalf("not sent back: %v %s", back, back.body)
	}
	return back.location.String()
}

func TestSignOutGoesUpstreamAndComesBack(t *testing.T) {
	w := newWorld(t, withLogout)
	for _, provider := range []string{"globex", "initech"} {
		s := w.person(provider, "ann", webApp)
		p := s.leave(nil)
		if p.location == nil || strings.HasPrefix(p.location.String(), afterLogout) {
			t.Fatalf("%s: logout = %v", provider, p)
		}
		if n := w.counts()["sessions"]; n != 0 || s.cookie(sessionCookie) != "" {
			t.Errorf("%s: still signed in here while the browser is there", provider)
		}
		back := s.there(p)
		if p := s.get(back); p.location == nil || p.location.String() != afterLogout+"?state=x%26y" {
			t.Errorf("%s: back from there = %v", provider, p)
		}
		if e := w.lastEvent(broker.LogoutFinished); e.App != webApp || e.Provider != provider {
			t.Errorf("%s: event %+v", provider, e)
		}
		if p := s.get(back); p.status != http.StatusBadRequest || p.location != nil {
			t.Errorf("%s: back a second time = %v", provider, p)
		}
	}
	sent := w.initech.Logouts()
	if len(sent) != 1 || sent[0].NameID.Value == "" || len(sent[0].Sessions) != 1 {
		t.Errorf("initech was sent %+v", sent)
	}

	// Without an address of the app's: our own page.
	s := w.person("globex", "ann", webApp)
	p := s.get(s.there(s.leave(url.Values{"post_logout_redirect_uri": nil})))
	if p.status != http.StatusOK || !p.has("logged-out") {
		t.Errorf("back without an address = %v", p)
	}
	// After the page that asks.
	s = w.person("globex", "ann", webApp)
	action, form := s.get("/logout").form()
	form.Set("confirm", "yes")
	if p := s.get(s.there(s.post(action, form))); p.status != http.StatusOK || !p.has("logged-out") {
		t.Errorf("back after the page that asks = %v", p)
	}
}

// TestSignOutIsDoneWhateverTheUpstreamDoes: an upstream that is down keeps nobody signed in here.
func TestSignOutIsDoneWhateverTheUpstreamDoes(t *testing.T) {
	w := newWorld(t, withLogout)
	s := w.person("globex", "ann", webApp)
	w.globex.Down()
	w.restart() // what it knew of the upstream is gone
	if p := s.leave(nil); p.location == nil || p.location.String() != afterLogout+"?state=x%26y" {
		t.Errorf("logout = %v", p)
	}
	if n := w.counts()["sessions"]; n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// TestAddressOfALogoutIsCheckedWhenItIsUsed: what an app has lost since is not gone to.
func TestAddressOfALogoutIsCheckedWhenItIsUsed(t *testing.T) {
	w := newWorld(t, withLogout)
	s := w.person("globex", "ann", webApp)
	back := s.there(s.leave(nil))
	(&trial{world: w}).reconfigure("post_logout_redirect_uris: ["+afterLogout+"]", "post_logout_redirect_uris: []")
	if p := s.get(back); p.location != nil || !p.has("logged-out") {
		t.Errorf("back to an address that is registered no more: %v", p)
	}
	s = w.person("globex", "ann", webApp)
	back = s.there(s.get("/logout?" + url.Values{"id_token_hint": {s.tokens.ID}}.Encode()))
	w.pass(11 * time.Minute)
	if p := s.get(back); p.status != http.StatusBadRequest || w.logReason(p) != "state_invalid" {
		t.Errorf("back after 11 minutes = %v", p)
	}
}

// logReason is the reason that the log gives for an answer.
func (w *world) logReason(p *page) string {
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, p.header.Get("X-Request-Id")) {
			if _, rest, ok := strings.Cut(line, `"reason":"`); ok {
				reason, _, _ := strings.Cut(rest, `"`)
				return reason
			}
		}
	}
	return ""
}

// TestAppsAreToldThroughTheBrowser is OpenID Connect Front-Channel Logout.
func TestAppsAreToldThroughTheBrowser(t *testing.T) {
	const page1, page2 = "https://app.example.com/out?x=1", "http://127.0.0.1:9/out"
	w := newWorld(t, withLogout, func(c string) string {
		c = strings.Replace(c, "{id: web,", `{id: web, frontchannel_logout_uri: "`+page1+`", frontchannel_logout_session_required: true,`, 1)
		c = strings.Replace(c, "{id: other,", `{id: other, frontchannel_logout_uri: "https://app.example.com/other",`, 1)
		c = strings.Replace(c, "{id: spa,", `{id: spa, frontchannel_logout_uri: "`+page2+`",`, 1)
		return strings.Replace(c, "http://127.0.0.1/native", "http://127.0.0.1:9/native", 1)
	})
	check := func(p *page, s signedIn, forward string) {
		t.Helper()
		var frames []string
		p.find(func(n *html.Node) bool {
			if n.Data == "iframe" {
				frames = append(frames, attribute(n, "src"))
			}
			return false
		})
		slices.Sort(frames)
		query := url.Values{"iss": {w.URL}, "sid": {s.sid}}.Encode()
		if want := []string{page2 + "?" + query, page1[:len(page1)-4] + "?" + query + "&x=1"}; !slices.Equal(frames, want) {
			t.Errorf("frames %q, want %q", frames, want)
		}
		if csp := p.header.Get("Content-Security-Policy"); !strings.HasSuffix(csp, "; frame-src https://app.example.com http://127.0.0.1:9") && !strings.HasSuffix(csp, "; frame-src http://127.0.0.1:9 https://app.example.com") {
			t.Errorf("policy %q", csp)
		}
		if got := p.find(func(n *html.Node) bool { return n.Data == "meta" && attribute(n, "http-equiv") == "refresh" }); (got != nil) != (forward != "") || got != nil && !strings.HasSuffix(attribute(got, "content"), "url="+forward) {
			t.Errorf("goes on by %v, want %q", got, forward)
		}
	}
	s := w.person("hooli", "ann", webApp, publicApp)
	check(s.leave(nil), s, afterLogout+"?state=x%26y")
	s = w.person("hooli", "ann", webApp, publicApp)
	check(s.leave(url.Values{"post_logout_redirect_uri": nil}), s, "")
	s = w.person("globex", "ann", webApp, publicApp) // by way of the upstream
	check(s.get(s.there(s.leave(nil))), s, afterLogout+"?state=x%26y")
	if p := w.browser().get("/logout"); strings.Contains(p.header.Get("Content-Security-Policy"), "frame-src") || strings.Contains(p.body, "iframe") {
		t.Errorf("frames for nobody: %v", p)
	}
}

// TestUpstreamSignsOutByTheBrowser: a SAML identity provider's request ends the session that it names, and
// takes the cookie of the browser that brings it.
func TestUpstreamSignsOutByTheBrowser(t *testing.T) {
	w := newWorld(t)
	s, other := w.person("initech", "peter", webApp), w.person("globex", "ann", webApp)
	query, err := w.initech.LogoutRequest(w.URL+"/saml/initech/slo", "peter").Query()
	if err != nil {
		t.Fatal(err)
	}
	if p := other.get("/saml/initech/slo?" + query); p.location == nil || other.cookie(sessionCookie) == "" || !other.alive() {
		t.Errorf("somebody else's browser brought it: %v", p)
	}
	if s.alive() {
		t.Error("the session lives on")
	}
	s = w.person("initech", "peter", webApp)
	m := w.initech.LogoutRequest(w.URL+"/saml/initech/slo", "peter")
	m.RelayState = "https://evil.example/"
	if query, err = m.Query(); err != nil {
		t.Fatal(err)
	}
	p := s.get("/saml/initech/slo?" + query)
	if p.location == nil || !strings.HasPrefix(p.location.String(), w.initech.URL) || p.location.Query().Get("RelayState") != m.RelayState {
		t.Fatalf("not answered: %v", p)
	}
	if s.cookie(sessionCookie) != "" || w.counts()["sessions"] != 1 {
		t.Errorf("cookie %q, %d sessions", s.cookie(sessionCookie), w.counts()["sessions"])
	}
	if p := s.get(p.location.String()); p.status != http.StatusOK {
		t.Errorf("the identity provider does not take the answer: %v %s", p, p.body)
	}
	if sent := w.initech.Logouts(); len(sent) != 1 || !strings.HasSuffix(sent[0].Status.Value, ":Success") || sent[0].Status.Second.Value != "" {
		t.Errorf("answers %+v", sent)
	}
	if e := w.lastEvent(broker.SessionEnded); e.Reason != broker.EndedUpstream || e.Provider != "initech" {
		t.Errorf("event %+v", e)
	}
}
