package saml

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"

	"github.com/beevik/etree"
)

const nsMetadata = "urn:oasis:names:tc:SAML:2.0:metadata"

// Describe returns our SAML metadata (SAML metadata §2.4.4), for the identity provider to import: elements
// in the order of the schema, every certificate that we decrypt with, and those that we sign with now or
// next. It has no validUntil: common products refuse or forget what has one.
func (p *provider) Describe(ctx context.Context) (contentType string, document []byte, err error) {
	certs, err := p.env.Certificates(ctx, use)
	if err != nil {
		return "", nil, fmt.Errorf("keys for saml: %w", err)
	}
	entity := etree.NewElement("EntityDescriptor")
	entity.CreateAttr("xmlns", nsMetadata)
	entity.CreateAttr("xmlns:ds", nsDSig)
	entity.CreateAttr("entityID", p.entityID)
	role := entity.CreateElement("SPSSODescriptor")
	role.CreateAttr("AuthnRequestsSigned", fmt.Sprint(p.cfg.SignRequests))
	role.CreateAttr("WantAssertionsSigned", "true")
	role.CreateAttr("protocolSupportEnumeration", nsProtocol)
	for _, c := range certs {
		if !predates(c, certs[0]) {
			describeKey(role, "signing", c)
		}
	}
	for _, c := range certs {
		key := describeKey(role, "encryption", c)
		for _, method := range p.encryptionMethods() {
			key.CreateElement("EncryptionMethod").CreateAttr("Algorithm", method)
		}
	}
	for _, binding := range []string{bindingRedirect, bindingPost} {
		endpoint(role, "SingleLogoutService", binding, p.slo())
	}
	formats := []string{formatPersistent, formatEmail, "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"}
	if p.cfg.NameIDFormat != "" {
		formats = []string{p.cfg.NameIDFormat}
	}
	for _, format := range formats {
		role.CreateElement("NameIDFormat").SetText(format)
	}
	acs := endpoint(role, "AssertionConsumerService", bindingPost, p.acs)
	acs.CreateAttr("index", "0")
	acs.CreateAttr("isDefault", "true")
	doc := etree.NewDocument()
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	doc.SetRoot(entity)
	doc.Indent(2)
	document, err = doc.WriteToBytes()
	return "application/samlmetadata+xml", document, err
}

// encryptionMethods are what we take, what we like best first.
func (p *provider) encryptionMethods() []string {
	methods := []string{nsEnc11 + "aes256-gcm", nsEnc11 + "aes128-gcm"}
	if p.cfg.AllowCBC {
		methods = append(methods, nsEnc+"aes256-cbc", nsEnc+"aes128-cbc")
	}
	return append(methods, oaepMGF1P, oaep11)
}

// slo is where the identity provider sends its sign-outs.
func (p *provider) slo() string { return p.env.SAML() + "/slo" }

func describeKey(role *etree.Element, use string, cert *tls.Certificate) *etree.Element {
	key := role.CreateElement("KeyDescriptor")
	key.CreateAttr("use", use)
	key.CreateElement("ds:KeyInfo").CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").
		SetText(base64.StdEncoding.EncodeToString(cert.Certificate[0]))
	return key
}

func endpoint(role *etree.Element, tag, binding, location string) *etree.Element {
	el := role.CreateElement(tag)
	el.CreateAttr("Binding", binding)
	el.CreateAttr("Location", location)
	return el
}

// predates tells whether a certificate of ours is an older one than another: a former one decrypts what is
// on its way, and signs nothing any more.
func predates(a, b *tls.Certificate) bool {
	x, errX := leaf(a)
	y, errY := leaf(b)
	return errX == nil && errY == nil && x.NotBefore.Before(y.NotBefore)
}

func leaf(c *tls.Certificate) (*x509.Certificate, error) {
	if c.Leaf != nil {
		return c.Leaf, nil
	}
	return x509.ParseCertificate(c.Certificate[0])
}
