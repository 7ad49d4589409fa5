package saml

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"

	"github.com/signet-broker/signet/providers"
)

const samlTime = "2006-01-02T15:04:05.000Z"

var _ providers.Logouter = (*provider)(nil)

// logoutEndpoint is a SingleLogoutService: where requests go and where answers do.
type logoutEndpoint struct{ location, response string }

// logoutMemory is what a sign-out's State holds.
type logoutMemory struct {
	Request string `json:"request"` // the ID of our LogoutRequest
}

// Logout sends the browser to the identity provider with a signed LogoutRequest (SAML core §3.7.1, profiles
// §4.4.4.1), with l.ID as RelayState. It is nil unless the configuration has logout, the identity provider a
// SingleLogoutService, and the session a name there.
func (p *provider) Logout(ctx context.Context, l *providers.Logout) (providers.Next, error) {
	if !p.cfg.Logout || l.Handle == "" {
		return nil, nil
	}
	idp, err := p.source.get(ctx)
	if err != nil {
		return nil, err
	}
	binding, to := p.logoutEndpoint(idp)
	if binding == "" {
		return nil, nil
	}
	m := logoutMemory{Request: "_" + rand.Text()}
	if l.State, err = json.Marshal(m); err != nil {
		return nil, providers.AsError(err)
	}
	request, err := p.logoutRequest(m.Request, to.location, l)
	if err != nil {
		return nil, providers.AsError(err)
	}
	return p.sendSigned(ctx, binding, request, "SAMLRequest", l.ID)
}

// logoutRequest names the person as the identity provider has: a NameID with other qualifiers is somebody
// else's.
func (p *provider) logoutRequest(id, destination string, l *providers.Logout) (*etree.Element, error) {
	var of name
	if len(l.Memory) > 0 {
		if err := json.Unmarshal(l.Memory, &of); err != nil {
			return nil, fmt.Errorf("memory of the session: %w", err)
		}
	}
	el := p.logoutMessage("LogoutRequest", id, destination)
	el.CreateAttr("NotOnOrAfter", p.env.Now().Add(logoutLifetime).UTC().Format(samlTime))
	el.CreateAttr("Reason", "urn:oasis:names:tc:SAML:2.0:logout:user")
	nameID := el.CreateElement("saml:NameID")
	for _, a := range [][2]string{{"Format", of.Format}, {"NameQualifier", of.Qualifier}, {"SPNameQualifier", of.SPQualifier}} {
		if a[1] != "" {
			nameID.CreateAttr(a[0], a[1])
		}
	}
	nameID.SetText(l.Handle)
	if l.Session != "" {
		el.CreateElement("samlp:SessionIndex").SetText(l.Session)
	}
	return el, nil
}

// logoutMessage is what both messages begin with.
func (p *provider) logoutMessage(tag, id, destination string) *etree.Element {
	el := etree.NewElement("samlp:" + tag)
	el.CreateAttr("xmlns:samlp", nsProtocol)
	el.CreateAttr("xmlns:saml", nsAssertion)
	el.CreateAttr("ID", id)
	el.CreateAttr("Version", "2.0")
	el.CreateAttr("IssueInstant", p.env.Now().UTC().Format(samlTime))
	el.CreateAttr("Destination", destination)
	el.CreateElement("saml:Issuer").SetText(p.entityID)
	return el
}

// sendSigned sends a message of a sign-out. It is signed whatever the configuration says of sign-ins (SAML
// profiles §4.4.3.1): nobody else may end a session.
func (p *provider) sendSigned(ctx context.Context, binding string, el *etree.Element, parameter, relayState string) (providers.Next, error) {
	cert, err := p.env.Certificate(ctx, use)
	if err != nil {
		return nil, providers.AsError(fmt.Errorf("key for saml: %w", err))
	}
	send := redirect
	if binding == "post" {
		send = post
	}
	next, err := send(el, parameter, relayState, cert)
	if err != nil {
		return nil, providers.AsError(err)
	}
	return next, nil
}

// logoutEndpoint returns the identity provider's endpoint of the configured binding, or of the other one;
// "" when it has none.
func (p *provider) logoutEndpoint(idp *identityProvider) (binding string, to logoutEndpoint) {
	for _, binding := range []string{p.cfg.Binding, "redirect", "post"} {
		if to, ok := idp.slo[binding]; ok {
			return binding, to
		}
	}
	return "", logoutEndpoint{}
}

// addLogoutEndpoints takes the first SingleLogoutService of each binding that goes through a browser.
func (idp *identityProvider) addLogoutEndpoints(endpoints []crewjam.Endpoint) error {
	idp.slo = map[string]logoutEndpoint{}
	for _, e := range endpoints {
		binding := map[string]string{bindingRedirect: "redirect", bindingPost: "post"}[e.Binding]
		if _, known := idp.slo[binding]; binding == "" || known {
			continue
		}
		to := logoutEndpoint{e.Location, e.ResponseLocation}
		if to.response == "" {
			to.response = e.Location
		}
		for _, address := range []string{to.location, to.response} {
			if problem := checkURL(address); problem != "" {
				return fmt.Errorf("SingleLogoutService: Location %s", problem)
			}
		}
		idp.slo[binding] = to
	}
	return nil
}
