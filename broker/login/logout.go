package login

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

// slo is the single logout service: sign-outs of a SAML identity provider, brought by a browser.
func (p *Pages) slo(w http.ResponseWriter, r *http.Request) error {
	return p.receiveLogout(w, r, "RelayState")
}

// loggedOut is where a browser comes back to that has signed out at an OpenID upstream.
func (p *Pages) loggedOut(w http.ResponseWriter, r *http.Request) error {
	return p.receiveLogout(w, r, "state")
}

// backchannel is where an OpenID upstream itself tells of a sign-out (OpenID Connect Back-Channel Logout 1.0
// §2.8).
func (p *Pages) backchannel(w http.ResponseWriter, r *http.Request) error {
	err := p.receiveLogout(w, r, "state")
	if err == nil {
		return nil
	}
	e := providers.AsError(err)
	info := web.RequestInfo(r.Context())
	info.Reason, info.Err = e.Reason, err
	status, code := http.StatusBadRequest, "invalid_request"
	switch e.Kind {
	case providers.Unavailable: // ours to mend: the upstream may try again
		status, code = http.StatusServiceUnavailable, "temporarily_unavailable"
		w.Header().Set("Retry-After", "5")
	case providers.Internal:
		status, code = http.StatusInternalServerError, "server_error"
	}
	body, err := json.Marshal(map[string]string{"error": code, "error_description": e.Reason})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
	return nil
}

// receiveLogout hands what came to the broker. name is the parameter that names a sign-out of ours.
func (p *Pages) receiveLogout(w http.ResponseWriter, r *http.Request, name string) error {
	provider := r.PathValue("provider")
	info := web.RequestInfo(r.Context())
	info.Provider, info.Logout = provider, true
	v, err := p.Site.Visitor(r)
	if err != nil {
		return err
	}
	values, err := message(w, r)
	if err != nil {
		return p.Broker.RefusedLogout(r.Context(), provider, v, err)
	}
	done, err := p.Broker.ReceiveLogout(r.Context(), provider, values.Get(name), v, p.reply(r, v, values))
	if err != nil {
		return err
	}
	return p.signedOut(w, r, done)
}

// message reads a query or a form in which every field comes once: of two values, the one that is verified
// and the one that is used may not be the same.
func message(w http.ResponseWriter, r *http.Request) (values url.Values, err error) {
	if r.Method == http.MethodPost {
		values, err = web.Form(w, r, web.MessageLimit)
	} else {
		values, err = web.Query(r)
	}
	if err != nil {
		return nil, err
	}
	for name, all := range values {
		if len(all) > 1 {
			return nil, providers.Refuse("malformed", "%.40q comes more than once", name)
		}
	}
	return values, nil
}

func (p *Pages) signedOut(w http.ResponseWriter, r *http.Request, done broker.SignedOut) error {
	if done.Own {
		if err := p.Site.Forget(w, r); err != nil {
			return err
		}
	}
	switch {
	case done.After != nil:
		return p.Site.SignedOut(w, r, *done.After)
	case done.Next != nil:
		return p.Site.Next(w, r, done.Next)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
