package microsoft

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

// open opens a provider of a tenant on an Internet of its own.
func open(t *testing.T, tenant string) (providers.Provider, *idptest.OIDC) {
	t.Helper()
	return openWith(t, func(c *Config) { c.Tenant = tenant })
}

func openWith(t *testing.T, change func(c *Config)) (providers.Provider, *idptest.OIDC) {
	t.Helper()
	n, err := idptest.StartInternet()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	f := n.Microsoft(idptest.OIDCOptions{Now: time.Now})
	c := Kind().Config().(*Config)
	c.ClientID, c.ClientSecret = "signet", "globex-secret"
	change(c)
	if faults := c.Check(); len(faults) > 0 {
		t.Fatalf("Check = %v", faults)
	}
	p, err := Kind().Open(t.Context(), providers.Env{
		ID: "ms", Name: "Microsoft", Base: "http://127.0.0.1:1", Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Client: egress.Client(egress.Options{Roots: n.Roots, Route: n.Route()}),
	}, c)
	if err != nil {
		t.Fatal(err)
	}
	return p, f
}

func signIn(t *testing.T, f *idptest.OIDC, next providers.Next, person string) providers.Reply {
	t.Helper()
	back, err := f.SignIn(t.Context(), next.(providers.Redirect).URL, person)
	if err != nil {
		t.Fatal(err)
	}
	return providers.Reply{Method: http.MethodGet, Values: back.Query()}
}

func TestContract(t *testing.T) {
	for _, tenant := range []string{"common", idptest.GlobexTenant} {
		t.Run(tenant, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				p, f := open(t, tenant)
				return providertest.Harness{
					Provider: p, Subject: idptest.GlobexTenant + "." + idptest.ObjectID("ann"),
					SignIn: func(t *testing.T, _ providers.Attempt, next providers.Next) providers.Reply {
						return signIn(t, f, next, "ann")
					},
				}
			})
		})
	}
}

// A discovery document says which tenant's tokens are taken, so it is held to the tenant that was asked for.
func TestDiscoveryDocumentOfAnotherTenant(t *testing.T) {
	for _, c := range []struct {
		tenant, issuer string
		ok             bool
	}{
		{"common", idptest.IssuerOfTenant("{tenantid}"), true},
		{"common", idptest.IssuerOfTenant(idptest.OtherTenant), false},
		{"organizations", "https://login.evil.example/{tenantid}/v2.0", false},
		{"consumers", idptest.IssuerOfTenant(idptest.ConsumersTenant), true},
		{"consumers", idptest.IssuerOfTenant("{tenantid}"), false},
		{idptest.GlobexTenant, idptest.IssuerOfTenant(idptest.GlobexTenant), true},
		{idptest.GlobexTenant, idptest.IssuerOfTenant(idptest.OtherTenant), false},
		{idptest.GlobexTenant, idptest.IssuerOfTenant("{tenantid}"), false},
		{"globex.example", idptest.IssuerOfTenant(idptest.GlobexTenant), true},
		{"globex.example", idptest.IssuerOfTenant("{tenantid}"), false},
		{"globex.example", idptest.IssuerOfTenant("globex.example"), false},
		{"globex.example", idptest.IssuerOfTenant(idptest.GlobexTenant) + "/", false},
		{"globex.example", "", false},
	} {
		p, f := open(t, c.tenant)
		f.Misbehave(&idptest.OIDCRow{Discovery: func(_ *idptest.OIDC, doc map[string]any) { doc["issuer"] = c.issuer }})
		a := providertest.Attempt()
		_, err := p.Begin(t.Context(), &a)
		if c.ok && err != nil || !c.ok && (err == nil || providers.AsError(err).Reason != "upstream_broken") {
			t.Errorf("tenant %s, discovery of %s: %v, want ok %v", c.tenant, c.issuer, err, c.ok)
		}
	}
}

// A callback with iss is Microsoft's only if it names the tenant, or with many, some tenant.
func TestCallbackOfAnotherIssuer(t *testing.T) {
	for _, c := range []struct {
		tenant, iss string
		ok          bool
	}{
		{"common", idptest.IssuerOfTenant(idptest.GlobexTenant), true},
		{"common", "https://login.evil.example/" + idptest.GlobexTenant + "/v2.0", false},
		{idptest.GlobexTenant, idptest.IssuerOfTenant(idptest.GlobexTenant), true},
		{idptest.GlobexTenant, idptest.IssuerOfTenant(idptest.OtherTenant), false},
	} {
		p, f := open(t, c.tenant)
		a := providertest.Attempt()
		next, err := p.Begin(t.Context(), &a)
		if err != nil {
			t.Fatal(err)
		}
		reply := signIn(t, f, next, "ann")
		reply.Values.Set("iss", c.iss)
		_, err = p.Continue(t.Context(), &a, reply)
		if c.ok && err != nil || !c.ok && (err == nil || providers.AsError(err).Reason != "iss_mismatch") {
			t.Errorf("tenant %s, iss %s: %v, want ok %v", c.tenant, c.iss, err, c.ok)
		}
	}
}

// Sign-outs name people by sub, which is not what we know them by.
func TestSignOutsNameTheSub(t *testing.T) {
	p, f := open(t, "common")
	a := providertest.Attempt()
	next, err := p.Begin(t.Context(), &a)
	if err != nil {
		t.Fatal(err)
	}
	if next, err = p.Continue(t.Context(), &a, signIn(t, f, next, "bob")); err != nil {
		t.Fatal(err)
	}
	if id := next.(providers.Done).Identity; id.Handle != "bob" || id.Subject != idptest.GlobexTenant+"."+idptest.ObjectID("bob") {
		t.Errorf("identity = %+v", id)
	}
}

func TestLogoutGoesToMicrosoft(t *testing.T) {
	for _, wanted := range []bool{false, true} {
		p, _ := openWith(t, func(c *Config) { c.Tenant, c.Logout = "common", wanted })
		next, err := p.(providers.Logouter).Logout(t.Context(), &providers.Logout{ID: "out-1", Memory: []byte("hint")})
		if err != nil {
			t.Fatal(err)
		}
		to, ok := next.(providers.Redirect)
		if ok != wanted || wanted && !strings.HasPrefix(to.URL, "https://login.microsoftonline.com/logout?") {
			t.Errorf("logout: %v sends the browser to %+v", wanted, next)
		}
	}
}

func TestCheckNamesEveryFault(t *testing.T) {
	for _, c := range []struct {
		conf Config
		want string
	}{
		{Config{}, "client_id client_secret tenant"},
		{Config{Tenant: "COMMON"}, "tenant"},
		{Config{Tenant: "globex"}, "tenant"},
		{Config{Tenant: "a/../common"}, "tenant"},
		{Config{Tenant: "common", Tenants: []string{"globex.example", idptest.GlobexTenant}}, "tenants.0"},
		{Config{Tenant: idptest.GlobexTenant, Tenants: []string{idptest.GlobexTenant}}, "tenants"},
		{Config{Tenant: "organizations", VerifiedDomains: []string{"globex.example"}}, "verified_domains"},
		{Config{Tenant: "consumers", VerifiedDomains: []string{"globex.example"}}, "verified_domains"},
		{Config{Tenant: "globex.example", VerifiedDomains: []string{"globex.example", "@globex"}, Prompt: "none"}, "prompt verified_domains.1"},
		{Config{Tenant: "common", ClientSecretExpires: "31 January 2027"}, "client_secret_expires"},
		{Config{Tenant: "common", ClientSecretExpires: "2027-01-31"}, ""},
	} {
		if c.conf.Tenant != "" {
			c.conf.ClientID, c.conf.ClientSecret = "signet", "SECRET"
		}
		var keys []string
		for _, f := range c.conf.Check() {
			keys = append(keys, f.Key)
		}
		if got := strings.Join(keys, " "); got != c.want {
			t.Errorf("%+v: faults at %q, want %q", c.conf, got, c.want)
		}
	}
}
