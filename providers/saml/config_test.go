package saml

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

func certPEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func ecCert(t *testing.T, curve elliptic.Curve) string {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return certPEM(der)
}

func TestCheck(t *testing.T) {
	idp := idptest.NewSAML(t, idptest.SAMLOptions{})
	good := certPEM(ourKey().Certificate[0])
	byHand := func(c *Config) {
		c.EntityID, c.SSOURL, c.Certificates = "https://idp.example", "https://idp.example/sso", []string{good}
	}
	file := filepath.Join(t.TempDir(), "idp.xml")
	if err := os.WriteFile(file, idp.Metadata(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GODEBUG", "rsa1024min=0") // a key that Go itself would not make
	weak := certPEM(selfSigned("weak", 1024).Certificate[0])
	for name, test := range map[string]struct {
		config func(*Config)
		keys   string // of the faults, in order
	}{
		"nothing":            {func(*Config) {}, "metadata_url"},
		"by hand":            {byHand, ""},
		"file":               {func(c *Config) { c.MetadataFile = file }, ""},
		"inline":             {func(c *Config) { c.Metadata = string(idp.Metadata()) }, ""},
		"URL":                {func(c *Config) { c.MetadataURL = "https://idp.example/metadata" }, ""},
		"no file":            {func(c *Config) { c.MetadataFile = file + "x" }, "metadata_file"},
		"no metadata inside": {func(c *Config) { c.Metadata = "x" }, "metadata"},
		"other entity ID":    {func(c *Config) { c.Metadata, c.EntityID = string(idp.Metadata()), "https://x" }, "metadata"},
		"two sources":        {func(c *Config) { c.MetadataFile, c.MetadataURL = file, "https://idp.example" }, "metadata_file"},
		"source and by hand": {func(c *Config) { byHand(c); c.MetadataURL = "https://idp.example" }, "metadata_url"},
		"http":               {func(c *Config) { c.MetadataURL = "http://idp.example/metadata" }, "metadata_url"},
		"http on loopback":   {func(c *Config) { c.MetadataURL = "http://127.0.0.1:9/metadata" }, ""},
		"javascript":         {func(c *Config) { byHand(c); c.SSOURL = "javascript:alert(1)" }, "sso_url"},
		"all at once": {func(c *Config) {
			c.SSOURL, c.Certificates, c.Binding, c.Skew = "http://x.example", []string{"x", good}, "soap", time.Hour
		}, "entity_id sso_url certificates.0 binding skew"},
		"RSA-1024 (S-16)": {func(c *Config) { byHand(c); c.Certificates = []string{weak} }, "certificates.0"},
		"P-224 (S-16)":    {func(c *Config) { byHand(c); c.Certificates = []string{ecCert(t, elliptic.P224())} }, "certificates.0"},
		"P-256":           {func(c *Config) { byHand(c); c.Certificates = []string{ecCert(t, elliptic.P256())} }, ""},
		"no certificates": {func(c *Config) { byHand(c); c.Certificates = nil }, "certificates"},
		"private key": {func(c *Config) {
			byHand(c)
			c.Certificates[0] += "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
		}, "certificates.0"},
		"certificate file missing": {func(c *Config) { byHand(c); c.CertificateFiles = []string{file + "x"} }, "certificate_files.0"},
		"contexts":                 {func(c *Config) { byHand(c); c.AuthnContext = []string{"urn:x", "strong"} }, "authn_context.1"},
		"comparison":               {func(c *Config) { byHand(c); c.AuthnContextComparison = "better" }, "authn_context_comparison"},
		"signer without metadata":  {func(c *Config) { byHand(c); c.MetadataCert = good }, "metadata_cert"},
		"authority without a URL":  {func(c *Config) { c.MetadataFile, c.CA = file, good }, "ca"},
		"signer and authority":     {func(c *Config) { c.MetadataURL, c.CA, c.MetadataCert = "https://idp.example", good, good }, ""},
		"signer twice":             {func(c *Config) { c.MetadataURL, c.MetadataCert, c.MetadataCertFile = "https://idp.example", good, file }, "metadata_cert_file"},
		"authority that is none":   {func(c *Config) { c.MetadataURL, c.CAFile = "https://idp.example", file }, "ca_file"},
		"overlap":                  {func(c *Config) { byHand(c); c.Overlap = 8 * 24 * time.Hour }, "certificate_overlap"},
		"transient alone":          {func(c *Config) { byHand(c); c.NameIDFormat = formatTransient }, "name_id_format"},
		"transient and attribute":  {func(c *Config) { byHand(c); c.NameIDFormat, c.SubjectAttribute = formatTransient, "uid" }, ""},
	} {
		cfg := Kind().Config().(*Config)
		test.config(cfg)
		var keys []string
		for _, f := range cfg.Check() {
			keys = append(keys, f.Key)
			if f.Problem == "" {
				t.Errorf("%s: %s without a problem", name, f.Key)
			}
		}
		if got := strings.Join(keys, " "); got != test.keys {
			t.Errorf("%s: faults in %q, want %q", name, got, test.keys)
		}
	}
}

// TestByHand signs in at an identity provider that is configured without metadata, by its certificate file.
func TestByHand(t *testing.T) {
	b := openTest(t, nil)
	idp, err := b.p.source.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var bundle bytes.Buffer
	for _, c := range idp.certs {
		bundle.WriteString(certPEM(c.Raw))
	}
	file := filepath.Join(t.TempDir(), "certs.pem")
	if err := os.WriteFile(file, bundle.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	b.p = openConfig(t, testEnv("initech", b.now), func(c *Config) {
		c.EntityID, c.SSOURL, c.CertificateFiles = b.idp.EntityID, b.idp.URL+"/sso", []string{file}
	})
	if _, err := b.signIn(t, providers.Attempt{}, nil); err != nil {
		t.Errorf("login = %v", err)
	}
}

// TestExpiredCertificate: refused by its own reason, unless the operator allows it.
func TestExpiredCertificate(t *testing.T) {
	for _, allow := range []bool{false, true} {
		b := openTest(t, func(c *Config) { c.AllowExpiredCertificate = allow })
		attempt, sent := b.begin(t, providers.Attempt{})
		later := time.Now().AddDate(11, 0, 0) // the fake's certificates last ten years
		b.now = func() time.Time { return later }
		attempt.Begun = later
		_, err := b.p.Continue(t.Context(), attempt, b.answer(t, sent, nil))
		if allow && err != nil {
			t.Errorf("allowed: error = %v", err)
		} else if !allow {
			wantReason(t, err, "certificate_expired")
		}
	}
}
