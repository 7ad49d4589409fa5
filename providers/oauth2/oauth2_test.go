package oauth2_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/oauth2"
	"github.com/signet-broker/signet/providers/providertest"
)

func upstream(t *testing.T) *idptest.OAuth2 {
	t.Helper()
	f, err := idptest.StartOAuth2()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func configFor(f *idptest.OAuth2) *oauth2.Config {
	c := oauth2.Kind().Config().(*oauth2.Config)
	c.AuthorizationURL, c.TokenURL, c.UserInfoURL = f.URL+"/authorize", f.URL+"/token", f.URL+"/me"
	c.ClientID, c.ClientSecret, c.Subject = f.ClientID, secret.String(f.ClientSecret), "data.user.id"
	return c
}

func openFor(t *testing.T, c *oauth2.Config) providers.Provider {
	t.Helper()
	if faults := c.Check(); len(faults) != 0 {
		t.Fatalf("Check = %v", faults)
	}
	client := egress.Client(egress.Options{})
	t.Cleanup(client.CloseIdleConnections)
	p, err := oauth2.Kind().Open(t.Context(), providers.Env{
		ID: "globex", Name: "Globex", Base: "http://127.0.0.1:1", Client: client, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func signIn(t *testing.T, f *idptest.OAuth2, next providers.Next, person string) providers.Reply {
	t.Helper()
	to, ok := next.(providers.Redirect)
	if !ok {
		t.Fatalf("Begin = %T, want Redirect", next)
	}
	back, err := f.SignIn(t.Context(), to.URL, person)
	if err != nil {
		t.Fatal(err)
	}
	return providers.Reply{Method: http.MethodGet, Values: back.Query()}
}

func login(t *testing.T, f *idptest.OAuth2, p providers.Provider, person string) (providers.Identity, error) {
	t.Helper()
	a := providertest.Attempt()
	next, err := p.Begin(t.Context(), &a)
	if err != nil {
		t.Fatal(err)
	}
	next, err = p.Continue(t.Context(), &a, signIn(t, f, next, person))
	if err != nil {
		return providers.Identity{}, err
	}
	return next.(providers.Done).Identity, nil
}

func TestContract(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		f := upstream(t)
		return providertest.Harness{
			Provider: openFor(t, configFor(f)),
			SignIn: func(t *testing.T, _ providers.Attempt, next providers.Next) providers.Reply {
				return signIn(t, f, next, "ann")
			},
			Subject: "9007199254740991",
			Down:    f.Down,
			Up: func() {
				if err := f.Up(); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// The ids of ann, bob and eve are next to each other where a float64 knows every second number only.
func TestNumbersKeepTheirDigits(t *testing.T) {
	f := upstream(t)
	p := openFor(t, configFor(f))
	for person, want := range map[string]string{"ann": "9007199254740991", "bob": "9007199254740992", "eve": "9007199254740993"} {
		id, err := login(t, f, p, person)
		if err != nil || id.Subject != want {
			t.Errorf("%s: subject = %q, %v; want %q", person, id.Subject, err, want)
		}
		user := id.Claims["data"].(map[string]any)["user"].(map[string]any)
		if person == "eve" && user["id"] != want {
			t.Errorf("claim id = %#v, want %q", user["id"], want)
		}
		if user["name"] != person || id.Claims["email"] != person+"@globex.example" {
			t.Errorf("claims = %v", id.Claims)
		}
	}
}

func TestTokenAuthIsAsConfigured(t *testing.T) {
	f := upstream(t)
	for _, auth := range []string{"client_secret_basic", "client_secret_post"} {
		c := configFor(f)
		c.TokenAuth = auth
		var basic bool
		f.Misbehave(idptest.OAuth2Row{Serve: map[string]http.HandlerFunc{"/token": func(w http.ResponseWriter, r *http.Request) {
			_, _, basic = r.BasicAuth()
			if r.UserAgent() != "Signet" || basic == r.PostForm.Has("client_secret") && basic {
				t.Errorf("User-Agent %q, secret in both places", r.UserAgent())
			}
			http.Error(w, "", http.StatusBadRequest)
		}}})
		login(t, f, openFor(t, c), "ann")
		if basic != (auth == "client_secret_basic") {
			t.Errorf("%s: Basic is %t", auth, basic)
		}
	}
}

func wantReason(t *testing.T, err error, reason string, kind providers.ErrorKind) {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) || e.Reason != reason || e.Kind != kind {
		t.Errorf("error %v, want %q of kind %d", err, reason, kind)
	}
	if err != nil && (strings.Contains(err.Error(), "SECRET") || len(err.Error()) > 2<<10) {
		t.Errorf("error quotes the upstream: %.300s", err.Error())
	}
}

func TestUpstreamThatMisbehavesIsRefused(t *testing.T) {
	f := upstream(t)
	says := func(path string, status int, media, body string) idptest.OAuth2Row {
		return idptest.OAuth2Row{Serve: map[string]http.HandlerFunc{path: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			w.Header().Set("Location", "https://evil.example/")
			w.WriteHeader(status)
			io.WriteString(w, body)
		}}}
	}
	profile := func(body string) idptest.OAuth2Row { return says("/me", 200, "application/json", body) }
	const js = "application/json"
	for _, row := range []struct {
		name, reason string
		kind         providers.ErrorKind
		row          idptest.OAuth2Row
	}{
		{"R-82 token as a form", "malformed", providers.Invalid, says("/token", 200, "application/x-www-form-urlencoded", "access_token=SECRET&token_type=bearer")},
		{"R-82 token as HTML", "malformed", providers.Invalid, says("/token", 200, "text/html", "SECRET")},
		{"R-82 token without a type", "malformed", providers.Invalid, idptest.OAuth2Row{Token: func(d map[string]any) { delete(d, "token_type") }}},
		{"R-82 token of another type", "malformed", providers.Invalid, idptest.OAuth2Row{Token: func(d map[string]any) { d["token_type"] = "mac" }}},
		{"R-82 no token", "malformed", providers.Invalid, idptest.OAuth2Row{Token: func(d map[string]any) { delete(d, "access_token") }}},
		{"R-83 token endpoint redirects", "upstream_broken", providers.Upstream, says("/token", 307, js, "")},
		{"R-84 invalid_client", "token_refused", providers.Upstream, says("/token", 401, js, `{"error":"invalid_client","error_description":"SECRET"}`)},
		{"R-81 token of 3 MB", "upstream_broken", providers.Upstream, says("/token", 200, js, strings.Repeat(" ", 3<<20))},
		{"profile redirects", "upstream_broken", providers.Upstream, says("/me", 302, js, "")},
		{"profile answers 401", "upstream_broken", providers.Upstream, says("/me", 401, js, "SECRET")},
		{"profile of 3 MB", "upstream_broken", providers.Upstream, says("/me", 200, js, strings.Repeat(" ", 3<<20))},
		{"profile is HTML", "malformed", providers.Invalid, says("/me", 200, "text/html", "{}")},
		{"profile has no type", "malformed", providers.Invalid, says("/me", 200, "", `{"data":{"user":{"id":"x"}}}`)},
		{"profile is a list", "malformed", providers.Invalid, profile(`[{"data":{"user":{"id":"x"}}}]`)},
		{"profile is nested deeply", "malformed", providers.Invalid, profile(`{"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`)},
		{"profile is not UTF-8", "malformed", providers.Invalid, profile("{\"data\":{\"user\":{\"id\":\"\xff\"}}}")},
		{"profile goes on", "malformed", providers.Invalid, profile(`{"data":{"user":{"id":"x"}}}{}`)},
		{"R-48 id comes twice", "malformed", providers.Invalid, profile(`{"data":{"user":{"id":"x","id":"y"}}}`)},
		{"R-49 ID in capitals alone", "sub", providers.Invalid, profile(`{"data":{"user":{"ID":"x"}}}`)},
		{"R-21 no id", "sub", providers.Invalid, profile(`{"data":{"user":{}}}`)},
		{"R-21 empty id", "sub", providers.Invalid, profile(`{"data":{"user":{"id":""}}}`)},
		{"R-21 profile is null", "sub", providers.Invalid, profile(`null`)},
		{"R-22 id is a fraction", "sub", providers.Invalid, profile(`{"data":{"user":{"id":1.5}}}`)},
		{"R-22 id is 1e3", "sub", providers.Invalid, profile(`{"data":{"user":{"id":1e3}}}`)},
		{"R-22 id is negative", "sub", providers.Invalid, profile(`{"data":{"user":{"id":-1}}}`)},
		{"R-22 id is true", "sub", providers.Invalid, profile(`{"data":{"user":{"id":true}}}`)},
		{"R-22 id is an object", "sub", providers.Invalid, profile(`{"data":{"user":{"id":{"id":"x"}}}}`)},
		{"R-22 id is too long", "sub", providers.Invalid, profile(`{"data":{"user":{"id":"` + strings.Repeat("x", 256) + `"}}}`)},
		{"R-22 id has a line break", "sub", providers.Invalid, profile(`{"data":{"user":{"id":"x\n"}}}`)},
	} {
		t.Run(row.name, func(t *testing.T) {
			f.Misbehave(row.row)
			defer f.Honest()
			before := f.Requests("/token")
			id, err := login(t, f, openFor(t, configFor(f)), "ann")
			if err == nil {
				t.Fatalf("accepted as %q", id.Subject)
			}
			wantReason(t, err, row.reason, row.kind)
			if n := f.Requests("/token") - before; n != 1 {
				t.Errorf("%d token requests, want 1", n)
			}
		})
	}
}

func TestAnswersThroughTheBrowserAreRefused(t *testing.T) {
	f := upstream(t)
	c := configFor(f)
	c.Issuer = "https://globex.example"
	p := openFor(t, c)
	f.Misbehave(idptest.OAuth2Row{Callback: func(v url.Values) { v.Set("iss", c.Issuer) }})
	if _, err := login(t, f, p, "ann"); err != nil {
		t.Fatalf("with iss: %v", err)
	}
	for name, row := range map[string]struct {
		reason string
		change func(r *providers.Reply)
	}{
		"R-6 another iss":    {"iss_mismatch", func(r *providers.Reply) { r.Values.Set("iss", "https://evil.example") }},
		"R-7 no iss":         {"iss_mismatch", func(r *providers.Reply) { r.Values.Del("iss") }},
		"R-1 no state":       {"state_missing", func(r *providers.Reply) { r.Values.Del("state") }},
		"R-2 another state":  {"state_invalid", func(r *providers.Reply) { r.Values.Set("state", "x") }},
		"R-11 two codes":     {"malformed", func(r *providers.Reply) { r.Values.Add("code", "x") }},
		"R-11 two states":    {"malformed", func(r *providers.Reply) { r.Values.Add("state", "x") }},
		"R-12 a posted form": {"malformed", func(r *providers.Reply) { r.Method = http.MethodPost }},
		"R-13 an error": {"idp_error", func(r *providers.Reply) {
			r.Values.Del("code")
			r.Values.Set("error", "access_denied")
			r.Values.Set("error_description", "<script>SECRET")
		}},
		"code and error": {"malformed", func(r *providers.Reply) { r.Values.Set("error", "access_denied") }},
	} {
		t.Run(name, func(t *testing.T) {
			a := providertest.Attempt()
			next, err := p.Begin(t.Context(), &a)
			if err != nil {
				t.Fatal(err)
			}
			reply := signIn(t, f, next, "ann")
			row.change(&reply)
			before := f.Requests("/token")
			_, err = p.Continue(t.Context(), &a, reply)
			wantReason(t, err, row.reason, providers.Invalid)
			if n := f.Requests("/token") - before; n != 0 {
				t.Errorf("%d token requests", n)
			}
		})
	}
}

// Nobody could tell whether they really signed in again.
func TestWhenSomebodySignedInIsNotClaimed(t *testing.T) {
	p := openFor(t, configFor(upstream(t)))
	for _, a := range []providers.Attempt{{ID: "x", ForceLogin: true}, {ID: "x", MaxAge: time.Hour}} {
		_, err := p.Begin(t.Context(), &a)
		wantReason(t, err, "stale_auth", providers.Invalid)
	}
}

func TestCheckFindsEveryFault(t *testing.T) {
	c := oauth2.Defaults()
	c.AuthorizationURL, c.TokenURL, c.UserInfoURL = "http://idp.example/a", "https://user@idp.example/t", "https://idp.example/me#x"
	c.TokenAuth, c.Subject, c.CAFile = "auto", "data..id", "missing.pem"
	c.Scopes, c.Params = []string{"a b"}, map[string]string{"state": "x", "prompt": "consent"}
	var keys []string
	for _, f := range c.Check() {
		keys = append(keys, f.Key)
	}
	const want = "authorization_url ca_file client_id client_secret params.state scopes.0 subject token_auth token_url userinfo_url"
	if got := strings.Join(keys, " "); got != want {
		t.Errorf("faults at %s, want %s", got, want)
	}
}
