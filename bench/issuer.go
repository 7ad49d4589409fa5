package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	redirectURI = "http://127.0.0.1:9999/callback"
	scope       = "openid email profile offline_access"
)

// issuer is an OpenID provider and the app that signs people in there.
type issuer struct {
	URL          string
	ClientID     string
	Secret       string
	Redirect     string
	Scope        string
	SecretInForm bool
	Authorize    url.Values // more parameters of the authorization request
	SAML         url.Values // the same for a sign-in at a SAML identity provider; nil: there is none
	Fill         url.Values // what is typed into the fields of forms
	Public       string     // an app without a secret, for what such apps do; "": the same app does it

	host                            string
	authorize, token, info, keys    string
	introspection, pushing, devices string // "" where the issuer has none
	verifier                        *oidc.IDTokenVerifier
	transport                       *http.Transport
	client                          *http.Client // the app's: no cookies, no redirects

	waiting int // devices, while their questions are measured

	pushes bool    // authorization requests go by the back way first (RFC 9126)
	prover *prover // what the app proves with at the token endpoint; nil: it does not
}

// timeout bounds one request. One that takes longer has failed.
const timeout = 10 * time.Second

// discover reads the issuer's metadata.
func (i *issuer) discover(ctx context.Context) error {
	i.transport = &http.Transport{MaxIdleConns: 4096, MaxIdleConnsPerHost: 1024, IdleConnTimeout: time.Minute}
	i.client = &http.Client{Transport: i.transport, Timeout: timeout, CheckRedirect: stay}
	ctx = oidc.ClientContext(ctx, i.client)
	p, err := oidc.NewProvider(ctx, i.URL)
	if err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	var metadata struct {
		JWKS          string `json:"jwks_uri"`
		Introspection string `json:"introspection_endpoint"`
		Pushing       string `json:"pushed_authorization_request_endpoint"`
		Devices       string `json:"device_authorization_endpoint"`
	}
	if err := p.Claims(&metadata); err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	i.authorize, i.token, i.info, i.keys = p.Endpoint().AuthURL, p.Endpoint().TokenURL, p.UserInfoEndpoint(), metadata.JWKS
	i.introspection, i.pushing, i.devices = metadata.Introspection, metadata.Pushing, metadata.Devices
	u, err := url.Parse(i.authorize)
	if err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	i.host = u.Host
	i.verifier = p.VerifierContext(ctx, &oidc.Config{
		ClientID: i.ClientID, SupportedSigningAlgs: []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"},
	})
	return nil
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// measureIssuer measures an issuer that somebody else has started.
func measureIssuer(ctx context.Context, o options) error {
	r, err := newReport(o)
	if err != nil {
		return err
	}
	s := Subject{Name: o.issuer.URL}
	if s.Figures, s.Requests, err = measure(ctx, &o.issuer, o.load, o.pid, ""); err != nil {
		return err
	}
	r.Subjects = append(r.Subjects, s)
	r.print(os.Stdout)
	return r.save(o.json)
}
