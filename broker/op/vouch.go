package op

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

// admit finds the user of an identity that came without a login of theirs, with what they may have: an
// authorization that lacks its App. It lives until ends, or as long as what it is for.
func (p *Provider) admit(ctx context.Context, app *broker.App, v vouching) (token.Authorization, error) {
	user, err := p.Broker.Vouch(ctx, app, v.provider, v.identity, v.create)
	if err != nil {
		return token.Authorization{}, v.refuse(err)
	}
	own, err := p.resources(app, v.scope, v.targets)
	if err != nil {
		return token.Authorization{}, err
	}
	a := token.Authorization{User: user.User, Resources: own.ids, Until: v.ends}
	if v.ends.IsZero() {
		v.ends = p.Now().Add(longest(p.APIs, app, own.ids))
	}
	f := token.Family{ID: broker.NewID(p.Now()), User: a.User.ID, Provider: v.provider, AuthTime: v.identity.AuthTime, AMR: v.identity.AMR, ACR: v.identity.ACR}
	a.Family = p.brief(f, app, append(token.Granted(v.scope), own.scope...), v.ends)
	a.Commit = func(ctx context.Context) error {
		e := p.issued(ctx, a.Family, v.how)
		if user.IsNew() {
			if err := p.Broker.Admit(ctx, user, p.issued(ctx, a.Family, v.how)); errors.Is(err, broker.ErrConflict) {
				return errRaced
			} else if err != nil {
				return err
			}
		}
		err := p.Store.Begin(ctx, a.Family, e)
		if errors.Is(err, broker.ErrNotFound) {
			return v.bad("the user was disabled at the same time")
		}
		return err
	}
	return a, nil
}

// vouching is an identity that came without a login, and what is asked for it.
type vouching struct {
	provider       string
	identity       providers.Identity
	create         bool // somebody unknown becomes a user
	scope, targets []string
	ends           time.Time // zero: by the lifetimes
	how            string    // for the event
	bad            func(format string, args ...any) *Error
}

// refuse tells what is wrong with what came from what keeps us from knowing.
func (v *vouching) refuse(err error) error {
	switch e := providers.AsError(err); e.Kind {
	case providers.Invalid, providers.Forbidden, providers.Conflict:
		return v.bad("%w", err)
	case providers.Upstream:
		return &Error{Code: "temporarily_unavailable", Status: http.StatusServiceUnavailable, RetryAfter: time.Second, Err: err}
	}
	return err
}

// brief makes a family of an app that ends soon and has no refresh token.
func (p *Provider) brief(f token.Family, app *broker.App, scope []string, ends time.Time) token.Family {
	now := p.Now()
	f.App, f.Offline, f.Generation, f.Rotated, f.Created, f.Expires, f.Ends = app.ID, false, 1, now, now, ends, ends
	f.Scope = slices.DeleteFunc(slices.Clone(scope), func(s string) bool { return s == "offline_access" })
	return f
}

// issued is the event of tokens that no login led to.
func (p *Provider) issued(ctx context.Context, f token.Family, how string) broker.Event {
	info := web.RequestInfo(ctx)
	return broker.Event{
		ID: rand.Text(), Time: p.Now(), Type: broker.TokensIssued, User: f.User, App: f.App, Provider: f.Provider, Session: f.Session,
		Addr: info.Addr.String(), RequestID: info.RequestID, Detail: how,
	}
}

// readScope reads the scope parameter.
func readScope(form url.Values) ([]string, error) {
	raw, err := web.Single(form, "scope")
	if err != nil {
		return nil, oauth("invalid_request", "scope must not be repeated")
	}
	return strings.Fields(clip(raw, maxScope)), nil
}
