package broker

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/signet-broker/signet/providers"
)

// conclude ends a login whose identity is known, in the browser that started it.
func (b *Broker) conclude(ctx context.Context, l *Login, v Visitor, once []providers.Once) (Turn, error) {
	if !v.owns(l) {
		return Turn{}, b.refused(ctx, l, v, providers.Refuse("state_mismatch", "login %s belongs to another browser", l.ID))
	}
	var turn Turn
	var err error
	// Two first logins of one person at once: the second try finds the user that the other has made.
	for range 2 {
		if turn, err = b.tryConclude(ctx, *l, v, once); !errors.Is(err, errLinked) {
			break
		}
	}
	switch {
	case err == nil:
		return turn, nil
	case errors.Is(err, ErrReplay):
		return Turn{}, b.refused(ctx, l, v, providers.Refuse("replay", "login %s: %w", l.ID, err))
	case errors.Is(err, ErrConflict):
		return Turn{}, b.refused(ctx, l, v, &Error{Kind: providers.Conflict, Reason: "login_finished", Err: fmt.Errorf("login %s: %w", l.ID, err)})
	}
	return Turn{}, b.refusedFor(ctx, l, v, err)
}

var errLinked = errors.New("linked meanwhile")

func (b *Broker) tryConclude(ctx context.Context, l Login, v Visitor, once []providers.Once) (Turn, error) {
	attrs, err := b.describe(ctx, &l)
	if err != nil {
		return Turn{}, err
	}
	if b.whoever(&l, v) {
		if turn, err := b.concludeKnown(ctx, &l, v, once, attrs); !errors.Is(err, ErrNotFound) {
			return turn, err
		}
	}
	r, err := b.find(ctx, &l, attrs)
	if err != nil {
		return Turn{}, err
	}
	if !b.wants(&l, b.Registry.App(l.App), r.user.ID) {
		return b.abandon(ctx, &l, v, &Error{Kind: providers.Forbidden, Reason: "login_required"}, true)
	}
	if !l.Allowed {
		if ask, err := b.mustAsk(ctx, &l, b.Registry.App(l.App), &r.user, r.isNew); err != nil {
			return Turn{}, err
		} else if ask {
			return b.askFirst(ctx, &l, once)
		}
	}
	s, secret := b.session(&l, r.user, v)
	next, artifact, err := b.Doors[l.Door].Finish(ctx, l, s)
	if err != nil {
		return Turn{}, err
	}
	event := b.event(&l, v, LoginFinished, "")
	event.User, event.Session, event.Detail = r.user.ID, s.ID, l.allowedDetail()
	f := Finish{
		Login: l.finished(), Once: once, NewUser: r.isNew, Link: r.link, Session: &s, Artifact: artifact, Consent: b.consent(&l, r.user.ID),
		Event: event, Who: &r.user,
	}
	if r.isNew || r.changed {
		f.User = &r.user
	}
	if v.Session != nil {
		f.EndSession = v.Session.ID
	}
	if err := b.finish(ctx, f); err != nil {
		if r.link != nil && errors.Is(err, ErrConflict) {
			if _, lerr := b.Store.UserByLink(ctx, r.link.Provider, r.link.Subject); lerr == nil {
				return Turn{}, errLinked
			}
		}
		return Turn{}, err
	}
	return Turn{App: l.App, Next: next, Session: &s, Secret: secret}, nil
}

// whoever tells whether a login ends in the same way for everybody who is known. Then nobody has to be looked up
// before it is written. A door that wants an acr may say no, which is not to be done twice; and where an upstream tells
// some things once only, what it says now is never what is known.
func (b *Broker) whoever(l *Login, v Visitor) bool {
	app := b.Registry.App(l.App)
	return app != nil && !app.ThirdParty && l.Device == nil && l.ExpectedUser == "" && !l.MustACR && len(l.Identity.Keep) == 0 && v.Session == nil
}

// concludeKnown ends a login of somebody of whom nothing has changed since they were here last: most do.
// ErrNotFound: it is not such a one.
func (b *Broker) concludeKnown(ctx context.Context, l *Login, v Visitor, once []providers.Once, attrs Attributes) (Turn, error) {
	s, secret := b.session(l, User{}, v)
	next, artifact, err := b.Doors[l.Door].Finish(ctx, *l, s)
	if err != nil {
		return Turn{}, err
	}
	event := b.event(l, v, LoginFinished, "")
	event.Session = s.ID
	u, err := b.Store.FinishKnown(ctx, Finish{Login: l.finished(), Once: once, Session: &s, Artifact: artifact, Event: event}, attrs)
	if err != nil {
		return Turn{}, err
	}
	s.User, event.User = u.ID, u.ID
	if b.Observe != nil {
		b.Observe(event)
	}
	return Turn{App: l.App, Next: next, Session: &s, Secret: secret}, nil
}

func (b *Broker) finish(ctx context.Context, f Finish) error {
	err := b.Store.Finish(ctx, f)
	if err == nil && b.Observe != nil {
		b.Observe(f.Event)
	}
	return err
}

// session makes the session of a finished login. Its secret is always new; its ID stays when the same
// person signs in again in the same browser, so that apps see one session.
func (b *Broker) session(l *Login, u User, v Visitor) (Session, string) {
	now := b.Now()
	secret := NewSecret(now)
	authTime := l.Identity.AuthTime
	if authTime.IsZero() || authTime.After(now) {
		authTime = now
	}
	s := Session{
		ID: NewID(now), Hash: HashSecret(secret), User: u.ID, Provider: l.Provider, Subject: l.Identity.Subject, Upstream: l.Identity.Session,
		Handle: cmp.Or(l.Identity.Handle, l.Identity.Subject), Memory: l.Identity.Memory,
		AuthTime: authTime, AMR: l.Identity.AMR, ACR: l.Identity.ACR,
		Created: now, Seen: now, Idle: now.Add(b.Sessions.Idle), Ends: now.Add(b.Sessions.Absolute),
	}
	if v.Session != nil && v.Session.User == u.ID {
		s.ID = v.Session.ID
	}
	return s, secret
}

// reuse ends a login that the visitor's session satisfies: one write. It has a row only where its person was asked.
func (b *Broker) reuse(ctx context.Context, l *Login, v Visitor) (Turn, error) {
	s := *v.Session
	l.Provider = s.Provider
	next, artifact, err := b.Doors[l.Door].Finish(ctx, *l, s)
	if err != nil {
		return Turn{}, err
	}
	event := b.event(l, v, LoginFinished, "")
	event.User, event.Session, event.Detail = s.User, s.ID, l.allowedDetail()
	f := Finish{Artifact: artifact, Consent: b.consent(l, s.User), Event: event, Who: v.User}
	if l.Stage == Consenting {
		f.Login = l.finished()
	}
	err = b.finish(ctx, f)
	if errors.Is(err, ErrConflict) {
		return Turn{}, &Error{Kind: providers.Conflict, Reason: "login_finished", Err: fmt.Errorf("its request is answered already, or its user is gone: %w", err)}
	} else if err != nil {
		return Turn{}, err
	}
	now := b.Now()
	if now.Sub(s.Seen) > min(b.Sessions.Idle/20, 5*time.Minute) {
		idle := now.Add(b.Sessions.Idle)
		if idle.After(s.Ends) {
			idle = s.Ends
		}
		if err := b.Store.TouchSession(ctx, s.ID, now, idle); err != nil {
			b.Log.WarnContext(ctx, "a session's use was not noted", "error", err)
		}
	}
	return Turn{App: l.App, Next: next}, nil
}

// event describes what has become of a login.
func (b *Broker) event(l *Login, v Visitor, kind, reason string) Event {
	return Event{
		ID: rand.Text(), Time: b.Now(), Type: kind, Reason: reason, App: l.App, Provider: l.Provider,
		Login: l.ID, Addr: addr(v), RequestID: v.RequestID,
	}
}

// record keeps an event of something that was refused. The refusal stands, whether it could be kept or not.
func (b *Broker) record(ctx context.Context, e Event) {
	if b.Observe != nil {
		b.Observe(e)
	}
	if ok, first := b.refusals.take(e.Addr, e.Time); !ok {
		if first {
			b.Log.WarnContext(ctx, "too many refusals: no more of them are kept as events for a while", "addr", e.Addr)
		}
		return
	}
	if err := b.Store.Record(context.WithoutCancel(ctx), e); err != nil {
		b.Log.ErrorContext(ctx, "an event was not kept", "type", e.Type, "reason", e.Reason, "error", err)
	}
}

func addr(v Visitor) string {
	if !v.Addr.IsValid() {
		return ""
	}
	return v.Addr.String()
}
