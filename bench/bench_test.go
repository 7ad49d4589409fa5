package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
)

// serveUpstream runs the upstream in this process, behind wrap.
func serveUpstream(t *testing.T, alg string, wrap func(http.Handler) http.Handler) *upstream {
	t.Helper()
	u := &upstream{alg: alg, people: 10}
	if err := u.makeKey(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(wrap(u.handler()))
	t.Cleanup(server.Close)
	u.issuer = server.URL
	return u
}

func asItIs(h http.Handler) http.Handler { return h }

func TestMeasureCountsWhatIsDone(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256"} {
		u := serveUpstream(t, alg, asItIs)
		i := &issuer{URL: u.issuer, ClientID: "app", Secret: "secret", Redirect: redirectURI, Scope: scope}
		l := load{browsers: 2, duration: 100 * time.Millisecond, phases: []string{"login", "refresh", "userinfo", "jwks"}}
		figures, requests, err := measure(t.Context(), i, l, os.Getpid(), alg)
		if err != nil {
			t.Fatal(err)
		}
		if requests != 2 {
			t.Errorf("%d requests a login, want 2", requests)
		}
		for n, f := range figures {
			if f.Operation != l.phases[n] || f.Tokens != alg || f.Count == 0 || f.Failed != 0 || f.PerSecond <= 0 || f.P50 <= 0 || f.P99 < f.P50 || f.Unit <= 0 || f.Resident <= 0 {
				t.Errorf("figure %+v", f)
			}
		}
	}
}

func TestFailuresAreCounted(t *testing.T) {
	failing := false
	u := serveUpstream(t, "ES256", func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/userinfo" && failing {
				failing = false
				http.Error(w, "out of order", http.StatusInternalServerError)
				return
			}
			failing = r.URL.Path == "/userinfo"
			h.ServeHTTP(w, r)
		})
	})
	i := &issuer{URL: u.issuer, ClientID: "app", Secret: "secret", Redirect: redirectURI, Scope: scope}
	figures, _, err := measure(t.Context(), i, load{browsers: 1, duration: 100 * time.Millisecond, phases: []string{"userinfo"}}, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	if f := figures[0]; f.Failed == 0 || f.Count == 0 || f.FirstFailure == "" {
		t.Errorf("figure %+v, want some failures", f)
	}
}

var built struct {
	sync.Once
	bin string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.bin != "" {
		os.RemoveAll(filepath.Dir(built.bin))
	}
	os.Exit(code)
}

// signetBinary is Signet, not as build makes it: with its flags nothing is there yet from compiling the tests.
func signetBinary(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		dir, err := os.MkdirTemp("", "signet-bench-")
		if err != nil {
			built.err = err
			return
		}
		built.bin = filepath.Join(dir, "signet")
		out, err := exec.Command("go", "build", "-o", built.bin, "github.com/signet-broker/signet/cmd/signet").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.bin
}

// What is written into the database beside Signet is what Signet reads: people are sent to each provider by its id
// and by their addresses.
func TestProvidersThatAreFilledInAreThere(t *testing.T) {
	u := serveUpstream(t, "ES256", asItIs)
	b := bed{dir: t.TempDir(), bin: signetBinary(t), upstream: u.issuer, metadata: u.issuer}
	few := tenancy{name: "few", providers: 12}
	if err := few.start(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { few.process.stop() })
	cost, err := few.slice(t.Context(), 40)
	if err != nil || cost <= 0 {
		t.Errorf("a request costs %v ms, %v", cost, err)
	}
	if err := few.authorize(t.Context(), 12, false); err == nil {
		t.Error("somebody was sent to a provider that was not filled in")
	}
	if few.resident[0] <= 0 || few.resident[1] <= 0 {
		t.Errorf("memory: %v", few.resident)
	}
}

// The ill upstream is ill to its own people's logins, on the one side alone, and every login elsewhere is counted.
func TestFaultsAreOnOneSide(t *testing.T) {
	u := serveUpstream(t, "ES256", asItIs)
	var sides [2]*side
	for n := range sides {
		sides[n] = &side{upstream: serveUpstream(t, "ES256", newHealth().wrap).issuer}
		b := bed{dir: t.TempDir(), bin: signetBinary(t), upstream: u.issuer, metadata: u.issuer}
		if err := sides[n].start(t.Context(), b, "side"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { sides[n].process.stop() })
	}
	f := faults{slice: 500 * time.Millisecond, rate: 20, others: 10}
	for is, some := range map[string]bool{"fails": false, well: true} {
		var e effect
		if err := f.try(t.Context(), sides, is, &e); err != nil {
			t.Fatal(err)
		}
		if e.failed > 0 || len(e.ill) == 0 || len(e.ill) != len(e.well) || e.cpu[0] <= 0 || e.p99[0] <= 0 || (e.others.Load() > 0) != some {
			t.Errorf("%s: %d and %d logins, %d failed (%v), %d at the ill one, ratios %v %v", is, len(e.ill), len(e.well), e.failed, e.first, e.others.Load(), e.p99, e.cpu)
		}
	}
}

// Every phase is something that Signet does, and every way it ends is looked at.
func TestSignetDoesEveryPhase(t *testing.T) {
	u := serveUpstream(t, "ES256", asItIs)
	saml, err := idptest.StartSAML(idptest.SAMLOptions{SignIn: "peter"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { saml.Close() })
	b := bed{dir: t.TempDir(), bin: signetBinary(t), upstream: u.issuer, metadata: saml.EntityID}
	s, err := b.measure(t.Context(), sqlite, load{browsers: 2, duration: 100 * time.Millisecond, phases: ofSignet, devices: 50})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Figures) != 2*len(ofSignet) || s.Requests != loginRequests || *s.Ready <= 0 {
		t.Errorf("%d figures, %d requests a login, ready after %v ms", len(s.Figures), s.Requests, *s.Ready)
	}
	for _, f := range s.Figures {
		if f.Count == 0 || f.Failed != 0 {
			t.Errorf("%+v", f)
		}
	}
}

// A login that does not end with this app's code has failed.
func TestLoginChecksWhatTheAppGets(t *testing.T) {
	for name, query := range map[string]string{"error": "error=access_denied", "other state": "code=x&state=y"} {
		u := serveUpstream(t, "ES256", func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/authorize" {
					http.Redirect(w, r, redirectURI+"?"+query, http.StatusSeeOther)
					return
				}
				h.ServeHTTP(w, r)
			})
		})
		i := &issuer{URL: u.issuer, ClientID: "app", Secret: "secret", Redirect: redirectURI, Scope: scope}
		if err := i.discover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, _, err := i.login(t.Context()); err == nil {
			t.Errorf("%s: login = nil, want an error", name)
		}
	}
}

func TestFormsAreFilledInAndSent(t *testing.T) {
	page := `<p><input name="outside"><form action="../next?a=1" method="post"><input type=hidden name="csrf" value="&lt;x&gt;">
		<input name="login"><input name=password type=password><button name=submit value=go>Go</button></form><form><input name="other"></form>`
	f, ok := firstForm([]byte(page))
	if !ok {
		t.Fatal("no form found")
	}
	base, _ := url.Parse("http://127.0.0.1/a/b/page?q")
	req, err := f.submit(context.Background(), base, url.Values{"login": {"ann"}, "absent": {"x"}})
	if err != nil {
		t.Fatal(err)
	}
	if req.Method != "POST" || req.URL.String() != "http://127.0.0.1/a/next?a=1" || req.Header.Get("Origin") != "http://127.0.0.1" {
		t.Errorf("%s %s from %s", req.Method, req.URL, req.Header.Get("Origin"))
	}
	req.ParseForm()
	want := url.Values{"csrf": {"<x>"}, "login": {"ann"}, "password": {""}, "submit": {"go"}}
	if req.PostForm.Encode() != want.Encode() {
		t.Errorf("fields %v, want %v", req.PostForm, want)
	}
	if _, ok := firstForm([]byte("<p>nothing")); ok {
		t.Error("a form was found where there is none")
	}
}

// An ailing upstream is ill to Signet and not to browsers, and is well again at once.
func TestAilments(t *testing.T) {
	u := serveUpstream(t, "ES256", newHealth().wrap)
	get := func(path string) (*http.Response, []byte, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "GET", u.issuer+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{CheckRedirect: stay}).Do(req)
		if err != nil {
			return nil, nil, err
		}
		body, err := read(resp)
		return resp, body, err
	}
	for _, is := range []string{"refuses", "fails", "hangs", "drips", "floods"} {
		if err := be(t.Context(), u.issuer, is); err != nil {
			t.Fatal(err)
		}
		resp, body, err := get("/keys")
		if err == nil && resp.StatusCode == http.StatusOK && len(body) < 1<<20 {
			t.Errorf("%s: the keys are there", is)
		}
		if resp, _, err := get("/authorize?redirect_uri=" + url.QueryEscape(redirectURI)); err != nil || resp.StatusCode != http.StatusFound {
			t.Errorf("%s: no sign-in page: %v, %v", is, resp, err)
		}
		if err := be(t.Context(), u.issuer, well); err != nil {
			t.Fatal(err)
		}
		if resp, _, err := get("/keys"); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("well after it %s: %v, %v", is, resp, err)
		}
	}
}

func TestSpread(t *testing.T) {
	s, beside := spread{4, 1, 3, 2, 50}, spread{2, 1, 1, 2, 10}
	if s.at(.5) != 3 || s.at(0) != 1 || s.at(1) != 50 || s.sum() != 60 || (spread{}).at(.5) != 0 {
		t.Errorf("%v: median %v, sum %v", s, s.at(.5), s.sum())
	}
	if got := s.over(beside); !slices.Equal(got, spread{2, 1, 3, 1, 5}) || s[0] != 4 {
		t.Errorf("over = %v", []float64(got))
	}
}

func TestTargets(t *testing.T) {
	ready := 301.0
	s := Subject{Name: "x", Requests: 3, Ready: &ready, Figures: []Figure{
		{Operation: "login", Tokens: "RS256", Signatures: 3.01, Resident: 59}, {Operation: "refresh", Tokens: "ES256", Signatures: 0.4, Failed: 1},
		{Operation: "jwks", Tokens: "ES256", Signatures: 99},
	}}
	met := map[string]bool{
		"login with RS256, RSA signatures": false, "refresh with ES256, RSA signatures": true, "requests a login": true,
		"failed operations": false, "resident MB under load": true, "ms until ready": false,
	}
	verdicts := s.judge()
	for _, v := range verdicts {
		if want, ok := met[v.What]; !ok || v.Met != want {
			t.Errorf("%+v, want met: %v", v, want)
		}
	}
	if len(verdicts) != len(met) {
		t.Errorf("%d verdicts, want %d", len(verdicts), len(met))
	}
}
