package main

import (
	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/op"
	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/jwks"
)

// trusted are the configured issuers of assertions, with their keys.
func (s *signet) trusted(cfg *config.Config) []op.TrustedIssuer {
	var all []op.TrustedIssuer
	out := s.out
	out.Timeout = keysTimeout
	for i := range cfg.TrustedIssuers {
		c := &cfg.TrustedIssuers[i]
		t := op.TrustedIssuer{
			ID: c.ID, Issuer: c.Issuer, Keys: c.Keys, Algs: c.Algs, Apps: c.Apps, Provider: c.Provider, Create: c.Create, Subjects: c.Subjects,
		}
		if c.JWKSURI != "" {
			t.Keys = jwks.At(c.JWKSURI, egress.Client(out), s.now)
		}
		if len(t.Algs) == 0 {
			t.Algs = config.AssertionAlgs
		}
		all = append(all, t)
	}
	return all
}

// exchange is what a configured app may exchange.
func exchange(c *config.App) broker.Exchange {
	return broker.Exchange{Apps: c.TokenExchange.Apps, Providers: c.TokenExchange.Providers, Create: c.TokenExchange.Create}
}
