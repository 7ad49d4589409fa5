// Package op is the door for OpenID relying parties: the OpenID Provider (OpenID Connect Core, RFC 6749 as
// narrowed by RFC 9700).
//
// Read in this order: op.go, authorize.go, request.go, claims.go, par.go, requestobject.go and
// reference.go (a login comes in), door.go and jarm.go (it goes back to the
// app), token.go with clientauth.go, dpop.go, resource.go and the grant_*.go (code and refresh token become tokens),
// device.go, device_page.go and device_door.go (a program without a browser),
// registrar.go with registrar_manage.go, metadata.go, metadata_check.go, metadata_address.go and terms.go (apps that
// programs register),
// userinfo.go, introspect.go, revoke.go, logout.go, discovery.go; errors.go is what every refusal looks like on the wire.
package op

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

// Name is this door's, in Login.Door.
const Name = "oidc"

// Grant is one grant_type of the token endpoint.
type Grant interface {
	Type() string
	// Authorize finds out what the app may have. Errors are OAuth's or anything that wire translates.
	Authorize(ctx context.Context, app *broker.App, form url.Values) (token.Authorization, error)
}

// Provider is the OpenID Provider.
type Provider struct {
	Site     *web.Site
	Broker   *broker.Broker
	Registry broker.Registry
	Store    token.Store
	Issuer   *token.Issuer
	Keys     *keys.Ring
	Grants   []Grant
	APIs     broker.APIs
	Now      func() time.Time
	Log      *slog.Logger

	Requests  RequestStore
	Registers bool            // apps may be registered: there is a Registrar
	Issuers   []TrustedIssuer // whose assertions are taken as grants
	// ClientCAs are the authorities whose certificates tls_client_auth takes; nil: none.
	ClientCAs *x509.CertPool
	// Objects fetches the request objects of apps: from public addresses, within ObjectTimeout and MaxObject.
	Objects *http.Client
	// ByReference says in discovery that some app's requests may be fetched.
	ByReference bool

	guesses   limiter // wrong credentials
	pushes    limiter // pushed requests
	codes     limiter // unknown codes
	fetches   limiter // request objects that were asked for
	refusals  limiter // signed ones
	objects   objects
	grants    map[string]Grant
	discovery []byte
}

// Register adds the endpoints.
func (p *Provider) Register() error {
	p.guesses.most, p.guesses.period = maxGuesses, time.Minute
	p.pushes.most, p.pushes.period = maxPushes, time.Minute
	p.codes.most, p.codes.period = maxCodes, time.Minute
	p.fetches.most, p.fetches.period = maxFetches, time.Minute
	p.refusals.most, p.refusals.period = maxRefusals, time.Minute
	p.grants = map[string]Grant{}
	for _, g := range p.Grants {
		p.grants[g.Type()] = g
	}
	if err := p.describe(); err != nil {
		return err
	}
	s := p.Site
	s.Page("GET /authorize", p.authorize)
	s.Page("POST /authorize", p.authorize)
	s.Page("GET /logout", p.logout)
	s.Page("POST /logout", p.logout)
	s.API("POST /token", p.token)
	s.API("POST /par", p.push)
	s.API("GET /userinfo", p.userinfo)
	s.API("POST /userinfo", p.userinfo)
	s.API("POST /revoke", p.revoke)
	s.API("POST /introspect", p.introspect)
	s.API("GET /.well-known/openid-configuration", p.configuration)
	s.API("GET /.well-known/oauth-authorization-server", p.configuration)
	s.API("GET /jwks", p.jwks)
	return nil
}

// maxAddress is the longest query that every server and proxy takes.
const maxAddress = 4 << 10

// foreign tells whether another site's page has posted a form, which brings none of our cookies because they
// are SameSite=Lax. Such a request says nothing of its browser: a cookie that was made or removed for it
// would take the place of one that the browser has.
func (p *Provider) foreign(r *http.Request, v broker.Visitor) bool {
	if r.Method != http.MethodPost || v.Browser != nil || v.Session != nil {
		return false
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "cross-site"
	}
	origin := r.Header.Get("Origin")
	return origin != "" && origin != p.Site.Issuer.Scheme+"://"+p.Site.Issuer.Host
}

// again has the browser come once more by GET, which brings its cookies.
func (p *Provider) again(w http.ResponseWriter, r *http.Request, path string, v url.Values) error {
	query := v.Encode()
	if len(query) > maxAddress {
		return providers.Refuse("invalid_request", "a form of %d bytes from another site", len(query))
	}
	return p.Site.Next(w, r, providers.Redirect{URL: p.Site.URL(path) + "?" + query})
}

// values reads a request's parameters: the query of a GET, the form of a POST.
func values(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method == http.MethodPost {
		return web.Form(w, r, web.FormLimit)
	}
	return web.Query(r)
}
