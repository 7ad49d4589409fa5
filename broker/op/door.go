package op

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/providers"
)

// Provider is the broker's door for OpenID Connect.
var _ broker.Door = (*Provider)(nil)

// code is what a code's row remembers of the request beside what the core knows.
type code struct {
	RedirectURI string         `json:"redirect_uri"`
	Challenge   string         `json:"challenge,omitempty"`
	Nonce       string         `json:"nonce,omitempty"`
	Scope       []string       `json:"scope"`
	Resources   []string       `json:"resources,omitempty"`
	Key         string         `json:"dpop_jkt,omitempty"`
	Auth        authentication `json:"auth"`
	Claims      token.Claims   `json:"claims,omitzero"`
}

// authentication is how the session stood when the code was made.
type authentication struct {
	Time int64    `json:"time"` // Unix seconds
	AMR  []string `json:"amr,omitempty"`
	ACR  string   `json:"acr,omitempty"`
}

// requestOf is what the app of a login has asked for.
func requestOf(l broker.Login) (request, error) {
	if req, ok := l.Asked.(request); ok {
		return req, nil
	}
	var req request
	if err := json.Unmarshal(l.Request, &req); err != nil {
		return req, fmt.Errorf("login %s: %w", l.ID, err)
	}
	return req, nil
}

// Finish makes the authorization code.
func (p *Provider) Finish(ctx context.Context, l broker.Login, s broker.Session) (providers.Next, *broker.Artifact, error) {
	req, err := requestOf(l)
	if err != nil {
		return nil, nil, err
	}
	app := p.Registry.App(l.App)
	if app == nil {
		return nil, nil, providers.Refuse("unknown_app", "app %q is gone", l.App)
	}
	if l.MustACR && !slices.Contains(l.ACR, s.ACR) {
		// Nothing that the sign-in was not may be said of it; the app asked for no less.
		next, err := p.failure(ctx, app.ID, req, oauth("unmet_authentication_requirements", "the person did not sign in as asked for"))
		return next, nil, err
	}
	secret := broker.NewSecret(p.Now())
	made := code{req.RedirectURI, req.Challenge, req.Nonce, req.Scope, req.Resources, req.Key, authentication{s.AuthTime.Unix(), s.AMR, s.ACR}, req.Claims}
	data, err := json.Marshal(made)
	if err != nil {
		return nil, nil, err
	}
	a := &broker.Artifact{
		Hash: broker.HashSecret(secret), App: app.ID, User: s.User, Session: s.ID, Provider: s.Provider, Data: data, Made: made,
		Expires: p.Now().Add(app.Tokens.Code), Request: req.Pushed,
	}
	next, err := p.answer(ctx, app.ID, req, url.Values{"code": {secret}})
	return next, a, err
}

// Fail tells the app why there is no code.
func (p *Provider) Fail(ctx context.Context, l broker.Login, reason *broker.Error) (providers.Next, error) {
	req, err := requestOf(l)
	if err != nil {
		return nil, err
	}
	e := oauth("server_error", "")
	switch reason.Reason {
	case "access_denied":
		e = oauth("access_denied", "the person did not sign in")
	case "idp_disabled":
		e = oauth("invalid_request", "the provider that was named is none of this app any more")
	case "login_required":
		e = oauth("login_required", "the person must sign in")
	case "consent_required":
		e = oauth("consent_required", "the person must be asked for consent")
	case "consent_denied":
		e = oauth("access_denied", "the person did not consent")
	}
	return p.failure(ctx, l.App, req, e)
}

func (p *Provider) failure(ctx context.Context, app string, req request, e *Error) (providers.Next, error) {
	v := url.Values{"error": {e.Code}}
	if e.Description != "" {
		v.Set("error_description", e.Description)
	}
	return p.answer(ctx, app, req, v)
}
