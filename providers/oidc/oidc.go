// Package oidc signs people in at an OpenID provider, by the authorization code flow with PKCE (OpenID
// Connect Core 1.0, RFC 7636, RFC 9207, RFC 9700).
//
// Read it in the order of a login: begin.go sends the person out, callback.go reads what the browser
// brought back, exchange.go trades the code for tokens (clientauth.go proves who we are), idtoken.go decides
// whether the ID token may be believed, and userinfo.go adds what it left out. logout.go is how sign-outs
// travel. config.go is what an operator says; presets add their Options to it. metadata.go and keys.go hold
// what the upstream publishes about itself, each kept by a jwks.Document, so that a login costs one request.
package oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/jwks"
	"github.com/signet-broker/signet/providers"
)

// patience is how long Continue may take in all; the contract allows 10 s. Begin waits for one fetch, which takes less.
const patience = 9 * time.Second

// Kind is the kind "oidc".
func Kind() providers.Kind {
	return providers.Kind{
		Config: func() any {
			c := Defaults()
			return &c
		},
		Open: func(_ context.Context, env providers.Env, config any) (providers.Provider, error) {
			return Open(env, *config.(*Config), Options{})
		},
		Map: map[string]string{
			"email":                 "claims.email",
			"email_verified":        "claims.email_verified",
			"name":                  "claims.name",
			"given_name":            "claims.given_name",
			"family_name":           "claims.family_name",
			"preferred_username":    "claims.preferred_username",
			"picture":               "claims.picture",
			"locale":                "claims.locale",
			"phone_number":          "claims.phone_number",
			"phone_number_verified": "claims.phone_number_verified",
			"address":               "claims.address",
			"groups":                "claims.groups",
		},
	}
}

// Options are what is special about one upstream, for the presets; a nil function leaves things as the
// specification has them. All are called by many goroutines at once.
type Options struct {
	// Discovered tells whether the discovery document may be of this issuer; nil: it must be Config.Issuer.
	Discovered func(issuer string) bool
	// Issued tells whether what says that it is of iss may be of the upstream whose discovery document is of
	// the issuer discovered; nil: both must be the same.
	Issued func(iss, discovered string) bool
	// NoPKCE is for an upstream that fails when it is sent a code_verifier. The nonce still ties a code to its
	// attempt.
	NoPKCE bool
	// Secret returns the client secret for the next request, instead of Config.ClientSecret.
	Secret func() (string, error)
	// Person looks at the claims of an ID token that is good otherwise, and at what the browser brought
	// with it, of which nothing is verified. It may change the claims, and it names the person; "" stands
	// for the claim sub. An error refuses the login; it is an *providers.Error.
	Person func(claims map[string]any, reply providers.Reply) (subject string, err error)
	// Keep is providers.Identity.Keep of everybody.
	Keep []string
}

// provider is one upstream. Everything in it is either fixed when it is opened or guards itself.
type provider struct {
	env      providers.Env
	conf     Config
	options  Options
	scopes   []string
	algs     []jose.SignatureAlgorithm
	metadata *jwks.Document[*metadata]
	keys     *jwks.Document[*jwks.Set]
	token    *http.Client // for the token endpoint: reads and checks the answer before anyone believes it
}

// Open makes a provider of a checked configuration. A preset says in o what is special about its upstream.
func Open(env providers.Env, c Config, o Options) (providers.Provider, error) {
	if c.CAFile != "" {
		roots, problem := egress.ReadRoots(c.CAFile)
		if problem != "" {
			return nil, errors.New("ca_file " + problem)
		}
		env.Client = env.Trusting(roots)
	}
	return open(env, c, o), nil
}

func open(env providers.Env, c Config, o Options) *provider {
	p := &provider{env: env, conf: c, options: o, scopes: slices.Clone(c.Scopes)}
	if !slices.Contains(p.scopes, gooidc.ScopeOpenID) {
		p.scopes = slices.Insert(p.scopes, 0, gooidc.ScopeOpenID)
	}
	for _, alg := range c.Algs {
		p.algs = append(p.algs, jose.SignatureAlgorithm(alg))
	}
	p.metadata = jwks.NewDocument(env.Now, p.fetchMetadata)
	p.keys = jwks.NewDocument(env.Now, p.fetchKeys)
	p.token = authcode.Strict(env.Client)
	return p
}
