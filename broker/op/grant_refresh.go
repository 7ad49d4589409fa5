package op

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
)

// RefreshGrant is the refresh_token grant (RFC 6749 §6), with rotation and reuse detection (RFC 9700 §4.14.2). An app
// that authenticates, and whose access tokens are of no use to others, keeps its refresh token: a new one at each use
// protects it from nobody, and costs it the sign-in when an answer is lost (FAPI 2.0 Security Profile §5.3.2.1).
type RefreshGrant struct {
	Issuer *token.Issuer
	Store  token.Store
	Now    func() time.Time
}

// Type implements Grant.
func (g *RefreshGrant) Type() string { return "refresh_token" }

func badRefresh(format string, args ...any) *Error {
	return oauth("invalid_grant", "the refresh token is not valid").because(fmt.Errorf(format, args...))
}

// Authorize implements Grant.
func (g *RefreshGrant) Authorize(ctx context.Context, app *broker.App, form url.Values) (token.Authorization, error) {
	raw, err := web.Single(form, "refresh_token")
	if err != nil {
		return token.Authorization{}, oauth("invalid_request", "refresh_token must not be repeated")
	}
	r, err := g.Issuer.OpenRefresh(ctx, raw, app.ID)
	if err != nil {
		return token.Authorization{}, badRefresh("%w", err)
	}
	f, user, err := g.Store.Family(ctx, r.Family)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return token.Authorization{}, badRefresh("its family is gone")
	case err != nil:
		return token.Authorization{}, err
	case f.Revoked || f.App != app.ID || !f.Offline:
		return token.Authorization{}, badRefresh("its family is revoked")
	}
	scope, err := narrowed(f.Scope, form)
	if err != nil {
		return token.Authorization{}, err
	}
	a, err := g.rotate(ctx, app, f, r.Generation)
	a.App, a.User, a.Resources, a.Bound, a.Claims = app, user, r.Resources, r.Key, r.Claims
	if scope != nil {
		// The family keeps its scope: what is left out now can be asked for again.
		a.Family.Scope = scope
	}
	return a, err
}

// narrowed reads the scope parameter: nil when it is absent or empty. It may leave scopes out, never add one.
func narrowed(granted []string, form url.Values) ([]string, error) {
	raw, err := web.Single(form, "scope")
	if err != nil {
		return nil, oauth("invalid_request", "scope must not be repeated")
	}
	scope := strings.Fields(raw)
	if len(scope) == 0 {
		return nil, nil
	}
	if slices.ContainsFunc(scope, func(s string) bool { return !slices.Contains(granted, s) }) {
		return nil, oauth("invalid_scope", "scope may not be wider than what was granted")
	}
	return scope, nil
}

// rotate decides what a presented generation means: the current one makes the next, or stays; the one before it gets
// the same next again for a short time, because its answer may have been lost; anything older is theft by
// one of the two who have it, and ends the family.
func (g *RefreshGrant) rotate(ctx context.Context, app *broker.App, f token.Family, generation int64) (token.Authorization, error) {
	now := g.Now()
	switch {
	case generation == f.Generation && app.Constrained():
		kept := f.Kept(app, now)
		return token.Authorization{Family: kept, Commit: func(ctx context.Context) error {
			return g.extend(ctx, f, kept)
		}}, nil
	case generation == f.Generation:
		next := f.Next(app, now)
		return token.Authorization{Family: next, Commit: func(ctx context.Context) error {
			return raced(g.Store.Rotate(ctx, f.ID, f.Generation, next.Rotated, next.Expires))
		}}, nil
	case generation == f.Generation-1 && now.Sub(f.Rotated) <= token.Grace:
		return token.Authorization{Family: f, Commit: func(ctx context.Context) error { return g.still(ctx, f.ID) }}, nil
	}
	e := broker.Event{ID: rand.Text(), Time: now, Type: broker.RefreshReplayed, User: f.User, App: f.App, Provider: f.Provider, Session: f.Session}
	if err := g.Store.Revoke(ctx, f.ID, e); err != nil {
		return token.Authorization{}, err
	}
	return token.Authorization{}, badRefresh("generation %d was exchanged before (now %d); its family is revoked", generation, f.Generation)
}

// errRaced says that another request has exchanged the same refresh token a moment ago.
var errRaced = errors.New("exchanged at the same time")

func (g *RefreshGrant) extend(ctx context.Context, f, kept token.Family) error {
	if kept.Expires.Equal(f.Expires) {
		return g.still(ctx, f.ID)
	}
	return raced(g.Store.Extend(ctx, f.ID, f.Generation, kept.Expires))
}

// still refuses a family that has ended since it was read, where nothing is written that would tell: to sign may have
// taken seconds.
func (g *RefreshGrant) still(ctx context.Context, id string) error {
	f, _, err := g.Store.Family(ctx, id)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return badRefresh("its family is gone")
	case err == nil && f.Revoked:
		return badRefresh("its family is revoked")
	}
	return err
}

func raced(err error) error {
	if errors.Is(err, broker.ErrConflict) {
		return errRaced
	}
	return err
}
