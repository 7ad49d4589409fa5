// Package saml signs people in at a SAML 2.0 identity provider, in the Web Browser SSO profile (SAML
// profiles §4.1) as a service provider.
//
// # The way in
//
// A SAML Response is a signed document inside an unsigned one, and most of the attacks on SAML make the
// part that is verified another than the part that is read. So the way in narrows: parse.go reads the little
// XML that a message may be written in, and scan.go refuses on the way what parsers read differently and every
// shape with more than one assertion; signature.go verifies the bytes that canonical.go makes of an element
// and returns a new one, read from those bytes; decrypt.go opens what is encrypted and puts it through the
// same; response.go and assertion.go read what comes out of that alone and hold it against the request;
// claims.go says who it is. Nothing of the message is kept or logged.
//
// The way out is request.go. metadata.go reads what an identity provider publishes, source.go keeps it,
// describe.go publishes what we are, and inspect.go tells how it stands.
package saml

import (
	"context"
	"crypto/x509"
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

// newSource returns the source of what is fetched.
func newSource(env providers.Env, cfg *Config) (*source, error) {
	s := &source{env: env, client: env.Client, url: cfg.MetadataURL, entityID: cfg.EntityID, overlap: cfg.Overlap}
	var problem string
	if s.signers, problem = pemOf(cfg.MetadataCert, cfg.MetadataCertFile); problem != "" {
		return nil, errors.New("metadata_cert: " + problem)
	}
	authorities, problem := pemOf(cfg.CA, cfg.CAFile)
	if problem != "" {
		return nil, errors.New("ca: " + problem)
	}
	if len(authorities) > 0 {
		roots := x509.NewCertPool()
		for _, c := range authorities {
			roots.AddCert(c)
		}
		s.client = env.Trusting(roots)
	}
	return s, nil
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
	var err error
	if p.source, err = newSource(env, &cfg); err != nil {
		return nil, err
	}
	if cfg.MetadataURL == "" {
		idp, faults := cfg.identityProvider(env.Now())
		if len(faults) > 0 {
			return nil, fmt.Errorf("%s: %w", faults[0].Key, errors.New(faults[0].Problem))
		}
		p.source.fixed = idp
	}
	return p, nil
}
