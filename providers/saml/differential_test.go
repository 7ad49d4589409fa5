package saml

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/beevik/etree"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

// TestXMLSec holds our verification against another one, in C: each signature of each message that we
// accept must verify there too, with the same certificates.
func TestXMLSec(t *testing.T) {
	if _, err := exec.LookPath("xmlsec1"); err != nil {
		t.Fatal("xmlsec1 is missing: install the package xmlsec1")
	}
	b := openTest(t, nil)
	rows := append([]idptest.SAMLRow{{Row: idptest.Row{ID: "honest", Control: true}}}, idptest.SAMLRows...)
	verified := 0
	for _, row := range rows {
		if !row.Control && row.ID != "S-41c" {
			continue // TestRows wants it refused
		}
		attempt, sent := b.begin(t, providers.Attempt{ForceLogin: row.Forced})
		reply := b.answer(t, sent, &row)
		_, err := b.p.Continue(t.Context(), attempt, reply)
		raw, decodeErr := base64.StdEncoding.DecodeString(reply.Values.Get("SAMLResponse"))
		if decodeErr != nil {
			t.Fatal(decodeErr)
		}
		if row.ID == "S-41c" {
			if out, ok := xmlsec(t, b.p, raw, "Assertion"); ok {
				t.Errorf("xmlsec1 verifies a changed assertion, so this test holds nothing: %s", out)
			}
		}
		if err != nil {
			continue
		}
		for _, what := range signedElements(t, raw) {
			if out, ok := xmlsec(t, b.p, raw, what); !ok {
				t.Errorf("row %s: we accept, xmlsec1 does not verify %s: %s", row.ID, what, out)
			}
			verified++
		}
	}
	if verified < 10 {
		t.Errorf("%d signatures verified, want more: the test holds nothing", verified)
	}
}

// signedElements are the names of the elements that carry a signature.
func signedElements(t *testing.T, raw []byte) []string {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(raw); err != nil {
		t.Fatal(err)
	}
	var names []string
	for path, name := range map[string]string{"./Signature": "Response", "./Assertion/Signature": "Assertion"} {
		if doc.Root().FindElement(path) != nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Fatal("accepted without a signature")
	}
	return names
}

// xmlsec verifies the signature of one element with each certificate that we trust.
func xmlsec(t *testing.T, p *provider, raw []byte, what string) ([]byte, bool) {
	t.Helper()
	idp, err := p.source.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	message := filepath.Join(dir, "message.xml")
	if err := os.WriteFile(message, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	ns, path := nsAssertion, "/*[local-name()='Response']/*[local-name()='Assertion']"
	if what == "Response" {
		ns, path = nsProtocol, "/*[local-name()='Response']"
	}
	var last []byte
	for _, cert := range idp.certs {
		file := filepath.Join(dir, "cert.pem")
		content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"--verify", "--enabled-key-data", "key-name", "--pubkey-cert-pem", file, "--id-attr:ID", ns + ":" + what,
			"--node-xpath", path + "/*[local-name()='Signature']", message}
		out, err := exec.Command("xmlsec1", args...).CombinedOutput()
		if err == nil && bytes.Contains(out, []byte("OK")) {
			return out, true
		}
		last = out
	}
	return last, false
}
