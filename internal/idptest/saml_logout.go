package idptest

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// Logout is a LogoutRequest or LogoutResponse in the making: honest and complete but unsigned, until a row
// changes it. It is sent by Query (HTTP-Redirect) or Form (HTTP-POST).
type Logout struct {
	Parameter  string // SAMLRequest or SAMLResponse
	To         string // the address
	Element    *etree.Element
	RelayState string
	Sign       *Signing                      // nil: it is not signed
	Raw        func([]byte) []byte           // the document's bytes
	Edit       func(query []string) []string // the signed query's parameters, each still escaped
}

// LogoutRequest makes a request that ends a person's sessions at a service provider, whose address slo is;
// without sessions, all of them.
func (s *SAML) LogoutRequest(slo, nameID string, sessions ...string) *Logout {
	m := s.logout("LogoutRequest", "SAMLRequest", slo)
	set(m.Element, "NotOnOrAfter", s.opts.Now().UTC().Add(5*time.Minute).Format(samlTime))
	set(add(m.Element, "saml:NameID"), "Format", formatPersistent).SetText(nameID)
	for _, session := range sessions {
		add(m.Element, "samlp:SessionIndex").SetText(session)
	}
	return m
}

// LogoutResponse makes the answer to a request that a service provider has sent, with its RelayState.
func (s *SAML) LogoutResponse(slo, inResponseTo, relayState string) *Logout {
	m := s.logout("LogoutResponse", "SAMLResponse", slo)
	set(m.Element, "InResponseTo", inResponseTo)
	set(add(add(m.Element, "samlp:Status"), "samlp:StatusCode"), "Value", "urn:oasis:names:tc:SAML:2.0:status:Success")
	m.RelayState = relayState
	return m
}

func (s *SAML) logout(tag, parameter, to string) *Logout {
	el := etree.NewElement("samlp:" + tag)
	set(el, "xmlns:samlp", nsProtocol, "xmlns:saml", nsAssertion, "ID", "_"+rand.Text(), "Version", "2.0",
		"IssueInstant", s.opts.Now().UTC().Format(samlTime), "Destination", to)
	add(el, "saml:Issuer").SetText(s.EntityID)
	return &Logout{Parameter: parameter, To: to, Element: el, Sign: (&Answer{}).sign(s.key)}
}

// ByNext signs with the key that the identity provider changes to.
func (m *Logout) ByNext(s *SAML) { m.Sign = (&Answer{}).sign(s.next) }

// ByStranger signs with a key that nobody trusts.
func (m *Logout) ByStranger() { m.Sign = (&Answer{}).sign(stranger()) }

func (m *Logout) bytes() ([]byte, error) {
	doc := etree.NewDocument()
	doc.SetRoot(m.Element.Copy())
	raw, err := doc.WriteToBytes()
	if err == nil && m.Raw != nil {
		raw = m.Raw(raw)
	}
	return raw, err
}

// Form is what is posted: the signature is inside.
func (m *Logout) Form() (url.Values, error) {
	if m.Sign != nil {
		if err := m.Sign.Sign(m.Element); err != nil {
			return nil, err
		}
	}
	raw, err := m.bytes()
	if err != nil {
		return nil, err
	}
	form := url.Values{m.Parameter: {base64.StdEncoding.EncodeToString(raw)}}
	if m.RelayState != "" {
		form.Set("RelayState", m.RelayState)
	}
	return form, nil
}

// Query is the query of a redirect, with the signature over it (SAML bindings §3.4.4.1). Its escapes are in
// lower case, as .NET writes them: whoever verifies what it has encoded anew will not find it good.
func (m *Logout) Query() (string, error) {
	raw, err := m.bytes()
	if err != nil {
		return "", err
	}
	var deflated bytes.Buffer
	w, err := flate.NewWriter(&deflated, flate.BestSpeed)
	if err != nil {
		return "", err
	}
	if _, err = w.Write(raw); err == nil {
		err = w.Close()
	}
	if err != nil {
		return "", err
	}
	query := []string{m.Parameter + "=" + lower(base64.StdEncoding.EncodeToString(deflated.Bytes()))}
	if m.RelayState != "" {
		query = append(query, "RelayState="+lower(m.RelayState))
	}
	if m.Sign != nil {
		query = append(query, "SigAlg="+lower(m.Sign.Method))
		value, err := m.Sign.Value([]byte(strings.Join(query, "&")))
		if err != nil {
			return "", err
		}
		query = append(query, "Signature="+lower(base64.StdEncoding.EncodeToString(value)))
	}
	if m.Edit != nil {
		query = m.Edit(query)
	}
	return strings.Join(query, "&"), nil
}

// lower escapes with hexadecimal digits in lower case.
func lower(s string) string {
	out := []byte(url.QueryEscape(s))
	for i := 0; i+2 < len(out); i++ {
		if out[i] == '%' {
			copy(out[i:], bytes.ToLower(out[i:i+3]))
		}
	}
	return string(out)
}

// slo takes a sign-out of a service provider, signed by it, and sends the browser back with the answer; or
// its answer to a sign-out from here.
func (s *SAML) slo(w http.ResponseWriter, r *http.Request) {
	answer, err := s.acceptLogout(r)
	if err != nil {
		http.Error(w, "sign-out refused: "+err.Error(), http.StatusBadRequest)
		return
	}
	if answer == nil {
		w.Write([]byte("Signed out at " + s.opts.Name + ".\n"))
		return
	}
	query, err := answer.Query()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, answer.To+"?"+query, http.StatusSeeOther)
}

func (s *SAML) acceptLogout(r *http.Request) (answer *Logout, err error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	parameter := "SAMLRequest"
	if r.Form.Has("SAMLResponse") {
		parameter = "SAMLResponse"
	}
	sent, err := s.ReadLogout(r.Context(), r.Method, r.URL.RawQuery, r.Form)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.logouts = append(s.logouts, *sent)
	s.mu.Unlock()
	if parameter == "SAMLResponse" {
		return nil, nil
	}
	sp, err := s.serviceProvider(r.Context(), sent.Issuer)
	if err != nil {
		return nil, err
	}
	return s.LogoutResponse(sp.Role.SLO[0].Location, sent.ID, r.Form.Get("RelayState")), nil
}

// Logouts are the messages of sign-outs that the fake has accepted, the oldest first.
func (s *SAML) Logouts() []SentLogout {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]SentLogout(nil), s.logouts...)
}

// SentLogout is a message of a sign-out that a service provider has sent.
type SentLogout struct {
	ID           string `xml:"ID,attr"`
	Destination  string `xml:"Destination,attr"`
	InResponseTo string `xml:"InResponseTo,attr"`
	Issuer       string `xml:"Issuer"`
	NameID       struct {
		Value       string `xml:",chardata"`
		Format      string `xml:"Format,attr"`
		Qualifier   string `xml:"NameQualifier,attr"`
		SPQualifier string `xml:"SPNameQualifier,attr"`
	} `xml:"NameID"`
	Sessions []string `xml:"SessionIndex"`
	Status   struct {
		Value  string `xml:"Value,attr"`
		Second struct {
			Value string `xml:"Value,attr"`
		} `xml:"StatusCode"`
	} `xml:"Status>StatusCode"`
}

// ReadLogout reads a message of either binding and checks what an identity provider must: that it was signed
// by the service provider that it names, and is meant for here.
func (s *SAML) ReadLogout(ctx context.Context, method, rawQuery string, form url.Values) (*SentLogout, error) {
	return readLogout(ctx, s, method, rawQuery, form)
}
