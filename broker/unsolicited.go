package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/signet-broker/signet/providers"
)

// Offer is a sign-in that an upstream began, as its person is asked about it. It is no proof of anything: who
// continues begins an ordinary login of the app's.
type Offer struct {
	App      *App
	Provider *Provider
	Name     string // of the person, as the provider tells it
	Email    string // "" when it told none
}

// unsolicited takes what an upstream sent and no login of ours has asked for; id is what it names all the
// same. It is verified, its proof is used up, and an offer is kept for the page that asks the person.
// Otherwise whoever can make a browser post a form could sign somebody else's account in there.
func (b *Broker) unsolicited(ctx context.Context, p *Provider, id string, v Visitor, r providers.Reply) (Turn, error) {
	l, once, err := b.readUnsolicited(ctx, p, id, r)
	if err != nil {
		return Turn{}, b.Refused(ctx, p.ID, v, err)
	}
	l.Addr = addr(v)
	if err := b.Store.CreateLogin(ctx, l); err != nil {
		return Turn{}, err
	}
	if err := b.update(ctx, &l, once); err != nil {
		return Turn{}, b.refused(ctx, &l, v, err)
	}
	return Turn{App: l.App, Offer: l.ID}, nil
}

func (b *Broker) readUnsolicited(ctx context.Context, p *Provider, id string, r providers.Reply) (Login, []providers.Once, error) {
	o, err := p.Open(ctx)
	if err != nil {
		return Login{}, nil, err
	}
	stray := providers.Refuse("state_invalid", "no login %.40q", id)
	if id == "" {
		stray = providers.Refuse("unsolicited", "no login is named")
	}
	u, ok := o.Upstream.(providers.Unsolicited)
	if !ok {
		return Login{}, nil, stray
	}
	done, app, err := u.Unsolicited(ctx, r)
	if err != nil {
		if providers.AsError(err).Reason == "unsolicited" { // not taken at all
			err = stray
		}
		return Login{}, nil, err
	}
	// It belongs to no browser, so that nothing but Offer can go on with it.
	l := Login{
		ID: NewID(b.Now()), Version: 1, Stage: Offered, Expires: b.Now().Add(AttemptLifetime),
		App: app, Provider: p.ID, Identity: &done.Identity,
	}
	_, err = b.offered(ctx, &l)
	return l, done.Once, err
}

// Offer returns what a person is to be asked about, while app and provider still allow it.
func (b *Broker) Offer(ctx context.Context, id string, v Visitor) (Offer, error) {
	l, err := b.Store.Login(ctx, id)
	if errors.Is(err, ErrNotFound) || err == nil && l.Stage != Offered {
		return Offer{}, providers.Refuse("login_expired", "no offer %.40q", id)
	} else if err != nil {
		return Offer{}, err
	}
	o, err := b.offered(ctx, &l)
	if err != nil {
		return Offer{}, b.refused(ctx, &l, v, err)
	}
	return o, nil
}

func (b *Broker) offered(ctx context.Context, l *Login) (Offer, error) {
	p, app := b.Registry.Provider(l.Provider), b.Registry.App(l.App)
	switch {
	case p == nil || app == nil || !b.allowed(l, app, p.ID):
		return Offer{}, providers.Refuse("idp_disabled", "app %q may not use provider %q", l.App, l.Provider)
	case app.InitiateLoginURI == "":
		return Offer{}, providers.Refuse("unsolicited", "app %q has no initiate_login_uri", app.ID)
	}
	o, err := p.Open(ctx)
	if err != nil {
		return Offer{}, err
	}
	attrs, err := o.Mapping.Apply(ctx, l.Identity.Claims)
	if err != nil {
		return Offer{}, fmt.Errorf("attributes of an offer: %w", err)
	}
	if err := b.ownsDomain(p, attrs); err != nil {
		return Offer{}, err
	}
	return Offer{App: app, Provider: p, Name: cmp.Or(attrs.Name(), l.Identity.Handle, l.Identity.Subject), Email: attrs.Email()}, nil
}
