package op

import (
	"context"
	"net/url"
	"strings"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
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
	raw, err := web.Single(form, "scope")
	if err != nil {
		return token.Authorization{}, oauth("invalid_request", "scope must not be repeated")
	}
	asked := strings.Fields(clip(raw, maxScope))
	own, err := g.Provider.resources(app, asked, form["resource"])
	if err != nil {
		return token.Authorization{}, err
	}
	if len(asked) == 0 {
		for _, id := range own.ids {
			if api := g.Provider.APIs[id]; api != nil {
				own.scope = append(own.scope, api.Scopes...)
			}
		}
	}
	return token.Authorization{
		App: app, Family: token.Family{App: app.ID, Scope: own.scope}, Resources: own.ids,
		Commit: func(context.Context) error { return nil },
	}, nil
}
