package login

import (
	"net/http"
	"net/url"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/templates"
)

func offerPath(id string) string { return "/unsolicited/" + url.PathEscape(id) }

// offer is the page that asks a person about a sign-in which began at a provider. It has its own address,
// because the form that brought it came across sites, without the cookie that the page's own form is
// checked against.
func (p *Pages) offer(w http.ResponseWriter, r *http.Request) error {
	v, o, err := p.offered(r)
	if err != nil {
		return err
	}
	p.Site.Known(w, r, &v)
	return p.showOffer(w, r, v, o, false)
}

// accept takes the page's form. It carries an answer and nothing else: where the browser goes is the
// configuration's, and who the person is was kept here.
func (p *Pages) accept(w http.ResponseWriter, r *http.Request) error {
	v, o, err := p.offered(r)
	if err != nil {
		return err
	}
	form, err := web.Form(w, r, web.FormLimit)
	if err != nil {
		return err
	}
	if err := p.Site.CheckForm(r, v, form.Get("csrf")); err != nil {
		return err
	}
	if !form.Has("continue") {
		return p.showOffer(w, r, v, o, true)
	}
	return p.Site.Next(w, r, providers.Redirect{URL: p.Site.Initiate(o.App, o.Email)})
}

func (p *Pages) offered(r *http.Request) (broker.Visitor, broker.Offer, error) {
	v, err := p.Site.Visitor(r)
	if err != nil {
		return v, broker.Offer{}, err
	}
	o, err := p.Broker.Offer(r.Context(), r.PathValue("id"), v)
	if err != nil {
		return v, o, err
	}
	info := web.RequestInfo(r.Context())
	info.App, info.Provider = o.App.ID, o.Provider.ID
	return v, o, nil
}

func (p *Pages) showOffer(w http.ResponseWriter, r *http.Request, v broker.Visitor, o broker.Offer, declined bool) error {
	d := templates.Unsolicited{
		Action: p.Site.URL(offerPath(r.PathValue("id"))), App: o.App.Name, Provider: o.Provider.Name,
		Person: templates.Person{Name: o.Name, Email: o.Email}, Declined: declined,
	}
	page, err := p.Site.Pages.Unsolicited(p.Site.View(r, v, nil), d)
	if err != nil {
		return err
	}
	p.Site.Show(w, http.StatusOK, page)
	return nil
}
