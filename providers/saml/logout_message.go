package saml

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/beevik/etree"

	"github.com/signet-broker/signet/providers"
)

const (
	// logoutLifetime is how old a message of a sign-out may be.
	logoutLifetime = 5 * time.Minute
	// maxRelayState is far beyond the 80 bytes of the standard (SAML bindings §3.4.3): it is only handed back.
	maxRelayState = 1 << 10
	maxMessageID  = 1 << 10
)

// message is a LogoutRequest or LogoutResponse as it came, nothing of it verified.
type message struct {
	parameter  string // SAMLRequest or SAMLResponse
	raw        []byte
	relayState string
	signature  *querySignature // nil: it came by HTTP-POST, and the signature is inside
}

// tag is the element that a parameter must carry.
func (m message) tag() string {
	if m.parameter == "SAMLRequest" {
		return "LogoutRequest"
	}
	return "LogoutResponse"
}

// readMessage takes a message of either binding (SAML bindings §3.4, §3.5) out of a reply, that is one by its form.
func readMessage(r providers.Reply) (m message, err error) {
	switch r.Method {
	case http.MethodGet:
		m, err = readQuery(r.Query)
	case http.MethodPost:
		m, err = readForm(r)
	default:
		err = providers.Refuse("malformed", "neither binding")
	}
	if err != nil {
		return message{}, err
	}
	if len(m.relayState) > maxRelayState {
		return message{}, providers.Refuse("malformed", "RelayState of %d bytes", len(m.relayState))
	}
	_, err = parseMessage(m.raw, m.tag())
	return m, err
}

func readForm(r providers.Reply) (message, error) {
	parameter, err := onlyParameter(r.Values.Has)
	if err != nil {
		return message{}, err
	}
	if len(r.Values[parameter]) != 1 || len(r.Values["RelayState"]) > 1 {
		return message{}, providers.Refuse("malformed", "%s or RelayState comes more than once", parameter)
	}
	raw, err := decodeMessage(r.Values.Get(parameter))
	return message{parameter: parameter, raw: raw, relayState: r.Values.Get("RelayState")}, err
}

// onlyParameter returns which of SAMLRequest and SAMLResponse there is. An artifact would make us call out
// to whoever it names.
func onlyParameter(has func(string) bool) (string, error) {
	request, response := has("SAMLRequest"), has("SAMLResponse")
	switch {
	case request == response || has("SAMLart"):
		return "", providers.Refuse("malformed", "not exactly one SAMLRequest or SAMLResponse")
	case request:
		return "SAMLRequest", nil
	}
	return "SAMLResponse", nil
}

// open is x.open, and as with sign-ins the identity provider may have a new key.
func (p *provider) open(ctx context.Context, x exchange, m message) (*etree.Element, time.Time, error) {
	el, issued, err := x.open(m)
	var e *providers.Error
	if errors.As(err, &e) && (e.Reason == "sig_untrusted" || e.Reason == "sig_invalid") {
		if idp := p.source.renew(ctx); idp != nil {
			x.trust.certs = idp.certs
			return x.open(m)
		}
	}
	return el, issued, err
}

// open verifies a message's signature, which must be there, and holds it to what both messages have in
// common (SAML profiles §4.4.4). It returns the element to read, and when it was issued. x.acs is the address
// that it must be meant for.
func (x exchange) open(m message) (el *etree.Element, issued time.Time, err error) {
	defer func() { // as in read
		if v := recover(); v != nil {
			el, err = nil, providers.Refuse("malformed", "panic in a library: %T", v)
		}
	}()
	if el, err = parseMessage(m.raw, m.tag()); err != nil {
		return nil, issued, err
	}
	if m.signature != nil {
		err = x.trust.verifyQuery(m.signature)
	} else if el, err = x.trust.verify(el); err == nil && el == nil {
		err = providers.Refuse("sig_missing", "%s is not signed", m.tag())
	}
	if err != nil {
		return nil, issued, err
	}
	issued, err = x.checkMessage(el)
	return el, issued, err
}

func (x exchange) checkMessage(el *etree.Element) (issued time.Time, err error) {
	if attr(el, "Version") != "2.0" {
		return issued, providers.Refuse("bad_version", "%s is not of version 2.0", el.Tag)
	}
	if id := attr(el, "ID"); id == "" || len(id) > maxMessageID {
		return issued, providers.Refuse("malformed", "%s with an ID of %d bytes", el.Tag, len(id))
	}
	if attr(el, "Destination") != x.acs {
		return issued, providers.Refuse("bad_destination", "%s is meant for another address", el.Tag)
	}
	if err := x.checkIssuer(el, true); err != nil {
		return issued, err
	}
	issued, err = instant(el, "IssueInstant")
	switch {
	case err != nil:
	case issued.IsZero():
		err = providers.Refuse("malformed", "%s without IssueInstant", el.Tag)
	case issued.After(x.now.Add(x.skew)):
		err = providers.Refuse("not_yet_valid", "%s is from the future", el.Tag)
	case issued.Before(x.now.Add(-logoutLifetime - x.skew)):
		err = providers.Refuse("stale", "%s is older than %s", el.Tag, logoutLifetime)
	}
	return issued, err
}
