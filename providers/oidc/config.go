package oidc

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
)

// Config is what an operator says about one OpenID provider.
type Config struct {
	Issuer       string        `yaml:"issuer" doc:"the upstream's issuer, exactly as its discovery document says it"`
	ClientID     string        `yaml:"client_id" doc:"Signet's client id at the upstream"`
	ClientSecret secret.String `yaml:"client_secret" doc:"Signet's client secret at the upstream; none: a public client, or private_key_jwt"`
	// Microsoft's and others' end by themselves, and nothing in the protocol tells when.
	ClientSecretExpires string `yaml:"client_secret_expires" doc:"the day on which the upstream ends the client secret, as 2027-01-31: you are told 60, 30 and 7 days ahead"`

	Scopes          []string          `yaml:"scopes" doc:"what is asked for; openid always is"`
	TokenAuth       string            `yaml:"token_auth" doc:"client_secret_basic, client_secret_post, client_secret_jwt or private_key_jwt; default: from discovery, basic preferred"`
	TokenAudience   string            `yaml:"token_audience" doc:"whom the JWT of client_secret_jwt and private_key_jwt is for: token_endpoint or issuer"`
	PrivateKey      secret.String     `yaml:"private_key" doc:"the key of private_key_jwt as PEM, RSA or ECDSA P-256; default: one that Signet makes and keeps"`
	PrivateKeyID    string            `yaml:"private_key_id" doc:"the kid of private_key; default: its thumbprint (RFC 7638)"`
	Algs            []string          `yaml:"algs" doc:"signature algorithms that an ID token may have"`
	ResponseMode    string            `yaml:"response_mode" doc:"how the upstream answers: query or form_post"`
	UserInfo        bool              `yaml:"userinfo" doc:"also ask the userinfo endpoint, for claims that are not in the ID token"`
	Prompt          string            `yaml:"prompt" doc:"what the upstream is asked to show, e.g. select_account"`
	MaxAge          time.Duration     `yaml:"max_age" doc:"how long ago people may have signed in at the upstream; 0s: any time"`
	AuthTimeFromIat bool              `yaml:"auth_time_from_iat" doc:"for an upstream that never sends auth_time: take the time at which the ID token was made. It then cannot be told whether people who must sign in again really did"`
	ACRValues       []string          `yaml:"acr_values" doc:"authentication contexts of which the ID token must have one"`
	Params          map[string]string `yaml:"params" doc:"more parameters for the authorization request"`
	CAFile          string            `yaml:"ca_file" doc:"certificate authorities of the upstream as PEM, instead of the system's"`
	Logout          bool              `yaml:"logout" doc:"who signs out here is signed out at the upstream too, where it has an end_session_endpoint"`
}

// Defaults returns what a configuration means that says nothing.
func Defaults() Config {
	return Config{
		Scopes:        []string{gooidc.ScopeOpenID, "email", "profile"},
		TokenAudience: audTokenEndpoint,
		Algs:          []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"},
		ResponseMode:  modeQuery,
	}
}

const (
	modeQuery = "query"
	modeForm  = "form_post"
)

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
	c.checkTokenAuth(add)
	if c.ClientSecretExpires != "" && c.secretExpires().IsZero() {
		add("client_secret_expires", "must be a day such as 2027-01-31")
	}
	if len(c.Algs) == 0 {
		add("algs", "must name at least one algorithm")
	}
	for i, alg := range c.Algs {
		if !slices.Contains(offered, alg) {
			add("algs."+strconv.Itoa(i), "must be one of "+strings.Join(offered, ", "))
		}
	}
	c.checkWords(add)
	if slices.Contains(strings.Fields(c.Prompt), "none") {
		add("prompt", "must not be none: nobody could sign in at the upstream")
	}
	if !slices.Contains([]string{"", modeQuery, modeForm}, c.ResponseMode) {
		add("response_mode", "must be query or form_post")
	}
	if c.MaxAge < 0 || c.MaxAge%time.Second != 0 {
		add("max_age", "must be whole seconds, 0s or more")
	}
	for name := range c.Params {
		if slices.Contains(reserved, name) {
			add("params."+name, "is set by Signet itself")
		}
	}
	if c.CAFile != "" {
		if _, problem := egress.ReadRoots(c.CAFile); problem != "" {
			add("ca_file", problem)
		}
	}
	slices.SortStableFunc(faults, func(a, b providers.Fault) int { return strings.Compare(a.Key, b.Key) })
	return faults
}

func (c *Config) checkWords(add func(key, problem string)) {
	for i, s := range slices.Concat(c.Scopes, c.ACRValues) {
		if s == "" || strings.ContainsAny(s, " \t\r\n") {
			key := "scopes." + strconv.Itoa(i)
			if n := len(c.Scopes); i >= n {
				key = "acr_values." + strconv.Itoa(i-n)
			}
			add(key, "must be one word")
		}
	}
}

func (c *Config) checkTokenAuth(add func(key, problem string)) {
	switch c.TokenAuth {
	case "", authPrivateKey:
	case authBasic, authPost:
		if c.ClientSecret == "" {
			add("token_auth", "needs a client_secret")
		}
	case authSecretJWT:
		if len(c.ClientSecret.Reveal()) < 32 { // RFC 7518, section 3.2
			add("token_auth", "needs a client_secret of 32 bytes or more")
		}
	default:
		add("token_auth", "must be client_secret_basic, client_secret_post, client_secret_jwt or private_key_jwt")
	}
	if !slices.Contains([]string{"", audTokenEndpoint, audIssuer}, c.TokenAudience) {
		add("token_audience", "must be token_endpoint or issuer")
	}
	switch {
	case c.PrivateKey == "" && c.PrivateKeyID != "":
		add("private_key_id", "needs a private_key")
	case c.PrivateKey == "":
	case c.TokenAuth != authPrivateKey:
		add("private_key", "is for token_auth: private_key_jwt")
	default:
		if _, problem := ParsePrivateKey(c.PrivateKey.Reveal()); problem != "" {
			add("private_key", problem)
		}
	}
}

// wellKnown is what discovery adds to an issuer (OpenID Connect Discovery §4).
const wellKnown = "/.well-known/openid-configuration"

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
	case strings.HasSuffix(u.Path, wellKnown):
		return "is the address of the discovery document: leave " + wellKnown + " out"
	case u.Scheme == "https", u.Scheme == "http" && egress.Loopback(u):
		return ""
	}
	return "must be https (http only on this machine)"
}
