package login

import (
	"encoding/base64"
	"net/http"
	"net/url"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

// callback is the way back from an OIDC or OAuth2 upstream.
func (p *Pages) callback(w http.ResponseWriter, r *http.Request) error {
	return p.receive(w, r, "state", "state_missing")
}

// acs is the assertion consumer service: the way back from a SAML identity provider by the POST binding.
func (p *Pages) acs(w http.ResponseWriter, r *http.Request) error {
	return p.receive(w, r, "RelayState", "")
}

// receive hands what came back to the broker. name is the parameter that names the login; without it the
// reason is missing, where that is not "".
func (p *Pages) receive(w http.ResponseWriter, r *http.Request, name, missing string) error {
	provider := r.PathValue("provider")
	info := web.RequestInfo(r.Context())
	info.Provider = provider
	var values url.Values
	v, err := p.Site.Visitor(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		values, err = web.Form(w, r, web.MessageLimit)
	} else {
		values, err = web.Query(r)
	}
	id := values.Get(name)
	switch {
	case err != nil:
	case len(values[name]) > 1:
		err = providers.Refuse("malformed", "%s comes more than once", name)
	case id == "" && missing != "":
		err = providers.Refuse(missing, "no %s", name)
	}
	if err != nil {
		return p.Broker.Refused(r.Context(), provider, v, err)
	}
	info.Login, _ = broker.ReadAttempt(id)
	t, err := p.Broker.Receive(r.Context(), provider, id, v, p.reply(r, v, values))
	if err != nil {
		return err
	}
	return p.turn(w, r, v, t)
}

func (p *Pages) reply(r *http.Request, v broker.Visitor, values url.Values) providers.Reply {
	reply := providers.Reply{Method: r.Method, Values: values, Addr: v.Addr, Device: base64.RawURLEncoding.EncodeToString(v.Browser)}
	if r.Method == http.MethodGet {
		reply.Query = r.URL.RawQuery
	}
	return reply
}

// metadata is what an upstream's operator imports to know us.
func (p *Pages) metadata(w http.ResponseWriter, r *http.Request) error {
	return p.describe(w, r, "application/samlmetadata+xml")
}

// jwks are the keys by which Signet proves itself to an OIDC upstream.
func (p *Pages) jwks(w http.ResponseWriter, r *http.Request) error {
	return p.describe(w, r, "application/json")
}

// describe answers with a provider's document about us, if it is of the type that belongs at this address.
func (p *Pages) describe(w http.ResponseWriter, r *http.Request, want string) error {
	id := r.PathValue("provider")
	pr := p.Broker.Registry.Provider(id)
	if pr == nil {
		return &providers.Error{Kind: providers.Invalid, Reason: "not_found", Status: http.StatusNotFound}
	}
	o, err := pr.Open(r.Context())
	if err != nil {
		return err
	}
	d, ok := o.Upstream.(providers.Describer)
	if !ok {
		return &providers.Error{Kind: providers.Invalid, Reason: "not_found", Status: http.StatusNotFound}
	}
	contentType, document, err := d.Describe(r.Context())
	if err == nil && contentType != want {
		err = &providers.Error{Kind: providers.Invalid, Reason: "not_found", Status: http.StatusNotFound}
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", contentType)
	w.Write(document)
	return nil
}
