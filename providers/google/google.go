// Package google signs people in with Google: OpenID Connect with what is special about that issuer.
package google

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/oidc"
)

const (
	issuer = "https://accounts.google.com"
	bare   = "accounts.google.com" // the iss of some ID tokens, as Google's documentation says
)

// Config is what an operator says about Google.
type Config struct {
	ClientID      string        `yaml:"client_id" doc:"the OAuth client's id, which ends in .apps.googleusercontent.com"`
	ClientSecret  secret.String `yaml:"client_secret" doc:"the OAuth client's secret"`
	Scopes        []string      `yaml:"scopes" doc:"what is asked for; openid always is"`
	HostedDomains []string      `yaml:"hosted_domains" doc:"the Google Workspace domains whose people may sign in; none: everybody with a Google account"`
	Prompt        string        `yaml:"prompt" doc:"what Google is asked to show: select_account or consent"`
}

// Kind is the kind "google".
func Kind() providers.Kind {
	return providers.Kind{
		Config: func() any { return &Config{Scopes: oidc.Defaults().Scopes} },
		Open: func(_ context.Context, env providers.Env, config any) (providers.Provider, error) {
			c := config.(*Config)
			return oidc.Open(env, c.oidc(), oidc.Options{Issued: issued, Person: c.person})
		},
		Map: oidc.Kind().Map,
	}
}

// Check returns everything that is wrong with a configuration.
func (c *Config) Check() []providers.Fault {
	var faults []providers.Fault
	if c.ClientSecret == "" {
		faults = append(faults, providers.Fault{Key: "client_secret", Problem: "is missing"})
	}
	for i, domain := range c.HostedDomains {
		if !strings.Contains(domain, ".") || strings.ToLower(domain) != domain || strings.ContainsAny(domain, "@/: *") {
			faults = append(faults, providers.Fault{Key: "hosted_domains." + strconv.Itoa(i), Problem: "must be a domain such as example.com, in lower case"})
		}
	}
	underneath := c.oidc()
	return append(faults, underneath.Check()...)
}

func (c *Config) oidc() oidc.Config {
	o := oidc.Defaults()
	o.Issuer, o.ClientID, o.ClientSecret, o.Scopes, o.Prompt = issuer, c.ClientID, c.ClientSecret, c.Scopes, c.Prompt
	o.Algs = []string{"RS256"}
	// hd only shortens the list of accounts that Google shows: a browser can leave it out.
	switch len(c.HostedDomains) {
	case 0:
	case 1:
		o.Params = map[string]string{"hd": c.HostedDomains[0]}
	default:
		o.Params = map[string]string{"hd": "*"}
	}
	return o
}

func issued(iss, discovered string) bool { return iss == discovered || iss == bare }

// person holds people to the hosted domains. The claim hd says who administers an account; the domain of an
// e-mail address says nothing of the kind, anybody may have made a Google account with one.
func (c *Config) person(claims map[string]any, _ providers.Reply) (string, error) {
	hd, _ := claims["hd"].(string)
	if len(c.HostedDomains) > 0 && !slices.Contains(c.HostedDomains, hd) {
		return "", providers.Refuse("hosted_domain", "the account's hosted domain is %.100q", hd)
	}
	return "", nil
}
