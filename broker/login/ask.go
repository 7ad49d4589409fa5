package login

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/templates"
)

// answer takes the form of any page of a login.
func (p *Pages) answer(w http.ResponseWriter, r *http.Request) error {
	id, v, err := p.visit(r)
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
	t, err := p.choice(r, id, v, form)
	if err != nil {
		return err
	}
	if _, page := t.Next.(providers.Ask); page && form.Has("provider") {
		t.Next = nil // by its own address: the way back to a page that a form answered is a dead end
	}
	return p.turn(w, r, v, t)
}

// choice makes of a form what the broker is told.
func (p *Pages) choice(r *http.Request, id string, v broker.Visitor, form url.Values) (broker.Turn, error) {
	ctx := r.Context()
	switch {
	case form.Has("decision"):
		return p.decide(r, id, v, form)
	case form.Has("cancel"):
		return p.Broker.Abandon(ctx, id, v)
	case form.Has("provider"):
		return p.Broker.Choose(ctx, id, v, form.Get("provider"))
	case form.Has("email"):
		return p.Broker.ChooseByEmail(ctx, id, v, form.Get("email"))
	}
	form.Del("csrf")
	return p.Broker.Answer(ctx, id, v, p.reply(r, v, form))
}

// turn shows the page that is asked for, or sends the browser on.
func (p *Pages) turn(w http.ResponseWriter, r *http.Request, v broker.Visitor, t broker.Turn) error {
	if t.Offer != "" {
		web.RequestInfo(r.Context()).App = t.App
		return p.Site.Next(w, r, providers.Redirect{URL: p.Site.URL(offerPath(t.Offer))})
	}
	ask, ok := t.Next.(providers.Ask)
	if !ok {
		return p.Site.Turn(w, r, t)
	}
	info := web.RequestInfo(r.Context())
	info.App, info.Login = t.App, t.Login
	l := p.Broker.Peek(r.Context(), t.Login, v)
	if l == nil {
		return providers.Refuse("login_expired", "login %s is gone", t.Login)
	}
	info.Provider = l.Provider
	app := p.Broker.Registry.App(l.App)
	if app == nil {
		return providers.Refuse("unknown_app", "app %q is gone", l.App)
	}
	view, action := p.Site.View(r, v, l.Locales), p.Site.URL(web.LoginPath(l.ID))
	switch data := ask.Data.(type) {
	case broker.Choices:
		return p.choose(w, view, action, data)
	case providers.PasswordForm:
		return p.password(w, view, action, app, l, data)
	case broker.Question:
		return p.consent(w, view, action, l, data)
	}
	return fmt.Errorf("no page %q for %T", ask.Page, ask.Data)
}

func (p *Pages) choose(w http.ResponseWriter, view templates.Page, action string, c broker.Choices) error {
	d := templates.Choose{Action: action, App: c.App.Name, ShowEmail: c.ByEmail, EmailFirst: c.EmailFirst, Email: c.Email}
	for _, pr := range c.Providers {
		d.Providers = append(d.Providers, templates.Provider{ID: pr.ID, Name: pr.Name, Kind: pr.Kind, Last: pr.ID == c.Last})
	}
	if c.Unknown {
		d.Notice = templates.UnknownDomain
	}
	page, err := p.Site.Pages.Choose(view, d)
	if err != nil {
		return err
	}
	p.Site.Show(w, http.StatusOK, page)
	return nil
}

func (p *Pages) password(w http.ResponseWriter, view templates.Page, action string, app *broker.App, l *broker.Login, f providers.PasswordForm) error {
	d := templates.Password{Action: action, App: app.Name, Username: f.Username, Problem: f.Problem, Wait: f.Wait}
	if pr := p.Broker.Registry.Provider(l.Provider); pr != nil {
		d.Provider = pr.Name
	}
	if p.Broker.HasChoice(l) {
		d.OthersURL = action + "?choose=1"
	}
	status := http.StatusOK
	switch f.Problem {
	case providers.PasswordWrong:
		status = http.StatusUnauthorized
	case providers.PasswordThrottled:
		status = http.StatusTooManyRequests
		w.Header().Set("Retry-After", strconv.Itoa(int(max(f.Wait, time.Second).Seconds())))
	}
	page, err := p.Site.Pages.Password(view, d)
	if err != nil {
		return err
	}
	p.Site.Show(w, status, page)
	return nil
}
