// Package saml signs people in at a SAML 2.0 identity provider, in the Web Browser SSO profile (SAML
// profiles §4.1) as a service provider.
//
// # The way in
//
// A SAML Response is a signed document inside an unsigned one, and most of the attacks on SAML make the
// part that is verified another than the part that is read. So the way in narrows: scan.go reads the
// message token by token and refuses what parsers read differently and every shape with more than one
// assertion; signature.go verifies and returns a new element, built from the bytes that were signed;
// response.go and assertion.go read that element alone and hold it against the request; claims.go says who
// it is. Nothing of the message is kept or logged.
//
// The way out is request.go. metadata.go reads what an identity provider publishes, source.go keeps it,
// and describe.go publishes what we are. Encrypted assertions are refused.
package saml

import (
	"context"
	"errors"
	"fmt"

	"github.com/signet-broker/signet/providers"
)

// Kind returns the kind "saml".
func Kind() providers.Kind {
	return providers.Kind{
		Config: func() any { return defaults() },
		Open:   open,
		Map:    defaultMap,
	}
}

// provider is one identity provider. It implements providers.Provider and providers.Describer.
type provider struct {
	env      providers.Env
	cfg      Config
	entityID string // ours
	acs      string // where a Response is posted to
	source   *source
}

var _ providers.Describer = (*provider)(nil)

func open(_ context.Context, env providers.Env, config any) (providers.Provider, error) {
	cfg := *config.(*Config)
	p := &provider{env: env, cfg: cfg, entityID: cfg.SPEntityID, acs: env.SAML() + "/acs"}
	if p.entityID == "" {
		p.entityID = env.SAML() + "/metadata"
	}
	p.source = &source{env: env, url: cfg.MetadataURL, entityID: cfg.EntityID}
	if cfg.MetadataURL == "" {
		idp, faults := cfg.identityProvider(env.Now())
		if len(faults) > 0 {
			return nil, fmt.Errorf("%s: %w", faults[0].Key, errors.New(faults[0].Problem))
		}
		p.source.fixed = idp
	}
	return p, nil
}
