package broker

import (
	"context"
	"errors"
	"time"

	"github.com/signet-broker/signet/providers"
)

// Receive takes what a provider's upstream sent by way of a browser. name is that of the attempt that it answers, ""
// when it names none; nothing is believed because of it.
//
// A reply that came with the cookie of the browser that started the login finishes it at once. One that
// came without any (a cross-site POST carries no Lax cookie) is verified and parked: the browser is sent to
// the login's own page, where the cookie must show up together with the receipt of this very reply.
func (b *Broker) Receive(ctx context.Context, provider, name string, v Visitor, r providers.Reply) (Turn, error) {
	p := b.Registry.Provider(provider)
	if p == nil {
		return Turn{}, b.Refused(ctx, provider, v, providers.Refuse("idp_disabled", "no provider %.64q", provider))
	}
	l, number, err := b.answered(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return b.unsolicited(ctx, p, name, v, r)
	} else if err != nil {
		return Turn{}, err
	}
	if err := b.expects(&l, number, p, v, r); err != nil {
		return Turn{}, b.refused(ctx, &l, v, err)
	}
	o, err := p.Open(ctx)
	if err != nil {
		return Turn{}, b.refused(ctx, &l, v, err)
	}
	a := attempt(&l)
	next, err := o.Upstream.Continue(ctx, &a, r)
	if err != nil {
		return Turn{}, b.refusedFor(ctx, &l, v, err)
	}
	done, ok := next.(providers.Done)
	if !ok {
		l.State = a.State
		return Turn{Login: l.ID, App: l.App, Next: next}, b.update(ctx, &l, nil)
	}
	l.Identity = &done.Identity
	if v.owns(&l) {
		return b.conclude(ctx, &l, v, done.Once)
	}
	return b.park(ctx, &l, v, done.Once)
}

// answered returns the login whose attempt has this name. The one that this process remembers will do for the attempt
// that it began: if the login has gone on elsewhere since, then nothing can be written of it any more. All that it costs
// is that an answer which another node has taken is shown to its upstream once more.
func (b *Broker) answered(ctx context.Context, name string) (l Login, number int, err error) {
	id, number := ReadAttempt(name)
	if l, ok := b.Store.RecentLogin(id); ok && l.Stage == AtProvider && l.Attempt == number {
		return l, number, nil
	}
	l, err = b.Store.Login(ctx, id)
	return l, number, err
}

// expects refuses a reply that this login is not waiting for.
func (b *Broker) expects(l *Login, number int, p *Provider, v Visitor, r providers.Reply) error {
	app := b.Registry.App(l.App)
	switch {
	case l.Provider != p.ID:
		// Another provider's answer, or a code of one upstream delivered to the callback of another (mix-up).
		return providers.Refuse("state_invalid", "login %s is not at provider %s", l.ID, p.ID)
	case !v.owns(l) && (r.Method != "POST" || v.Browser != nil):
		// Someone else's answer in this browser: login CSRF.
		return providers.Refuse("state_mismatch", "login %s belongs to another browser", l.ID)
	case l.Stage != AtProvider:
		return providers.Refuse("replay", "login %s waits for nothing (stage %d)", l.ID, l.Stage)
	case max(l.Attempt, 1) != number:
		return providers.Refuse("replay", "attempt %d of login %s, which is at its attempt %d", number, l.ID, l.Attempt)
	case b.Now().Sub(l.Begun) > AttemptLifetime:
		return providers.Refuse("request_expired", "begun at %s", l.Begun.Format(time.RFC3339))
	case app == nil || !b.allowed(l, app, p.ID):
		return providers.Refuse("idp_disabled", "app %q may not use provider %q any more", l.App, p.ID)
	case p.Password:
		return providers.Refuse("state_invalid", "provider %q has no callback", p.ID)
	}
	return nil
}
