package social

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/oidc"
)

const slackTeam = "https://slack.com/team_id"

// SlackConfig is what an operator says about Slack.
type SlackConfig struct {
	ClientID     string        `yaml:"client_id" doc:"the Slack app's client id"`
	ClientSecret secret.String `yaml:"client_secret" doc:"the Slack app's client secret"`
	Teams        []string      `yaml:"teams" doc:"ids of the workspaces whose people may sign in, e.g. T012AB3C4; none: those of every workspace, with addresses that count as unverified"`
}

// Slack is the kind "slack": Sign in with Slack.
func Slack() providers.Kind {
	return providers.Kind{
		Config: func() any { return &SlackConfig{} },
		Open: func(_ context.Context, env providers.Env, config any) (providers.Provider, error) {
			c := config.(*SlackConfig)
			// Slack fails when a client with a secret sends a code_verifier.
			return oidc.Open(env, c.oidc(), oidc.Options{NoPKCE: true, Person: c.person})
		},
		Map: map[string]string{
			"email":          "claims.email",
			"email_verified": "claims.email_verified",
			"name":           "claims.name",
			"given_name":     "claims.given_name",
			"family_name":    "claims.family_name",
			"picture":        "claims.picture",
			"locale":         "claims.locale",
		},
	}
}

// Check returns everything that is wrong with a configuration.
func (c *SlackConfig) Check() []providers.Fault {
	var faults []providers.Fault
	if c.ClientSecret == "" {
		faults = append(faults, providers.Fault{Key: "client_secret", Problem: "is missing"})
	}
	for i, team := range c.Teams {
		if !strings.HasPrefix(team, "T") && !strings.HasPrefix(team, "E") || strings.ToUpper(team) != team {
			faults = append(faults, providers.Fault{Key: "teams." + strconv.Itoa(i), Problem: "must be the id of a workspace such as T012AB3C4"})
		}
	}
	underneath := c.oidc()
	return append(faults, underneath.Check()...)
}

func (c *SlackConfig) oidc() oidc.Config {
	o := oidc.Defaults()
	o.Issuer, o.ClientID, o.ClientSecret = "https://slack.com", c.ClientID, c.ClientSecret
	o.TokenAuth, o.Algs = "client_secret_post", []string{"RS256"}
	if len(c.Teams) == 1 { // spares the person a choice; a browser can leave it out
		o.Params = map[string]string{"team": c.Teams[0]}
	}
	return o
}

// person names somebody by workspace and user: user ids are unique within a workspace only. Whoever runs a
// workspace can give its people any address, so one counts as verified only where the workspaces are known.
func (c *SlackConfig) person(claims map[string]any, _ providers.Reply) (string, error) {
	team, _ := claims[slackTeam].(string)
	sub, _ := claims["sub"].(string)
	switch {
	case team == "" || strings.Contains(team, "/") || len(team)+1+len(sub) > 255:
		return "", providers.Refuse("sub", "ID token has no team_id that can be used")
	case len(c.Teams) > 0 && !slices.Contains(c.Teams, team):
		return "", &providers.Error{Kind: providers.Forbidden, Reason: "not_member", Err: fmt.Errorf("team %.40q is not allowed", team)}
	case len(c.Teams) == 0:
		delete(claims, "email_verified")
	}
	return team + "/" + sub, nil
}
