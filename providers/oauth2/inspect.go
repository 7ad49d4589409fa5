package oauth2

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/providers"
)

// Inspect implements providers.Inspector: nothing but the client's secret can be tried without a person.
func (p *provider) Inspect(ctx context.Context) []providers.Finding {
	var options []oauth2.AuthCodeOption
	if !p.options.NoPKCE {
		options = append(options, oauth2.VerifierOption(oauth2.GenerateVerifier()))
	}
	return []providers.Finding{
		{Name: "callback", Detail: "register the redirect URI " + p.env.Callback() + " at the upstream"},
		authcode.Probe(ctx, p.token, &p.client, options...),
	}
}
