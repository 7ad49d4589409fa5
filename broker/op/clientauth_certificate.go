package op

import (
	"crypto/sha256"
	"crypto/x509"
	"net/http"
	"net/netip"
	"slices"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
)

// noteCertificate remembers the caller's certificate, which tokens can be bound to (RFC 8705 §3).
func (p *Provider) noteCertificate(r *http.Request) {
	chain, err := p.Site.Certificates(r)
	if err != nil || len(chain) == 0 {
		return
	}
	sum := sha256.Sum256(chain[0].Raw)
	web.RequestInfo(r.Context()).Certificate = sum[:]
}

// certified tells whether the caller's certificate is the app's (RFC 8705 §2).
func (p *Provider) certified(r *http.Request, app *broker.App) error {
	chain, err := p.Site.Certificates(r)
	if err != nil {
		return unproven("certificate: %w", err)
	}
	if len(chain) == 0 {
		return unproven("no certificate")
	}
	if app.Credentials.Method == broker.AuthTLS {
		return p.vouched(chain, app)
	}
	sum := sha256.Sum256(chain[0].Raw)
	if slices.ContainsFunc(app.Credentials.Certificates, func(known [sha256.Size]byte) bool { return known == sum }) {
		return nil
	}
	if keys := app.Credentials.Keys; keys != nil {
		known, err := keys.HasCertificate(r.Context(), sum)
		if err != nil {
			return unproven("certificate: %w", err)
		}
		if known {
			return nil
		}
	}
	return unproven("certificate %x is not registered", sum[:8])
}

// vouched tells whether an authority that is trusted here has given the caller a certificate in the app's name.
func (p *Provider) vouched(chain []*x509.Certificate, app *broker.App) error {
	if p.ClientCAs == nil {
		return unproven("no authority is trusted")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: p.ClientCAs, Intermediates: between, CurrentTime: p.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return unproven("certificate: %w", err)
	}
	if !namedBy(chain[0], app.Credentials.Certificate) {
		return unproven("certificate of %.200q", chain[0].Subject.String())
	}
	return nil
}

// namedBy compares the one name that counts.
func namedBy(c *x509.Certificate, want broker.Subject) bool {
	switch {
	case want.DN != "":
		return c.Subject.String() == want.DN
	case want.DNS != "":
		return slices.Contains(c.DNSNames, want.DNS)
	case want.Email != "":
		return slices.Contains(c.EmailAddresses, want.Email)
	case want.URI != "":
		for _, u := range c.URIs {
			if u.String() == want.URI {
				return true
			}
		}
	case want.IP != "":
		a, err := netip.ParseAddr(want.IP)
		if err != nil {
			return false
		}
		for _, ip := range c.IPAddresses {
			if got, ok := netip.AddrFromSlice(ip); ok && got.Unmap() == a.Unmap() {
				return true
			}
		}
	}
	return false
}
