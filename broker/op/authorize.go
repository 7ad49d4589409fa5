package op

import (
	"net/http"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
)

// authorize is the authorization endpoint.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) error {
	v, err := values(w, r)
	if err != nil {
		return err
	}
	app, err := p.client(v)
	if err != nil {
		return err
	}
	info := web.RequestInfo(r.Context())
	info.App = app.ID
	a, req, err := p.ask(r.Context(), app, v)
	var login broker.Login
	if err == nil {
		login, err = p.parse(r.Context(), app, a.values, &req)
	}
	if err != nil {
		return p.refuse(w, r, app, req, err)
	}
	login.Asked = req
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

// refuse tells the app, or the person where it is not certain that the app would be told.
func (p *Provider) refuse(w http.ResponseWriter, r *http.Request, app *broker.App, req request, err error) error {
	if req.RedirectURI == "" {
		return onPage(err)
	}
	e := wire(err)
	info := web.RequestInfo(r.Context())
	info.Reason, info.Err = e.Code, err
	next, err := p.failure(r.Context(), app.ID, req, e)
	if err != nil {
		return err
	}
	return p.Site.Next(w, r, next)
}
