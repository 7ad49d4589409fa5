package config

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/signet-broker/signet/internal/jwks"
	"github.com/signet-broker/signet/internal/secret"
)

// AppAuth is how an app proves that a request is its own.
type AppAuth struct {
	Auth                 string         `yaml:"auth" doc:"the one way in which it authenticates; absent: client_secret_basic or client_secret_post with a secret, none without"`
	SecretNext           secret.String  `yaml:"secret_next" doc:"a second secret that is good as well, while the app moves from one to the other"`
	JWKS                 map[string]any `yaml:"jwks" doc:"its public keys as a JWK set: {keys: […]}"`
	JWKSURI              string         `yaml:"jwks_uri" doc:"where it publishes its public keys, in place of jwks; a public address, or one of egress.allow"`
	AssertionAlgs        []string       `yaml:"assertion_algs" doc:"the algorithms that it may sign with: PS256, ES256, EdDSA, RS256; absent: all of them"`
	Certificate          Certificate    `yaml:"certificate" doc:"what the certificate of tls_client_auth names: one of these"`
	CertificateFiles     []string       `yaml:"certificate_files" doc:"the certificates of self_signed_tls_client_auth as PEM, beside those in its keys"`
	RequirePAR           bool           `yaml:"require_par" doc:"its requests must be pushed (RFC 9126)"`
	RequireSignedRequest bool           `yaml:"require_signed_request" doc:"its requests must be signed (RFC 9101)"`

	Thumbprints [][sha256.Size]byte `yaml:"-"` // of CertificateFiles
	Keys        *jwks.Client        `yaml:"-"` // of JWKS
}

// Certificate is a name in a certificate (RFC 8705 §2.1.2).
type Certificate struct {
	DN    string `yaml:"dn" doc:"the subject, as openssl x509 -subject -nameopt RFC2253 writes it"`
	DNS   string `yaml:"dns" doc:"a DNS name of the subject's alternative names"`
	URI   string `yaml:"uri" doc:"a URI of them"`
	IP    string `yaml:"ip" doc:"an IP address of them"`
	Email string `yaml:"email" doc:"an e-mail address of them"`
}

// ClientTLS is how the certificates of apps are learned.
type ClientTLS struct {
	ClientCertificateHeader string `yaml:"client_certificate_header" doc:"the header in which a trusted proxy says which certificate its caller has proven: urlencoded PEM. The proxy must remove it from what it is sent"`
	ClientCAFile            string `yaml:"client_ca_file" doc:"the authorities whose certificates tls_client_auth takes, as PEM"`

	ClientCAs *x509.CertPool `yaml:"-"` // nil: none
}

// maxRequestURI is the longest request_uri that there may be (OpenID Connect Core §6.2).
const maxRequestURI = 512

// What App.Auth may be.
var appAuths = []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "none"}

// AssertionAlgs are the algorithms that apps may sign with.
var AssertionAlgs = []string{"PS256", "ES256", "EdDSA", "RS256"}

// UsesTLS tells whether an app authenticates, or may, with a certificate, or has its tokens bound to one.
func (c *Config) UsesTLS() bool {
	return c.Registration.Certificates || slices.ContainsFunc(c.Apps, func(a App) bool { return strings.HasSuffix(a.Auth, "tls_client_auth") || a.CertificateBound })
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

func (k *checker) clientTLS() {
	if h := k.ClientCertificateHeader; h != "" {
		switch {
		case !headerName.MatchString(h):
			k.fault("client_certificate_header", "must be the name of a header, such as X-Client-Cert")
		case len(k.TrustedProxies) == 0:
			k.fault("client_certificate_header", "is believed of trusted_proxies only, and there are none")
		}
	}
	if k.ClientCAFile != "" {
		pool, problem := readPool(k.ClientCAFile)
		if problem != "" {
			k.fault("client_ca_file", "%s", problem)
		}
		k.ClientCAs = pool
	}
}

func readPool(path string) (*x509.CertPool, string) {
	data, err := readFile(path, maxFile)
	if err != nil {
		return nil, err.Error()
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, "holds no certificate in PEM"
	}
	return pool, ""
}

// appAuth checks how an app authenticates, and reads its keys.
func (k *checker) appAuth(a *App, key string) {
	k.appKeys(a, key)
	k.appSecrets(a, key)
	k.appRequests(a, key)
	hasKeys := a.JWKS != nil || a.JWKSURI != ""
	switch a.Auth {
	case "private_key_jwt":
		if !hasKeys {
			k.fault(key+".auth", "private_key_jwt needs jwks or jwks_uri")
		}
	case "tls_client_auth":
		k.appCertificate(a, key)
	case "self_signed_tls_client_auth":
		if !hasKeys && len(a.CertificateFiles) == 0 {
			k.fault(key+".auth", "self_signed_tls_client_auth needs certificate_files, jwks or jwks_uri")
		}
	}
	if strings.HasSuffix(a.Auth, "tls_client_auth") && k.TLS == (TLS{}) && k.ClientCertificateHeader == "" {
		k.fault(key+".auth", "needs tls, or a proxy that does it and client_certificate_header")
	}
	if a.RequireSignedRequest && !hasKeys {
		k.fault(key+".require_signed_request", "needs jwks or jwks_uri")
	}
	for i, alg := range a.AssertionAlgs {
		if !contains(AssertionAlgs, alg) {
			k.fault(fmt.Sprintf("%s.assertion_algs.%d", key, i), "must be one of %s", strings.Join(AssertionAlgs, ", "))
		}
	}
}

func (k *checker) appSecrets(a *App, key string) {
	read := !k.doc.faulty[key+".secret"] && !k.doc.faulty[key+".secret"+fileSuffix]
	switch {
	case a.Auth != "" && !contains(appAuths, a.Auth):
		k.fault(key+".auth", "must be one of %s", strings.Join(appAuths, ", "))
	case strings.HasPrefix(a.Auth, "client_secret_") && a.Secret == "" && read:
		k.fault(key+".auth", "%s needs a secret", a.Auth)
	case a.Auth == "client_secret_jwt" && read && (len(a.Secret) < minSecret || a.SecretNext != "" && len(a.SecretNext) < minSecret):
		// RFC 7518 §3.2: a key as long as the hash, or it can be guessed from any assertion.
		k.fault(key+".secret", "needs %d characters or more for client_secret_jwt", minSecret)
	case a.Auth != "" && !strings.HasPrefix(a.Auth, "client_secret_") && a.Secret != "":
		k.fault(key+".secret", "is of no use with auth: %s", a.Auth)
	case a.SecretNext != "" && a.Secret == "" && read:
		k.fault(key+".secret_next", "needs a secret beside it")
	case a.SecretNext != "" && len(a.SecretNext) < minSecret:
		k.warn(key+".secret_next", "has fewer than %d characters; take a long random one", minSecret)
	}
}

func (k *checker) appKeys(a *App, key string) {
	if a.JWKS != nil {
		text, err := json.Marshal(a.JWKS)
		if err == nil {
			a.Keys, err = jwks.Fixed(text)
		}
		if err != nil {
			k.fault(key+".jwks", "%v", err)
		}
		if a.JWKSURI != "" {
			k.fault(key+".jwks_uri", "and jwks are both given; one of them is enough")
		}
	} else if a.JWKSURI != "" {
		if problem := jwksProblem(a.JWKSURI); problem != "" {
			k.fault(key+".jwks_uri", "%s", problem)
		}
	}
	for i, path := range a.CertificateFiles {
		sums, problem := thumbprints(path)
		if problem != "" {
			k.fault(fmt.Sprintf("%s.certificate_files.%d", key, i), "%s", problem)
		}
		a.Thumbprints = append(a.Thumbprints, sums...)
	}
}

// appRequests checks where an app's signed requests may stand.
func (k *checker) appRequests(a *App, key string) {
	for i, uri := range a.RequestURIs {
		at := fmt.Sprintf("%s.request_uris.%d", key, i)
		if problem := jwksProblem(uri); problem != "" {
			k.fault(at, "%s", problem)
		} else if len(uri) > maxRequestURI {
			k.fault(at, "is longer than %d characters", maxRequestURI)
		}
	}
	switch {
	case len(a.RequestURIs) == 0:
	case a.JWKS == nil && a.JWKSURI == "":
		k.fault(key+".request_uris", "needs jwks or jwks_uri: what stands there must be signed")
	case a.RequirePAR:
		k.fault(key+".request_uris", "is of no use with require_par")
	}
}

// Refers tells whether some app's requests may be fetched.
func (c *Config) Refers() bool {
	return slices.ContainsFunc(c.Apps, func(a App) bool { return len(a.RequestURIs) > 0 })
}

func jwksProblem(text string) string {
	u, problem := parseURL(text)
	switch {
	case problem != "":
		return problem
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return ""
	}
	return "must begin with https://; http is for localhost, 127.0.0.1 and [::1] only"
}

// thumbprints are the SHA-256 of the certificates of a file.
func thumbprints(path string) (sums [][sha256.Size]byte, problem string) {
	data, err := readFile(path, maxFile)
	if err != nil {
		return nil, err.Error()
	}
	for block, rest := pem.Decode(bytes.TrimSpace(data)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			sums = append(sums, sha256.Sum256(block.Bytes))
		}
	}
	if sums == nil {
		return nil, "holds no certificate in PEM"
	}
	return sums, ""
}

// appCertificate checks what a certificate of tls_client_auth must name.
func (k *checker) appCertificate(a *App, key string) {
	c := a.Certificate
	given := 0
	for _, name := range []string{c.DN, c.DNS, c.URI, c.IP, c.Email} {
		if name != "" {
			given++
		}
	}
	if given != 1 {
		k.fault(key+".certificate", "needs one of dn, dns, uri, ip and email for tls_client_auth")
	}
	if _, err := url.Parse(c.URI); err != nil {
		k.fault(key+".certificate.uri", "is no URI")
	}
	if k.ClientCAFile == "" {
		k.fault(key+".auth", "tls_client_auth needs client_ca_file: whose certificates are taken")
	}
}
