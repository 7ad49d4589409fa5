package oauth2

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
)

// Config is what an operator says about one upstream.
type Config struct {
	AuthorizationURL string            `yaml:"authorization_url" doc:"where people are sent to sign in"`
	TokenURL         string            `yaml:"token_url" doc:"where a code is traded for an access token"`
	UserInfoURL      string            `yaml:"userinfo_url" doc:"what answers a GET with the access token by a JSON object about the person"`
	Subject          string            `yaml:"subject" doc:"where that object has the person's id, which must never change or be given to somebody else; a path such as data.user.id"`
	ClientID         string            `yaml:"client_id" doc:"Signet's client id at the upstream"`
	ClientSecret     secret.String     `yaml:"client_secret" doc:"Signet's client secret at the upstream"`
	TokenAuth        string            `yaml:"token_auth" doc:"how the secret is sent: client_secret_basic or client_secret_post"`
	Scopes           []string          `yaml:"scopes" doc:"what is asked for"`
	Issuer           string            `yaml:"issuer" doc:"for an upstream that sends iss with its answers (RFC 9207): what it says there"`
	Params           map[string]string `yaml:"params" doc:"more parameters for the authorization request"`
	CAFile           string            `yaml:"ca_file" doc:"certificate authorities of the upstream as PEM, instead of the system's"`
}

const (
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
)

// Defaults returns what a configuration means that says nothing.
func Defaults() Config { return Config{Subject: "id", TokenAuth: authBasic} }

// reserved parameters are Begin's own: one that a configuration could set would undo what they protect.
var reserved = []string{
	"client_id", "client_secret", "redirect_uri", "response_type", "response_mode", "scope", "state",
	"code_challenge", "code_challenge_method", "request", "request_uri",
}

// Check returns everything that is wrong with a configuration.
func (c *Config) Check() []providers.Fault {
	var faults []providers.Fault
	add := func(key, problem string) {
		if problem != "" {
			faults = append(faults, providers.Fault{Key: key, Problem: problem})
		}
	}
	add("authorization_url", endpointProblem(c.AuthorizationURL))
	if c.CAFile != "" {
		_, problem := egress.ReadRoots(c.CAFile)
		add("ca_file", problem)
	}
	if c.ClientID == "" {
		add("client_id", "is missing")
	}
	if c.ClientSecret == "" {
		add("client_secret", "is missing")
	}
	for name := range c.Params {
		if slices.Contains(reserved, name) {
			add("params."+name, "is set by Signet itself")
		}
	}
	for i, s := range c.Scopes {
		if s == "" || strings.ContainsAny(s, " \t\r\n") {
			add("scopes."+strconv.Itoa(i), "must be one word")
		}
	}
	if slices.Contains(strings.Split(c.Subject, "."), "") {
		add("subject", "must be a name such as id, or a path such as data.user.id")
	}
	if c.TokenAuth != authBasic && c.TokenAuth != authPost {
		add("token_auth", "must be client_secret_basic or client_secret_post")
	}
	add("token_url", endpointProblem(c.TokenURL))
	add("userinfo_url", endpointProblem(c.UserInfoURL))
	slices.SortStableFunc(faults, func(a, b providers.Fault) int { return strings.Compare(a.Key, b.Key) })
	return faults
}

func endpointProblem(endpoint string) string {
	if endpoint == "" {
		return "is missing"
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return "must be a URL such as https://accounts.example.com/oauth/authorize"
	case u.Scheme == "https", u.Scheme == "http" && egress.Loopback(u):
		return ""
	}
	return "must be https (http only on this machine)"
}
