// Package github signs people in with GitHub or a GitHub Enterprise server: plain OAuth 2.0 with what is
// special about its API. Read github.go for the configuration and person.go for who somebody is.
package github

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/oauth2"
)

// Config is what an operator says about GitHub.
type Config struct {
	ClientID      string        `yaml:"client_id" doc:"the OAuth app's client id"`
	ClientSecret  secret.String `yaml:"client_secret" doc:"the OAuth app's client secret"`
	Host          string        `yaml:"host" doc:"github.com, or the host of a GitHub Enterprise server"`
	Organizations []string      `yaml:"organizations" doc:"organizations whose members may sign in, at most 10; none: everybody with a GitHub account"`
	Teams         bool          `yaml:"teams" doc:"read the person's teams as groups, e.g. acme/platform; of the organizations alone where some are named"`
	CAFile        string        `yaml:"ca_file" doc:"certificate authorities of a GitHub Enterprise server as PEM, instead of the system's"`
}

// maxOrganizations bounds the requests of one login.
const maxOrganizations = 10

// Kind is the kind "github".
func Kind() providers.Kind {
	return providers.Kind{
		Config: func() any { return &Config{Host: "github.com"} },
		Open: func(_ context.Context, env providers.Env, config any) (providers.Provider, error) {
			c := config.(*Config)
			return oauth2.Open(env, c.oauth2(), oauth2.Options{
				Header: http.Header{"X-Github-Api-Version": {"2022-11-28"}},
				Wishes: wishes,
				Person: (&reader{conf: c, api: c.apiURL(), log: env.Log}).person,
			})
		},
		Map: map[string]string{
			"email":              "claims.email",
			"email_verified":     "claims.email_verified",
			"name":               "claims.name",
			"preferred_username": "claims.login",
			"picture":            "claims.avatar_url",
			"groups":             "claims.groups",
		},
	}
}

var (
	hostForm  = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)
	loginForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
)

// Check returns everything that is wrong with a configuration.
func (c *Config) Check() []providers.Fault {
	var faults []providers.Fault
	if !hostForm.MatchString(c.Host) {
		return append(faults, providers.Fault{Key: "host", Problem: "must be a host such as github.example.com, in lower case and without https://"})
	}
	for i, org := range c.Organizations {
		if !loginForm.MatchString(org) {
			faults = append(faults, providers.Fault{Key: "organizations." + strconv.Itoa(i), Problem: "must be the name of an organization as in its address on GitHub"})
		}
	}
	if len(c.Organizations) > maxOrganizations {
		faults = append(faults, providers.Fault{Key: "organizations", Problem: "must name at most " + strconv.Itoa(maxOrganizations)})
	}
	underneath := c.oauth2()
	return append(faults, underneath.Check()...)
}

// apiURL is where the host has its API.
func (c *Config) apiURL() string {
	if c.Host == "github.com" || strings.HasSuffix(c.Host, ".ghe.com") {
		return "https://api." + c.Host
	}
	return "https://" + c.Host + "/api/v3"
}

func (c *Config) oauth2() oauth2.Config {
	o := oauth2.Defaults()
	o.AuthorizationURL = "https://" + c.Host + "/login/oauth/authorize"
	o.TokenURL = "https://" + c.Host + "/login/oauth/access_token"
	o.UserInfoURL = c.apiURL() + "/user"
	o.ClientID, o.ClientSecret, o.TokenAuth, o.CAFile = c.ClientID, c.ClientSecret, "client_secret_post", c.CAFile
	o.Scopes = []string{"read:user", "user:email"}
	if len(c.Organizations) > 0 || c.Teams {
		o.Scopes = append(o.Scopes, "read:org")
	}
	return o
}

func wishes(a *providers.Attempt) url.Values {
	v := url.Values{}
	if a.SelectUser {
		v.Set("prompt", "select_account")
	}
	if a.LoginHint != "" && len(a.LoginHint) <= 320 {
		v.Set("login", a.LoginHint)
	}
	return v
}
