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
	"sync"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/signet-broker/signet/providers"
)

// use is what our own key pairs are for.
const use = "saml"

// The bindings of messages that go through a browser (SAML bindings §3.4, §3.5).
const (
	bindingRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	bindingPost     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
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
		if cert, err = p.env.Certificate(ctx, use); err != nil {
			return nil, providers.AsError(fmt.Errorf("key for saml: %w", err))
		}
	}
	send := redirect
	if binding == "post" {
		send = post
	}
	next, err := send(request, "SAMLRequest", a.ID, cert)
	if err != nil {
		return nil, providers.AsError(err)
	}
	return next, nil
}

// authnRequest makes an AuthnRequest (SAML core §3.4.1), with its elements in the order of the schema.
func (p *provider) authnRequest(id, destination string, force bool) *etree.Element {
	el := etree.NewElement("samlp:AuthnRequest")
	el.CreateAttr("xmlns:samlp", nsProtocol)
	el.CreateAttr("xmlns:saml", nsAssertion)
	el.CreateAttr("ID", id)
	el.CreateAttr("Version", "2.0")
	el.CreateAttr("IssueInstant", p.env.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
	el.CreateAttr("Destination", destination)
	if force {
		el.CreateAttr("ForceAuthn", "true")
	}
	el.CreateAttr("ProtocolBinding", bindingPost)
	el.CreateAttr("AssertionConsumerServiceURL", p.acs)
	el.CreateElement("saml:Issuer").SetText(p.entityID)
	policy := el.CreateElement("samlp:NameIDPolicy")
	if p.cfg.NameIDFormat != "" {
		policy.CreateAttr("Format", p.cfg.NameIDFormat)
	}
	policy.CreateAttr("AllowCreate", "true")
	if len(p.cfg.AuthnContext) > 0 {
		requested := el.CreateElement("samlp:RequestedAuthnContext")
		requested.CreateAttr("Comparison", p.cfg.AuthnContextComparison)
		for _, class := range p.cfg.AuthnContext {
			requested.CreateElement("saml:AuthnContextClassRef").SetText(class)
		}
	}
	return el
}

// redirect is the HTTP-Redirect binding with the signature over the query (SAML bindings §3.4.4.1). Every
// value is escaped once, and exactly the escaped text is signed and sent. A query that the
// receiver's address has already stays in front and unsigned. parameter is SAMLRequest or SAMLResponse; the
// message goes to its Destination. Without a cert it is not signed.
func redirect(el *etree.Element, parameter, relayState string, cert *tls.Certificate) (providers.Next, error) {
	message, err := serialize(el)
	if err != nil {
		return nil, err
	}
	compressed, err := deflate(message)
	if err != nil {
		return nil, err
	}
	query := parameter + "=" + escape(base64.StdEncoding.EncodeToString(compressed))
	if relayState != "" {
		query += "&RelayState=" + escape(relayState)
	}
	if cert != nil {
		query += "&SigAlg=" + escape(dsig.RSASHA256SignatureMethod)
		key, ok := cert.PrivateKey.(crypto.Signer)
		if !ok {
			return nil, errors.New("key for saml cannot sign")
		}
		sum := sha256.Sum256([]byte(query))
		signature, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("sign %s: %w", el.Tag, err)
		}
		query += "&Signature=" + escape(base64.StdEncoding.EncodeToString(signature))
	}
	destination, separator := attr(el, "Destination"), "?"
	if strings.Contains(destination, "?") {
		separator = "&"
	}
	return providers.Redirect{URL: destination + separator + query}, nil
}

// deflaters are kept for the next message: each is a table of more than 1 MB.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is none
	}
	return w
}}

func deflate(message []byte) ([]byte, error) {
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	if _, err := w.Write(message); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// escape percent-encodes everything but letters, digits and -_.~ (RFC 3986 §2.3).
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// post is the HTTP-POST binding with the signature inside of the message, after Issuer.
func post(el *etree.Element, parameter, relayState string, cert *tls.Certificate) (providers.Next, error) {
	if cert != nil {
		if err := sign(el, cert); err != nil {
			return nil, fmt.Errorf("sign %s: %w", el.Tag, err)
		}
	}
	message, err := serialize(el)
	if err != nil {
		return nil, err
	}
	fields := url.Values{parameter: {base64.StdEncoding.EncodeToString(message)}}
	if relayState != "" {
		fields.Set("RelayState", relayState)
	}
	return providers.Post{URL: attr(el, "Destination"), Fields: fields}, nil
}

// sign puts an enveloped signature after the message's Issuer, its first child.
func sign(el *etree.Element, cert *tls.Certificate) error {
	key, ok := cert.PrivateKey.(crypto.Signer)
	if !ok {
		return errors.New("key for saml cannot sign")
	}
	signing, err := dsig.NewSigningContext(key, cert.Certificate[:1])
	if err != nil {
		return err
	}
	signing.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	signature, err := signing.ConstructSignature(el, true)
	if err != nil {
		return err
	}
	el.InsertChildAt(1, signature)
	return nil
}

func serialize(el *etree.Element) ([]byte, error) {
	doc := etree.NewDocument()
	doc.SetRoot(el)
	return doc.WriteToBytes()
}
