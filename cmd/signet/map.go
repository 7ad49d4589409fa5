package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/providers/saml"
)

// mapCommand tries mappings.
type mapCommand struct {
	Try mapTry `cmd:"" help:"Tell which user and which tokens a provider's claims would make. Nothing is verified and nothing written."`
}

type mapTry struct {
	configFlag
	Provider  string `required:"" help:"The provider's id."`
	Claims    string `xor:"from" required:"" placeholder:"FILE" help:"A JSON file with the claims of an ID token."`
	Assertion string `xor:"from" required:"" placeholder:"FILE" help:"An XML file with a SAML response or assertion."`
}

// Run implements the command.
func (c *mapTry) Run(ctx context.Context) error {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	all, _ := prepare(cfg, nil)
	i := slices.IndexFunc(all, func(p prepared) bool { return p.ID == c.Provider })
	if i < 0 {
		return fmt.Errorf("there is no provider %q", c.Provider)
	}
	claims, err := c.read()
	if err != nil {
		return err
	}
	attrs, err := all[i].mapping.Apply(ctx, claims)
	var refused *broker.Error
	if errors.As(err, &refused) {
		return fmt.Errorf("this person could not sign in: %w", err)
	} else if err != nil {
		return err
	}
	u := broker.User{ID: "(made at the first login)", Attributes: attrs, Created: time.Now(), Updated: time.Now()}
	id := token.UserClaims(u, token.Scopes, nil)
	id["sub"] = u.ID
	access := map[string]any{"sub": u.ID}
	if groups, ok := attrs["groups"]; ok {
		access["groups"] = groups
	}
	return printJSON(map[string]any{"claims": claims, "user": attrs, "id_token": id, "access_token": access})
}

func (c *mapTry) read() (map[string]any, error) {
	if c.Assertion != "" {
		raw, err := os.ReadFile(c.Assertion)
		if err != nil {
			return nil, err
		}
		claims, err := saml.Claims(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Assertion, err)
		}
		return claims, nil
	}
	raw, err := os.ReadFile(c.Claims)
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		return nil, fmt.Errorf("%s is not a JSON object: %w", c.Claims, err)
	}
	return claims, nil
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
