package saml

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-broker/signet/providers"
)

var _ providers.Inspector = (*provider)(nil)

// Inspect fetches the metadata where it is fetched at all, and looks at every certificate of both sides.
func (p *provider) Inspect(ctx context.Context) []providers.Finding {
	findings := []providers.Finding{{
		Name:   "callback",
		Detail: fmt.Sprintf("entity ID %s, ACS URL %s, logout URL %s, all in %s/metadata", p.entityID, p.acs, p.slo(), p.env.SAML()),
	}}
	idp, err := p.source.inspect(ctx)
	if err != nil {
		findings = append(findings, providers.Finding{Name: "metadata", Problem: p.problem(err)})
	} else {
		findings = append(findings, p.inspectMetadata(idp))
		good := slices.ContainsFunc(idp.certs, func(c *x509.Certificate) bool { return !p.env.Now().After(c.NotAfter) })
		for _, c := range idp.certs {
			findings = append(findings, p.inspectCertificate(c, good))
		}
	}
	return append(findings, p.inspectOurs(ctx)...)
}

// inspect fetches once more, so that what is wrong now is seen behind a copy that still serves.
func (s *source) inspect(ctx context.Context) (*identityProvider, error) {
	if s.fixed != nil {
		return s.get(ctx)
	}
	s.mu.Lock()
	running := s.fetch(ctx)
	s.mu.Unlock()
	idp, err := s.wait(ctx, running)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return idp, s.err
}

func (p *provider) problem(err error) string {
	var e *providers.Error
	if errors.As(err, &e) && e.Reason == unreachable {
		return fmt.Sprintf("%s cannot be reached from here: %v", p.source.url, e.Err)
	}
	if e != nil {
		err = e.Err
	}
	if p.source.fixed != nil {
		return fmt.Sprintf("%v; take the identity provider's metadata anew", err)
	}
	return fmt.Sprintf("what %s has cannot be used: %v", p.source.url, err)
}

func (p *provider) inspectMetadata(idp *identityProvider) providers.Finding {
	// What is fetched is made anew before its end, again and again: only what lies in a file stops for good.
	from, expires := p.source.url, time.Time{}
	if p.source.fixed != nil {
		from, expires = "the configuration", idp.goodUntil
	}
	return providers.Finding{
		Name: "metadata", Expires: expires,
		Detail: fmt.Sprintf("identity provider %s from %s, signing certificates: %d", idp.entityID, from, len(idp.certs)),
	}
}

// inspectCertificate looks at one of the identity provider's certificates. One whose time is over is no
// problem where another is good.
func (p *provider) inspectCertificate(c *x509.Certificate, good bool) providers.Finding {
	f := providers.Finding{
		Name: "certificate", Expires: c.NotAfter,
		Detail: fmt.Sprintf("identity provider's, %s, SHA-256 %s", c.Subject, fingerprints([]*x509.Certificate{c})[0]),
	}
	switch now := p.env.Now(); {
	case p.cfg.AllowExpiredCertificate, now.After(c.NotAfter) && good:
		f.Expires = time.Time{}
	case now.After(c.NotAfter):
		f.Problem = "the identity provider's certificate has expired; take its new metadata, or set allow_expired_certificate"
	case now.Before(c.NotBefore):
		f.Problem = "the identity provider's certificate is not valid yet; one of the clocks may be wrong"
	}
	return f
}

// inspectOurs looks at our own certificates, which the identity provider knows.
func (p *provider) inspectOurs(ctx context.Context) []providers.Finding {
	certs, err := p.env.Certificates(ctx, use)
	if err != nil {
		return []providers.Finding{{Name: "certificate", Problem: "our own certificate cannot be had: " + err.Error()}}
	}
	var findings []providers.Finding
	for i, own := range certs {
		c, err := leaf(own)
		if err != nil {
			continue
		}
		what, expires := "our own, in use", c.NotAfter
		switch {
		case i > 0 && predates(own, certs[0]):
			what, expires = "our own former one", time.Time{}
		case i > 0:
			what = "our own next one"
		}
		f := providers.Finding{
			Name: "certificate", Expires: expires,
			Detail: fmt.Sprintf("%s, SHA-256 %s", what, fingerprints([]*x509.Certificate{c})[0]),
		}
		if !expires.IsZero() && p.env.Now().After(expires) {
			f.Problem = "our own certificate has expired: make another with signet keys rotate --use saml"
		}
		findings = append(findings, f)
	}
	return findings
}
