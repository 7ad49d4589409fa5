// Package oauth2 signs people in at an upstream that speaks OAuth 2.0 without OpenID Connect: by the
// authorization code flow with PKCE (RFC 6749, RFC 7636, RFC 9700), and then by asking the upstream's API whom
// the access token belongs to.
//
// Read it in the order of a login: begin.go sends the person out and reads the way back, api.go asks the
// upstream about the person, and subject.go says who that is. config.go is what an operator says; presets
// add their Options to it. What is the same for OpenID Connect is in package authcode.
//
// An access token proves less than an ID token: it names neither a client nor a time. It may be believed here
// because it came from the token endpoint itself, for a code that this attempt asked for.
package oauth2

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/providers"
)

// patience is how long Begin and Continue may take in all; the contract allows 10 s.
const patience = 9 * time.Second

// Kind is the kind "oauth2".
func Kind() providers.Kind {
	return providers.Kind{
		Config: func() any {
			c := Defaults()
			return &c
		},
		Open: func(_ context.Context, env providers.Env, config any) (providers.Provider, error) {
			return Open(env, *config.(*Config), Options{})
		},
		// Nothing says that an address was verified: who knows that it was maps email_verified.
		Map: map[string]string{
			"email":              "claims.email",
			"name":               "claims.name",
			"given_name":         "claims.given_name",
			"family_name":        "claims.family_name",
			"preferred_username": "claims.preferred_username",
			"picture":            "claims.picture",
			"locale":             "claims.locale",
		},
	}
}

// Options are what is special about one upstream, for the presets. All functions are called by many
// goroutines at once.
type Options struct {
	// NoPKCE is for an upstream that fails when it is sent a code_verifier. A code that was stolen before it
	// was used can then be used here by the thief.
	NoPKCE bool
	// Header goes with every request to the upstream.
	Header http.Header
	// Wishes are more parameters for one authorization request; nil: none.
	Wishes func(a *providers.Attempt) url.Values
	// Person says whom an access token belongs to, of 1 to 255 bytes, and what is known of them; nil: what
	// Config says. An error is an *providers.Error.
	Person func(ctx context.Context, api *API) (subject string, claims map[string]any, err error)
}

type provider struct {
	env     providers.Env
	conf    Config
	options Options
	client  oauth2.Config
	token   *http.Client // for the token endpoint
	api     *http.Client
}

// Open makes a provider of a checked configuration. A preset says in o what is special about its upstream.
func Open(env providers.Env, c Config, o Options) (providers.Provider, error) {
	if c.CAFile != "" {
		roots, problem := egress.ReadRoots(c.CAFile)
		if problem != "" {
			return nil, fmt.Errorf("ca_file %s", problem)
		}
		env.Client = env.Trusting(roots)
	}
	style := oauth2.AuthStyleInHeader // never found out by trying: that sends code and secret twice
	if c.TokenAuth == authPost {
		style = oauth2.AuthStyleInParams
	}
	client := *env.Client
	client.Transport = withHeader{header: o.Header, next: env.Client.Transport}
	return &provider{
		env: env, conf: c, options: o, token: authcode.Strict(&client), api: &client,
		client: oauth2.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(), RedirectURL: env.Callback(), Scopes: c.Scopes,
			Endpoint: oauth2.Endpoint{AuthURL: c.AuthorizationURL, TokenURL: c.TokenURL, AuthStyle: style},
		},
	}, nil
}

// withHeader names us: several upstreams refuse a request that says no more than which library sent it.
type withHeader struct {
	header http.Header
	next   http.RoundTripper
}

func (t withHeader) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", "Signet")
	for name, values := range t.header {
		req.Header[name] = values
	}
	return t.next.RoundTrip(req)
}
