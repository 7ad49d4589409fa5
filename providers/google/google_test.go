package google

import (
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

// open opens a provider on an Internet of its own.
func open(t *testing.T, change func(c *Config)) (providers.Provider, *idptest.OIDC) {
	t.Helper()
	n, err := idptest.StartInternet()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	f := n.Google(idptest.OIDCOptions{Now: time.Now})
	c := Kind().Config().(*Config)
	c.ClientID, c.ClientSecret = "signet", "globex-secret"
	if change != nil {
		change(c)
	}
	if faults := c.Check(); len(faults) > 0 {
		t.Fatalf("Check = %v", faults)
	}
	p, err := Kind().Open(t.Context(), providers.Env{
		ID: "google", Name: "Google", Base: "http://127.0.0.1:1", Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Client: egress.Client(egress.Options{Roots: n.Roots, Route: n.Route()}),
	}, c)
	if err != nil {
		t.Fatal(err)
	}
	return p, f
}

func TestContract(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		p, f := open(t, func(c *Config) { c.HostedDomains = []string{"globex.example"} })
		return providertest.Harness{Provider: p, Subject: "ann", SignIn: func(t *testing.T, _ providers.Attempt, next providers.Next) providers.Reply {
			back, err := f.SignIn(t.Context(), next.(providers.Redirect).URL, "ann")
			if err != nil {
				t.Fatal(err)
			}
			return providers.Reply{Method: http.MethodGet, Values: back.Query()}
		}}
	})
}

// Google shows the accounts of the hosted domain; of several, those of any.
func TestHostedDomainsShortenTheList(t *testing.T) {
	for want, domains := range map[string][]string{"": nil, "globex.example": {"globex.example"}, "*": {"globex.example", "globex.org"}} {
		p, _ := open(t, func(c *Config) { c.HostedDomains = domains })
		a := providertest.Attempt()
		next, err := p.Begin(t.Context(), &a)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(next.(providers.Redirect).URL)
		if err != nil {
			t.Fatal(err)
		}
		if hd := u.Query().Get("hd"); hd != want || !strings.HasPrefix(u.String(), "https://accounts.google.com/") {
			t.Errorf("%v: hd = %q of %s, want %q", domains, hd, u.Host, want)
		}
	}
}

func TestCheckNamesEveryFault(t *testing.T) {
	c := &Config{Scopes: []string{"a b"}, Prompt: "none", HostedDomains: []string{"globex.example", "Globex.example", "@globex.example", "globex", "*.globex.example"}}
	var keys []string
	for _, f := range c.Check() {
		keys = append(keys, f.Key)
	}
	want := "client_secret hosted_domains.1 hosted_domains.2 hosted_domains.3 hosted_domains.4 client_id prompt scopes.0"
	if got := strings.Join(keys, " "); got != want {
		t.Errorf("faults at %s, want %s", got, want)
	}
}
