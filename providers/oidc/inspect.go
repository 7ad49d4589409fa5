package oidc

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/providers"
)

// Inspect implements providers.Inspector: discovery, keys and the client's secret are tried, nothing is kept.
func (p *provider) Inspect(ctx context.Context) []providers.Finding {
	found := []providers.Finding{{Name: "callback", Detail: "register the redirect URI " + p.env.Callback() + " at the upstream"}}
	if p.conf.Logout {
		found = append(found, providers.Finding{
			Name: "callback", Detail: "register " + p.env.Callback() + "/logout as post-logout redirect URI and as back-channel logout URI",
		})
	}
	m, err := p.fetchMetadata(ctx)
	if err != nil {
		return append(found, providers.Finding{
			Name: "discovery", Problem: fmt.Sprintf("%s/.well-known/openid-configuration: %v; issuer must be what that document says", strings.TrimSuffix(p.conf.Issuer, "/"), err),
		})
	}
	found = append(found, providers.Finding{Name: "discovery", Detail: "issuer " + m.Issuer})
	keys := providers.Finding{Name: "jwks", Detail: m.JWKSURL}
	if _, err := p.fetchKeys(ctx); err != nil {
		keys.Problem = err.Error()
	}
	return append(found, keys, p.inspectSecret(ctx, m))
}

func (p *provider) inspectSecret(ctx context.Context, m *metadata) providers.Finding {
	if p.conf.ClientSecret == "" && p.options.Secret == nil && p.conf.TokenAuth != authPrivateKey {
		return providers.Finding{Name: "secret", Detail: "none: Signet is a public client there"}
	}
	client, proof, err := p.client(ctx, m)
	if err != nil {
		return providers.Finding{Name: "secret", Problem: err.Error()}
	}
	if !p.options.NoPKCE {
		proof = append(proof, oauth2.VerifierOption(oauth2.GenerateVerifier()))
	}
	f := authcode.Probe(ctx, p.token, &client, proof...)
	f.Expires = p.conf.secretExpires()
	return f
}

// secretExpires is when the client secret ends, as the configuration says; zero when it does not.
func (c *Config) secretExpires() time.Time {
	t, err := time.Parse(time.DateOnly, c.ClientSecretExpires)
	if err != nil {
		return time.Time{}
	}
	return t
}
