package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
)

// faults are what an upstream can do beside answering.
var faults = map[string]http.HandlerFunc{
	"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"hangs":    func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"drips": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for tick := time.Tick(time.Second); r.Context().Err() == nil; {
			io.WriteString(w, " ")
			http.NewResponseController(w).Flush()
			select {
			case <-tick:
			case <-r.Context().Done():
			}
		}
	},
	"floods": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for range 64 << 4 {
			if _, err := io.WriteString(w, strings.Repeat(" ", 64<<10)); err != nil {
				return
			}
		}
	},
	"fails": func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "SECRET", http.StatusInternalServerError)
	},
}

// faultyUpstream is a provider whose upstream does one of these at one of its endpoints.
type faultyUpstream struct {
	id, does, where string
	oidc            *idptest.OIDC
	oauth2          *idptest.OAuth2
	down            bool          // nothing listens at all
	metadata        *idptest.SAML // behind a server that does it until it is well
	well            chan struct{}
	late            *lateness
	close           func()
}

// TestUpstreamFaults has every upstream endpoint fail in every way at once. Each of those logins ends with a
// page within 10 seconds, everybody else's goes on, and a provider is there again as soon as its upstream is.
func TestUpstreamFaults(t *testing.T) {
	all, config := faultyUpstreams(t)
	late := &lateness{}
	for _, f := range all {
		f.late = late
	}
	w := newWorld(t, func(text string) string { return strings.Replace(text, "  - id: local\n", config+"  - id: local\n", 1) })
	w.tokens(webApp, "globex", "ann")
	before := runtime.NumGoroutine()
	stop, others := make(chan struct{}), make(chan int)
	go late.measure(stop)
	go func() { others <- again(stop, func() { w.tokens(webApp, "globex", "bob") }) }()
	var ill sync.WaitGroup
	for _, f := range all {
		ill.Go(func() { f.try(t, w) })
	}
	ill.Wait()
	close(stop)
	if n := <-others; n < 3 { // each of them has worked
		t.Errorf("%d logins elsewhere", n)
	}
	for _, f := range all {
		f.close()
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+20; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, were %d", runtime.NumGoroutine(), before)
		}
	}
	if log := w.log.String(); strings.Contains(log, "SECRET") || strings.Contains(log, `"msg":"panic"`) {
		t.Error("the log has an upstream's text or a panic")
	}
}

// again does something until stop, and returns how often.
func again(stop <-chan struct{}, do func()) (n int) {
	for {
		do()
		n++
		select {
		case <-stop:
			return n
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// lateness is by how much this machine, busy with others, wakes up too late: nothing may take ten seconds of
// ours, and that much longer.
type lateness struct{ sum atomic.Int64 }

func (l *lateness) measure(stop <-chan struct{}) {
	const nap = 10 * time.Millisecond
	for {
		start := time.Now()
		select {
		case <-stop:
			return
		case <-time.After(nap):
			l.sum.Add(int64(time.Since(start) - nap))
		}
	}
}

func faultyUpstreams(t *testing.T) (all []*faultyUpstream, config string) {
	for does, handler := range faults {
		for _, where := range []string{"/.well-known/openid-configuration", "/jwks", "/token", "/userinfo", "metadata"} {
			f := &faultyUpstream{id: fmt.Sprintf("f%d", len(all)), does: does, where: where}
			if all = append(all, f); where == "metadata" {
				config += f.saml(t, handler)
				continue
			}
			config += f.start(t)
			f.oidc.Misbehave(&idptest.OIDCRow{Serve: map[string]func(*idptest.OIDC, http.ResponseWriter, *http.Request){
				where: func(_ *idptest.OIDC, w http.ResponseWriter, r *http.Request) { handler(w, r) },
			}})
		}
	}
	for does, handler := range faults {
		for _, where := range []string{"/token", "/me"} {
			f := &faultyUpstream{id: fmt.Sprintf("f%d", len(all)), does: does, where: where}
			all = append(all, f)
			config += f.plain(t)
			f.oauth2.Misbehave(idptest.OAuth2Row{Serve: map[string]http.HandlerFunc{where: handler}})
		}
	}
	gone := &faultyUpstream{id: "gone", does: "is gone", where: "everything", down: true}
	config += gone.start(t)
	gone.oidc.Down()
	left := &faultyUpstream{id: "left", does: "is gone when its people come back", where: "everything", down: true}
	config += left.plain(t)
	// Each answer in time, all of them together not.
	slow := &faultyUpstream{id: "slow", does: "take 6 s each", where: "/token and /userinfo"}
	config += slow.start(t)
	late := func(*idptest.OIDC, map[string]any) { time.Sleep(6 * time.Second) }
	slow.oidc.Misbehave(&idptest.OIDCRow{Response: late, Info: late})
	return append(all, gone, left, slow), config
}

// plain is an upstream without OpenID Connect.
func (f *faultyUpstream) plain(t *testing.T) string {
	var err error
	if f.oauth2, err = idptest.StartOAuth2(); err != nil {
		t.Fatal(err)
	}
	f.close = func() { f.oauth2.Close() }
	t.Cleanup(f.close)
	return strings.ReplaceAll(fmt.Sprintf(`  - {id: %s, kind: oauth2, name: %[1]s, authorization_url: "URL/authorize", token_url: "URL/token", userinfo_url: "URL/me", subject: data.user.id, client_id: signet, client_secret: globex-secret}
`, f.id), "URL", f.oauth2.URL)
}

func (f *faultyUpstream) start(t *testing.T) string {
	var err error
	if f.oidc, err = idptest.StartOIDC(idptest.OIDCOptions{}); err != nil {
		t.Fatal(err)
	}
	f.close = func() { f.oidc.Close() }
	t.Cleanup(f.close)
	return fmt.Sprintf("  - {id: %s, kind: oidc, name: %s, issuer: %q, client_id: signet, client_secret: globex-secret, userinfo: true}\n", f.id, f.id, f.oidc.Issuer)
}

func (f *faultyUpstream) saml(t *testing.T, handler http.HandlerFunc) string {
	f.metadata, f.well = idptest.NewSAML(t, idptest.SAMLOptions{SignIn: "peter"}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-f.well:
			w.Write(f.metadata.Metadata())
		default:
			handler(w, r)
		}
	}))
	f.close = server.Close
	t.Cleanup(f.close)
	return fmt.Sprintf("  - {id: %s, kind: saml, name: %s, metadata_url: %q}\n", f.id, f.id, server.URL)
}

// try signs in while the upstream is ill, and after it is well.
func (f *faultyUpstream) try(t *testing.T, w *world) {
	p := f.login(t, w)
	want := http.StatusBadGateway
	if f.where == "/jwks" && f.does == "floods" {
		want = http.StatusBadRequest // it has answered, and what it says is no key set
	}
	if p.status != want || !p.has("error") || p.text("reason") == "" || p.text("request-id") == "" || !p.has("retry") {
		t.Errorf("%s %s: %v", f.where, f.does, p)
	}
	if line := w.logged(p); line["provider"] != f.id || line["app"] == "" || !strings.Contains(p.text("reason"), f.id) {
		t.Errorf("%s %s: whose upstream it is, the log says as %v, the page as %q", f.where, f.does, line, p.text("reason"))
	}
	if strings.Contains(p.body, "SECRET") {
		t.Errorf("%s %s: the page has the upstream's text", f.where, f.does)
	}
	switch {
	case f.down:
		up := f.oauth2.Up
		if f.oidc != nil {
			up = f.oidc.Up
		}
		if err := up(); err != nil {
			t.Error(err)
		}
		f.down = false
	case f.oidc != nil:
		f.oidc.Honest()
	case f.oauth2 != nil:
		f.oauth2.Honest()
	default:
		close(f.well)
	}
	time.Sleep(1100 * time.Millisecond) // an upstream that is ill is asked once a second
	if p := f.login(t, w); !p.toApp() {
		t.Errorf("%s %s, after it is well: %v", f.where, f.does, p)
	}
}

// login goes as far as it gets, in a new browser, and fails the test when an answer takes too long.
func (f *faultyUpstream) login(t *testing.T, w *world) *page {
	b := w.browser()
	timely := func(do func() *page) *page {
		start, late := time.Now(), f.late.sum.Load()
		p := do()
		if took, late := time.Since(start), time.Duration(f.late.sum.Load()-late); took > 10*time.Second+late {
			t.Errorf("%s %s: %s took %s, the machine was late by %s", f.where, f.does, p.url.Path, took, late)
		}
		return p
	}
	p := timely(func() *page { return b.authorize(webApp, url.Values{"provider": {f.id}}) })
	switch {
	case p.location == nil:
		return p
	case f.oidc != nil:
		back := b.backFrom(p, f.oidc, "ann")
		return timely(func() *page { return b.get(back.String()) })
	case f.oauth2 != nil:
		back, err := f.oauth2.SignIn(t.Context(), p.location.String(), "ann")
		if err != nil {
			t.Error(err)
			return p
		}
		if f.down {
			f.oauth2.Down()
		}
		return timely(func() *page { return b.get(back.String()) })
	}
	form, err := f.metadata.AnswerURL(p.location.String(), nil)
	if err != nil {
		t.Error(err)
		return p
	}
	return timely(func() *page { return b.post("/saml/"+f.id+"/acs", form) })
}
