// Package apple is Sign in with Apple: OpenID Connect whose client secret is a JWT that has to be made anew,
// whose answer is a form, and which tells a person's name once.
package apple

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/oidc"
)

const (
	issuer = "https://appleid.apple.com"
	// secretLife is how long a client secret lives; Apple takes six months at most. One is made for each
	// request, so none is ever about to expire and a stolen one is soon worth nothing.
	secretLife = 5 * time.Minute
)

// Config is what an operator says about Sign in with Apple.
type Config struct {
	ClientID   string        `yaml:"client_id" doc:"the identifier of the Services ID"`
	TeamID     string        `yaml:"team_id" doc:"the ten characters that name your team"`
	KeyID      string        `yaml:"key_id" doc:"the ten characters that name the key"`
	PrivateKey secret.String `yaml:"private_key" doc:"the key itself, as in the .p8 file"`
	Scopes     []string      `yaml:"scopes" doc:"what is asked for: name and email; openid always is"`
}

// Kind is the kind "apple".
func Kind() providers.Kind {
	mapping := oidc.Kind().Map
	// Only the ID token is signed; Apple has no more than these.
	return providers.Kind{
		Config: func() any { return &Config{Scopes: []string{"openid", "email", "name"}} },
		Open: func(_ context.Context, env providers.Env, config any) (providers.Provider, error) {
			return open(env, config.(*Config))
		},
		Map: map[string]string{
			"email": mapping["email"], "email_verified": mapping["email_verified"],
			"name": mapping["name"], "given_name": mapping["given_name"], "family_name": mapping["family_name"],
		},
	}
}

// Check returns everything that is wrong with a configuration.
func (c *Config) Check() []providers.Fault {
	var faults []providers.Fault
	add := func(key, problem string) { faults = append(faults, providers.Fault{Key: key, Problem: problem}) }
	for _, id := range []struct{ key, value string }{{"team_id", c.TeamID}, {"key_id", c.KeyID}} {
		switch {
		case id.value == "":
			add(id.key, "is missing")
		case len(id.value) != 10:
			add(id.key, "must have ten characters")
		}
	}
	if c.PrivateKey == "" {
		add("private_key", "is missing; give it as private_key_file")
	} else if _, problem := c.key(); problem != "" {
		add("private_key", problem)
	}
	underneath := c.oidc()
	return append(faults, underneath.Check()...)
}

func (c *Config) key() (crypto.Signer, string) {
	key, problem := oidc.ParsePrivateKey(c.PrivateKey.Reveal())
	if problem != "" {
		return nil, problem
	}
	if _, ok := key.(*ecdsa.PrivateKey); !ok {
		return nil, "must be the ECDSA key that Apple made"
	}
	return key, ""
}

func (c *Config) oidc() oidc.Config {
	o := oidc.Defaults()
	o.Issuer, o.ClientID, o.Scopes = issuer, c.ClientID, c.Scopes
	o.Algs, o.ResponseMode = []string{"RS256"}, "form_post"
	return o
}

func open(env providers.Env, c *Config) (providers.Provider, error) {
	key, problem := c.key()
	if problem != "" {
		return nil, errors.New("private_key " + problem)
	}
	sign := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: c.KeyID}}
	return oidc.Open(env, c.oidc(), oidc.Options{
		Secret: func() (string, error) {
			now := env.Now()
			return oidc.SignJWT(sign, map[string]any{
				"iss": c.TeamID, "sub": c.ClientID, "aud": issuer, "iat": now.Unix(), "exp": now.Add(secretLife).Unix(),
			})
		},
		Person: person,
		Keep:   []string{"name", "given_name", "family_name"},
	})
}
