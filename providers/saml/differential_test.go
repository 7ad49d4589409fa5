package saml

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
			if what == "Encrypted" && slices.Contains([]string{"S-147d", "S-147e", "S-147g"}, row.ID) {
				continue // common, and unknown to xmlsec1 before 1.3
			}
			if what == "Encrypted" {
				raw = decryptedByXMLSec(t, row, raw)
				what = "Assertion"
				if !bytes.Contains(raw, []byte("<ds:Signature")) {
					continue // the Response is signed alone
				}
			}
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
	for _, s := range [][2]string{{"./Signature", "Response"}, {"./Assertion/Signature", "Assertion"}, {"./EncryptedAssertion", "Encrypted"}} {
		if doc.Root().FindElement(s[0]) != nil {
			names = append(names, s[1])
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
	ns, path := nsAssertion, "/*[local-name()='Response']//*[local-name()='Assertion']"
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

// decryptedByXMLSec returns a message as another implementation decrypts it, without what only the Response's
// own signature covers.
func decryptedByXMLSec(t *testing.T, row idptest.SAMLRow, raw []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(ourKey().PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(raw); err != nil {
		t.Fatal(err)
	}
	if s := doc.Root().FindElement("./Signature"); s != nil {
		doc.Root().RemoveChild(s)
	}
	if raw, err = doc.WriteToBytes(); err != nil {
		t.Fatal(err)
	}
	key, message := filepath.Join(dir, "key.pem"), filepath.Join(dir, "message.xml")
	for name, content := range map[string][]byte{key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), message: raw} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("xmlsec1", "--decrypt", "--privkey-pem", key,
		"--id-attr:Id", nsEnc+":EncryptedKey", "--node-xpath", "//*[local-name()='EncryptedData']", message).Output()
	if err != nil || !bytes.Contains(out, []byte("Assertion")) {
		var e *exec.ExitError
		if errors.As(err, &e) {
			err = fmt.Errorf("%w: %s", err, e.Stderr)
		}
		t.Errorf("row %s: we decrypt it, xmlsec1 does not: %v", row.ID, err)
	}
	return out
}
