package demoapp

import (
	"context"
	"net/http"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// party is the app as a relying party, with what the provider publishes about itself.
type party struct {
	oauth      oauth2.Config
	verifier   *oidc.IDTokenVerifier
	endSession string // "": the provider has no sign-out
	revocation string
}

// scopes are what the app asks for. Without offline_access there would be no refresh token.
var scopes = []string{oidc.ScopeOpenID, "profile", "email", "groups", oidc.ScopeOfflineAccess}

// party asks for the discovery document once, and again for as long as it could not be had.
func (a *App) party(ctx context.Context) (*party, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known != nil {
		return a.known, nil
	}
	provider, err := oidc.NewProvider(a.context(ctx), a.opts.Issuer)
	if err != nil {
		return nil, &failure{
			Status: http.StatusBadGateway, Title: "The sign-in service does not answer", Again: true, Err: err,
			Text: "The app has asked it how to sign people in and got no usable answer.",
		}
	}
	var published struct {
		EndSession string   `json:"end_session_endpoint"`
		Revocation string   `json:"revocation_endpoint"`
		Algs       []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := provider.Claims(&published); err != nil {
		return nil, err
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader // left open, a refused code would be sent a second time
	if a.opts.ClientSecret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	a.known = &party{
		oauth: oauth2.Config{
			ClientID: a.opts.ClientID, ClientSecret: a.opts.ClientSecret,
			Endpoint: endpoint, RedirectURL: a.opts.URL + "/callback", Scopes: slices.Clone(scopes),
		},
		verifier:   provider.Verifier(&oidc.Config{ClientID: a.opts.ClientID, SupportedSigningAlgs: published.Algs, Now: a.opts.Now}),
		endSession: published.EndSession,
		revocation: published.Revocation,
	}
	return a.known, nil
}

// context makes the libraries use the app's own client, which has an end to its patience.
func (a *App) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, a.client)
}
