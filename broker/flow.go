package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-broker/signet/providers"
)

// Start begins a login for an app. l has what the door knows: Door, App, Request and the app's wishes.
// A session that satisfies them finishes the login at once, without a row.
func (b *Broker) Start(ctx context.Context, l Login, v Visitor) (Turn, error) {
	app := b.Registry.App(l.App)
	if app == nil {
		return Turn{}, providers.Refuse("unknown_app", "app %q", l.App)
	}
	l.ID, l.Version, l.Stage = NewID(b.Now()), 1, Choosing
	l.Browser, l.Addr, l.Expires = v.Browser, addr(v), b.Now().Add(LoginLifetime)
	if b.satisfied(&l, app, v) {
		ask, err := b.mustAsk(ctx, &l, app, v.User, false)
		switch {
		case err != nil:
			return Turn{}, err
		case ask:
			return b.askInSession(ctx, &l, v)
		}
		return b.reuse(ctx, &l, v)
	}
	if l.NoInput {
		return b.abandon(ctx, &l, v, &Error{Kind: providers.Forbidden, Reason: "login_required"}, false)
	}
	choices := b.choices(&l, app)
	if len(choices) == 0 && len(l.Only) > 0 { // taken away since the app's request was read
		return b.abandon(ctx, &l, v, &Error{Kind: providers.Invalid, Reason: "idp_disabled"}, false)
	}
	if len(choices) == 0 && !b.searchable(&l, app) {
		return Turn{}, &Error{Kind: providers.Internal, Reason: "no_provider", Err: fmt.Errorf("app %q has no provider that is registered", app.ID)}
	}
	turn := Turn{Login: l.ID, App: app.ID}
	if p := b.direct(&l, app, choices); p != nil {
		next, err := b.begin(ctx, &l, p)
		if err != nil {
			// The login stands all the same, so that the error's page has a way on.
			if cerr := b.Store.CreateLogin(ctx, l); cerr != nil {
				return Turn{}, cerr
			}
			return turn, b.refused(ctx, &l, v, err)
		}
		if _, page := next.(providers.Ask); !page {
			turn.Next = next
		}
	}
	return turn, b.Store.CreateLogin(ctx, l)
}

// satisfied tells whether the visitor's session is all that the app wants.
func (b *Broker) satisfied(l *Login, app *App, v Visitor) bool {
	s, u := v.Session, v.User
	if s == nil || u == nil || u.Disabled || l.ForceLogin || l.SelectUser {
		return false
	}
	if l.HasMaxAge && b.Now().Sub(s.AuthTime) > l.MaxAge {
		return false
	}
	if !b.wants(l, app, u.ID) {
		return false
	}
	if l.MustACR && !slices.Contains(l.ACR, s.ACR) {
		return false
	}
	return b.allowed(l, app, s.Provider)
}

// begin starts an attempt at a provider. On an error l is as if nothing had been chosen.
func (b *Broker) begin(ctx context.Context, l *Login, p *Provider) (providers.Next, error) {
	o, err := p.Open(ctx)
	if err != nil {
		return nil, failedAt(p.ID, err)
	}
	forget(l)
	l.Stage, l.Provider, l.Begun, l.Attempt = AtProvider, p.ID, b.Now(), l.Attempt+1
	a := attempt(l)
	next, err := o.Upstream.Begin(ctx, &a)
	if err != nil {
		forget(l)
		return nil, failedAt(p.ID, err)
	}
	l.State = a.State
	return next, nil
}

// failedAt returns err with the provider that it happened at, for the log and the page.
func failedAt(provider string, err error) *Error {
	e := *providers.AsError(err)
	e.Provider = provider
	return &e
}

// forget takes a login back to where no attempt is under way: what its upstream sent cannot be used again.
func forget(l *Login) {
	l.Stage, l.State, l.Begun, l.Identity, l.Receipt, l.Session = Choosing, nil, time.Time{}, nil, nil, ""
}

func attempt(l *Login) providers.Attempt {
	return providers.Attempt{
		ID: l.attemptName(), State: l.State, LoginHint: l.LoginHint, SelectUser: l.SelectUser, ACR: l.ACR, Locales: l.Locales, Begun: l.Begun,
		ForceLogin: l.ForceLogin || l.HasMaxAge && l.MaxAge == 0, MaxAge: l.MaxAge,
	}
}

// mine returns a login of this browser. Someone else's is refused before anything of it is told.
func (b *Broker) mine(ctx context.Context, id string, v Visitor) (*Login, error) {
	l, err := b.Store.Login(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, providers.Refuse("login_expired", "no login %.40q", id)
	case err != nil:
		return nil, err
	case !v.owns(&l):
		return nil, b.refused(ctx, &l, v, providers.Refuse("state_mismatch", "login %s belongs to another browser", l.ID))
	case l.Stage == Finished:
		return nil, &Error{Kind: providers.Conflict, Reason: "login_finished", Err: fmt.Errorf("login %s", l.ID)}
	case b.Registry.App(l.App) == nil:
		return nil, providers.Refuse("unknown_app", "app %q is gone", l.App)
	}
	return &l, nil
}

// Peek returns a login of this browser, also a finished one, for the way on from an error's page; nil otherwise.
func (b *Broker) Peek(ctx context.Context, id string, v Visitor) *Login {
	l, err := b.Store.Login(ctx, id)
	if err != nil || !v.owns(&l) {
		return nil
	}
	return &l
}

// Show decides what a person sees of a login. choose asks for the list of providers again, receipt is that
// of a parked identity.
func (b *Broker) Show(ctx context.Context, id string, v Visitor, choose bool, receipt string) (Turn, error) {
	l, err := b.mine(ctx, id, v)
	if err != nil {
		return Turn{}, err
	}
	if l.Stage == Identified {
		return b.unpark(ctx, l, v, receipt)
	}
	if l.Stage == Consenting && !choose {
		if q, known, err := b.question(ctx, l, v); err != nil {
			return Turn{}, b.refusedFor(ctx, l, v, err)
		} else if known {
			return Turn{Login: l.ID, App: l.App, Next: providers.Ask{Page: ConsentPage, Data: q}}, nil
		}
	}
	app := b.Registry.App(l.App)
	choices := b.choices(l, app)
	if p := b.Registry.Provider(l.Provider); !choose && l.Stage == AtProvider && p != nil && p.Password {
		return b.resumeAt(ctx, l, v, p)
	}
	if len(choices) == 1 && !b.searchable(l, app) {
		return b.resumeAt(ctx, l, v, choices[0])
	}
	return b.ask(l, choices, v, ""), nil
}

// ask shows the choose page; typed is an address that no provider has, or "".
func (b *Broker) ask(l *Login, choices []*Provider, v Visitor, typed string) Turn {
	app := b.Registry.App(l.App)
	// A registered provider has no button, but for who has been there.
	if last := b.Registry.Provider(v.Last); last != nil && last.Registered && b.allowed(l, app, last.ID) && !slices.Contains(choices, last) {
		choices = append(choices, last)
	}
	c := offer(choices, v.Last, b.searchable(l, app))
	c.App, c.Email, c.Unknown = app, cmp.Or(typed, l.LoginHint), typed != ""
	return Turn{Login: l.ID, App: l.App, Next: providers.Ask{Page: ChoosePage, Data: c}}
}

// resumeAt starts an attempt at p for a login that has a row.
func (b *Broker) resumeAt(ctx context.Context, l *Login, v Visitor, p *Provider) (Turn, error) {
	next, err := b.begin(ctx, l, p)
	if err != nil {
		return Turn{}, b.refused(ctx, l, v, err)
	}
	return Turn{Login: l.ID, App: l.App, Next: next}, b.update(ctx, l, nil)
}

func (b *Broker) update(ctx context.Context, l *Login, once []providers.Once) error {
	err := b.Store.UpdateLogin(ctx, *l, once)
	switch {
	case errors.Is(err, ErrConflict):
		return &Error{Kind: providers.Conflict, Reason: "login_changed", Err: fmt.Errorf("login %s: %w", l.ID, err)}
	case errors.Is(err, ErrReplay):
		return providers.Refuse("replay", "login %s: %w", l.ID, err)
	case errors.Is(err, ErrNotFound): // it has expired since it was read
		return providers.Refuse("login_expired", "login %s: %w", l.ID, err)
	}
	return err
}

// Choose sends a login's person to a provider of their choice.
func (b *Broker) Choose(ctx context.Context, id string, v Visitor, provider string) (Turn, error) {
	l, err := b.mine(ctx, id, v)
	if err != nil {
		return Turn{}, err
	}
	p := b.Registry.Provider(provider)
	if p == nil || !b.allowed(l, b.Registry.App(l.App), provider) {
		return Turn{}, b.refused(ctx, l, v, providers.Refuse("idp_disabled", "provider %.64q is not offered", provider))
	}
	return b.resumeAt(ctx, l, v, p)
}

// ChooseByEmail sends a login's person to the provider that an e-mail address belongs to, and asks again
// when there is none.
func (b *Broker) ChooseByEmail(ctx context.Context, id string, v Visitor, email string) (Turn, error) {
	l, err := b.mine(ctx, id, v)
	if err != nil {
		return Turn{}, err
	}
	app := b.Registry.App(l.App)
	p := b.byDomain(l, app, email)
	if p == nil {
		return b.ask(l, b.choices(l, app), v, email), nil
	}
	l.LoginHint = email
	return b.resumeAt(ctx, l, v, p)
}

// Answer takes the form of a page that a provider asked for.
func (b *Broker) Answer(ctx context.Context, id string, v Visitor, r providers.Reply) (Turn, error) {
	l, err := b.mine(ctx, id, v)
	if err != nil {
		return Turn{}, err
	}
	p := b.Registry.Provider(l.Provider)
	if p == nil || l.Stage != AtProvider || !p.Password {
		return Turn{}, b.refused(ctx, l, v, providers.Refuse("state_invalid", "login %s asks for nothing", l.ID))
	}
	if b.Now().Sub(l.Begun) > LoginLifetime {
		return Turn{}, providers.Refuse("request_expired", "attempt begun at %v", l.Begun)
	}
	o, err := p.Open(ctx)
	if err != nil {
		return Turn{}, err
	}
	a := attempt(l)
	next, err := o.Upstream.Continue(ctx, &a, r)
	if err != nil {
		return Turn{}, b.refused(ctx, l, v, err)
	}
	if done, ok := next.(providers.Done); ok {
		l.Identity = &done.Identity
		return b.conclude(ctx, l, v, done.Once)
	}
	b.record(ctx, b.event(l, v, PasswordWrong, ""))
	return Turn{Login: l.ID, App: l.App, Next: next}, nil
}

// Abandon ends a login because its person gave up. The app is told.
func (b *Broker) Abandon(ctx context.Context, id string, v Visitor) (Turn, error) {
	l, err := b.mine(ctx, id, v)
	if err != nil {
		return Turn{}, err
	}
	return b.abandon(ctx, l, v, &Error{Kind: providers.Forbidden, Reason: "access_denied"}, true)
}

// abandon tells the door that a login has failed. stored: it has a row, which can then not be used again.
func (b *Broker) abandon(ctx context.Context, l *Login, v Visitor, reason *Error, stored bool) (Turn, error) {
	next, err := b.Doors[l.Door].Fail(ctx, *l, reason)
	if err != nil {
		return Turn{}, err
	}
	if stored {
		if err := b.update(ctx, l.finished(), nil); err != nil {
			return Turn{}, err
		}
	}
	b.record(ctx, b.event(l, v, LoginRefused, reason.Reason))
	return Turn{App: l.App, Next: next}, nil
}

// refusedFor notes a refusal after the upstream's answer was tried: the attempt is over, so that nothing of
// it works twice. Only the browser that owns the login can end it so.
func (b *Broker) refusedFor(ctx context.Context, l *Login, v Visitor, err error) error {
	if v.owns(l) {
		provider := l.Provider
		forget(l)
		uerr := b.Store.UpdateLogin(ctx, *l, nil)
		switch {
		case errors.Is(uerr, ErrConflict):
			if kind := providers.AsError(err).Kind; kind != providers.Unavailable && kind != providers.Upstream {
				err = providers.Refuse("replay", "login %s has gone on meanwhile, and then: %w", l.ID, err)
			}
		case uerr != nil && !errors.Is(uerr, ErrNotFound):
			return uerr
		}
		l.Provider = provider
	}
	return b.refused(ctx, l, v, err)
}

// refused records a refusal and returns it.
func (b *Broker) refused(ctx context.Context, l *Login, v Visitor, err error) error {
	e := providers.AsError(err)
	if e.Provider == "" && l.Provider != "" && v.owns(l) {
		e = failedAt(l.Provider, e)
	}
	if e.Kind != providers.Unavailable {
		event := b.event(l, v, LoginRefused, e.Reason)
		event.Provider = cmp.Or(e.Provider, event.Provider)
		b.record(ctx, event)
	}
	return e
}

// Refused records that what came for a provider names no login, and returns err.
func (b *Broker) Refused(ctx context.Context, provider string, v Visitor, err error) error {
	l := Login{}
	if b.Registry.Provider(provider) != nil { // else it is a stranger's word, which is not kept
		l.Provider = provider
	}
	return b.refused(ctx, &l, v, err)
}

// wants tells whether a user is one that an app will have: the one it has named, or anybody.
func (b *Broker) wants(l *Login, app *App, user string) bool {
	if l.ExpectedUser == "" {
		return true
	}
	if app == nil { // it is gone meanwhile
		return false
	}
	name, err := b.Names.Subject(app, user)
	return err == nil && name == l.ExpectedUser
}
