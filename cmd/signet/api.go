package main

import (
	"crypto/sha256"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/config"
)

// apis are the configured APIs as the core knows them.
func apis(cfg *config.Config) broker.APIs {
	all := broker.APIs{}
	for i := range cfg.APIs {
		c := &cfg.APIs[i]
		a := &broker.API{ID: c.ID, Name: c.Name, Access: c.Access, Signing: c.Signing, Apps: c.Apps}
		for _, s := range c.Scopes {
			a.Scopes = append(a.Scopes, s.Name)
		}
		if c.Secret != "" {
			sum := sha256.Sum256([]byte(c.Secret.Reveal()))
			a.SecretHashes = [][]byte{sum[:]}
		}
		all[a.ID] = a
	}
	return all
}
