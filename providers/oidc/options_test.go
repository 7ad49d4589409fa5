package oidc

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

// signInForm is signIn for an upstream that answers by a form.
func signInForm(t testing.TB, f *idptest.OIDC, next providers.Next) providers.Reply {
	t.Helper()
	action, form, err := f.SignInForm(t.Context(), next.(providers.Redirect).URL, "ann")
	if err != nil {
		t.Fatal(err)
	}
	if action != "http://127.0.0.1:1/callback/globex" {
		t.Errorf("the form goes to %s", action)
	}
	return providers.Reply{Method: http.MethodPost, Values: form}
}

func formPost(c *Config) { c.ResponseMode = "form_post" }

func TestContractByForm(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		f := upstream(t, time.Now)
		return providertest.Harness{
			Provider: openFor(t, f, time.Now, formPost), Subject: "ann", Down: f.Down,
			SignIn: func(t *testing.T, _ providers.Attempt, next providers.Next) providers.Reply {
				return signInForm(t, f, next)
			},
			Up: func() {
				if err := f.Up(); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// The maximum age of the configuration holds whatever the app asks for, and the smaller one counts.
func TestConfiguredMaxAge(t *testing.T) {
	f := upstream(t, time.Now)
	p := openFor(t, f, time.Now, func(c *Config) { c.MaxAge = 10 * time.Minute })
	for _, c := range []struct{ asked, age time.Duration }{
		{0, time.Hour}, {2 * time.Hour, time.Hour}, {time.Minute, 5 * time.Minute},
	} {
		f.Misbehave(&idptest.OIDCRow{Claims: func(_ *idptest.OIDC, claims map[string]any) { claims["auth_time"] = time.Now().Add(-c.age).Unix() }})
		a := providertest.Attempt()
		a.MaxAge = c.asked
		_, err := login(t, f, p, a)
		wantReason(t, err, "stale_auth", providers.Invalid)
		next, err := p.Begin(t.Context(), &a)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(next.(providers.Redirect).URL)
		if want := map[bool]string{true: "60", false: "600"}[c.asked == time.Minute]; u.Query().Get("max_age") != want {
			t.Errorf("max_age = %s, want %s", u.Query().Get("max_age"), want)
		}
	}
	f.Honest()
	if _, err := login(t, f, p, providertest.Attempt()); err != nil {
		t.Error(err)
	}
}

// Only a missing auth_time is made up, and only where the operator says so.
func TestAuthTimeFromIat(t *testing.T) {
	f := upstream(t, time.Now)
	p := openFor(t, f, time.Now, func(c *Config) { c.AuthTimeFromIat = true })
	a := providertest.Attempt()
	a.MaxAge = 10 * time.Minute
	claims := func(authTime any) {
		f.Misbehave(&idptest.OIDCRow{Claims: func(_ *idptest.OIDC, c map[string]any) {
			if delete(c, "auth_time"); authTime != nil {
				c["auth_time"] = authTime
			}
		}})
	}
	claims(nil)
	if _, err := login(t, f, p, a); err != nil {
		t.Errorf("without auth_time: %v", err)
	}
	_, err := login(t, f, openFor(t, f, time.Now, nil), a)
	wantReason(t, err, "stale_auth", providers.Invalid)
	claims(time.Now().Add(-time.Hour).Unix())
	_, err = login(t, f, p, a)
	wantReason(t, err, "stale_auth", providers.Invalid)
	claims("yesterday")
	_, err = login(t, f, p, a)
	wantReason(t, err, "malformed", providers.Invalid)
}

// A company's own authority is trusted for its upstream, and nobody else's is then.
func TestPrivateAuthority(t *testing.T) {
	f := upstream(t, time.Now)
	inside, err := url.Parse(f.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(inside))
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	front.StartTLS()
	t.Cleanup(front.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	f.Misbehave(&idptest.OIDCRow{Discovery: func(_ *idptest.OIDC, doc map[string]any) {
		for name, value := range doc { // it is the same server, by another address
			if s, ok := value.(string); ok {
				doc[name] = front.URL + s[min(len(s), len(f.Issuer)):]
			}
		}
	}, Claims: func(_ *idptest.OIDC, c map[string]any) { c["iss"] = front.URL }, Callback: func(_ *idptest.OIDC, v url.Values) { v.Set("iss", front.URL) }})
	open := func(ca string) providers.Provider {
		return openFor(t, f, time.Now, func(c *Config) { c.Issuer, c.CAFile = front.URL, ca })
	}
	a := providertest.Attempt()
	_, err = open("").Begin(t.Context(), &a)
	wantReason(t, err, "upstream_unreachable", providers.Upstream)
	p := open(ca)
	next, err := p.Begin(t.Context(), &a)
	if err != nil {
		t.Fatal(err)
	}
	to := next.(providers.Redirect).URL
	reply := signIn(t, f, providers.Redirect{URL: strings.Replace(to, front.URL, f.Issuer, 1)})
	if _, err := p.Continue(t.Context(), &a, reply); err != nil {
		t.Errorf("with ca_file: %v", err)
	}
	c := Defaults()
	c.Issuer, c.ClientID, c.CAFile = front.URL, "signet", filepath.Join(t.TempDir(), "none.pem")
	if faults := c.Check(); len(faults) != 1 || faults[0].Key != "ca_file" {
		t.Errorf("Check = %v", faults)
	}
	if _, err := Open(providers.Env{Now: time.Now, Client: egress.Client(egress.Options{})}, c, Options{}); err == nil {
		t.Error("opened without its authorities")
	}
}
