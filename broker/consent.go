package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/providers"
)

// ConsentPage is the Ask on which a person allows or denies what an app asks for; its data is Question.
const ConsentPage = "consent"

// Question is what a person is asked before an app gets anything. All of it is what the login has kept since
// it began: the answer is yes or no, and names nothing.
type Question struct {
	App    *App
	User   User
	Scopes []string
	Device *Waiting // nil: the app is in this browser
}

// Waiting is a program that waits for its person without a browser of its own.
type Waiting struct {
	Code  string    `json:"code"` // what it shows
	Addr  string    `json:"addr"` // where it asked from; "" when unknown
	Since time.Time `json:"since"`
}

// Consent is what a person has allowed an app.
type Consent struct {
	User    string
	App     string
	Scopes  []string // "" among them stands for having asked for none
	Created time.Time
}

// Asked are the scopes of a consent.
func (c *Consent) Asked() []string {
	return slices.DeleteFunc(slices.Clone(c.Scopes), func(s string) bool { return s == "" })
}

// consents are the scopes of a login as they are remembered.
func (l *Login) consents() []string {
	if len(l.Scopes) == 0 {
		return []string{""}
	}
	return l.Scopes
}

// mustAsk tells whether a login's person has to be asked before its app gets what it asks for. The operator
// has answered for a first-party app, and nothing is read for it. What waits elsewhere is always asked about:
// whoever began that may be somebody else.
func (b *Broker) mustAsk(ctx context.Context, l *Login, app *App, u *User, isNew bool) (bool, error) {
	switch {
	case l.Device != nil:
		return true, nil
	case !app.ThirdParty:
		return false, nil
	case l.AskAgain || isNew:
		return true, nil
	}
	allowed, err := b.Store.Consents(ctx, u.ID, app.ID)
	return slices.ContainsFunc(l.consents(), func(s string) bool { return !slices.Contains(allowed, s) }), err
}

// askFirst puts a login whose person is known aside until they have answered, in the browser that owns it.
func (b *Broker) askFirst(ctx context.Context, l *Login, once []providers.Once) (Turn, error) {
	l.Stage, l.Receipt = Consenting, nil
	return Turn{Login: l.ID, App: l.App}, b.update(ctx, l, once)
}

// askInSession is askFirst for a login that a session answers, and that has no row yet.
func (b *Broker) askInSession(ctx context.Context, l *Login, v Visitor) (Turn, error) {
	if l.NoInput {
		return b.abandon(ctx, l, v, &Error{Kind: providers.Forbidden, Reason: "consent_required"}, false)
	}
	l.Stage, l.Provider, l.Session = Consenting, v.Session.Provider, v.Session.ID
	return Turn{Login: l.ID, App: l.App}, b.Store.CreateLogin(ctx, *l)
}

// question is what the person of a login is asked. Nobody is known any more when the session has ended that was
// to answer it: then they sign in again.
func (b *Broker) question(ctx context.Context, l *Login, v Visitor) (q Question, known bool, err error) {
	app := b.Registry.App(l.App)
	q = Question{App: app, Scopes: l.Scopes, Device: l.Device}
	if l.Identity == nil {
		if !b.inSession(l, app, v) {
			return q, false, nil
		}
		q.User = *v.User
		return q, true, nil
	}
	r, err := b.resolve(ctx, l)
	q.User = r.user
	return q, true, err
}

// inSession tells whether the session that a login was put aside with is still there, and enough.
func (b *Broker) inSession(l *Login, app *App, v Visitor) bool {
	return l.Session != "" && v.Session != nil && v.Session.ID == l.Session && b.satisfied(l, app, v)
}

// Decide takes a person's answer to a Question.
func (b *Broker) Decide(ctx context.Context, id string, v Visitor, allow bool) (Turn, error) {
	l, err := b.mine(ctx, id, v)
	switch {
	case err != nil:
		return Turn{}, err
	case l.Stage != Consenting:
		return Turn{}, b.refused(ctx, l, v, providers.Refuse("state_invalid", "login %s asks for no consent", l.ID))
	case !allow:
		return b.abandon(ctx, l, v, &Error{Kind: providers.Forbidden, Reason: "consent_denied"}, true)
	case l.Identity != nil:
		l.Allowed = true
		return b.conclude(ctx, l, v, nil)
	case !b.inSession(l, b.Registry.App(l.App), v):
		return Turn{Login: l.ID, App: l.App}, nil // its page has them sign in
	}
	l.Allowed = true
	return b.reuse(ctx, l, v)
}

// consent is what a finished login has a store remember; nil: nothing.
func (b *Broker) consent(l *Login, user string) *Consent {
	if app := b.Registry.App(l.App); !l.Allowed || app == nil || !app.ThirdParty {
		return nil
	}
	return &Consent{User: user, App: l.App, Scopes: l.consents(), Created: b.Now()}
}

// allowedDetail says for the event what was allowed.
func (l *Login) allowedDetail() string {
	if !l.Allowed {
		return ""
	}
	return fmt.Sprintf("allowed %s", strings.Join(l.Scopes, " "))
}
