package main

import (
	"crypto/sha256"
	"crypto/tls"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/op"
	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/jwks"
)

// keysTimeout is how long an app's keys are waited for: an app waits for us just then.
const keysTimeout = 4 * time.Second

// secretHashes are those of an app's secrets.
func secretHashes(c *config.App) (hashes [][]byte) {
	for _, s := range []string{c.Secret.Reveal(), c.SecretNext.Reveal()} {
		if s != "" {
			sum := sha256.Sum256([]byte(s))
			hashes = append(hashes, sum[:])
		}
	}
	return hashes
}

// credentials are what an app proves itself with beside the hashes of its secrets.
func (s *signet) credentials(cfg *config.Config, c *config.App) broker.Credentials {
	out := broker.Credentials{
		Method: c.Auth, Algs: c.AssertionAlgs, Certificates: c.Thumbprints, Certificate: broker.Subject(c.Certificate),
		MustPush: c.RequirePAR, MustSign: c.RequireSignedRequest,
	}
	if len(out.Algs) == 0 {
		out.Algs = config.AssertionAlgs
	}
	switch {
	case c.Keys != nil:
		out.Keys = c.Keys
	case c.JWKSURI != "":
		out.Keys = jwks.At(c.JWKSURI, egress.Client(s.outToKeys(cfg)), s.now)
	}
	if c.Auth == broker.AuthSecretJWT {
		var secrets [][]byte
		for _, text := range []string{c.Secret.Reveal(), c.SecretNext.Reveal()} {
			if text != "" {
				secrets = append(secrets, []byte(text))
			}
		}
		out.Secrets = func() [][]byte { return secrets }
	}
	return out
}

// outToKeys is the way to the keys of apps: to public addresses and what is allowed beside them.
func (s *signet) outToKeys(cfg *config.Config) egress.Options {
	out := registeredOut(s.out, cfg)
	out.Timeout = keysTimeout
	return out
}

// outToObjects is the way to the request objects of apps, which are where their keys may be. Anybody can have
// them asked for: few at a time.
func (s *signet) outToObjects(cfg *config.Config) egress.Options {
	out := registeredOut(s.out, cfg)
	out.Timeout, out.MaxBody, out.PerHost = op.ObjectTimeout, op.MaxObject, 16
	return out
}

// askCertificates has TLS ask callers for a certificate, where an app proves itself by one. Browsers are asked
// as well; the names of the authorities keep them from offering what is of no use.
func askCertificates(cfg *config.Config, t *tls.Config) {
	if cfg.UsesTLS() && cfg.ClientCertificateHeader == "" {
		t.ClientAuth, t.ClientCAs = tls.RequestClientCert, cfg.ClientCAs
	}
}
