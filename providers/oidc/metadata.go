package oidc

import (
	"context"
	"errors"
	"net/netip"
	"net/url"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/internal/egress"
)

// maxURL is the most bytes that an endpoint's URL may have.
const maxURL = 1 << 10

// metadata is what an upstream's discovery document says (OpenID Connect Discovery 1.0, section 3).
type metadata struct {
	Issuer        string   `json:"issuer"`
	AuthURL       string   `json:"authorization_endpoint"`
	TokenURL      string   `json:"token_endpoint"`
	JWKSURL       string   `json:"jwks_uri"`
	UserInfoURL   string   `json:"userinfo_endpoint"`
	EndSessionURL string   `json:"end_session_endpoint"`
	TokenAuth     []string `json:"token_endpoint_auth_methods_supported"`
	TokenAlgs     []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	ACRValues     []string `json:"acr_values_supported"`
	IssParam      bool     `json:"authorization_response_iss_parameter_supported"`

	client oauth2.Config // made of the above
}

// fetchMetadata is the fetch of provider.metadata.
func (p *provider) fetchMetadata(ctx context.Context) (*metadata, error) {
	ctx = gooidc.ClientContext(ctx, p.env.Client)
	if p.options.Discovered != nil { // it is asked below, instead of the library's own comparison
		ctx = gooidc.InsecureIssuerURLContext(ctx, p.conf.Issuer)
	}
	found, err := gooidc.NewProvider(ctx, p.conf.Issuer)
	var mismatch *gooidc.IssuerMismatchError
	switch {
	case errors.As(err, &mismatch):
		return nil, authcode.Broken("discovery document is of issuer %.200q, not %q", mismatch.Discovered, p.conf.Issuer)
	case authcode.TransportFailed(err):
		return nil, authcode.Unreachable("discovery", err)
	case err != nil: // its text may hold the whole body
		return nil, authcode.Broken("discovery document cannot be read")
	}
	var m metadata
	if err := found.Claims(&m); err != nil {
		return nil, authcode.Broken("discovery document has a wrong type")
	}
	if p.options.Discovered != nil && !p.options.Discovered(m.Issuer) {
		return nil, authcode.Broken("discovery document is of issuer %.200q, not %q", m.Issuer, p.conf.Issuer)
	}
	if err := p.checkEndpoints(&m); err != nil {
		return nil, err
	}
	m.client = oauth2.Config{
		ClientID:     p.conf.ClientID,
		ClientSecret: p.conf.ClientSecret.Reveal(),
		RedirectURL:  p.env.Callback(),
		Scopes:       p.scopes,
		Endpoint:     oauth2.Endpoint{AuthURL: m.AuthURL, TokenURL: m.TokenURL, AuthStyle: p.authStyle(&m)},
	}
	return &m, nil
}

// issued tells whether what says that it is of iss may be this upstream's.
func (p *provider) issued(iss, discovered string) bool {
	if p.options.Issued != nil {
		return p.options.Issued(iss, discovered)
	}
	return iss == discovered
}

// checkEndpoints holds against a document that would send codes, secrets or our own requests elsewhere.
func (p *provider) checkEndpoints(m *metadata) error {
	issuer, err := url.Parse(p.conf.Issuer)
	if err != nil {
		return authcode.Broken("issuer is no URL")
	}
	for _, e := range []struct {
		name, url string
		optional  bool
	}{
		{"authorization_endpoint", m.AuthURL, false},
		{"token_endpoint", m.TokenURL, false},
		{"jwks_uri", m.JWKSURL, false},
		{"userinfo_endpoint", m.UserInfoURL, true},
		{"end_session_endpoint", m.EndSessionURL, true},
	} {
		if e.url == "" && e.optional {
			continue
		}
		if problem := endpointProblem(e.url, issuer); problem != "" {
			return authcode.Broken("%s of the discovery document %s", e.name, problem)
		}
	}
	return nil
}

func endpointProblem(endpoint string, issuer *url.URL) string {
	if len(endpoint) > maxURL { // it is quoted in errors
		return "is too long"
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return "is no URL of an endpoint"
	}
	local := egress.Loopback(issuer)
	switch {
	case u.Scheme == "http" && issuer.Scheme == "http" && local && egress.Loopback(u):
		return ""
	case u.Scheme != "https":
		return "is not https"
	case egress.Loopback(u) && !local:
		return "is on this machine"
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && (addr.IsLinkLocalUnicast() || addr.IsUnspecified() || addr.IsMulticast()) {
		return "is at an address that no upstream has"
	}
	return ""
}
