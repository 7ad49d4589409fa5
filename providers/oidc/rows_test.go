package oidc

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

func wantReason(t *testing.T, err error, reason string, kind providers.ErrorKind) {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want *providers.Error", err, err)
	}
	if e.Reason != reason || e.Kind != kind {
		t.Errorf("refused with %q, kind %d (%v), want %q, kind %d", e.Reason, e.Kind, err, reason, kind)
	}
	// What is logged holds nothing that the upstream wrote.
	if s := err.Error(); strings.Contains(s, "SECRET") || strings.Contains(s, "<script>") || len(s) > 2<<10 {
		t.Errorf("error text of %d bytes quotes the upstream: %.300s", len(s), s)
	}
}

// Every row of the catalogue, against a provider of its own; after each, an honest login works.
func TestUpstreamRows(t *testing.T) {
	f := upstream(t, time.Now)
	for i := range idptest.OIDCRows {
		row := &idptest.OIDCRows[i]
		t.Run(row.ID+" "+row.Name, func(t *testing.T) {
			f.Honest()
			p := openFor(t, f, time.Now, func(c *Config) { c.UserInfo, c.ACRValues = row.UserInfo, row.ACRValues })
			a := providertest.Attempt()
			a.MaxAge = row.MaxAge
			if row.Warm {
				if _, err := login(t, f, p, a); err != nil {
					t.Fatalf("honest login before: %v", err)
				}
			}
			f.Misbehave(row)
			defer f.Honest()
			before, start := f.Requests("/token"), time.Now()
			next, err := login(t, f, p, a)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			requests := f.Requests("/token") - before
			if requests > 1 || requests > 0 && row.Callback != nil && !row.Control && row.Reason != "token_refused" {
				t.Errorf("%d token requests", requests)
			}
			checkRow(t, row, next, err)

			f.Honest()
			if row.ACRValues == nil {
				if _, err := login(t, f, openFor(t, f, time.Now, nil), providertest.Attempt()); err != nil {
					t.Errorf("honest login after: %v", err)
				}
			}
		})
	}
}

func checkRow(t *testing.T, row *idptest.OIDCRow, next providers.Next, err error) {
	t.Helper()
	if row.Control {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		if id := next.(providers.Done).Identity; id.Subject != "ann" {
			t.Fatalf("subject = %q, want ann", id.Subject)
		}
		return
	}
	if err == nil {
		t.Fatalf("accepted: %+v", next)
	}
	kind := providers.Invalid
	if row.Status == http.StatusBadGateway {
		kind = providers.Upstream
	}
	wantReason(t, err, row.Reason, kind)
}

// R-96 as a table: where a discovery document may send codes, secrets and our own requests.
func TestEndpointsOfTheDiscoveryDocument(t *testing.T) {
	for _, c := range []struct {
		issuer, endpoint string
		ok               bool
	}{
		{"https://idp.example", "https://idp.example/token", true},
		{"https://idp.example", "https://api.other.example/token?x=1", true},
		{"https://idp.example", "https://10.0.0.1/token", true}, // companies run providers inside
		{"http://127.0.0.1:1", "http://127.0.0.1:2/token", true},
		{"http://localhost:1", "https://127.0.0.1:2/token", true},
		{"https://idp.example", "http://idp.example/token", false},
		{"https://idp.example", "http://127.0.0.1/token", false},
		{"https://idp.example", "https://127.0.0.1/token", false},
		{"https://idp.example", "https://localhost/token", false},
		{"https://127.0.0.1", "http://127.0.0.1/token", false},
		{"http://127.0.0.1:1", "http://idp.example/token", false},
		{"https://idp.example", "https://169.254.169.254/latest", false},
		{"https://idp.example", "https://[fe80::1]/token", false},
		{"https://idp.example", "https://0.0.0.0/token", false},
		{"https://idp.example", "https://user:pass@idp.example/token", false},
		{"https://idp.example", "https://idp.example/token#x", false},
		{"https://idp.example", "file:///etc/passwd", false},
		{"https://idp.example", "/token", false},
		{"https://idp.example", "", false},
		{"https://idp.example", "https://", false},
		{"https://idp.example", "javascript:alert(1)", false},
		{"https://idp.example", "https://idp.example/" + strings.Repeat("a", 1<<20), false},
	} {
		issuer, err := url.Parse(c.issuer)
		if err != nil {
			t.Fatal(err)
		}
		if problem := endpointProblem(c.endpoint, issuer); (problem == "") != c.ok {
			t.Errorf("issuer %s, endpoint %q: %q, want ok %v", c.issuer, c.endpoint, problem, c.ok)
		}
	}
}

// A parameter that cannot be one costs the upstream nothing.
func TestOversizedCodeGoesNowhere(t *testing.T) {
	f := upstream(t, time.Now)
	p := openFor(t, f, time.Now, nil)
	a := providertest.Attempt()
	next, err := p.Begin(t.Context(), &a)
	if err != nil {
		t.Fatal(err)
	}
	reply := signIn(t, f, next)
	reply.Values.Set("code", strings.Repeat("A", authcode.MaxParam+1))
	_, err = p.Continue(t.Context(), &a, reply)
	wantReason(t, err, "malformed", providers.Invalid)
	if n := f.Requests("/token"); n != 0 {
		t.Errorf("%d token requests, want none", n)
	}
}

// Userinfo adds what is about the person; what is about the login, the signed token alone says.
func TestUserInfoHasNoSayInTheLogin(t *testing.T) {
	f := upstream(t, time.Now)
	f.Misbehave(&idptest.OIDCRow{
		Claims: func(_ *idptest.OIDC, c map[string]any) { delete(c, "acr"); delete(c, "sid") },
		Info: func(_ *idptest.OIDC, c map[string]any) {
			c["acr"], c["sid"], c["email"] = "urn:globex:phr", "sid-victim", "victim@globex.example"
		},
	})
	next, err := login(t, f, openFor(t, f, time.Now, func(c *Config) { c.UserInfo = true }), providertest.Attempt())
	if err != nil {
		t.Fatal(err)
	}
	id := next.(providers.Done).Identity
	if id.ACR != "" || id.Session != "" || id.Claims["email"] != "ann@globex.example" || id.Claims["department"] != "Research" {
		t.Errorf("identity = %+v", id)
	}
}

// An upstream that takes the connection and never answers is given up, wherever that happens.
func TestHungUpstreamIsGivenUp(t *testing.T) {
	hang := func(_ *idptest.OIDC, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, path := range []string{discoveryPath, jwksPath, "/token", "/userinfo"} {
		t.Run(path, func(t *testing.T) {
			f := upstream(t, time.Now)
			p := openFor(t, f, time.Now, func(c *Config) { c.UserInfo = true }).(*provider)
			p.env.Client.Timeout, p.token.Timeout = 500*time.Millisecond, 500*time.Millisecond
			f.Misbehave(&idptest.OIDCRow{Serve: map[string]func(*idptest.OIDC, http.ResponseWriter, *http.Request){path: hang}})
			_, err := login(t, f, p, providertest.Attempt())
			wantReason(t, err, "upstream_unreachable", providers.Upstream)
		})
	}
}
