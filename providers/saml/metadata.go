package saml

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"
)

const (
	maxMetadata     = 1 << 20
	maxCertificates = 16
)

// identityProvider is what we know of the other side.
type identityProvider struct {
	entityID  string
	sso       map[string]string // the address of each binding, redirect and post
	slo       map[string]logoutEndpoint
	certs     []*x509.Certificate
	signed    bool // it wants signed requests
	cacheFor  time.Duration
	goodUntil time.Time // zero: no end
}

// readMetadata is parseMetadata of what one of the signers has signed; without signers, of anything.
func readMetadata(document []byte, signers []*x509.Certificate, entityID string, now time.Time) (*identityProvider, error) {
	if len(signers) > 0 {
		var err error
		if document, err = signedMetadata(document, signers); err != nil {
			return nil, err
		}
	}
	return parseMetadata(document, entityID, now)
}

// signedMetadata verifies the signature of a whole document (SAML metadata §3) and returns the document anew,
// from the bytes that were signed. What the signers' certificates say of their own dates does not matter:
// they are trusted because they were given to us.
func signedMetadata(document []byte, signers []*x509.Certificate) (signed []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			signed, err = nil, errors.New("is no SAML metadata")
		}
	}()
	if problem := tooMuch(document); problem != nil {
		return nil, problem
	}
	doc := etree.NewDocument()
	doc.ReadSettings.MaxDepth = maxDepth
	if err := doc.ReadFromBytes(document); err != nil || doc.Root() == nil {
		return nil, errors.New("is no XML")
	}
	root := doc.Root()
	if crowded(root) { // a canonical form costs the square of them, before anything is verified
		return nil, fmt.Errorf("has an element with more than %d attributes", maxAttrs)
	}
	for _, s := range children(root, nsDSig, "Signature") {
		if commented(s) { // in a digest, a comment is where parsers stop reading
			return nil, errors.New("has a comment in its signature")
		}
	}
	signed, err = trust{certs: signers, expired: true}.signed(root)
	switch {
	case err != nil:
		return nil, fmt.Errorf("is not signed by metadata_cert: %w", err)
	case signed == nil:
		return nil, errors.New("is not signed, and metadata_cert says who must have signed it")
	}
	return signed, nil
}

func crowded(el *etree.Element) bool {
	return len(el.Attr) > maxAttrs || slices.ContainsFunc(el.ChildElements(), crowded)
}

func commented(el *etree.Element) bool {
	return slices.ContainsFunc(el.Child, func(t etree.Token) bool {
		_, isComment := t.(*etree.Comment)
		inner, isElement := t.(*etree.Element)
		return isComment || isElement && commented(inner)
	})
}

func tooMuch(document []byte) error {
	if len(document) > maxMetadata {
		return fmt.Errorf("has more than %d bytes", maxMetadata)
	}
	if bytes.Contains(document, []byte("<!DOCTYPE")) || bytes.Contains(document, []byte("<!ENTITY")) {
		return errors.New("has a document type, which is not allowed")
	}
	return nil
}

// parseMetadata reads SAML metadata (SAML metadata §2) and returns the identity provider of that entity ID;
// with entityID "", the only one. The errors say what an operator can do about them.
func parseMetadata(document []byte, entityID string, now time.Time) (idp *identityProvider, err error) {
	defer func() {
		if v := recover(); v != nil {
			idp, err = nil, errors.New("is no SAML metadata")
		}
	}()
	if err := tooMuch(document); err != nil {
		return nil, err
	}
	entities, err := readEntities(document)
	if err != nil {
		return nil, err
	}
	var found []entity
	for _, e := range entities {
		if len(e.IDPSSODescriptors) > 0 && (entityID == "" || e.EntityID == entityID) {
			found = append(found, e)
		}
	}
	switch {
	case len(found) == 0 && entityID != "":
		return nil, errors.New("has no identity provider of the entity ID that is expected")
	case len(found) == 0:
		return nil, errors.New("has no identity provider")
	case len(found) > 1:
		return nil, fmt.Errorf("has %d identity providers; name one with entity_id", len(found))
	}
	return found[0].identityProvider(now)
}

// entity is one EntityDescriptor, with what the groups around it say of its validity.
type entity struct {
	crewjam.EntityDescriptor
	until time.Time
	cache time.Duration
}

func readEntities(document []byte) ([]entity, error) {
	var root struct{ XMLName xml.Name }
	if err := xml.Unmarshal(document, &root); err != nil {
		return nil, errors.New("is no XML")
	}
	if root.XMLName.Local == "EntityDescriptor" {
		var e crewjam.EntityDescriptor
		if err := xml.Unmarshal(document, &e); err != nil {
			return nil, fmt.Errorf("is no SAML metadata: %w", err)
		}
		return []entity{{EntityDescriptor: e}}, nil
	}
	var group crewjam.EntitiesDescriptor
	if err := xml.Unmarshal(document, &group); err != nil {
		return nil, fmt.Errorf("is no SAML metadata: %w", err)
	}
	return flatten(group, time.Time{}, 0), nil
}

func flatten(group crewjam.EntitiesDescriptor, until time.Time, cache time.Duration) []entity {
	if group.ValidUntil != nil {
		until = earlier(until, *group.ValidUntil)
	}
	if group.CacheDuration != nil {
		cache = shorter(cache, *group.CacheDuration)
	}
	var out []entity
	for _, e := range group.EntityDescriptors {
		out = append(out, entity{e, until, cache})
	}
	for _, g := range group.EntitiesDescriptors {
		out = append(out, flatten(g, until, cache)...)
	}
	return out
}

// earlier returns the earlier of two times of which a zero one means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// shorter returns the shorter of two durations of which one of zero means that nothing is said.
func shorter(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

func (e entity) identityProvider(now time.Time) (*identityProvider, error) {
	role := e.IDPSSODescriptors[0]
	idp := &identityProvider{
		entityID: e.EntityID, sso: map[string]string{}, cacheFor: shorter(e.cache, e.CacheDuration),
		goodUntil: earlier(e.until, e.ValidUntil),
		signed:    role.WantAuthnRequestsSigned != nil && *role.WantAuthnRequestsSigned,
	}
	if role.ValidUntil != nil {
		idp.goodUntil = earlier(idp.goodUntil, *role.ValidUntil)
	}
	if !idp.goodUntil.IsZero() && !now.Before(idp.goodUntil) {
		return nil, fmt.Errorf("was valid until %s", idp.goodUntil.Format(time.RFC3339))
	}
	if e.EntityID == "" || len(e.EntityID) > 1024 {
		return nil, errors.New("has an entity ID of no or too many bytes")
	}
	if err := idp.addEndpoints(role.SingleSignOnServices); err != nil {
		return nil, err
	}
	if err := idp.addLogoutEndpoints(role.SingleLogoutServices); err != nil {
		return nil, err
	}
	return idp, idp.addCertificates(role.KeyDescriptors)
}

func (idp *identityProvider) addEndpoints(endpoints []crewjam.Endpoint) error {
	for _, e := range endpoints {
		binding := map[string]string{crewjam.HTTPRedirectBinding: "redirect", crewjam.HTTPPostBinding: "post"}[e.Binding]
		if binding == "" || idp.sso[binding] != "" {
			continue
		}
		if problem := checkURL(e.Location); problem != "" {
			return fmt.Errorf("SingleSignOnService: Location %s", problem)
		}
		idp.sso[binding] = e.Location
	}
	if len(idp.sso) == 0 {
		return errors.New("has no SingleSignOnService with the HTTP-Redirect or HTTP-POST binding")
	}
	return nil
}

// addCertificates takes every signing certificate that is good. One that is not is left out, so that a
// broken one beside it locks nobody out; if none is left, its fault is the answer.
func (idp *identityProvider) addCertificates(keys []crewjam.KeyDescriptor) error {
	problem := "has no signing certificate"
	for _, key := range keys {
		if key.Use != "" && key.Use != "signing" {
			continue
		}
		for _, c := range key.KeyInfo.X509Data.X509Certificates {
			der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(c.Data), ""))
			if err != nil {
				problem = "has a signing certificate that is no base64"
				continue
			}
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				problem = "has a signing certificate that cannot be read"
				continue
			}
			if p := checkKey(cert); p != "" {
				problem = "has a signing certificate that " + p
				continue
			}
			idp.certs = append(idp.certs, cert)
		}
	}
	switch {
	case len(idp.certs) == 0:
		return errors.New(problem)
	case len(idp.certs) > maxCertificates:
		return fmt.Errorf("has %d signing certificates, more than %d", len(idp.certs), maxCertificates)
	}
	return nil
}

// checkKey refuses keys that can be broken, and those that cost too much.
func checkKey(cert *x509.Certificate) string {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < 2048 || n > 8192 {
			return fmt.Sprintf("has an RSA key of %d bits; 2048 to 8192 are taken", n)
		}
		return ""
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() || key.Curve == elliptic.P521() {
			return ""
		}
	}
	return "has a key that is not taken; take RSA of 2048 bits or more, or P-256, P-384 or P-521"
}
