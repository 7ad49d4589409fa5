package saml

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

// signedBy signs metadata as a federation's operator does: the signature is the first child of its root.
func signedBy(t *testing.T, document string, pair *tls.Certificate, method, digest string) string {
	t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(document); err != nil {
		t.Fatal(err)
	}
	doc.Root().CreateAttr("ID", "_metadata")
	s := idptest.Signing{Key: pair.PrivateKey.(crypto.Signer), Cert: pair.Certificate[0], Method: method, Digest: digest, Prefix: "ds:"}
	if err := s.Sign(doc.Root()); err != nil {
		t.Fatal(err)
	}
	out, err := doc.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSignedMetadata (S-177): where a signer is configured, nothing else is taken.
func TestSignedMetadata(t *testing.T) {
	const rsaSHA256, rsaSHA1 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
	const sha256, sha1 = "http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"
	idp, evil := idptest.NewSAML(t, idptest.SAMLOptions{}), idptest.NewSAML(t, idptest.SAMLOptions{Name: "Evil"})
	signer, stranger := selfSigned("federation", 2048), selfSigned("federation", 2048)
	plain := string(idp.Metadata())
	good := signedBy(t, plain, signer, rsaSHA256, sha256)
	forged := strings.ReplaceAll(string(evil.Metadata()), evil.EntityID, idp.EntityID)
	group := func(inside string) string {
		return `<EntitiesDescriptor xmlns="` + nsMetadata + `">` + inside + `</EntitiesDescriptor>`
	}
	attributes := func(n int) string {
		inside := "<IDPSSODescriptor"
		for i := range n {
			inside += fmt.Sprintf(` a%d=""`, i)
		}
		return signedBy(t, strings.Replace(plain, "<IDPSSODescriptor", inside, 1), signer, rsaSHA256, sha256)
	}
	for name, test := range map[string]struct {
		document string
		taken    bool
	}{
		"signed":                        {good, true},
		"a signed group":                {signedBy(t, group(plain), signer, rsaSHA256, sha256), true},
		"a comment inside":              {strings.Replace(good, "<NameIDFormat>", "<!-- x --><NameIDFormat>", 1), true},
		"not signed":                    {plain, false},
		"by a stranger":                 {signedBy(t, plain, stranger, rsaSHA256, sha256), false},
		"with rsa-sha1":                 {signedBy(t, plain, signer, rsaSHA1, sha256), false},
		"with a digest of SHA-1":        {signedBy(t, plain, signer, rsaSHA256, sha1), false},
		"changed":                       {strings.Replace(good, `Location="`+idp.URL, `Location="https://evil.example`, 1), false},
		"a signed entity in a group":    {group(good), false},
		"evil, with the good one after": {strings.Replace(forged, "</EntityDescriptor>", good+"</EntityDescriptor>", 1), false},
		"evil, with the good signature": {strings.Replace(forged, "<IDPSSODescriptor", signatureOf(t, good)+"<IDPSSODescriptor", 1), false},
		"evil with the same ID":         {strings.Replace(strings.Replace(forged, "<IDPSSODescriptor", signatureOf(t, good)+"<IDPSSODescriptor", 1), "entityID=", `ID="_metadata" entityID=`, 1), false},
		"a comment in the digest":       {strings.Replace(good, "<ds:DigestValue>", "<ds:DigestValue>AAAA<!-- -->", 1), false},
		"a document type":               {`<!DOCTYPE x>` + good, false},
		"60 attributes more":            {attributes(60), true},
		"65 attributes more":            {attributes(65), false},
		"deep":                          {strings.Repeat("<x>", 50_000), false},
		"nothing":                       {"", false},
	} {
		_, s, _ := testSource(t, test.document)
		cert, err := x509.ParseCertificate(signer.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		s.signers, s.entityID = []*x509.Certificate{cert}, idp.EntityID
		got, err := s.get(t.Context())
		if (err == nil) != test.taken {
			t.Errorf("%s: get = %v, want it taken: %v", name, err, test.taken)
		}
		if err == nil && got.sso["redirect"] != idp.URL+"/sso" {
			t.Errorf("%s: the address is %s", name, got.sso["redirect"])
		} else if err != nil {
			wantUpstream(t, err)
		}
	}
}

func signatureOf(t *testing.T, document string) string {
	t.Helper()
	start, end := strings.Index(document, "<ds:Signature"), strings.Index(document, "</ds:Signature>")
	if start < 0 || end < 0 {
		t.Fatal("no signature")
	}
	return document[start : end+len("</ds:Signature>")]
}

// TestMetadataSettings goes from the configuration to a fetch: by a private authority, signed by a pinned key.
func TestMetadataSettings(t *testing.T) {
	idp := idptest.NewSAML(t, idptest.SAMLOptions{})
	signer := selfSigned("federation", 2048)
	document := signedBy(t, string(idp.Metadata()), signer, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256")
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(document)) }))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	write := func(name string, der []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(certPEM(der)), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	ca, pinned := write("ca.pem", server.Certificate().Raw), write("signer.pem", signer.Certificate[0])
	env := testEnv("initech", time.Now)
	env.Trusting = func(roots *x509.CertPool) *http.Client {
		return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	}
	inline, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*Config)
		good   bool
	}{
		"files":          {func(c *Config) { c.CAFile, c.MetadataCertFile = ca, pinned }, true},
		"authority text": {func(c *Config) { c.CA, c.MetadataCertFile = string(inline), pinned }, true},
		"no authority":   {func(c *Config) { c.MetadataCertFile = pinned }, false},
		"another signer": {func(c *Config) { c.CAFile, c.MetadataCertFile = ca, ca }, false},
	} {
		p := openConfig(t, env, func(c *Config) { c.MetadataURL = server.URL; test.change(c) })
		if _, err := p.source.get(t.Context()); (err == nil) != test.good {
			t.Errorf("%s: get = %v", name, err)
		}
	}
	// The same of a file: it is told at once.
	for name, test := range map[string]struct{ document, keys string }{
		"signed": {document, ""}, "not signed": {string(idp.Metadata()), "metadata"},
	} {
		cfg := defaults()
		cfg.Metadata, cfg.MetadataCertFile = test.document, pinned
		var keys []string
		for _, f := range cfg.Check() {
			keys = append(keys, f.Key)
		}
		if got := strings.Join(keys, " "); got != test.keys {
			t.Errorf("%s: faults in %q, want %q", name, got, test.keys)
		}
	}
}

// TestInspect: what stands well, and what an operator has to do about the rest.
func TestInspect(t *testing.T) {
	b := openTest(t, nil)
	find := func(name string) (found []providers.Finding) {
		for _, f := range b.p.Inspect(t.Context()) {
			if f.Name == name {
				found = append(found, f)
			}
		}
		return found
	}
	if f := find("metadata"); len(f) != 1 || f[0].Problem != "" || !strings.Contains(f[0].Detail, b.idp.EntityID) {
		t.Errorf("metadata = %+v", f)
	}
	paste := find("callback")
	for _, want := range []string{b.p.entityID, b.p.acs, "https://signet.example/saml/initech/slo"} {
		if len(paste) != 1 || !strings.Contains(paste[0].Detail, want) {
			t.Errorf("callback = %+v, want %s in it", paste, want)
		}
	}
	certs := find("certificate")
	if len(certs) != 3 || certs[0].Problem != "" || certs[0].Expires.IsZero() || !strings.Contains(certs[2].Detail, "our own, in use") || certs[2].Expires.IsZero() {
		t.Errorf("certificates = %+v, want two of theirs and one of ours", certs)
	}
	later := time.Now().AddDate(11, 0, 0)
	b.now = func() time.Time { return later }
	for _, f := range find("certificate") {
		if f.Problem == "" {
			t.Errorf("%+v has no problem in 11 years", f)
		}
	}
	b.idp.Close()
	if f := find("metadata"); len(f) != 1 || !strings.Contains(f[0].Problem, b.idp.URL) {
		t.Errorf("metadata of one that is down = %+v", f)
	}
}

// FuzzMetadata feeds bytes to what reads metadata, signed and not. Whatever comes: no panic; and what is
// taken can be used.
func FuzzMetadata(f *testing.F) {
	idp, err := idptest.StartSAML(idptest.SAMLOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { idp.Close() })
	good := string(idp.Metadata())
	for _, s := range []string{"", "<x/>", good, strings.ReplaceAll(good, "EntityDescriptor", "EntitiesDescriptor"), good[:len(good)/2],
		`<EntitiesDescriptor xmlns="` + nsMetadata + `" cacheDuration="PT1H" validUntil="2040-01-01T00:00:00Z">` + good + `</EntitiesDescriptor>`,
		strings.Replace(good, "entityID=", `cacheDuration="P1Y2M3DT4H5M6.7S" entityID=`, 1)} {
		f.Add([]byte(s))
	}
	signer, err := x509.ParseCertificate(ourKey().Certificate[0])
	if err != nil {
		f.Fatal(err)
	}
	now := time.Now()
	f.Fuzz(func(t *testing.T, document []byte) {
		if idp, err := readMetadata(document, []*x509.Certificate{signer}, "", now); err == nil {
			t.Fatalf("taken without the signature: %+v", idp)
		}
		idp, err := readMetadata(document, nil, "", now)
		if err != nil {
			return
		}
		if idp.entityID == "" || len(idp.certs) == 0 || len(idp.sso) == 0 || !idp.goodUntil.IsZero() && !now.Before(idp.goodUntil) {
			t.Fatalf("taken: %+v", idp)
		}
		for _, location := range idp.sso {
			if checkURL(location) != "" {
				t.Fatalf("address %q", location)
			}
		}
	})
}
