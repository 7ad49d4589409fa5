package idptest

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/beevik/etree"
)

const (
	nsProtocol       = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion      = "urn:oasis:names:tc:SAML:2.0:assertion"
	formatPersistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	samlTime         = "2006-01-02T15:04:05.000Z"
)

// SAMLRow is one Response of the catalogue.
type SAMLRow struct {
	Row
	Fast   bool          // must be answered within 50 ms
	Forced bool          // is refused where a new sign-in was asked for (ForceLogin)
	Alter  func(*Answer) // makes the honest answer this row's; nil: it stays as it is
}

// SAMLRequest is the AuthnRequest that is answered.
type SAMLRequest struct {
	ID          string `xml:"ID,attr"`
	Destination string `xml:"Destination,attr"`
	ACS         string `xml:"AssertionConsumerServiceURL,attr"`
	Issuer      string `xml:"Issuer"`
	ForceAuthn  bool   `xml:"ForceAuthn,attr"`
}

// Answer is a Response in the making. A row's Alter gets it honest and complete but unsigned: it changes
// the trees, says how they are signed, and hangs in what is to be done to the signed tree, to its bytes and
// to the form.
type Answer struct {
	IDP       *SAML
	Request   SAMLRequest
	Person    Person
	Now       time.Time
	Response  *etree.Element // the root; holds Assertion
	Assertion *etree.Element

	SignAssertion *Signing            // nil: it is not signed
	SignResponse  *Signing            // nil, as honest: only the assertion is signed
	Encryption    *Encryption         // nil, as honest: the assertion is not encrypted
	Signed        func()              // after signing
	Raw           func([]byte) []byte // the document's bytes
	Form          func(url.Values)    // what is posted
}

// Answer answers the value of a SAMLRequest parameter, of either binding, as row wants, or honestly when
// row is nil. It returns the form to post to the service provider, without RelayState.
func (s *SAML) Answer(samlRequest string, row *SAMLRow) (url.Values, error) {
	request, err := readRequest(samlRequest)
	if err != nil {
		return nil, err
	}
	person, ok := s.person(s.opts.SignIn)
	if !ok {
		person = s.opts.People[0]
	}
	a := s.honest(request, person)
	if row != nil && row.Alter != nil {
		row.Alter(a)
	}
	return a.finish()
}

// AnswerURL answers a request that was sent by HTTP-Redirect, with its RelayState.
func (s *SAML) AnswerURL(sent string, row *SAMLRow) (url.Values, error) {
	u, err := url.Parse(sent)
	if err != nil {
		return nil, err
	}
	form, err := s.Answer(u.Query().Get("SAMLRequest"), row)
	if err == nil {
		form.Set("RelayState", u.Query().Get("RelayState"))
	}
	return form, err
}

// readRequest decodes a SAMLRequest parameter: base64 of XML, or of deflated XML.
func readRequest(parameter string) (SAMLRequest, error) {
	var r SAMLRequest
	raw, err := base64.StdEncoding.DecodeString(parameter)
	if err != nil {
		return r, fmt.Errorf("decode request: %w", err)
	}
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("<")) {
		if raw, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(raw)), 1<<20)); err != nil {
			return r, fmt.Errorf("inflate request: %w", err)
		}
	}
	if err := xml.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("read request: %w", err)
	}
	return r, nil
}

func (s *SAML) person(id string) (Person, bool) {
	for _, p := range s.opts.People {
		if p.Username == id {
			return p, true
		}
	}
	return Person{}, false
}

// honest makes the answer of an honest identity provider, still unsigned.
func (s *SAML) honest(request SAMLRequest, person Person) *Answer {
	a := &Answer{IDP: s, Request: request, Person: person, Now: s.opts.Now().UTC()}
	a.SignAssertion = a.sign(s.key)
	a.Response = etree.NewElement("samlp:Response")
	set(a.Response, "xmlns:samlp", nsProtocol, "xmlns:saml", nsAssertion, "ID", "_"+rand.Text(), "Version", "2.0",
		"IssueInstant", a.At(0), "Destination", request.ACS, "InResponseTo", request.ID)
	add(a.Response, "saml:Issuer").SetText(s.EntityID)
	set(add(add(a.Response, "samlp:Status"), "samlp:StatusCode"), "Value", "urn:oasis:names:tc:SAML:2.0:status:Success")
	a.Assertion = a.NewAssertion(person)
	a.Response.AddChild(a.Assertion)
	return a
}

// NewAssertion makes an honest assertion about a person.
func (a *Answer) NewAssertion(person Person) *etree.Element {
	el := etree.NewElement("saml:Assertion")
	set(el, "xmlns:saml", nsAssertion, "ID", "_"+rand.Text(), "Version", "2.0", "IssueInstant", a.At(0))
	add(el, "saml:Issuer").SetText(a.IDP.EntityID)
	subject := add(el, "saml:Subject")
	nameID := set(add(subject, "saml:NameID"), "Format", formatPersistent)
	nameID.SetText(person.Username)
	confirmation := set(add(subject, "saml:SubjectConfirmation"), "Method", "urn:oasis:names:tc:SAML:2.0:cm:bearer")
	set(add(confirmation, "saml:SubjectConfirmationData"), "InResponseTo", a.Request.ID,
		"NotOnOrAfter", a.At(5*time.Minute), "Recipient", a.Request.ACS)
	conditions := set(add(el, "saml:Conditions"), "NotBefore", a.At(-30*time.Second), "NotOnOrAfter", a.At(5*time.Minute))
	add(add(conditions, "saml:AudienceRestriction"), "saml:Audience").SetText(a.Request.Issuer)
	statement := set(add(el, "saml:AuthnStatement"), "AuthnInstant", a.At(0), "SessionIndex", "_"+rand.Text())
	add(add(statement, "saml:AuthnContext"), "saml:AuthnContextClassRef").
		SetText("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport")
	attributes := add(el, "saml:AttributeStatement")
	addAttribute(attributes, "email", person.Email)
	addAttribute(attributes, "displayName", person.Name)
	given, family, _ := strings.Cut(person.Name, " ")
	addAttribute(attributes, "givenName", given)
	addAttribute(attributes, "sn", family)
	addAttribute(attributes, "groups", person.Groups...)
	return el
}

// finish signs, serializes and encodes.
func (a *Answer) finish() (url.Values, error) {
	if a.SignAssertion != nil {
		if err := a.SignAssertion.Sign(a.Assertion); err != nil {
			return nil, err
		}
	}
	if a.Encryption != nil {
		if err := a.encrypt(); err != nil {
			return nil, err
		}
	}
	if a.SignResponse != nil {
		if err := a.SignResponse.Sign(a.Response); err != nil {
			return nil, err
		}
	}
	if a.Signed != nil {
		a.Signed()
	}
	doc := etree.NewDocument()
	doc.SetRoot(a.Response)
	raw, err := doc.WriteToBytes()
	if err != nil {
		return nil, err
	}
	if a.Raw != nil {
		raw = a.Raw(raw)
	}
	form := url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString(raw)}}
	if a.Form != nil {
		a.Form(form)
	}
	return form, nil
}

// At is a time relative to now, as SAML writes it.
func (a *Answer) At(d time.Duration) string { return a.Now.Add(d).Format(samlTime) }

// In returns the first element of a path of local names below the assertion.
func (a *Answer) In(path string) *etree.Element { return a.Assertion.FindElement("./" + path) }

// set sets attributes, given as key, value, ….
func set(el *etree.Element, pairs ...string) *etree.Element {
	for i := 0; i < len(pairs); i += 2 {
		el.CreateAttr(pairs[i], pairs[i+1])
	}
	return el
}

func add(parent *etree.Element, name string) *etree.Element { return parent.CreateElement(name) }

func addAttribute(statement *etree.Element, name string, values ...string) *etree.Element {
	el := set(add(statement, "saml:Attribute"), "Name", name,
		"NameFormat", "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified")
	for _, v := range values {
		add(el, "saml:AttributeValue").SetText(v)
	}
	return el
}
