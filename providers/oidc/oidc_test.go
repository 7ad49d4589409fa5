package oidc

import (
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

// clock is one that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// upstream starts a fake; now is its clock.
func upstream(t testing.TB, now func() time.Time) *idptest.OIDC {
	t.Helper()
	f, err := idptest.StartOIDC(idptest.OIDCOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// openFor opens a provider of a fake, as the configuration would.
func openFor(t testing.TB, f *idptest.OIDC, now func() time.Time, change func(c *Config)) providers.Provider {
	t.Helper()
	kind := Kind()
	c := kind.Config().(*Config)
	c.Issuer, c.ClientID, c.ClientSecret = f.Issuer, f.ClientID(), secret.String(f.ClientSecret())
	c.Algs = []string{"RS256"}
	if change != nil {
		change(c)
	}
	if faults := c.Check(); len(faults) != 0 {
		t.Fatalf("Check = %v", faults)
	}
	client := egress.Client(egress.Options{})
	t.Cleanup(client.CloseIdleConnections)
	p, err := kind.Open(t.Context(), providers.Env{
		ID: "globex", Name: "Globex", Base: "http://127.0.0.1:1", Client: client, Now: now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Certificates: ownCertificates,
		Trusting:     func(roots *x509.CertPool) *http.Client { return egress.Client(egress.Options{Roots: roots}) },
	}, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// signIn plays browser and person: from what Begin gave to what the browser brings back.
func signIn(t testing.TB, f *idptest.OIDC, next providers.Next) providers.Reply {
	t.Helper()
	to, ok := next.(providers.Redirect)
	if !ok {
		t.Fatalf("Begin = %T, want Redirect", next)
	}
	back, err := f.SignIn(t.Context(), to.URL, "ann")
	if err != nil {
		t.Fatal(err)
	}
	return providers.Reply{Method: http.MethodGet, Values: back.Query()}
}

// login signs ann in.
func login(t testing.TB, f *idptest.OIDC, p providers.Provider, a providers.Attempt) (providers.Next, error) {
	t.Helper()
	next, err := p.Begin(t.Context(), &a)
	if err != nil {
		return nil, err
	}
	return p.Continue(t.Context(), &a, signIn(t, f, next))
}

func TestContract(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		f := upstream(t, time.Now)
		return providertest.Harness{
			Provider: openFor(t, f, time.Now, nil),
			SignIn: func(t *testing.T, _ providers.Attempt, next providers.Next) providers.Reply {
				return signIn(t, f, next)
			},
			Subject: "ann",
			Down:    f.Down,
			Up: func() {
				if err := f.Up(); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func TestIdentityIsWhatTheUpstreamAsserts(t *testing.T) {
	f := upstream(t, time.Now)
	next, err := login(t, f, openFor(t, f, time.Now, func(c *Config) { c.UserInfo = true }), providertest.Attempt())
	if err != nil {
		t.Fatal(err)
	}
	id := next.(providers.Done).Identity
	if id.Subject != "ann" || id.ACR != "urn:globex:password" || id.Session != "sid-ann" || len(id.AMR) != 1 || id.AMR[0] != "pwd" {
		t.Errorf("identity = %+v", id)
	}
	for name, want := range map[string]any{"email": "ann@globex.example", "email_verified": true, "department": "Research"} {
		if id.Claims[name] != want {
			t.Errorf("claims[%s] = %v, want %v", name, id.Claims[name], want)
		}
	}
	if age := time.Since(id.AuthTime); age < -time.Second || age > time.Minute {
		t.Errorf("AuthTime is %v ago", age)
	}
}

func TestBeginSendsWhatTheAttemptWants(t *testing.T) {
	f := upstream(t, time.Now)
	p := openFor(t, f, time.Now, func(c *Config) {
		c.Scopes, c.Prompt, c.ACRValues, c.Params = []string{"email"}, "consent", []string{"phr", "mfa"}, map[string]string{"hd": "globex.example"}
	})
	begin := func(a providers.Attempt) url.Values {
		t.Helper()
		next, err := p.Begin(t.Context(), &a)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(next.(providers.Redirect).URL)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query()
	}
	a := providertest.Attempt()
	a.LoginHint, a.MaxAge, a.SelectUser, a.Locales = "ann@globex.example", 90*time.Second, true, []string{"de-AT", "en"}
	v := begin(a)
	for name, want := range map[string]string{
		"state": a.ID, "client_id": "signet", "response_type": "code", "scope": "openid email", "response_mode": "",
		"redirect_uri": "http://127.0.0.1:1/callback/globex", "code_challenge_method": "S256", "login_hint": "ann@globex.example",
		"max_age": "90", "prompt": "consent select_account", "ui_locales": "de-AT en", "acr_values": "phr mfa", "hd": "globex.example",
	} {
		if got := v.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if len(v.Get("nonce")) < 22 || len(v.Get("code_challenge")) != 43 {
		t.Errorf("nonce %q, code_challenge %q", v.Get("nonce"), v.Get("code_challenge"))
	}
	a = providertest.Attempt()
	a.ForceLogin = true
	if v := begin(a); v.Get("prompt") != "consent login" || v.Get("max_age") != "0" {
		t.Errorf("ForceLogin sends prompt %q and max_age %q", v.Get("prompt"), v.Get("max_age"))
	}
}

// What an app would like goes to an upstream that knows it, and nothing else: some refuse a login for it. What the
// configuration insists on goes alone.
func TestBeginAsksForTheContextsThatTheUpstreamKnows(t *testing.T) {
	f := upstream(t, time.Now)
	f.Misbehave(&idptest.OIDCRow{Discovery: func(_ *idptest.OIDC, doc map[string]any) { doc["acr_values_supported"] = []string{"mfa", "phr"} }})
	for _, c := range []struct {
		configured, asked []string
		want              string
	}{
		{nil, []string{"phr", "gold", "mfa"}, "phr mfa"},
		{nil, []string{"gold"}, ""},
		{[]string{"urn:own"}, []string{"phr"}, "urn:own"},
	} {
		p := openFor(t, f, time.Now, func(conf *Config) { conf.ACRValues = c.configured })
		a := providertest.Attempt()
		a.ACR = c.asked
		next, err := p.Begin(t.Context(), &a)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(next.(providers.Redirect).URL)
		if err != nil {
			t.Fatal(err)
		}
		if got := u.Query().Get("acr_values"); got != c.want {
			t.Errorf("configured %v, asked %v: acr_values = %q, want %q", c.configured, c.asked, got, c.want)
		}
	}
}

// An upstream session is not enough where the person must sign in again.
func TestForcedLoginRefusesAnOldAuthentication(t *testing.T) {
	f := upstream(t, time.Now)
	p := openFor(t, f, time.Now, nil)
	a := providertest.Attempt()
	a.ForceLogin = true
	if _, err := login(t, f, p, a); err != nil {
		t.Fatalf("signed in again: %v", err)
	}
	f.Misbehave(&idptest.OIDCRow{Claims: func(_ *idptest.OIDC, c map[string]any) { c["auth_time"] = time.Now().Add(-time.Hour).Unix() }})
	_, err := login(t, f, p, a)
	wantReason(t, err, "stale_auth", providers.Invalid)
}

// With client_secret_post and without any secret, as configured or discovered.
func TestClientAuthentication(t *testing.T) {
	f := upstream(t, time.Now)
	var form url.Values
	var basic bool
	note := map[string]func(*idptest.OIDC, http.ResponseWriter, *http.Request){
		"/token": func(_ *idptest.OIDC, w http.ResponseWriter, r *http.Request) {
			r.ParseForm()
			form = r.PostForm
			_, _, basic = r.BasicAuth()
			w.WriteHeader(http.StatusTeapot)
		},
	}
	only := func(methods ...string) func(*idptest.OIDC, map[string]any) {
		return func(_ *idptest.OIDC, doc map[string]any) { doc["token_endpoint_auth_methods_supported"] = methods }
	}
	for _, c := range []struct {
		name      string
		discovery func(*idptest.OIDC, map[string]any)
		change    func(c *Config)
		basic     bool
		post      bool
	}{
		{"basic preferred", nil, nil, true, false},
		{"post configured", nil, func(c *Config) { c.TokenAuth = "client_secret_post" }, false, true},
		{"post discovered", only("client_secret_post"), nil, false, true},
		{"basic configured", only("client_secret_post"), func(c *Config) { c.TokenAuth = "client_secret_basic" }, true, false},
		{"public client", nil, func(c *Config) { c.ClientSecret = "" }, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.Misbehave(&idptest.OIDCRow{Discovery: c.discovery, Serve: note})
			before := f.Requests("/token")
			if _, err := login(t, f, openFor(t, f, time.Now, c.change), providertest.Attempt()); err == nil {
				t.Fatal("a teapot signed somebody in")
			}
			if basic != c.basic || form.Has("client_secret") != c.post || form.Get("code_verifier") == "" {
				t.Errorf("basic %v, post %v, form %v", basic, form.Has("client_secret"), form)
			}
			if n := f.Requests("/token") - before; n != 1 {
				t.Errorf("%d token requests, want 1", n)
			}
		})
	}
}

func TestCheckNamesEveryFault(t *testing.T) {
	for _, issuer := range []string{"", "idp.example", "http://idp.example", "https://", "https://u:p@idp.example", "https://idp.example?x=1", "https://idp.example#", "ftp://idp.example", "https://idp.example/.well-known/openid-configuration"} {
		c := Kind().Config().(*Config)
		c.Issuer, c.ClientID = issuer, "signet"
		if faults := c.Check(); len(faults) != 1 || faults[0].Key != "issuer" {
			t.Errorf("issuer %q: Check = %v", issuer, faults)
		}
	}
	for _, issuer := range []string{"https://idp.example", "https://idp.example/realms/a/", "http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:1"} {
		c := Kind().Config().(*Config)
		c.Issuer, c.ClientID = issuer, "signet"
		if faults := c.Check(); len(faults) != 0 {
			t.Errorf("issuer %q: Check = %v", issuer, faults)
		}
	}
	c := &Config{
		Issuer: "https://idp.example", TokenAuth: "client_secret_basic", TokenAudience: "us", ResponseMode: "fragment", MaxAge: -1,
		PrivateKey: "x", CAFile: "oidc_test.go", Algs: []string{"RS256", "HS256", "none", "ES512"}, Scopes: []string{"a b"},
		ACRValues: []string{""}, Prompt: "none", Params: map[string]string{"state": "x", "hd": "y"},
	}
	var keys []string
	for _, f := range c.Check() {
		keys = append(keys, f.Key)
	}
	want := "acr_values.0 algs.1 algs.2 algs.3 ca_file client_id max_age params.state private_key prompt response_mode scopes.0 token_audience token_auth"
	if got := strings.Join(keys, " "); got != want {
		t.Errorf("faults at %s, want %s", got, want)
	}
	if faults := (&Config{Issuer: "https://idp.example", ClientID: "x"}).Check(); len(faults) != 1 || faults[0].Key != "algs" {
		t.Errorf("no algs: Check = %v", faults)
	}
}

// The page of the fake is used by people: it must lead back by forms alone.
func TestFakePageSignsInAndCancels(t *testing.T) {
	f := upstream(t, time.Now)
	p := openFor(t, f, time.Now, nil)
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	visit := func(a *providers.Attempt) *http.Response {
		t.Helper()
		next, err := p.Begin(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := browser.Get(next.(providers.Redirect).URL)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	answer := func(resp *http.Response, button string) url.Values {
		t.Helper()
		page, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.Contains(string(page), "Sign in at Globex") || !strings.Contains(string(page), "Ann Archer") {
			t.Fatalf("page: %s", page)
		}
		form := resp.Request.URL.Query()
		form.Set(button, "ann")
		resp, err := browser.PostForm(f.Issuer+"/authorize", form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		back, err := resp.Location()
		if err != nil {
			t.Fatal(err)
		}
		return back.Query()
	}
	a := providertest.Attempt()
	_, err := p.Continue(t.Context(), &a, providers.Reply{Method: http.MethodGet, Values: answer(visit(&a), "cancel")})
	wantReason(t, err, "idp_error", providers.Invalid)

	a = providertest.Attempt()
	if _, err := p.Continue(t.Context(), &a, providers.Reply{Method: http.MethodGet, Values: answer(visit(&a), "person")}); err != nil {
		t.Fatal(err)
	}
	a = providertest.Attempt()
	if resp := visit(&a); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("with a session: %d, want 303", resp.StatusCode)
	}
	a = providertest.Attempt()
	a.ForceLogin = true
	if resp := visit(&a); resp.StatusCode != http.StatusOK {
		t.Errorf("with a session and prompt=login: %d, want the page", resp.StatusCode)
	}
}
