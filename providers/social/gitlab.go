package social

import (
	"context"

	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/oidc"
)

// GitLabConfig is what an operator says about GitLab.
type GitLabConfig struct {
	Issuer       string        `yaml:"issuer" doc:"https://gitlab.com, or the address of one's own GitLab"`
	ClientID     string        `yaml:"client_id" doc:"the application's id"`
	ClientSecret secret.String `yaml:"client_secret" doc:"the application's secret"`
	CAFile       string        `yaml:"ca_file" doc:"certificate authorities of one's own GitLab as PEM, instead of the system's"`
}

// GitLab is the kind "gitlab". Its groups are those that the person is a direct member of: others are told by
// userinfo alone, and change with every group above.
func GitLab() providers.Kind {
	attributes := map[string]string{
		"email":              "claims.email",
		"email_verified":     "claims.email_verified",
		"name":               "claims.name",
		"preferred_username": "claims.preferred_username",
		"picture":            "claims.picture",
		"groups":             "claims.groups_direct",
	}
	return providers.Kind{
		Config: func() any { return &GitLabConfig{Issuer: "https://gitlab.com"} },
		Open: func(_ context.Context, env providers.Env, config any) (providers.Provider, error) {
			return oidc.Open(env, config.(*GitLabConfig).oidc(), oidc.Options{})
		},
		Map: attributes,
	}
}

// Check returns everything that is wrong with a configuration.
func (c *GitLabConfig) Check() []providers.Fault {
	underneath := c.oidc()
	faults := underneath.Check()
	if c.ClientSecret == "" {
		faults = append(faults, providers.Fault{Key: "client_secret", Problem: "is missing"})
	}
	return faults
}

func (c *GitLabConfig) oidc() oidc.Config {
	o := oidc.Defaults()
	o.Issuer, o.ClientID, o.ClientSecret, o.CAFile = c.Issuer, c.ClientID, c.ClientSecret, c.CAFile
	o.Algs = []string{"RS256"}
	return o
}
