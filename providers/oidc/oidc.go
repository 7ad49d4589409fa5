// Package oidc signs people in at an OpenID provider, by the authorization code flow with PKCE (OpenID
// Connect Core 1.0, RFC 7636, RFC 9207, RFC 9700).
//
// Read it in the order of a login: begin.go sends the person out, callback.go reads what the browser
// brought back, exchange.go trades the code for tokens, idtoken.go decides whether the ID token may be
// believed, and userinfo.go adds what it left out. metadata.go and keys.go hold what the upstream
// publishes about itself, each kept by a document (document.go), so that a login costs one request.
package oidc

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
)

// patience is how long Begin and Continue may take in all; the contract allows 10 s.
const patience = 9 * time.Second

// Config is what an operator says about one OpenID provider.
type Config struct {
	Issuer       string            `yaml:"issuer" doc:"the upstream's issuer, exactly as its discovery document says it"`
	ClientID     string            `yaml:"client_id" doc:"Signet's client id at the upstream"`
	ClientSecret secret.String     `yaml:"client_secret" doc:"Signet's client secret at the upstream; none: a public client"`
	Scopes       []string          `yaml:"scopes" doc:"what is asked for; openid always is"`
	TokenAuth    string            `yaml:"token_auth" doc:"client_secret_basic or client_secret_post; default: from discovery, basic preferred"`
	Algs         []string          `yaml:"algs" doc:"signature algorithms that an ID token may have"`
	UserInfo     bool              `yaml:"userinfo" doc:"also ask the userinfo endpoint, for claims that are not in the ID token"`
	Prompt       string            `yaml:"prompt" doc:"what the upstream is asked to show, e.g. select_account"`
	ACRValues    []string          `yaml:"acr_values" doc:"authentication contexts of which the ID token must have one"`
	Params       map[string]string `yaml:"params" doc:"more parameters for the authorization request"`
}

// Kind is the kind "oidc".
func Kind() providers.Kind {
	return providers.Kind{
		Config: func() any {
			return &Config{
				Scopes: []string{gooidc.ScopeOpenID, "email", "profile"},
				Algs:   []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"},
			}
		},
		Open: func(_ context.Context, env providers.Env, config any) (providers.Provider, error) {
			return open(env, *config.(*Config)), nil
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

// offered are the algorithms that may be allowed: asymmetric ones whose keys keys.go takes. With HS256 the
// client secret would be a signing key, and none is no signature.
var offered = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"}

// reserved parameters are Begin's own: one that a configuration could set would undo what they protect.
var reserved = []string{
	"client_id", "client_secret", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
	"code_challenge", "code_challenge_method", "request", "request_uri", "prompt", "max_age", "acr_values",
	"login_hint", "ui_locales",
}

// Check returns everything that is wrong with a configuration.
func (c *Config) Check() []providers.Fault {
	var faults []providers.Fault
	add := func(key, problem string) { faults = append(faults, providers.Fault{Key: key, Problem: problem}) }
	if problem := issuerProblem(c.Issuer); problem != "" {
		add("issuer", problem)
	}
	if c.ClientID == "" {
		add("client_id", "is missing")
	}
	switch c.TokenAuth {
	case "":
	case "client_secret_basic", "client_secret_post":
		if c.ClientSecret == "" {
			add("token_auth", "needs a client_secret")
		}
	default:
		add("token_auth", "must be client_secret_basic or client_secret_post")
	}
	if len(c.Algs) == 0 {
		add("algs", "must name at least one algorithm")
	}
	for i, alg := range c.Algs {
		if !slices.Contains(offered, alg) {
			add("algs."+strconv.Itoa(i), "must be one of "+strings.Join(offered, ", "))
		}
	}
	for i, s := range slices.Concat(c.Scopes, c.ACRValues) {
		if s == "" || strings.ContainsAny(s, " \t\r\n") {
			key := "scopes." + strconv.Itoa(i)
			if n := len(c.Scopes); i >= n {
				key = "acr_values." + strconv.Itoa(i-n)
			}
			add(key, "must be one word")
		}
	}
	if slices.Contains(strings.Fields(c.Prompt), "none") {
		add("prompt", "must not be none: nobody could sign in at the upstream")
	}
	for name := range c.Params {
		if slices.Contains(reserved, name) {
			add("params."+name, "is set by Signet itself")
		}
	}
	slices.SortStableFunc(faults, func(a, b providers.Fault) int { return strings.Compare(a.Key, b.Key) })
	return faults
}

func issuerProblem(issuer string) string {
	if issuer == "" {
		return "is missing"
	}
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return "must be a URL such as https://accounts.example.com"
	case strings.ContainsAny(issuer, "?#"):
		return "must have no query and no fragment"
	case u.Scheme == "https", u.Scheme == "http" && egress.Loopback(u):
		return ""
	}
	return "must be https (http only on this machine)"
}

// provider is one upstream. Everything in it is either fixed when it is opened or guards itself.
type provider struct {
	env      providers.Env
	conf     Config
	scopes   []string
	algs     []jose.SignatureAlgorithm
	metadata *document[*metadata]
	keys     *document[*keySet]
	token    *http.Client // for the token endpoint: reads and checks the answer before anyone believes it
}

func open(env providers.Env, c Config) *provider {
	p := &provider{env: env, conf: c, scopes: slices.Clone(c.Scopes)}
	if !slices.Contains(p.scopes, gooidc.ScopeOpenID) {
		p.scopes = slices.Insert(p.scopes, 0, gooidc.ScopeOpenID)
	}
	for _, alg := range c.Algs {
		p.algs = append(p.algs, jose.SignatureAlgorithm(alg))
	}
	p.metadata = newDocument(env.Now, p.fetchMetadata)
	p.keys = newDocument(env.Now, p.fetchKeys)
	p.token = strict(env.Client)
	return p
}
