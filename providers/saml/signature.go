package saml

import (
	"bytes"
	"crypto"
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
	digestMethods = map[string]crypto.Hash{
		"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
		"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
		"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
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
	signed, err := t.signed(el)
	if signed == nil || err != nil {
		return nil, err
	}
	verified, err := parsePart(signed)
	if err != nil {
		return nil, err
	}
	if verified.Tag != el.Tag || verified.NamespaceURI() != el.NamespaceURI() || attr(verified, "ID") != attr(el, "ID") {
		return nil, providers.Refuse("sig_invalid", "signed element is another one")
	}
	return verified, nil
}

// signed is verify, and returns those bytes themselves: el in canonical form, without its signature. They are
// what the digest was made of, so whatever is wrong with the way to them can only make a signature fail.
func (t trust) signed(el *etree.Element) ([]byte, error) {
	found := children(el, nsDSig, "Signature")
	if len(found) == 0 {
		return nil, nil
	}
	// The place that the schema names; a signature elsewhere is somebody else's.
	at := slices.Index(el.ChildElements(), found[0])
	if len(found) > 1 || at > 1 || at == 1 && el.ChildElements()[0].Tag != "Issuer" {
		return nil, providers.Refuse("sig_invalid", "signature out of its place")
	}
	s, err := readSignature(found[0], attr(el, "ID"))
	if err != nil {
		return nil, err
	}
	signers := slices.DeleteFunc(slices.Clone(t.certs), func(c *x509.Certificate) bool { return !s.by(c) })
	if len(signers) == 0 {
		if s.named != nil && !slices.ContainsFunc(t.certs, func(c *x509.Certificate) bool { return bytes.Equal(c.Raw, s.named) }) {
			return nil, providers.Refuse("sig_untrusted", "signed by a key that is not trusted")
		}
		return nil, providers.Refuse("sig_invalid", "signature does not verify")
	}
	signed, err := s.reference.content(el, found[0])
	if err != nil {
		return nil, err
	}
	if !t.expired && !slices.ContainsFunc(signers, func(c *x509.Certificate) bool { return !t.now.Before(c.NotBefore) && !t.now.After(c.NotAfter) }) {
		return nil, providers.Refuse("certificate_expired", "signing certificate is not valid now")
	}
	return signed, nil
}

// signature is a ds:Signature of the one shape that is taken.
type signature struct {
	method    string
	info      []byte // SignedInfo in canonical form; method and reference are read from it
	reference reference
	value     []byte
	named     []byte // the certificate in KeyInfo, DER: never trusted, only told apart; nil when there is none
}

// reference is what a signature says of the one element that it is of.
type reference struct {
	prefixes string // InclusiveNamespaces
	method   crypto.Hash
	digest   []byte
}

// readSignature holds a signature to its shape: SignedInfo, SignatureValue and perhaps KeyInfo; one
// Reference, to the signed element by its ID; no transform but enveloped-signature and exclusive
// canonicalization; and algorithms of the lists. Everything else is a way to sign something else. What
// SignedInfo says is read from the bytes that its signature is checked over, and from nowhere else.
func readSignature(el *etree.Element, id string) (s signature, err error) {
	parts := el.ChildElements()
	if len(parts) == 3 && isDSig(parts[2], "KeyInfo") {
		s.named = namedCertificate(parts[2])
		parts = parts[:2]
	}
	if len(parts) != 2 || !isDSig(parts[0], "SignedInfo") || !isDSig(parts[1], "SignatureValue") || !attrsAmong(el, "Id") || !attrsAmong(parts[1], "Id") {
		return s, providers.Refuse("sig_invalid", "shape of the signature")
	}
	// The value is outside of what is signed, so it may be written anew, without its white space.
	if s.value, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(parts[1].Text()), "")); err != nil ||
		len(s.value) == 0 || len(parts[1].ChildElements()) > 0 {
		return s, providers.Refuse("sig_invalid", "signature value")
	}
	if s.info, err = canonical(parts[0], nil, ""); err != nil {
		return s, err
	}
	info, err := parsePart(s.info)
	if err != nil {
		return s, err
	}
	return s, s.readInfo(info, id)
}

func (s *signature) readInfo(el *etree.Element, id string) error {
	parts := el.ChildElements()
	if !isDSig(el, "SignedInfo") || len(parts) != 3 || !isDSig(parts[0], "CanonicalizationMethod") ||
		!isDSig(parts[1], "SignatureMethod") || !isDSig(parts[2], "Reference") || !attrsAmong(el, "Id") {
		return providers.Refuse("sig_invalid", "not exactly one reference")
	}
	if !slices.Contains(c14nMethods, attr(parts[0], "Algorithm")) || !attrsAmong(parts[0], "Algorithm") {
		return providers.Refuse("sig_invalid", "canonicalization method")
	}
	s.method = attr(parts[1], "Algorithm")
	if signatureMethods[s.method] == x509.UnknownSignatureAlgorithm {
		return providers.Refuse("weak_alg", "signature method")
	}
	if len(parts[1].ChildElements()) > 0 || !attrsAmong(parts[1], "Algorithm") {
		return providers.Refuse("sig_invalid", "parameters of the signature method")
	}
	var err error
	s.reference, err = readReference(parts[2], id)
	return err
}

func readReference(el *etree.Element, id string) (r reference, err error) {
	parts := el.ChildElements()
	if len(parts) != 3 || !isDSig(parts[0], "Transforms") || !isDSig(parts[1], "DigestMethod") ||
		!isDSig(parts[2], "DigestValue") || !attrsAmong(el, "URI", "Id", "Type") {
		return r, providers.Refuse("sig_invalid", "shape of the reference")
	}
	if id == "" || attr(el, "URI") != "#"+id {
		return r, providers.Refuse("sig_invalid", "reference to something else")
	}
	transforms := parts[0].ChildElements()
	if len(transforms) != 2 || !isTransform(transforms[0], dsig.EnvelopedSignatureAltorithmId.String()) ||
		!isTransform(transforms[1], c14nMethods...) || len(transforms[0].ChildElements()) > 0 {
		return r, providers.Refuse("sig_invalid", "transforms")
	}
	inclusive := transforms[1].ChildElements()
	for _, c := range inclusive {
		if len(inclusive) > 1 || c.Tag != "InclusiveNamespaces" || c.NamespaceURI() != nsExcC14N || !attrsAmong(c, "PrefixList") || len(c.ChildElements()) > 0 {
			return r, providers.Refuse("sig_invalid", "parameters of a transform")
		}
		r.prefixes = attr(c, "PrefixList")
	}
	if len(strings.Fields(r.prefixes)) > maxPrefixes { // each declaration is looked for among them
		return r, providers.Refuse("sig_invalid", "more than %d prefixes to keep", maxPrefixes)
	}
	if r.method = digestMethods[attr(parts[1], "Algorithm")]; r.method == 0 {
		return r, providers.Refuse("weak_alg", "digest method")
	}
	r.digest, err = base64.StdEncoding.DecodeString(parts[2].Text())
	if err != nil || !attrsAmong(parts[1], "Algorithm") || len(parts[1].ChildElements())+len(parts[2].ChildElements()) > 0 {
		return r, providers.Refuse("sig_invalid", "digest")
	}
	return r, nil
}

// content returns el in canonical form without its signature, where that has the digest.
func (r reference) content(el, signature *etree.Element) ([]byte, error) {
	content, err := canonical(el, signature, r.prefixes)
	if err != nil {
		return nil, err
	}
	h := r.method.New()
	h.Write(content)
	if len(content) == 0 || !bytes.Equal(h.Sum(nil), r.digest) {
		return nil, providers.Refuse("sig_invalid", "digest of another content")
	}
	return content, nil
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
		if !declares(a) && (a.Space != "" || !slices.Contains(keys, a.Key)) {
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

// by tells whether the key of a certificate has signed SignedInfo, whatever KeyInfo says.
func (s signature) by(cert *x509.Certificate) bool {
	value, ok := s.valueFor(cert)
	return ok && cert.CheckSignature(signatureMethods[s.method], s.info, value) == nil
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
