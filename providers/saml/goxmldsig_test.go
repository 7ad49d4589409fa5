package saml

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

// byGoxmldsig verifies el's own signature as goxmldsig does, with each certificate; nil: it does not verify.
func byGoxmldsig(t *testing.T, el *etree.Element, certs []*x509.Certificate) *etree.Element {
	t.Helper()
	found := children(el, nsDSig, "Signature")
	if len(found) != 1 {
		t.Fatalf("%d signatures", len(found))
	}
	s, err := readSignature(found[0], attr(el, "ID"))
	if err != nil {
		t.Fatal(err)
	}
	for _, cert := range certs {
		value, ok := s.valueFor(cert)
		if !ok {
			continue
		}
		candidate := el.Copy()
		candidate.Attr = append(inherited(el), candidate.Attr...)
		sig := children(candidate, nsDSig, "Signature")
		if len(sig) == 0 { // its prefix is declared further out
			continue
		}
		for _, c := range sig[0].ChildElements() {
			switch c.Tag {
			case "KeyInfo":
				sig[0].RemoveChild(c)
			case "SignatureValue":
				c.SetText(base64.StdEncoding.EncodeToString(value))
			}
		}
		v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
		v.Clock = dsig.NewFakeClockAt(cert.NotBefore)
		if verified, err := v.Validate(candidate); err == nil {
			return verified
		}
	}
	return nil
}

// agreedSignature holds what we have verified to what goxmldsig verifies.
func agreedSignature(t *testing.T, el, verified *etree.Element, certs []*x509.Certificate) {
	t.Helper()
	theirs := byGoxmldsig(t, el, certs)
	if theirs == nil {
		t.Fatalf("we verify a signature of %s that goxmldsig does not", el.Tag)
	}
	if d := sameTree(verified, theirs); d != "" {
		t.Fatalf("we verify another %s than goxmldsig: %s", el.Tag, d)
	}
}

// agreedMessage holds each signature of an accepted message to goxmldsig's verification.
func agreedMessage(t *testing.T, x exchange, raw []byte) (signatures int) {
	t.Helper()
	response, err := parseMessage(raw, "Response")
	if err != nil {
		t.Fatal(err)
	}
	check := func(el *etree.Element) *etree.Element {
		verified, err := x.trust.verify(el)
		if err != nil {
			t.Fatal(err)
		}
		if verified == nil {
			return el
		}
		signatures++
		agreedSignature(t, el, verified, x.trust.certs)
		return verified
	}
	signed := len(children(response, nsDSig, "Signature")) > 0
	response = check(response)
	if len(children(response, nsAssertion, "EncryptedAssertion")) > 0 {
		if response, err = x.decryption.decrypt(response, signed); err != nil {
			t.Fatal(err)
		}
	}
	check(children(response, nsAssertion, "Assertion")[0])
	return signatures
}

// TestGoxmldsig holds our verification to goxmldsig's, which does not do it any more: it must verify each
// signature of each message that we accept, and as the very same element.
func TestGoxmldsig(t *testing.T) {
	b := openTest(t, nil)
	for _, row := range append([]idptest.SAMLRow{{Row: idptest.Row{ID: "honest", Control: true}}}, idptest.SAMLRows...) {
		if !row.Control {
			continue
		}
		attempt, sent := b.begin(t, providers.Attempt{ForceLogin: row.Forced})
		reply := b.answer(t, sent, &row)
		if _, err := b.p.Continue(t.Context(), attempt, reply); err != nil {
			t.Fatalf("row %s: %v", row.ID, err)
		}
		raw, err := base64.StdEncoding.DecodeString(reply.Values.Get("SAMLResponse"))
		if err != nil {
			t.Fatal(err)
		}
		idp, err := b.p.source.get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if agreedMessage(t, b.p.exchange(t.Context(), idp), raw) == 0 {
			t.Errorf("row %s: accepted without a signature", row.ID)
		}
	}
}

// FuzzSigned has an honest key sign whatever content, written in whatever way: we and goxmldsig agree on each.
// What is changed after that, neither verifies.
func FuzzSigned(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		f.Fatal(err)
	}
	certs := []*x509.Certificate{cert}
	const before = `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_1"><saml:Issuer>x</saml:Issuer>`
	for _, s := range parsed {
		f.Add(`xmlns="urn:d" xmlns:p="urn:p"`, strings.TrimPrefix(s.raw, "<?xml version='1.0' encoding=\"utf-8\" standalone='no'?>"), "", uint16(0), byte(0))
	}
	f.Add(`xmlns:xs="urn:xs" xmlns:xsi='urn:xsi' z="1" xsi:a="2"`, `<saml:AttributeValue xsi:type="xs:string"  xs:type = "a&#9;b">x</saml:AttributeValue>`, "xs", uint16(40), byte('y'))
	f.Fuzz(func(t *testing.T, attrs, content, keep string, at uint16, b byte) {
		text := `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ` + attrs + `>` + before + content + `</saml:Assertion></samlp:Response>`
		root, err := parseMessage([]byte(text), "Response")
		if err != nil || len(children(root, nsAssertion, "Assertion")) != 1 || len(keep) > 100 {
			return
		}
		el := children(root, nsAssertion, "Assertion")[0]
		if len(children(el, nsDSig, "Signature")) > 0 {
			return
		}
		signing := &idptest.Signing{Key: key, Method: dsig.ECDSASHA256SignatureMethod, Digest: "http://www.w3.org/2001/04/xmlenc#sha256", Prefix: "ds:", Keep: strings.ToValidUTF8(keep, "")}
		if err := signing.Sign(el); err != nil {
			return
		}
		doc := etree.NewDocument()
		doc.SetRoot(root)
		raw, err := doc.WriteToBytes()
		if err != nil {
			t.Fatal(err)
		}
		if root, err = parseMessage(raw, "Response"); err != nil {
			return // the signature's own prefix or ID is in the way
		}
		el = children(root, nsAssertion, "Assertion")[0]
		verified, err := trust{certs: certs, now: cert.NotBefore}.verify(el)
		if err != nil {
			if !strings.Contains(err.Error(), "malformed") && byGoxmldsig(t, el, certs) != nil {
				t.Fatalf("goxmldsig verifies it, we do not: %v\n%s", err, raw)
			}
			return
		}
		agreedSignature(t, el, verified, certs)

		changed := bytes.Clone(raw)
		changed[int(at)%len(raw)] = b
		if root, err = parseMessage(changed, "Response"); err != nil || len(children(root, nsAssertion, "Assertion")) != 1 {
			return
		}
		el = children(root, nsAssertion, "Assertion")[0]
		again, err := trust{certs: certs, now: cert.NotBefore}.verify(el)
		if err != nil || again == nil {
			return
		}
		agreedSignature(t, el, again, certs)
		if d := sameTree(verified, again); d != "" {
			t.Fatalf("a change is verified: %s\n%s\n%s", d, raw, changed)
		}
	})
}
