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
	verified := map[string]bool{}
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
		if row.ID == "S-41c" {
			continue
		}
		if err != nil {
			t.Errorf("row %s: refused, so nothing can be compared: %v", row.ID, err)
			continue
		}
		for _, what := range signedElements(t, raw) {
			if what == "Encrypted" {
				what = "Assertion"
				if raw = decryptedByXMLSec(t, row, raw); raw == nil {
					continue
				}
				if !bytes.Contains(raw, []byte("<ds:Signature")) {
					continue // the Response is signed alone
				}
			}
			if out, ok := xmlsec(t, b.p, raw, what); !ok {
				t.Errorf("row %s: we accept, xmlsec1 does not verify %s: %s", row.ID, what, out)
			}
			verified[row.ID] = true
		}
		if !verified[row.ID] && !slices.Contains(beyondXMLSec, row.ID) {
			t.Errorf("row %s: we accept, and xmlsec1 was asked nothing", row.ID)
		}
	}
	// By the first certificate, by the second, either or both elements, and in the usual ways to encrypt.
	for _, id := range []string{"honest", "S-17", "S-17b", "S-17c", "S-17d", "S-17e", "S-147", "S-147b", "S-147f", "S-147h", "S-147i"} {
		if !verified[id] {
			t.Errorf("row %s was not compared", id)
		}
	}
}

// beyondXMLSec are ways to encrypt that are common, and unknown to xmlsec1 before 1.3.
var beyondXMLSec = []string{"S-147d", "S-147e", "S-147g"}

// TestXMLSecTellsCertificatesApart: what one of two keys has signed is not verified by the other's certificate.
func TestXMLSecTellsCertificatesApart(t *testing.T) {
	b := openTest(t, nil)
	i := slices.IndexFunc(idptest.SAMLRows, func(r idptest.SAMLRow) bool { return r.ID == "S-17b" })
	for name, row := range map[string]*idptest.SAMLRow{"the first key": nil, "the second key": &idptest.SAMLRows[i]} {
		_, sent := b.begin(t, providers.Attempt{})
		raw, err := base64.StdEncoding.DecodeString(b.answer(t, sent, row).Values.Get("SAMLResponse"))
		if err != nil {
			t.Fatal(err)
		}
		idp, err := b.p.source.get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		good := 0
		for _, cert := range idp.certs {
			if _, ok := xmlsecBy(t, cert, raw, "Assertion"); ok {
				good++
			}
		}
		if good != 1 || len(idp.certs) != 2 {
			t.Errorf("signed by %s: %d of %d certificates verify it, want 1 of 2", name, good, len(idp.certs))
		}
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
	var last []byte
	for _, cert := range idp.certs {
		out, ok := xmlsecBy(t, cert, raw, what)
		if ok {
			return out, true
		}
		last = out
	}
	return last, false
}

// xmlsecBy verifies the signature of one element with a certificate.
func xmlsecBy(t *testing.T, cert *x509.Certificate, raw []byte, what string) ([]byte, bool) {
	t.Helper()
	dir := t.TempDir()
	message, file := filepath.Join(dir, "message.xml"), filepath.Join(dir, "cert.pem")
	for name, content := range map[string][]byte{message: raw, file: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ns, path := nsAssertion, "/*[local-name()='Response']//*[local-name()='Assertion']"
	if what == "Response" {
		ns, path = nsProtocol, "/*[local-name()='Response']"
	}
	args := []string{"--verify", "--enabled-key-data", "key-name", "--pubkey-cert-pem", file, "--id-attr:ID", ns + ":" + what,
		"--node-xpath", path + "/*[local-name()='Signature']", message}
	out, err := exec.Command("xmlsec1", args...).CombinedOutput()
	return out, err == nil && bytes.Contains(out, []byte("OK"))
}

// decryptedByXMLSec returns a message as another implementation decrypts it, without what only the Response's
// own signature covers; nil where it cannot, and need not.
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
	if err != nil && slices.Contains(beyondXMLSec, row.ID) {
		return nil
	}
	if err != nil || !bytes.Contains(out, []byte("Assertion")) {
		var e *exec.ExitError
		if errors.As(err, &e) {
			err = fmt.Errorf("%w: %s", err, e.Stderr)
		}
		t.Errorf("row %s: we decrypt it, xmlsec1 does not: %v", row.ID, err)
	}
	return out
}
