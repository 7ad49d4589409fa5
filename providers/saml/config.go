package saml

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/signet-broker/signet/providers"
)

const (
	maxSkew    = time.Minute
	maxOverlap = 7 * 24 * time.Hour
)

// Config is this kind's part of the configuration: metadata in one of three ways, or the identity
// provider's entity ID, address and certificates by hand.
type Config struct {
	MetadataURL      string        `yaml:"metadata_url" doc:"where the identity provider publishes its metadata; fetched at the first login and kept fresh"`
	MetadataFile     string        `yaml:"metadata_file" doc:"a file with the identity provider's metadata"`
	Metadata         string        `yaml:"metadata" doc:"the identity provider's metadata itself, as XML"`
	MetadataCert     string        `yaml:"metadata_cert" doc:"the certificate that must have signed the metadata, as PEM"`
	MetadataCertFile string        `yaml:"metadata_cert_file" doc:"a file with the certificate that must have signed the metadata, as PEM"`
	CA               string        `yaml:"ca" doc:"certificate authorities to trust at metadata_url instead of the system's, as PEM"`
	CAFile           string        `yaml:"ca_file" doc:"a file with certificate authorities to trust at metadata_url, as PEM"`
	Overlap          time.Duration `yaml:"certificate_overlap" doc:"how long a signing certificate that has left the metadata at metadata_url is still taken, at most 168h"`

	EntityID         string   `yaml:"entity_id" doc:"the identity provider's entity ID; beside metadata, the one that is meant there"`
	SSOURL           string   `yaml:"sso_url" doc:"without metadata: where people are sent to sign in"`
	Certificates     []string `yaml:"certificates" doc:"without metadata: the identity provider's signing certificates, as PEM"`
	CertificateFiles []string `yaml:"certificate_files" doc:"without metadata: files with signing certificates, as PEM"`

	SPEntityID              string        `yaml:"sp_entity_id" doc:"Signet's own entity ID; default: the address of its metadata"`
	SignRequests            bool          `yaml:"sign_requests" doc:"sign what is sent to the identity provider"`
	WantEncrypted           bool          `yaml:"want_encrypted" doc:"refuse assertions that are not encrypted"`
	AllowCBC                bool          `yaml:"allow_cbc" doc:"take assertions encrypted with AES-CBC too, in responses that are signed as a whole"`
	Binding                 string        `yaml:"binding" doc:"how requests are sent, redirect or post; the other one where the metadata offers no such address"`
	Skew                    time.Duration `yaml:"skew" doc:"how far the identity provider's clock may be off, at most 60s"`
	NameIDFormat            string        `yaml:"name_id_format" doc:"the NameID format to ask for"`
	AuthnContext            []string      `yaml:"authn_context" doc:"the authentication context classes to ask for, as URIs"`
	AuthnContextComparison  string        `yaml:"authn_context_comparison" doc:"exact: the answer must name one of authn_context; minimum: the identity provider judges what is at least as strong"`
	SubjectAttribute        string        `yaml:"subject_attribute" doc:"the Name of the attribute that names a person for good; default: the NameID"`
	ForceAuthn              bool          `yaml:"force_authn" doc:"people sign in again each time, also with a session at the identity provider"`
	AllowExpiredCertificate bool          `yaml:"allow_expired_certificate" doc:"take signatures whose certificate is out of its dates"`
	Logout                  bool          `yaml:"logout" doc:"who signs out here is signed out at the identity provider too"`
	SLOURL                  string        `yaml:"slo_url" doc:"without metadata: where sign-outs are sent to and answered"`
	IDPInitiated            IDPInitiated  `yaml:"idp_initiated" doc:"take sign-ins that begin at the identity provider; off unless it names an app"`
}

func defaults() *Config {
	return &Config{SignRequests: true, Binding: "redirect", AuthnContextComparison: "exact", Skew: maxSkew, Overlap: 24 * time.Hour}
}

// CheckRegistered returns what a provider that somebody else registers may not have. All providers share
// our key: whoever signs the responses of one could wrap another's CBC ciphertext in them, and learn from
// what becomes of it.
func (c *Config) CheckRegistered() []providers.Fault {
	if c.AllowCBC {
		return []providers.Fault{{Key: "allow_cbc", Problem: "is for providers of the configuration file"}}
	}
	return nil
}

// Check returns everything that is wrong. It reads the files that are named.
func (c *Config) Check() []providers.Fault {
	var faults []providers.Fault
	fault := func(key, format string, args ...any) {
		faults = append(faults, providers.Fault{Key: key, Problem: fmt.Sprintf(format, args...)})
	}
	var given []string
	for _, source := range [][2]string{{"metadata_url", c.MetadataURL}, {"metadata_file", c.MetadataFile}, {"metadata", c.Metadata}} {
		if source[1] != "" {
			given = append(given, source[0])
		}
	}
	byHand := c.SSOURL+c.SLOURL != "" || len(c.Certificates)+len(c.CertificateFiles) > 0
	switch {
	case len(given) == 0 && !byHand:
		fault("metadata_url", "is required, or metadata_file, metadata, or entity_id with sso_url and certificates")
	case len(given) > 1:
		fault(given[1], "stands beside %s; give one of them", given[0])
	case len(given) == 1 && byHand:
		fault(given[0], "stands beside sso_url, slo_url or certificates; give metadata or those")
	case c.MetadataURL != "":
		if problem := checkURL(c.MetadataURL); problem != "" {
			fault("metadata_url", "%s", problem)
		}
	default:
		_, found := c.identityProvider(time.Now())
		faults = append(faults, found...)
	}
	faults = append(faults, c.checkFetch()...)
	if c.Binding != "redirect" && c.Binding != "post" {
		fault("binding", "must be redirect or post")
	}
	if c.Skew < 0 || c.Skew > maxSkew {
		fault("skew", "must be 0s to %s", maxSkew)
	}
	if c.NameIDFormat == formatTransient && c.SubjectAttribute == "" {
		fault("name_id_format", "a transient NameID names nobody for good; set subject_attribute too")
	}
	for i, class := range c.AuthnContext {
		if u, err := url.Parse(class); err != nil || u.Scheme == "" || len(class) > 1024 {
			fault(fmt.Sprintf("authn_context.%d", i), "must be an absolute URI")
		}
	}
	if c.AuthnContextComparison != "exact" && c.AuthnContextComparison != "minimum" {
		fault("authn_context_comparison", "must be exact or minimum")
	}
	if len(c.SPEntityID) > 1024 || strings.TrimSpace(c.SPEntityID) != c.SPEntityID {
		fault("sp_entity_id", "must be at most 1024 bytes without white space around them")
	}
	return faults
}

// checkFetch looks at what belongs to metadata that is fetched or signed.
func (c *Config) checkFetch() []providers.Fault {
	var faults []providers.Fault
	for _, f := range []struct {
		key, text, file string
		alone           bool
	}{
		{"metadata_cert", c.MetadataCert, c.MetadataCertFile, c.MetadataURL+c.MetadataFile+c.Metadata == ""},
		{"ca", c.CA, c.CAFile, c.MetadataURL == ""},
	} {
		key, problem := f.key, ""
		if f.file != "" {
			key += "_file"
		}
		switch {
		case f.text == "" && f.file == "":
			continue
		case f.text != "" && f.file != "":
			problem = "stands beside " + f.key + "; give one of them"
		case f.alone:
			problem = "needs metadata that it is for"
		default:
			_, problem = pemOf(f.text, f.file)
		}
		if problem != "" {
			faults = append(faults, providers.Fault{Key: key, Problem: problem})
		}
	}
	if c.Overlap < 0 || c.Overlap > maxOverlap {
		faults = append(faults, providers.Fault{Key: "certificate_overlap", Problem: fmt.Sprintf("must be 0s to %s", maxOverlap)})
	}
	return faults
}

// pemOf returns the certificates of a text or a file; none when neither is given.
func pemOf(text, file string) (certs []*x509.Certificate, problem string) {
	if file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, "cannot be read: " + err.Error()
		}
		text = string(content)
	}
	if text == "" {
		return nil, ""
	}
	return parsePEM(text)
}

// identityProvider returns what the configuration itself says of the identity provider, or what is wrong.
func (c *Config) identityProvider(now time.Time) (*identityProvider, []providers.Fault) {
	key, document := "metadata", []byte(c.Metadata)
	switch {
	case c.MetadataFile != "":
		key = "metadata_file"
		var err error
		if document, err = os.ReadFile(c.MetadataFile); err != nil {
			return nil, []providers.Fault{{Key: key, Problem: "cannot be read: " + err.Error()}}
		}
	case c.Metadata == "":
		return c.byHand()
	}
	signers, problem := pemOf(c.MetadataCert, c.MetadataCertFile)
	if problem != "" {
		return nil, nil // checkFetch says so
	}
	idp, err := readMetadata(document, signers, c.EntityID, now)
	if err != nil {
		return nil, []providers.Fault{{Key: key, Problem: err.Error()}}
	}
	return idp, nil
}

func (c *Config) byHand() (*identityProvider, []providers.Fault) {
	var faults []providers.Fault
	fault := func(key, problem string) { faults = append(faults, providers.Fault{Key: key, Problem: problem}) }
	idp := &identityProvider{entityID: c.EntityID, sso: map[string]string{c.Binding: c.SSOURL}}
	if c.SLOURL != "" {
		if problem := checkURL(c.SLOURL); problem != "" {
			fault("slo_url", problem)
		}
		idp.slo = map[string]logoutEndpoint{c.Binding: {c.SLOURL, c.SLOURL}}
	}
	if c.EntityID == "" {
		fault("entity_id", "is required without metadata")
	}
	if c.SSOURL == "" {
		fault("sso_url", "is required without metadata")
	} else if problem := checkURL(c.SSOURL); problem != "" {
		fault("sso_url", problem)
	}
	add := func(key, text string) {
		certs, problem := parsePEM(text)
		if problem != "" {
			fault(key, problem)
		}
		idp.certs = append(idp.certs, certs...)
	}
	for i, text := range c.Certificates {
		add(fmt.Sprintf("certificates.%d", i), text)
	}
	for i, name := range c.CertificateFiles {
		key := fmt.Sprintf("certificate_files.%d", i)
		content, err := os.ReadFile(name)
		if err != nil {
			fault(key, "cannot be read: "+err.Error())
			continue
		}
		add(key, string(content))
	}
	switch n := len(c.Certificates) + len(c.CertificateFiles); {
	case n == 0:
		fault("certificates", "are required without metadata")
	case len(idp.certs) > maxCertificates:
		fault("certificates", fmt.Sprintf("are %d, more than %d", len(idp.certs), maxCertificates))
	}
	return idp, faults
}

// parsePEM returns the certificates of a PEM text and the first thing that is wrong with it.
func parsePEM(text string) (certs []*x509.Certificate, problem string) {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, "must hold certificates, and holds something else too"
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, "is no X.509 certificate"
		}
		if problem := checkKey(cert); problem != "" {
			return nil, problem
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, "has no certificate in PEM form"
	}
	return certs, ""
}

// checkURL takes https, and http to this machine itself.
func checkURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return "must be an absolute URL without user and fragment"
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return ""
	}
	return "must be an https URL (http only on loopback)"
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
