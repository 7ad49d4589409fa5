// Package login is what a person sees of a login: the page to choose a provider, the pages that a provider
// of ours asks for, and the way back from every upstream. It decides nothing: each request becomes one call
// of the broker, whose turn is the answer.
package login

import (
	"net/http"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
)

// Pages are the hosted pages and the callbacks.
type Pages struct {
	Site   *web.Site
	Broker *broker.Broker
}

// Register adds the endpoints.
func (p *Pages) Register() {
	s := p.Site
	s.Page("GET /login/{id}", p.show)
	s.Page("POST /login/{id}", p.answer)
	s.Page("GET /callback/{provider}", p.callback)
	s.Page("POST /callback/{provider}", p.callback)
	s.Page("GET /callback/{provider}/jwks", p.jwks)
	s.Page("POST /saml/{provider}/acs", p.acs)
	s.Page("GET /callback/{provider}/logout", p.loggedOut)
	s.Page("POST /callback/{provider}/logout", p.backchannel)
	s.Page("GET /saml/{provider}/slo", p.slo)
	s.Page("POST /saml/{provider}/slo", p.slo)
	s.Page("GET /saml/{provider}/metadata", p.metadata)
	s.Page("GET /unsolicited/{id}", p.offer)
	s.Page("POST /unsolicited/{id}", p.accept)
}

// visit says whose request it is, and names the login for errors and the log.
func (p *Pages) visit(r *http.Request) (id string, v broker.Visitor, err error) {
	id = r.PathValue("id")
	web.RequestInfo(r.Context()).Login = id
	v, err = p.Site.Visitor(r)
	return id, v, err
}

// show is the login's own page.
func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	id, v, err := p.visit(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	t, err := p.Broker.Show(r.Context(), id, v, q.Has("choose"), q.Get("receipt"))
	if err != nil {
		return err
	}
	return p.turn(w, r, v, t)
}
