package saml

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/signet-broker/signet/providers"
)

// Begin sends the person to the identity provider with an AuthnRequest (SAML core §3.4.1): by HTTP-Redirect
// or HTTP-POST (SAML bindings §3.4, §3.5), with a.ID as RelayState. An error is an *providers.Error of kind
// Upstream, or Internal when our key cannot be had.
func (p *provider) Begin(ctx context.Context, a *providers.Attempt) (providers.Next, error) {
	idp, err := p.source.get(ctx)
	if err != nil {
		return nil, err
	}
	binding := p.cfg.Binding
	if idp.sso[binding] == "" {
		binding = map[string]string{"redirect": "post", "post": "redirect"}[binding]
	}
	m := memory{Request: "_" + rand.Text(), Forced: a.ForceLogin || p.cfg.ForceAuthn}
	if a.State, err = json.Marshal(m); err != nil {
		return nil, providers.AsError(err)
	}
	// SAML has no age and no choice of account to ask for: a new sign-in is what gives both.
	request := p.authnRequest(m.Request, idp.sso[binding], m.Forced || a.MaxAge > 0 || a.SelectUser)
	var cert *tls.Certificate
	if p.cfg.SignRequests || idp.signed {
		if cert, err = p.env.Certificate(ctx, "saml"); err != nil {
			return nil, providers.AsError(fmt.Errorf("key for saml: %w", err))
		}
	}
	send := redirect
	if binding == "post" {
		send = post
	}
	next, err := send(request, a.ID, cert)
	if err != nil {
		return nil, providers.AsError(err)
	}
	return next, nil
}

func (p *provider) authnRequest(id, destination string, force bool) *crewjam.AuthnRequest {
	create := true
	r := &crewjam.AuthnRequest{
		ID: id, Version: "2.0", IssueInstant: p.env.Now().UTC(), Destination: destination,
		Issuer:                      &crewjam.Issuer{Value: p.entityID},
		AssertionConsumerServiceURL: p.acs,
		ProtocolBinding:             crewjam.HTTPPostBinding,
		NameIDPolicy:                &crewjam.NameIDPolicy{AllowCreate: &create},
	}
	if p.cfg.NameIDFormat != "" {
		r.NameIDPolicy.Format = &p.cfg.NameIDFormat
	}
	if force {
		r.ForceAuthn = &force
	}
	return r
}

// redirect is the HTTP-Redirect binding with the signature over the query (SAML bindings §3.4.4.1). Every
// value is escaped once, and exactly the escaped text is signed and sent. A query that the identity
// provider's address has already stays in front and unsigned.
func redirect(request *crewjam.AuthnRequest, relayState string, cert *tls.Certificate) (providers.Next, error) {
	message, err := serialize(request.Element())
	if err != nil {
		return nil, err
	}
	var deflated bytes.Buffer
	w, err := flate.NewWriter(&deflated, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err = w.Write(message); err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, err
	}
	query := "SAMLRequest=" + escape(base64.StdEncoding.EncodeToString(deflated.Bytes())) + "&RelayState=" + escape(relayState)
	if cert != nil {
		query += "&SigAlg=" + escape(dsig.RSASHA256SignatureMethod)
		key, ok := cert.PrivateKey.(crypto.Signer)
		if !ok {
			return nil, errors.New("key for saml cannot sign")
		}
		sum := sha256.Sum256([]byte(query))
		signature, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("sign request: %w", err)
		}
		query += "&Signature=" + escape(base64.StdEncoding.EncodeToString(signature))
	}
	separator := "?"
	if strings.Contains(request.Destination, "?") {
		separator = "&"
	}
	return providers.Redirect{URL: request.Destination + separator + query}, nil
}

// escape percent-encodes everything but letters, digits and -_.~ (RFC 3986 §2.3).
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// post is the HTTP-POST binding with the signature inside of the message, after Issuer.
func post(request *crewjam.AuthnRequest, relayState string, cert *tls.Certificate) (providers.Next, error) {
	if cert != nil {
		if err := sign(request, cert); err != nil {
			return nil, fmt.Errorf("sign request: %w", err)
		}
	}
	message, err := serialize(request.Element())
	if err != nil {
		return nil, err
	}
	return providers.Post{URL: request.Destination, Fields: url.Values{
		"SAMLRequest": {base64.StdEncoding.EncodeToString(message)},
		"RelayState":  {relayState},
	}}, nil
}

func sign(request *crewjam.AuthnRequest, cert *tls.Certificate) error {
	key, ok := cert.PrivateKey.(crypto.Signer)
	if !ok {
		return errors.New("key for saml cannot sign")
	}
	signing, err := dsig.NewSigningContext(key, cert.Certificate[:1])
	if err != nil {
		return err
	}
	signing.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	request.Signature, err = signing.ConstructSignature(request.Element(), true)
	return err
}

func serialize(el *etree.Element) ([]byte, error) {
	doc := etree.NewDocument()
	doc.SetRoot(el)
	return doc.WriteToBytes()
}
