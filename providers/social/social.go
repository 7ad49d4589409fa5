// Package social signs people in at well known upstreams: mostly data, a file for each. Facebook, LinkedIn,
// Amazon and Discord stand on package oauth2, GitLab and Slack on package oidc. social.go is what they share.
package social

import (
	"context"

	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/oauth2"
)

// Client is what an operator says about an upstream whose addresses are known.
type Client struct {
	ClientID     string        `yaml:"client_id" doc:"Signet's client id at the upstream"`
	ClientSecret secret.String `yaml:"client_secret" doc:"Signet's client secret at the upstream"`

	upstream oauth2.Config
}

// Check returns everything that is wrong with a configuration.
func (c *Client) Check() []providers.Fault {
	underneath := c.oauth2()
	return underneath.Check()
}

func (c *Client) oauth2() oauth2.Config {
	o := c.upstream
	o.ClientID, o.ClientSecret = c.ClientID, c.ClientSecret
	return o
}

// plain is a kind of an upstream that speaks OAuth 2.0 alone. options may be nil.
func plain(upstream oauth2.Config, options func(c *Client, env providers.Env) oauth2.Options, attributes map[string]string) providers.Kind {
	return providers.Kind{
		Config: func() any { return &Client{upstream: upstream} },
		Open: func(_ context.Context, env providers.Env, config any) (providers.Provider, error) {
			c := config.(*Client)
			var o oauth2.Options
			if options != nil {
				o = options(c, env)
			}
			return oauth2.Open(env, c.oauth2(), o)
		},
		Map: attributes,
	}
}
