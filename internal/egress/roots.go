package egress

import (
	"crypto/x509"
	"os"
)

// ReadRoots reads certificate authorities for Options.Roots from a file of PEM, or says what is wrong with it
// in words that follow the file's key, e.g. "has no certificate in PEM form".
func ReadRoots(name string) (*x509.CertPool, string) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, "cannot be read: " + err.Error()
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, "has no certificate in PEM form"
	}
	return roots, ""
}
