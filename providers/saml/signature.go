package saml

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/signet-broker/signet/providers"
)

// The algorithms that may sign. SHA-1, MD5 and HMAC are not among them; the public certificate must never
// serve as a secret. RSA and ECDSA are told apart once more by the key itself.
var (
	signatureMethods = map[string]x509.SignatureAlgorithm{
		dsig.RSASHA256SignatureMethod:   x509.SHA256WithRSA,
		dsig.RSASHA384SignatureMethod:   x509.SHA384WithRSA,
		dsig.RSASHA512SignatureMethod:   x509.SHA512WithRSA,
		dsig.ECDSASHA256SignatureMethod: x509.ECDSAWithSHA256,
		dsig.ECDSASHA384SignatureMethod: x509.ECDSAWithSHA384,
		dsig.ECDSASHA512SignatureMethod: x509.ECDSAWithSHA512,
	}
	digestMethods = []string{
		"http://www.w3.org/2001/04/xmlenc#sha256",
		"http://www.w3.org/2001/04/xmldsig-more#sha384",
		"http://www.w3.org/2001/04/xmlenc#sha512",
	}
	c14nMethods = []string{
		dsig.CanonicalXML10ExclusiveAlgorithmId.String(),
		dsig.CanonicalXML10ExclusiveWithCommentsAlgorithmId.String(), // the same: the scan refuses comments
	}
)

// trust is what a signature is checked against.
type trust struct {
	certs   []*x509.Certificate
	now     time.Time
	expired bool // certificates outside of their own validity are good too
}

// verify checks the signature of el, which must be its child, right after Issuer. It returns nil when there
// is none, and otherwise a new element built from exactly the bytes that were signed: from there on, el and
// the document around it must not be read any more.
func (t trust) verify(el *etree.Element) (*etree.Element, error) {
	found := children(el, nsDSig, "Signature")
	if len(found) == 0 {
		return nil, nil
	}
	// The place that the schema names; goxmldsig looks for a signature by walking, and takes the first.
	at := slices.Index(el.ChildElements(), found[0])
	if len(found) > 1 || at > 1 || at == 1 && el.ChildElements()[0].Tag != "Issuer" {
		return nil, providers.Refuse("sig_invalid", "signature out of its place")
	}
	s, err := readSignature(found[0], attr(el, "ID"))
	if err != nil {
		return nil, err
	}
	outdated := false
	for _, cert := range t.certs {
		verified := t.try(el, at, s, cert)
		if verified == nil {
			continue
		}
		if !t.expired && (t.now.Before(cert.NotBefore) || t.now.After(cert.NotAfter)) {
			outdated = true
			continue
		}
		if verified.Tag != el.Tag || verified.NamespaceURI() != el.NamespaceURI() || attr(verified, "ID") != attr(el, "ID") {
			return nil, providers.Refuse("sig_invalid", "signed element is another one")
		}
		return verified, nil
	}
	if outdated {
		return nil, providers.Refuse("certificate_expired", "signing certificate is not valid now")
	}
	if s.named != nil && !slices.ContainsFunc(t.certs, func(c *x509.Certificate) bool { return bytes.Equal(c.Raw, s.named) }) {
		return nil, providers.Refuse("sig_untrusted", "signed by a key that is not trusted")
	}
	return nil, providers.Refuse("sig_invalid", "signature does not verify")
}

// try verifies with one certificate, whatever KeyInfo says; nil: it did not.
func (t trust) try(el *etree.Element, at int, s signature, cert *x509.Certificate) *etree.Element {
	value, ok := s.valueFor(cert)
	if !ok || cert.CheckSignature(signatureMethods[s.method], s.info, value) != nil {
		return nil // goxmldsig would say so too, after copying the whole message
	}
	candidate := detach(el)
	sig := candidate.ChildElements()[at]
	for _, c := range sig.ChildElements() {
		switch c.Tag {
		case "KeyInfo":
			sig.RemoveChild(c)
		case "SignatureValue":
			c.SetText(base64.StdEncoding.EncodeToString(value))
		}
	}
	v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
	v.Clock = dsig.NewFakeClockAt(cert.NotBefore) // its validity is checked by the caller
	verified, err := v.Validate(candidate)
	if err != nil {
		return nil
	}
	return verified
}

// detach copies el and declares on it what its ancestors declare: a copy alone would lose the meaning of
// its prefixes.
func detach(el *etree.Element) *etree.Element {
	out := el.Copy()
	for p := el.Parent(); p != nil; p = p.Parent() {
		for _, a := range p.Attr {
			declares := a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns"
			if declares && !slices.ContainsFunc(out.Attr, func(b etree.Attr) bool { return b.Space == a.Space && b.Key == a.Key }) {
				out.Attr = append(out.Attr, etree.Attr{Space: a.Space, Key: a.Key, Value: a.Value})
			}
		}
	}
	return out
}

// signature is a ds:Signature of the one shape that is taken.
type signature struct {
	method string
	info   []byte // SignedInfo in canonical form
	value  []byte
	named  []byte // the certificate in KeyInfo, DER: never trusted, only told apart; nil when there is none
}

// readSignature holds a signature to its shape: SignedInfo, SignatureValue and perhaps KeyInfo; one
// Reference, to the signed element by its ID; no transform but enveloped-signature and exclusive
// canonicalization; and algorithms of the lists. Everything else is a way to sign something else.
func readSignature(el *etree.Element, id string) (signature, error) {
	var s signature
	parts := el.ChildElements()
	if len(parts) == 3 && isDSig(parts[2], "KeyInfo") {
		s.named = namedCertificate(parts[2])
		parts = parts[:2]
	}
	if len(parts) != 2 || !isDSig(parts[0], "SignedInfo") || !isDSig(parts[1], "SignatureValue") || !attrsAmong(el, "Id") {
		return s, providers.Refuse("sig_invalid", "shape of the signature")
	}
	info := parts[0].ChildElements()
	if len(info) != 3 || !isDSig(info[0], "CanonicalizationMethod") || !isDSig(info[1], "SignatureMethod") ||
		!isDSig(info[2], "Reference") || !attrsAmong(parts[0], "Id") || !attrsAmong(parts[1], "Id") {
		return s, providers.Refuse("sig_invalid", "not exactly one reference")
	}
	if !slices.Contains(c14nMethods, attr(info[0], "Algorithm")) || !attrsAmong(info[0], "Algorithm") {
		return s, providers.Refuse("sig_invalid", "canonicalization method")
	}
	s.method = attr(info[1], "Algorithm")
	if signatureMethods[s.method] == x509.UnknownSignatureAlgorithm {
		return s, providers.Refuse("weak_alg", "signature method")
	}
	if len(info[1].ChildElements()) > 0 || !attrsAmong(info[1], "Algorithm") {
		return s, providers.Refuse("sig_invalid", "parameters of the signature method")
	}
	if err := checkReference(info[2], id); err != nil {
		return s, err
	}
	// The value is outside of what is signed, so it may be written anew, without its white space.
	value, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(parts[1].Text()), ""))
	if err != nil || len(value) == 0 || len(parts[1].ChildElements()) > 0 {
		return s, providers.Refuse("sig_invalid", "signature value")
	}
	s.value = value
	if s.info, err = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(detach(parts[0])); err != nil {
		return s, providers.Refuse("sig_invalid", "canonical form of SignedInfo")
	}
	return s, nil
}

func checkReference(ref *etree.Element, id string) error {
	parts := ref.ChildElements()
	if len(parts) != 3 || !isDSig(parts[0], "Transforms") || !isDSig(parts[1], "DigestMethod") ||
		!isDSig(parts[2], "DigestValue") || !attrsAmong(ref, "URI", "Id", "Type") {
		return providers.Refuse("sig_invalid", "shape of the reference")
	}
	if id == "" || attr(ref, "URI") != "#"+id {
		return providers.Refuse("sig_invalid", "reference to something else")
	}
	transforms := parts[0].ChildElements()
	if len(transforms) != 2 || !isTransform(transforms[0], dsig.EnvelopedSignatureAltorithmId.String()) ||
		!isTransform(transforms[1], c14nMethods...) || len(transforms[0].ChildElements()) > 0 {
		return providers.Refuse("sig_invalid", "transforms")
	}
	for _, c := range transforms[1].ChildElements() {
		if c.Tag != "InclusiveNamespaces" || c.NamespaceURI() != nsExcC14N || !attrsAmong(c, "PrefixList") || len(c.ChildElements()) > 0 {
			return providers.Refuse("sig_invalid", "parameters of a transform")
		}
	}
	if !slices.Contains(digestMethods, attr(parts[1], "Algorithm")) {
		return providers.Refuse("weak_alg", "digest method")
	}
	if !attrsAmong(parts[1], "Algorithm") || len(parts[1].ChildElements())+len(parts[2].ChildElements()) > 0 {
		return providers.Refuse("sig_invalid", "digest")
	}
	return nil
}

func isDSig(el *etree.Element, tag string) bool {
	return el.Tag == tag && el.NamespaceURI() == nsDSig
}

func isTransform(el *etree.Element, algorithms ...string) bool {
	return isDSig(el, "Transform") && attrsAmong(el, "Algorithm") && slices.Contains(algorithms, attr(el, "Algorithm"))
}

// attrsAmong tells whether el has no attribute but those, beside namespace declarations.
func attrsAmong(el *etree.Element, keys ...string) bool {
	for _, a := range el.Attr {
		declares := a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns"
		if !declares && (a.Space != "" || !slices.Contains(keys, a.Key)) {
			return false
		}
	}
	return true
}

// namedCertificate returns the first certificate of a KeyInfo, nil when it has none.
func namedCertificate(keyInfo *etree.Element) []byte {
	for _, data := range children(keyInfo, nsDSig, "X509Data") {
		for _, c := range children(data, nsDSig, "X509Certificate") {
			if der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(c.Text()), "")); err == nil {
				return der
			}
		}
	}
	return nil
}

// valueFor returns the signature value as Go reads it with a key, and whether key and method go together.
// XML signatures carry an ECDSA signature as r and s side by side (RFC 4050 §3.3), Go wants them in ASN.1.
func (s signature) valueFor(cert *x509.Certificate) ([]byte, bool) {
	key, isEC := cert.PublicKey.(*ecdsa.PublicKey)
	if isEC != strings.Contains(s.method, "#ecdsa-") {
		return nil, false
	}
	if !isEC {
		return s.value, true
	}
	n := (key.Curve.Params().BitSize + 7) / 8
	if len(s.value) != 2*n {
		return nil, false
	}
	der, err := asn1.Marshal([]*big.Int{new(big.Int).SetBytes(s.value[:n]), new(big.Int).SetBytes(s.value[n:])})
	return der, err == nil
}
