package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-broker/signet/providers"
)

const (
	// LogoutLifetime is how long an upstream may keep a browser that signs out there.
	LogoutLifetime = 10 * time.Minute
	// leaveTimeout is how long a person who is signed out here waits for an upstream.
	leaveTimeout = 4 * time.Second
	notFound     = 404
)

// Logout is a sign-out that has gone upstream with its browser: one row, found by its ID, until it is back.
type Logout struct {
	ID       string    `json:"id"`
	Provider string    `json:"provider"`
	Expires  time.Time `json:"expires"`
	State    []byte    `json:"state,omitempty"` // the provider's memory of it
	Subject  string    `json:"subject"`         // the ended session's
	Handle   string    `json:"handle,omitempty"`
	Upstream string    `json:"upstream,omitempty"`
	Memory   []byte    `json:"memory,omitempty"`
	After    After     `json:"after"`
}

// After is where a browser goes that is signed out.
type After struct {
	App     string   `json:"app,omitempty"`     // which has asked for it; "" when unknown
	URI     string   `json:"uri,omitempty"`     // of that app; "": our own page. Checked once more when it is used
	State   string   `json:"state,omitempty"`   // for that app
	Locales []string `json:"locales,omitempty"` // asked for by the app, best first
	Session string   `json:"session,omitempty"` // which has ended; "": there was none
	Apps    []string `json:"apps,omitempty"`    // those that took part in it
}

// Notice is an app that has to be told of a session's end.
type Notice struct {
	Session string // Session.ID
	App     string
	User    string
	Tries   int // how often it was tried, with the one that is under way
	Created time.Time
}

// SignedOut is what a browser or an upstream that has brought a sign-out gets.
type SignedOut struct {
	After *After         // the browser is back from a sign-out of ours
	Next  providers.Next // the browser goes back to the upstream
	Own   bool           // the browser's own session has ended; its cookie goes
}

// SignOut ends the visitor's session, and tells where they go from there as far as the apps matter.
func (b *Broker) SignOut(ctx context.Context, v Visitor, after After) (After, error) {
	if v.Session == nil {
		return after, nil
	}
	apps, err := b.Store.SessionApps(ctx, v.Session.ID)
	if err != nil {
		b.Log.WarnContext(ctx, "which apps took part in a session is not known", "request_id", v.RequestID, "error", err)
	}
	after.Session, after.Apps = v.Session.ID, apps
	e := Event{
		ID: rand.Text(), Time: b.Now(), Type: SessionEnded, User: v.Session.User, App: after.App,
		Provider: v.Session.Provider, Session: v.Session.ID, Addr: addr(v), RequestID: v.RequestID,
	}
	if err := b.Store.EndSession(ctx, v.Session.ID, e); err != nil {
		return after, err
	}
	b.observe(e)
	return after, nil
}

// Leave says where the browser of a session that SignOut has ended goes to sign out upstream as well; nil:
// nowhere. Whatever goes wrong there keeps nobody: the person is signed out here.
func (b *Broker) Leave(ctx context.Context, v Visitor, after After) providers.Next {
	if v.Session == nil {
		return nil
	}
	p := b.Registry.Provider(v.Session.Provider)
	if p == nil {
		return nil
	}
	next, err := b.leave(ctx, p, v.Session, after)
	if err != nil {
		b.Log.WarnContext(ctx, "a sign-out was not handed upstream", "request_id", v.RequestID, "provider", p.ID, "error", err)
		return nil
	}
	return next
}

func (b *Broker) leave(ctx context.Context, p *Provider, s *Session, after After) (providers.Next, error) {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	upstream, err := p.logouter(ctx)
	if err != nil || upstream == nil {
		return nil, err
	}
	row := Logout{
		ID: rand.Text(), Provider: p.ID, Expires: b.Now().Add(LogoutLifetime),
		Subject: s.Subject, Handle: s.Handle, Upstream: s.Upstream, Memory: s.Memory, After: after,
	}
	l := row.upstream()
	next, err := upstream.Logout(ctx, l)
	if err != nil || next == nil {
		return nil, err
	}
	row.State = l.State
	return next, b.Store.CreateLogout(ctx, row)
}

// logouter returns the provider as one whose upstream tells of sign-outs; nil: it does not.
func (p *Provider) logouter(ctx context.Context) (providers.Logouter, error) {
	o, err := p.Open(ctx)
	if err != nil {
		return nil, err
	}
	l, _ := o.Upstream.(providers.Logouter)
	return l, nil
}

// upstream is the sign-out as its provider knows it.
func (l *Logout) upstream() *providers.Logout {
	return &providers.Logout{ID: l.ID, State: l.State, Subject: l.Subject, Handle: l.Handle, Session: l.Upstream, Memory: l.Memory}
}

// ReceiveLogout takes what came to a provider's logout endpoint. id is what it names as its state or
// RelayState; nothing is believed because of it. A refusal ends nothing.
func (b *Broker) ReceiveLogout(ctx context.Context, provider, id string, v Visitor, r providers.Reply) (SignedOut, error) {
	p := b.Registry.Provider(provider)
	if p == nil {
		return SignedOut{}, b.RefusedLogout(ctx, provider, v, providers.Refuse("idp_disabled", "no provider %.64q", provider))
	}
	upstream, err := p.logouter(ctx)
	if err != nil {
		return SignedOut{}, b.RefusedLogout(ctx, provider, v, err)
	}
	if upstream == nil {
		return SignedOut{}, &Error{Kind: providers.Invalid, Reason: "not_found", Status: notFound, Err: fmt.Errorf("provider %s takes no sign-outs", p.ID)}
	}
	l, err := b.logout(ctx, p, id)
	if err != nil {
		return SignedOut{}, err
	}
	var known *providers.Logout
	if l != nil {
		known = l.upstream()
	}
	o, err := upstream.ReceiveLogout(ctx, r, known)
	if err != nil {
		return SignedOut{}, b.RefusedLogout(ctx, p.ID, v, err)
	}
	if o.Answers {
		return b.back(ctx, p, l, v)
	}
	return b.endUpstream(ctx, p, o, v)
}

// logout returns the sign-out of ours that an ID names at a provider; nil: there is none.
func (b *Broker) logout(ctx context.Context, p *Provider, id string) (*Logout, error) {
	if id == "" {
		return nil, nil
	}
	l, err := b.Store.Logout(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && l.Provider != p.ID:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &l, nil
}

// back ends a sign-out of ours whose browser has come back, once.
func (b *Broker) back(ctx context.Context, p *Provider, l *Logout, v Visitor) (SignedOut, error) {
	if l == nil {
		return SignedOut{}, b.RefusedLogout(ctx, p.ID, v, providers.Refuse("state_invalid", "an answer to no sign-out of ours"))
	}
	e := b.event(&Login{App: l.After.App, Provider: p.ID}, v, LogoutFinished, "")
	e.Session = l.After.Session
	err := b.Store.TakeLogout(ctx, l.ID, e)
	if errors.Is(err, ErrNotFound) {
		return SignedOut{}, b.RefusedLogout(ctx, p.ID, v, providers.Refuse("replay", "sign-out %s: %w", l.ID, err))
	} else if err != nil {
		return SignedOut{}, err
	}
	b.observe(e)
	return SignedOut{After: &l.After}, nil
}

// endUpstream ends the sessions that an upstream has named.
func (b *Broker) endUpstream(ctx context.Context, p *Provider, o providers.SignOut, v Visitor) (SignedOut, error) {
	if o.Handle == "" && len(o.Sessions) == 0 {
		return SignedOut{}, b.RefusedLogout(ctx, p.ID, v, providers.Refuse("malformed", "a sign-out of nobody"))
	}
	e := b.event(&Login{Provider: p.ID}, v, LogoutReceived, "")
	n, err := b.Store.EndUpstream(ctx, p.ID, o, e)
	if errors.Is(err, ErrReplay) {
		return SignedOut{}, b.RefusedLogout(ctx, p.ID, v, providers.Refuse("replay", "a sign-out: %w", err))
	}
	if err != nil && o.Answer == nil {
		return SignedOut{}, err
	}
	if err != nil { // the upstream is told that its sign-out was not complete
		b.Log.ErrorContext(ctx, "an upstream's sign-out ended nothing", "request_id", v.RequestID, "provider", p.ID, "error", err)
	} else {
		b.Log.InfoContext(ctx, "signed out upstream", "request_id", v.RequestID, "provider", p.ID, "sessions", n)
		b.observe(e)
	}
	out := SignedOut{Own: err == nil && v.Session != nil && names(o, p, v.Session)}
	if o.Answer == nil {
		return out, nil
	}
	if out.Next, err = o.Answer(err == nil); err != nil {
		return SignedOut{}, fmt.Errorf("answer a sign-out: %w", err)
	}
	return out, nil
}

// names tells whether a session is one of those that an upstream has named.
func names(o providers.SignOut, p *Provider, s *Session) bool {
	return s.Provider == p.ID && (o.Handle == "" || o.Handle == s.Handle) &&
		(len(o.Sessions) == 0 || s.Upstream != "" && slices.Contains(o.Sessions, s.Upstream))
}

// RefusedLogout records that a sign-out which came for a provider was refused, and returns err.
func (b *Broker) RefusedLogout(ctx context.Context, provider string, v Visitor, err error) error {
	e := providers.AsError(err)
	if e.Kind != providers.Unavailable {
		l := Login{}
		if b.Registry.Provider(provider) != nil { // else it is a stranger's word, which is not kept
			l.Provider = provider
		}
		b.record(ctx, b.event(&l, v, LogoutRefused, e.Reason))
	}
	return e
}

func (b *Broker) observe(e Event) {
	if b.Observe != nil {
		b.Observe(e)
	}
}
