package op

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/signet-broker/signet/broker"
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
}

// authentication is how the session stood when the code was made.
type authentication struct {
	Time int64    `json:"time"` // Unix seconds
	AMR  []string `json:"amr,omitempty"`
	ACR  string   `json:"acr,omitempty"`
}

// Finish makes the authorization code.
func (p *Provider) Finish(_ context.Context, l broker.Login, s broker.Session) (providers.Next, *broker.Artifact, error) {
	var req request
	if err := json.Unmarshal(l.Request, &req); err != nil {
		return nil, nil, fmt.Errorf("login %s: %w", l.ID, err)
	}
	app := p.Registry.App(l.App)
	if app == nil {
		return nil, nil, providers.Refuse("unknown_app", "app %q is gone", l.App)
	}
	secret := rand.Text() + rand.Text()
	hash := sha256.Sum256([]byte(secret))
	data, err := json.Marshal(code{req.RedirectURI, req.Challenge, req.Nonce, req.Scope, req.Resources, req.Key, authentication{s.AuthTime.Unix(), s.AMR, s.ACR}})
	if err != nil {
		return nil, nil, err
	}
	a := &broker.Artifact{Hash: hash[:], App: app.ID, User: s.User, Session: s.ID, Provider: s.Provider, Data: data, Expires: p.Now().Add(app.Tokens.Code)}
	return p.answer(req, url.Values{"code": {secret}}), a, nil
}

// Fail tells the app why there is no code.
func (p *Provider) Fail(_ context.Context, l broker.Login, reason *broker.Error) (providers.Next, error) {
	var req request
	if err := json.Unmarshal(l.Request, &req); err != nil {
		return nil, fmt.Errorf("login %s: %w", l.ID, err)
	}
	e := oauth("server_error", "")
	switch reason.Reason {
	case "access_denied":
		e = oauth("access_denied", "the person did not sign in")
	case "login_required":
		e = oauth("login_required", "the person must sign in")
	}
	return p.failure(req, e), nil
}

func (p *Provider) failure(req request, e *Error) providers.Next {
	v := url.Values{"error": {e.Code}}
	if e.Description != "" {
		v.Set("error_description", e.Description)
	}
	return p.answer(req, v)
}

// answer sends an authorization response to the app. iss is in each, so that the app can tell who answers
// (RFC 9207).
func (p *Provider) answer(req request, v url.Values) providers.Next {
	v.Set("iss", p.Issuer.URL)
	if req.State != "" {
		v.Set("state", req.State)
	}
	if req.ResponseMode == "form_post" {
		return providers.Post{URL: req.RedirectURI, Fields: v}
	}
	separator := "?"
	if strings.Contains(req.RedirectURI, "?") {
		separator = "&"
	}
	return providers.Redirect{URL: req.RedirectURI + separator + v.Encode()}
}
