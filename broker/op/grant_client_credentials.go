package op

import (
	"context"
	"net/url"
	"slices"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
)

const clientCredentials = "client_credentials"

// ClientCredentialsGrant is the client_credentials grant (RFC 6749 §4.4): an app that acts for nobody but
// itself. Nothing is written: the token is good until it expires, as long as its app may use the grant.
type ClientCredentialsGrant struct {
	Provider *Provider
}

// Type implements Grant.
func (g *ClientCredentialsGrant) Type() string { return clientCredentials }

// Authorize implements Grant. Without a scope the app gets all scopes of the API.
func (g *ClientCredentialsGrant) Authorize(_ context.Context, app *broker.App, form url.Values) (token.Authorization, error) {
	if app.Public() {
		return token.Authorization{}, oauth("unauthorized_client", "an app without a secret has nothing of its own")
	}
	scope, err := readScope(form)
	if err != nil {
		return token.Authorization{}, err
	}
	own, err := g.Provider.own(app, scope, form["resource"])
	if err != nil {
		return token.Authorization{}, err
	}
	return token.Authorization{
		App: app, Family: token.Family{App: app.ID, Scope: own.scope}, Resources: own.ids,
		Commit: func(context.Context) error { return nil },
	}, nil
}

// own is what somebody may have at APIs who is no person: without a scope, all scopes of those that are named.
func (p *Provider) own(app *broker.App, asked, named []string) (wanted, error) {
	own, err := p.resources(app, asked, named)
	if err != nil || len(asked) > 0 {
		return own, err
	}
	for _, id := range own.ids {
		if api := p.APIs[id]; api != nil {
			own.scope = append(own.scope, slices.DeleteFunc(slices.Clone(api.Scopes), func(s string) bool { return !app.MayAsk(s) })...)
		}
	}
	return own, nil
}
