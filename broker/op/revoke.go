package op

import (
	"crypto/rand"
	"net/http"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
)

// revoke is the revocation endpoint (RFC 7009). A token ends its whole family: refresh tokens, and access
// tokens wherever Signet is asked about them. A token that is not this app's is left alone, and the answer
// is the same.
func (p *Provider) revoke(w http.ResponseWriter, r *http.Request) {
	form, err := web.Form(w, r, web.FormLimit)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	app, err := p.authenticate(r, form)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	raw, err := web.Single(form, "token")
	if err != nil || raw == "" {
		p.fail(w, r, oauth("invalid_request", "token must be given once"))
		return
	}
	if family, ok := p.Issuer.FamilyOf(r.Context(), raw, app.ID); ok {
		info := web.RequestInfo(r.Context())
		e := broker.Event{ID: rand.Text(), Time: p.Now(), Type: broker.FamilyRevoked, App: app.ID, Addr: info.Addr.String(), RequestID: info.RequestID}
		if err := p.Store.Revoke(r.Context(), family, e); err != nil {
			p.fail(w, r, err)
			return
		}
	}
	w.WriteHeader(http.StatusOK)
}
