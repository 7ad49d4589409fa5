package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
)

// stuck is an endpoint that takes requests and does not answer them before it is let go: it says nothing, or
// a byte a second.
type stuck struct {
	drips bool
	in    atomic.Int32 // requests under way
	mu    sync.Mutex
	free  chan struct{}
}

func newStuck(drips bool) *stuck { return &stuck{drips: drips, free: make(chan struct{})} }

func (s *stuck) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.in.Add(1)
	defer s.in.Add(-1)
	s.mu.Lock()
	free := s.free
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json") // of another type, nothing more would be read
	for tick := time.Tick(time.Second); ; {
		if s.drips {
			io.WriteString(w, " ")
			http.NewResponseController(w).Flush()
		}
		select {
		case <-free:
			return
		case <-r.Context().Done():
			return
		case <-tick:
		}
	}
}

// letGo ends what is under way.
func (s *stuck) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.free)
	s.free = make(chan struct{})
}

// unslowed holds that something takes no longer while something else is wrong. The two are measured in turn,
// so that whatever else this machine does slows both, and again where it did not.
func unslowed(t *testing.T, wrong func() (right func()), do func()) {
	t.Helper()
	timed := func(all []time.Duration) []time.Duration {
		for range 10 {
			start := time.Now()
			do()
			all = append(all, time.Since(start))
		}
		return all
	}
	for range tries {
		var well, ill []time.Duration
		for range rounds {
			well = timed(well)
			right := wrong()
			ill = timed(ill)
			right()
		}
		slices.Sort(well)
		slices.Sort(ill)
		middle := len(well) / 2
		t.Logf("median %s, %s otherwise; longest %s, %s otherwise", ill[middle], well[middle], ill[len(ill)-1], well[len(well)-1])
		if ill[middle] < well[middle]*5/4 {
			return
		}
	}
	t.Error("it takes longer")
}

const tries, rounds = 6, 3

// TestNeighboursOfAStuckUpstream: logins by the dozen wait for upstreams of every kind that hang or drip, and
// those at another provider take no longer. What was held for them is given back.
func TestNeighboursOfAStuckUpstream(t *testing.T) {
	for name, drips := range map[string]bool{"hangs": false, "drips": true} {
		t.Run(name, func(t *testing.T) {
			s := newStuck(drips)
			w, wrong := newStuckWorld(t, s)
			login := func() { w.tokens(webApp, "globex", "bob") }
			wrong()()
			login()
			goroutines, heap := w.held()
			unslowed(t, wrong, login)
			var g int
			var h uint64
			defer func() { t.Logf("%d goroutines, were %d; %d KB, were %d", g, goroutines, h>>10, heap>>10) }()
			w.until("what was held is given back", func() bool {
				g, h = w.held()
				return g <= goroutines+goroutines/10+2 && h <= heap+heap/10
			})
		})
	}
}

// held counts goroutines, but for those of connections that wait to be used again, and bytes.
func (w *world) held() (goroutines int, heap uint64) {
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	w.log.mu.Lock()
	w.log.b = bytes.Buffer{}
	w.log.mu.Unlock()
	time.Sleep(20 * time.Millisecond)
	stacks := make([]byte, 4<<20)
	for one := range bytes.SplitSeq(stacks[:runtime.Stack(stacks, true)], []byte("\n\n")) {
		if !bytes.Contains(one, []byte("bufio.(*Reader).Peek(")) && !bytes.Contains(one, []byte("(*persistConn).writeLoop(")) {
			goroutines++
		}
	}
	stacks = nil
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return goroutines, m.HeapAlloc
}

// newStuckWorld has upstreams of every kind at s. wrong begins logins at each, and right ends them.
func newStuckWorld(t *testing.T, s *stuck) (w *world, wrong func() (right func())) {
	const each, most = 8, tries*rounds + 1
	open, plain := &faultyUpstream{id: "open"}, &faultyUpstream{id: "plain"}
	config := open.start(t) + plain.plain(t)
	open.oidc.Misbehave(&idptest.OIDCRow{Serve: map[string]func(*idptest.OIDC, http.ResponseWriter, *http.Request){
		"/token": func(_ *idptest.OIDC, w http.ResponseWriter, r *http.Request) { s.ServeHTTP(w, r) },
	}})
	plain.oauth2.Misbehave(idptest.OAuth2Row{Serve: map[string]http.HandlerFunc{"/me": s.ServeHTTP}})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	for i := range most { // one that has failed is not asked at once again
		config += fmt.Sprintf("  - {id: saml-%d, kind: saml, name: Stuck, metadata_url: %q}\n", i, server.URL+fmt.Sprint("/", i))
	}
	w = newWorld(t, func(text string) string { return strings.Replace(text, "  - id: local\n", config+"  - id: local\n", 1) })
	round := 0
	return w, func() func() {
		var waiting sync.WaitGroup
		saml := fmt.Sprint("saml-", round)
		round++
		for range each {
			for _, login := range []func(b *browser) *page{
				func(b *browser) *page { return b.at("open", open.oidc, "ann") },
				func(b *browser) *page {
					back, err := plain.oauth2.SignIn(t.Context(), b.authorize(webApp, url.Values{"provider": {"plain"}}).location.String(), "ann")
					if err != nil {
						t.Error(err)
						return nil
					}
					return b.get(back.String())
				},
				func(b *browser) *page { return b.authorize(webApp, url.Values{"provider": {saml}}) },
			} {
				waiting.Go(func() {
					if p := login(w.browser()); p != nil && (p.status < 400 || p.text("reason") == "") {
						t.Errorf("a login at an upstream that does not answer: %v", p)
					}
				})
			}
		}
		w.until("they wait", func() bool { return s.in.Load() == 2*each+1 }) // one fetch of metadata for all
		return func() {
			s.letGo()
			waiting.Wait()
		}
	}
}

// TestNeighboursOfAStuckApp: an app that hangs or drips when it is told of ended sessions slows no login.
func TestNeighboursOfAStuckApp(t *testing.T) {
	for name, drips := range map[string]bool{"hangs": false, "drips": true} {
		t.Run(name, func(t *testing.T) {
			s := newStuck(drips)
			server := httptest.NewServer(s)
			t.Cleanup(server.Close)
			w := newWorld(t, func(c string) string {
				return strings.Replace(c, "{id: other,", fmt.Sprintf("{id: other, backchannel_logout_uri: %s/other,", server.URL), 1)
			})
			w.telling()
			unslowed(t, func() func() {
				for range 4 {
					p := w.person("globex", "ann", otherApp)
					p.get("/logout?" + url.Values{"id_token_hint": {p.tokens.ID}}.Encode())
				}
				w.until("the app is being told", func() bool { return s.in.Load() > 0 })
				return func() {
					w.until("the app has been told", func() bool { s.letGo(); return w.notices() == 0 })
				}
			}, func() { w.tokens(webApp, "globex", "bob") })
		})
	}
}

// clocked is a world with an OIDC and a SAML upstream whose clocks are Signet's, and whose documents can fail.
type clocked struct {
	*world
	ahead atomic.Int64
	oidc  *idptest.OIDC
	saml  *idptest.SAML
	// metadata is what saml publishes; nil: it answers 500.
	metadata atomic.Pointer[string]
	asked    atomic.Int32 // for it
}

func newClocked(t *testing.T) *clocked {
	c := &clocked{}
	now := func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }
	f, err := idptest.StartOIDC(idptest.OIDCOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	c.oidc, c.saml = f, idptest.NewSAML(t, idptest.SAMLOptions{SignIn: "peter", Now: now})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c.asked.Add(1)
		if document := c.metadata.Load(); document != nil {
			io.WriteString(w, *document)
			return
		}
		http.Error(w, "SECRET", http.StatusInternalServerError)
	}))
	t.Cleanup(server.Close)
	c.world = newWorld(t, func(text string) string {
		return strings.Replace(text, "  - id: local\n", fmt.Sprintf(`  - {id: there, kind: oidc, name: There, issuer: %q, client_id: signet, client_secret: globex-secret}
  - {id: yonder, kind: saml, name: Yonder, metadata_url: %q}
  - id: local
`, f.Issuer, server.URL), 1)
	})
	return c
}

func (c *clocked) pass(d time.Duration) {
	c.world.pass(d)
	c.ahead.Add(int64(d))
}

// publish has saml publish one of its keys.
func (c *clocked) publish(key int) {
	const end = "</KeyDescriptor>"
	all := string(c.saml.Metadata())
	parts := strings.SplitAfter(all, end) // up to the first key, the second key, the rest
	head, _, _ := strings.Cut(parts[0], "<KeyDescriptor")
	kept := "<KeyDescriptor" + strings.Split(parts[0], "<KeyDescriptor")[1]
	if key == 1 {
		kept = parts[1]
	}
	document := head + kept + parts[2]
	c.metadata.Store(&document)
}

// login is one at an upstream of the two.
func (c *clocked) login(provider string, row *idptest.SAMLRow) *page {
	c.t.Helper()
	b := c.browser()
	p := b.authorize(webApp, url.Values{"provider": {provider}})
	if p.location == nil {
		return p
	}
	if provider == "there" {
		return b.atGlobex(p, c.oidc, "ann")
	}
	form, err := c.saml.AnswerURL(p.location.String(), row)
	if err != nil {
		c.t.Fatal(err)
	}
	return b.post("/saml/yonder/acs", form)
}

// fail has both answer 500 where their keys are.
func (c *clocked) fail() {
	failing := func(_ *idptest.OIDC, w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "SECRET", http.StatusInternalServerError)
	}
	c.oidc.Misbehave(&idptest.OIDCRow{Serve: map[string]func(*idptest.OIDC, http.ResponseWriter, *http.Request){
		"/jwks": failing, "/.well-known/openid-configuration": failing,
	}})
	c.metadata.Store(nil)
}

// TestKeysCannotBeHadForAnHour: logins go on with the keys at hand, and neither upstream is asked more than it
// takes to notice that it is well again.
func TestKeysCannotBeHadForAnHour(t *testing.T) {
	c := newClocked(t)
	c.publish(1)
	in := func(when string) {
		t.Helper()
		for _, provider := range []string{"there", "yonder"} {
			if p := c.login(provider, nil); !p.toApp() || p.location.Query().Get("code") == "" {
				t.Errorf("%s, %s: %v", provider, when, p)
			}
		}
	}
	in("at first")
	c.fail()
	jwks, metadata := c.oidc.Requests("/jwks"), c.asked.Load()
	for i := range 13 {
		c.pass(5 * time.Minute)
		for range 3 {
			in(fmt.Sprint(5*(i+1), " minutes later"))
		}
	}
	if n := c.oidc.Requests("/jwks") - jwks; n < 1 || n > 13 {
		t.Errorf("the keys were asked for %d times in an hour, want 1 to 13", n)
	}
	if n := c.asked.Load() - metadata; n < 1 || n > 13 {
		t.Errorf("the metadata was asked for %d times in an hour, want 1 to 13", n)
	}
	c.oidc.Honest()
	c.publish(1)
	c.pass(5 * time.Minute)
	in("when it is over")
	if log := c.log.String(); strings.Contains(log, "SECRET") || strings.Contains(log, `"msg":"panic"`) {
		t.Error("the log has an upstream's text or a panic")
	}
}

// TestKeysAreExchangedAtOnce: an upstream signs by a new key, and the one before is nowhere any more. The
// first login fetches it; while it cannot be had, logins there fail with a reason and others do not.
func TestKeysAreExchangedAtOnce(t *testing.T) {
	i := slices.IndexFunc(idptest.SAMLRows, func(r idptest.SAMLRow) bool { return r.ID == "S-17b" })
	byNext := &idptest.SAMLRows[i]
	for _, ill := range []bool{false, true} {
		c := newClocked(t)
		c.publish(1)
		for _, provider := range []string{"there", "yonder"} {
			if p := c.login(provider, nil); !p.toApp() {
				t.Fatalf("at first: %v", p)
			}
		}
		c.pass(2 * time.Minute)
		c.oidc.Rotate()
		if ill {
			c.fail()
			for provider, reason := range map[string]string{"there": "sig", "yonder": "sig_untrusted"} {
				p := c.login(provider, byNext)
				if p.toApp() || !p.has("error") || p.text("reason") == "" || c.logReason(p) != reason {
					t.Errorf("%s, whose new key cannot be had: %v %q", provider, p, c.logReason(p))
				}
			}
			c.tokens(webApp, "hooli", "ann")
			c.oidc.Honest()
			c.pass(2 * time.Minute)
		}
		c.publish(0)
		jwks, metadata := c.oidc.Requests("/jwks"), c.asked.Load()
		for range 3 {
			for _, provider := range []string{"there", "yonder"} {
				if p := c.login(provider, byNext); !p.toApp() || p.location.Query().Get("code") == "" {
					t.Errorf("%s, with a new key (ill before: %t): %v", provider, ill, p)
				}
			}
		}
		if a, b := c.oidc.Requests("/jwks")-jwks, c.asked.Load()-metadata; a != 1 || b != 1 {
			t.Errorf("%d and %d requests for the keys, want 1 each", a, b)
		}
	}
}
