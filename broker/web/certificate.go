package web

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Certificates are those that a caller has proven by TLS (RFC 8705), its own first: to us, or to a trusted
// proxy, which names it in CertificateHeader. From anybody else that header is only a word. None is no error.
func (s *Site) Certificates(r *http.Request) ([]*x509.Certificate, error) {
	if s.CertificateHeader != "" && s.trusts(peer(r)) {
		// The certificate of the connection would be the proxy's own.
		switch values := r.Header.Values(s.CertificateHeader); {
		case len(values) > 1:
			return nil, fmt.Errorf("%d headers %s", len(values), s.CertificateHeader)
		case len(values) == 1 && values[0] != "":
			c, err := readCertificate(values[0])
			if err != nil {
				return nil, err
			}
			return []*x509.Certificate{c}, nil
		}
		return nil, nil
	}
	if r.TLS == nil {
		return nil, nil
	}
	return r.TLS.PeerCertificates, nil
}

// readCertificate reads what proxies write: urlencoded PEM (nginx), that in a Cert="…" (Envoy), or DER in
// base64 between colons (RFC 9440).
func readCertificate(text string) (*x509.Certificate, error) {
	if der, ok := strings.CutPrefix(text, ":"); ok {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(der, ":"))
		if err != nil {
			return nil, err
		}
		return x509.ParseCertificate(raw)
	}
	if _, rest, ok := strings.Cut(text, `Cert="`); ok {
		if strings.Contains(rest, `Cert="`) {
			return nil, errors.New("a chain of proxies, each with a certificate")
		}
		text, _, _ = strings.Cut(rest, `"`)
	}
	// Not QueryUnescape: a plus is a letter of base64.
	text, err := url.PathUnescape(text)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
