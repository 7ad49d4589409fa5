package saml

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"
)

const nsMetadata = "urn:oasis:names:tc:SAML:2.0:metadata"

// Describe returns our SAML metadata (SAML metadata §2.4.4), for the identity provider to import.
func (p *provider) Describe(ctx context.Context) (contentType string, document []byte, err error) {
	cert, err := p.env.Certificate(ctx, "saml")
	if err != nil {
		return "", nil, fmt.Errorf("key for saml: %w", err)
	}
	entity := etree.NewElement("EntityDescriptor")
	entity.CreateAttr("xmlns", nsMetadata)
	entity.CreateAttr("entityID", p.entityID)
	role := entity.CreateElement("SPSSODescriptor")
	role.CreateAttr("protocolSupportEnumeration", nsProtocol)
	role.CreateAttr("AuthnRequestsSigned", fmt.Sprint(p.cfg.SignRequests))
	role.CreateAttr("WantAssertionsSigned", "true")
	key := role.CreateElement("KeyDescriptor")
	key.CreateAttr("use", "signing")
	info := key.CreateElement("ds:KeyInfo")
	info.CreateAttr("xmlns:ds", nsDSig)
	info.CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").
		SetText(base64.StdEncoding.EncodeToString(cert.Certificate[0]))
	formats := []string{formatPersistent, formatEmail, "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"}
	if p.cfg.NameIDFormat != "" {
		formats = []string{p.cfg.NameIDFormat}
	}
	for _, format := range formats {
		role.CreateElement("NameIDFormat").SetText(format)
	}
	acs := role.CreateElement("AssertionConsumerService")
	acs.CreateAttr("Binding", crewjam.HTTPPostBinding)
	acs.CreateAttr("Location", p.acs)
	acs.CreateAttr("index", "0")
	acs.CreateAttr("isDefault", "true")
	doc := etree.NewDocument()
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	doc.SetRoot(entity)
	doc.Indent(2)
	document, err = doc.WriteToBytes()
	return "application/samlmetadata+xml", document, err
}
