// Package microsoft signs people in with Microsoft Entra ID: OpenID Connect whose one issuer stands for many
// tenants, any of which can write what it likes into its own people's claims.
//
// tenant.go decides which tenant a token is of and whether it may be, person.go what is believed about a
// person of it.
package microsoft

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/oidc"
)

// Config is what an operator says about Microsoft.
type Config struct {
	Tenant              string        `yaml:"tenant" doc:"whose people sign in: a tenant's id or domain, organizations, consumers, or common for both"`
	Tenants             []string      `yaml:"tenants" doc:"with organizations or common: the ids of the tenants whose people may sign in; none: all"`
	ClientID            string        `yaml:"client_id" doc:"the application (client) id"`
	ClientSecret        secret.String `yaml:"client_secret" doc:"the value of a client secret, not its id"`
	ClientSecretExpires string        `yaml:"client_secret_expires" doc:"the day on which the client secret ends, as 2027-01-31: you are told 60, 30 and 7 days ahead"`
	Scopes              []string      `yaml:"scopes" doc:"what is asked for; openid always is"`
	VerifiedDomains     []string      `yaml:"verified_domains" doc:"with one tenant: e-mail domains that it owns. An address in them is taken as verified"`
	Logout              bool          `yaml:"logout" doc:"who signs out here is signed out at Microsoft too"`
	Prompt              string        `yaml:"prompt" doc:"what Microsoft is asked to show, e.g. select_account"`
	AuthTimeFromIat     bool          `yaml:"auth_time_from_iat" doc:"where the optional claim auth_time is not set up: take the time at which the ID token was made. It then cannot be told whether people who must sign in again really did"`
}

// Kind is the kind "microsoft".
func Kind() providers.Kind {
	return providers.Kind{
		Config: func() any { return &Config{Scopes: oidc.Defaults().Scopes} },
		Open: func(_ context.Context, env providers.Env, config any) (providers.Provider, error) {
			c := config.(*Config)
			return oidc.Open(env, c.oidc(), oidc.Options{Discovered: c.discovered, Issued: c.issued, Person: c.person})
		},
		Map: oidc.Kind().Map,
	}
}

var domain = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$`)

// Check returns everything that is wrong with a configuration.
func (c *Config) Check() []providers.Fault {
	var faults []providers.Fault
	add := func(key, problem string) { faults = append(faults, providers.Fault{Key: key, Problem: problem}) }
	switch {
	case c.Tenant == "":
		add("tenant", "is missing")
	case c.many() || c.Tenant == consumers || guid.MatchString(c.Tenant) || domain.MatchString(c.Tenant):
	default:
		add("tenant", "must be a tenant's id or domain in lower case, organizations, consumers or common")
	}
	if c.ClientSecret == "" {
		add("client_secret", "is missing")
	}
	if len(c.Tenants) > 0 && !c.many() {
		add("tenants", "is for tenant: organizations or common")
	}
	for i, id := range c.Tenants {
		if !guid.MatchString(id) {
			add("tenants."+strconv.Itoa(i), "must be a tenant's id, in lower case")
		}
	}
	if len(c.VerifiedDomains) > 0 && (c.many() || c.Tenant == consumers) {
		add("verified_domains", "needs one tenant: any other could write such an address too")
	}
	for i, d := range c.VerifiedDomains {
		if !domain.MatchString(d) {
			add("verified_domains."+strconv.Itoa(i), "must be a domain such as example.com, in lower case")
		}
	}
	underneath := c.oidc()
	for _, f := range underneath.Check() {
		if f.Key != "issuer" && f.Key != "token_auth" { // made of tenant and client_secret
			faults = append(faults, f)
		}
	}
	slices.SortStableFunc(faults, func(a, b providers.Fault) int { return strings.Compare(a.Key, b.Key) })
	return faults
}

func (c *Config) oidc() oidc.Config {
	o := oidc.Defaults()
	o.Issuer, o.ClientID, o.ClientSecret, o.Scopes, o.Prompt = issuerOf(c.Tenant), c.ClientID, c.ClientSecret, c.Scopes, c.Prompt
	o.Algs, o.TokenAuth, o.AuthTimeFromIat, o.Logout = []string{"RS256"}, "client_secret_post", c.AuthTimeFromIat, c.Logout
	o.ClientSecretExpires = c.ClientSecretExpires
	return o
}
