package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/internal/idptest"
)

// receiver is where apps are told of ended sessions: each at a path of its name.
type receiver struct {
	t       *testing.T
	server  *httptest.Server
	mu      sync.Mutex
	got     map[string][]*oidc.LogoutToken // what was taken, by app
	asked   map[string]int
	answers map[string][]int // the status of the next answers; then 200
	verify  map[string]*oidc.IDTokenVerifier
}

// newReceiver starts one and returns what tells a world of it.
func newReceiver(t *testing.T) (*receiver, func(string) string) {
	r := &receiver{t: t, got: map[string][]*oidc.LogoutToken{}, asked: map[string]int{}, answers: map[string][]int{}}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	return r, func(c string) string {
		for _, app := range []string{webApp, otherApp} {
			c = strings.Replace(c, "{id: "+app+",", fmt.Sprintf("{id: %s, backchannel_logout_uri: %s/%s,", app, r.server.URL, app), 1)
		}
		return c
	}
}

// trust has tokens verified by a client that nobody here wrote.
func (r *receiver) trust(w *world) {
	r.t.Helper()
	client, err := oidc.NewProvider(r.t.Context(), w.URL)
	if err != nil {
		r.t.Fatal(err)
	}
	r.verify = map[string]*oidc.IDTokenVerifier{}
	for app, alg := range map[string]string{webApp: "RS256", otherApp: "ES256"} {
		r.verify[app] = client.Verifier(&oidc.Config{ClientID: app, SupportedSigningAlgs: []string{alg}, Now: w.now})
	}
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	app := strings.TrimPrefix(req.URL.Path, "/")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked[app]++
	if next := r.answers[app]; len(next) > 0 {
		r.answers[app] = next[1:]
		if next[0] != http.StatusOK {
			w.Header().Set("Location", r.server.URL+"/"+app+"?elsewhere")
			w.WriteHeader(next[0])
			return
		}
	}
	token, err := r.verify[app].VerifyLogout(context.Background(), req.PostFormValue("logout_token"))
	if err != nil || req.Method != http.MethodPost || len(req.PostForm) != 1 || token.Expiry.Sub(token.IssuedAt) != 2*time.Minute {
		r.t.Errorf("%s %s %v: %v", req.Method, app, req.PostForm, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.got[app] = append(r.got[app], token)
}

// sessions are the sid that an app was told of, sorted.
func (r *receiver) sessions(app string) (sids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.got[app] {
		sids = append(sids, t.SessionID)
	}
	slices.Sort(sids)
	return sids
}

func (r *receiver) requests(app string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked[app]
}

// telling runs the sender until the test ends or stop is called.
func (w *world) telling() (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.signet.tell.Run(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	return stop
}

// until waits for something that happens beside the test.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(15 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("in vain: %s\n%s", what, w.log)
		}
	}
}

func (w *world) notices() (n int) {
	w.t.Helper()
	if err := w.db().QueryRow("SELECT count(*) FROM notices").Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// alive tells whether a browser is signed in.
func (b *browser) alive() bool {
	b.w.t.Helper()
	return b.atApp(b.authorize(webApp, url.Values{"prompt": {"none"}})).Get("code") != ""
}

// person is somebody's browser, signed in to some apps, and what the first of them got.
type signedIn struct {
	*browser
	tokens tokenAnswer
	sub    string
	sid    string
}

// person signs somebody in to apps with a new browser; the first without a refresh token.
func (w *world) person(provider, name string, apps ...string) signedIn {
	w.t.Helper()
	s := signedIn{browser: w.browser()}
	for i, app := range apps {
		code := ""
		if i == 0 {
			p := s.authorize(app, url.Values{"provider": {provider}, "scope": {"openid email"}})
			switch provider {
			case "globex":
				p = s.atGlobex(p, w.globex, name)
			case "hooli":
				p = s.atGlobex(p, w.hooli, name)
			case "initech":
				p = s.get(s.atInitech(p, nil).location.String())
			case "local":
				p = s.password(s.get(p.location.String()), name, "correct horse battery")
			}
			code = s.atApp(p).Get("code")
		} else {
			code = s.atApp(s.authorize(app, nil)).Get("code")
		}
		a := w.redeem(app, code, nil)
		if a.status != http.StatusOK {
			w.t.Fatalf("token = %d %s", a.status, a.body)
		}
		if i == 0 {
			s.tokens = a
		}
	}
	var c struct{ Sub, SID string }
	decodeClaims(w.t, s.tokens.ID, &c)
	s.sub, s.sid = c.Sub, c.SID
	return s
}

// logoutToken posts what an upstream says of a sign-out to its endpoint.
func (w *world) logoutToken(provider, token string) *page {
	w.t.Helper()
	return w.browser().post("/callback/"+provider+"/logout", url.Values{"logout_token": {token}})
}

// ofPerson is a logout token about a person, whichever sessions they have there.
var ofPerson = &idptest.OIDCRow{Claims: func(_ *idptest.OIDC, c map[string]any) { delete(c, "sid") }}

func TestUpstreamEndsThatPersonsSessionsAndTheirAppsAreTold(t *testing.T) {
	r, receivers := newReceiver(t)
	w := newWorld(t, receivers)
	r.trust(w)
	first, second := w.person("globex", "ann", webApp, otherApp), w.person("globex", "ann", webApp)
	bob, namesake := w.person("globex", "bob", webApp, otherApp), w.person("hooli", "ann", webApp)
	offline := w.redeem(otherApp, first.atApp(first.authorize(otherApp, nil)).Get("code"), nil)
	w.telling()

	p := w.logoutToken("globex", w.globex.LogoutToken("ann", ofPerson))
	if p.status != http.StatusOK || p.body != "" || p.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("logout token = %v %q, Cache-Control %q", p, p.body, p.header.Get("Cache-Control"))
	}
	if first.alive() || second.alive() {
		t.Error("a session that its upstream has ended lives on")
	}
	if !bob.alive() || !namesake.alive() {
		t.Error("a session of somebody else has ended")
	}
	if p := w.userinfo(first.tokens.Access); p.status != http.StatusUnauthorized {
		t.Errorf("userinfo after the end = %d", p.status)
	}
	if a := w.refresh(otherApp, offline.Refresh); a.status != http.StatusOK {
		t.Errorf("offline access has ended: %d %s", a.status, a.Error)
	}
	sids := []string{first.sid, second.sid}
	slices.Sort(sids)
	w.until("the apps are told", func() bool { return len(r.sessions(webApp)) == 2 && len(r.sessions(otherApp)) == 1 && w.notices() == 0 })
	if got := r.sessions(webApp); !slices.Equal(got, sids) {
		t.Errorf("web was told of %v, want %v", got, sids)
	}
	if got := r.got[otherApp][0]; got.SessionID != first.sid || got.Subject != first.sub || got.TokenID == "" {
		t.Errorf("other was told of %+v", got)
	}
	if e := w.lastEvent(broker.SessionEnded); e.Reason != broker.EndedUpstream || e.Provider != "globex" {
		t.Errorf("event %+v", e)
	}
	if e := w.lastEvent(broker.LogoutReceived); e.Provider != "globex" || e.RequestID == "" {
		t.Errorf("event %+v", e)
	}
}

func TestUpstreamEndsOneOfItsSessions(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.person("globex", "ann", webApp), w.person("globex", "bob", webApp)
	for name, claims := range map[string]func(map[string]any){
		"another session":              func(c map[string]any) { c["sid"] = "sid-other" },
		"another session alone":        func(c map[string]any) { c["sid"] = "sid-other"; delete(c, "sub") },
		"the session of somebody else": func(c map[string]any) { c["sid"] = "sid-bob" },
	} {
		row := &idptest.OIDCRow{Claims: func(_ *idptest.OIDC, c map[string]any) { claims(c) }}
		if p := w.logoutToken("globex", w.globex.LogoutToken("ann", row)); p.status != http.StatusOK || !ann.alive() || !bob.alive() {
			t.Errorf("%s: %v, and somebody is signed out", name, p)
		}
	}
	alone := &idptest.OIDCRow{Claims: func(_ *idptest.OIDC, c map[string]any) { delete(c, "sub") }}
	if p := w.logoutToken("globex", w.globex.LogoutToken("ann", alone)); p.status != http.StatusOK || ann.alive() || !bob.alive() {
		t.Errorf("the session alone: %v", p)
	}
	if p := w.logoutToken("globex", w.globex.LogoutToken("bob", nil)); p.status != http.StatusOK || bob.alive() {
		t.Errorf("the person and the session: %v", p)
	}
}

// TestEveryEndTellsTheApps: however a session ends, its apps hear of it.
func TestEveryEndTellsTheApps(t *testing.T) {
	r, receivers := newReceiver(t)
	w := newWorld(t, receivers)
	r.trust(w)
	w.addAccount("ann", "ann@acme.example")
	w.telling()
	event := func() broker.Event { return broker.Event{ID: rand.Text(), Time: w.now(), Type: "x"} }
	for _, c := range []struct {
		name     string
		provider string
		end      func(s signedIn)
	}{
		{"the person signs out", "globex", func(s signedIn) { s.get("/logout?" + url.Values{"id_token_hint": {s.tokens.ID}}.Encode()) }},
		{"somebody else signs in", "globex", func(s signedIn) {
			s.atApp(s.atGlobex(s.authorize(webApp, url.Values{"provider": {"globex"}, "prompt": {"login"}}), w.globex, "bob"))
		}},
		{"the user is disabled", "hooli", func(s signedIn) {
			if err := w.signet.db.SetDisabled(t.Context(), s.sub, true, event()); err != nil {
				t.Error(err)
			}
		}},
		{"the user's sessions are ended", "initech", func(s signedIn) {
			if err := w.signet.db.EndSessions(t.Context(), s.sub, event()); err != nil {
				t.Error(err)
			}
		}},
		{"the password is set", "local", func(s signedIn) {
			e := event()
			e.Provider = "local"
			if err := w.signet.db.SetPassword(t.Context(), "local", "ann", "$argon2id$x", e); err != nil {
				t.Error(err)
			}
		}},
	} {
		s := w.person(c.provider, "ann", webApp, otherApp)
		c.end(s)
		w.until(c.name+": the apps are told", func() bool {
			return slices.Contains(r.sessions(webApp), s.sid) && slices.Contains(r.sessions(otherApp), s.sid)
		})
	}
	w.until("nothing is left", func() bool { return w.notices() == 0 })
}

// TestSameSessionSignedInAgainIsNotEnded: a person who signs in once more keeps the session.
func TestSameSessionSignedInAgainIsNotEnded(t *testing.T) {
	r, receivers := newReceiver(t)
	w := newWorld(t, receivers)
	r.trust(w)
	s := w.person("globex", "ann", webApp, otherApp)
	s.atApp(s.atGlobex(s.authorize(webApp, url.Values{"provider": {"globex"}, "prompt": {"login"}}), w.globex, "ann"))
	if n := w.notices(); n != 0 {
		t.Errorf("%d notices for a session that goes on", n)
	}
	// What took part in it is known to its end, though its tokens have long expired.
	w.pass(24 * time.Hour)
	if err := w.signet.db.Sweep(t.Context(), w.now()); err != nil {
		t.Fatal(err)
	}
	w.signet.db.EndSession(t.Context(), s.sid, broker.Event{})
	if n := w.notices(); n != 0 {
		t.Errorf("%d notices of a session that has expired", n)
	}
}

func TestAppsAreToldOfALongSession(t *testing.T) {
	r, receivers := newReceiver(t)
	w := newWorld(t, receivers)
	r.trust(w)
	s := w.person("globex", "ann", webApp)
	for range 3 {
		w.pass(8 * time.Hour)
		if !s.alive() {
			t.Fatal("the session has ended")
		}
		if err := w.signet.db.Sweep(t.Context(), w.now()); err != nil {
			t.Fatal(err)
		}
	}
	s.get("/logout?" + url.Values{"id_token_hint": {s.tokens.ID}}.Encode())
	w.telling()
	w.until("the app is told", func() bool { return slices.Contains(r.sessions(webApp), s.sid) })
}

func TestNoNoticeIsLostWhenANodeStops(t *testing.T) {
	r, receivers := newReceiver(t)
	w := newWorld(t, receivers)
	r.trust(w)
	s := w.person("globex", "ann", webApp, otherApp)
	if p := w.logoutToken("globex", w.globex.LogoutToken("ann", nil)); p.status != http.StatusOK {
		t.Fatal(p)
	}
	// This node has taken them, and is killed before it has sent one.
	if list, err := w.signet.db.LeaseNotices(t.Context(), w.now().Add(30*time.Second), 10, 4, nil); err != nil || len(list) != 2 {
		t.Fatalf("LeaseNotices = %v, %v", list, err)
	}
	w.restart()
	stop := w.telling()
	time.Sleep(time.Second)
	stop()
	if n := r.requests(webApp); n != 0 {
		t.Errorf("%d requests while another node has the notice", n)
	}
	w.pass(31 * time.Second)
	w.telling()
	w.until("the apps are told", func() bool { return len(r.sessions(webApp)) == 1 && len(r.sessions(otherApp)) == 1 })
	if got := r.sessions(webApp); got[0] != s.sid {
		t.Errorf("told of %v, want %s", got, s.sid)
	}
}

func TestAnAppThatFailsIsToldAgain(t *testing.T) {
	r, receivers := newReceiver(t)
	w := newWorld(t, receivers)
	r.trust(w)
	r.answers[webApp] = []int{http.StatusInternalServerError, http.StatusFound, http.StatusOK}
	w.person("globex", "ann", webApp, otherApp)
	w.telling()
	w.logoutToken("globex", w.globex.LogoutToken("ann", nil))
	w.until("the first try", func() bool { return r.requests(webApp) == 1 && len(r.sessions(otherApp)) == 1 })
	w.until("the second try", func() bool { return r.requests(webApp) == 2 })
	time.Sleep(time.Second) // the third comes 5 s later
	if n := r.requests(webApp); n != 2 {
		t.Errorf("%d tries at once, or a redirect was followed", n)
	}
	w.pass(5 * time.Second)
	w.until("the third try", func() bool { return len(r.sessions(webApp)) == 1 && w.notices() == 0 })
	if n := r.requests(webApp); n != 3 {
		t.Errorf("%d tries, want 3", n)
	}
}

func TestAnAppThatNeverAnswersIsGivenUp(t *testing.T) {
	r, receivers := newReceiver(t)
	w := newWorld(t, receivers)
	r.trust(w)
	r.answers[webApp] = slices.Repeat([]int{http.StatusBadRequest}, 100)
	s := w.person("globex", "ann", webApp)
	w.telling()
	w.logoutToken("globex", w.globex.LogoutToken("ann", nil))
	w.until("a try", func() bool { return r.requests(webApp) == 1 })
	for n, passed := 1, time.Duration(0); passed < 24*time.Hour; n++ {
		w.until(fmt.Sprint("try ", n), func() bool { return r.requests(webApp) >= n || w.notices() == 0 })
		w.pass(6 * time.Hour) // longer than every pause
		passed += 6 * time.Hour
	}
	w.until("it is given up", func() bool { return w.notices() == 0 })
	var session, detail string
	if err := w.db().QueryRow("SELECT session, detail FROM events WHERE type = ?", broker.LogoutLost).Scan(&session, &detail); err != nil || session != s.sid || detail == "" {
		t.Errorf("event of %q (%q), %v", session, detail, err)
	}
	if e := w.lastEvent(broker.LogoutLost); e.App != webApp || e.Reason != "refused" {
		t.Errorf("event %+v", e)
	}
}

// TestSlowAppsHoldUpNobody: P-159, one app hangs, the person and the other app do not notice.
func TestSlowAppsHoldUpNobody(t *testing.T) {
	hang := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-hang:
		case <-req.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(hang) })
	r, receivers := newReceiver(t)
	w := newWorld(t, receivers, func(c string) string { return strings.Replace(c, r.server.URL+"/web,", slow.URL+"/web,", 1) })
	r.trust(w)
	w.telling()
	for range 6 {
		s := w.person("globex", "ann", webApp, otherApp)
		start := time.Now()
		p := s.get("/logout?" + url.Values{"id_token_hint": {s.tokens.ID}}.Encode())
		if took := time.Since(start); p.status != http.StatusOK || took > time.Second {
			t.Errorf("sign-out = %v after %v", p, took)
		}
	}
	w.until("the other app is told of all", func() bool { return len(r.sessions(otherApp)) == 6 })
	w.until("the slow app is given 5 s", func() bool { return strings.Contains(w.log.String(), `"reason":"timeout"`) })
}
