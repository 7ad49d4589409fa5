package op

import (
	"encoding/json"
	"net/http"

	"github.com/signet-broker/signet/broker/web"
)

// authorize is the authorization endpoint.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) error {
	v, err := values(w, r)
	if err != nil {
		return err
	}
	app, req, err := p.target(v)
	if err != nil {
		return err
	}
	info := web.RequestInfo(r.Context())
	info.App = app.ID
	login, err := p.parse(r.Context(), app, v, &req)
	if err != nil {
		e := wire(err)
		info.Reason, info.Err = e.Code, err
		return p.Site.Next(w, r, p.failure(req, e))
	}
	if login.Request, err = json.Marshal(req); err != nil {
		return err
	}
	visitor, err := p.Site.Visitor(r)
	if err != nil {
		return err
	}
	if p.foreign(r, visitor) {
		return p.again(w, r, "/authorize", v)
	}
	p.Site.Known(w, r, &visitor)
	turn, err := p.Broker.Start(r.Context(), login, visitor)
	if err != nil {
		info.Login = turn.Login
		return err
	}
	return p.Site.Turn(w, r, turn)
}
