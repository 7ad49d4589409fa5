package op

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange" //nolint:gosec // a name of the standard

// maxActors is how many may have acted for a user, one for the other.
const maxActors = 4

// TokenExchangeGrant is the token exchange grant (RFC 8693). An app that is registered for it gives an access
// token of ours, or an ID token of an upstream, for an access token of its own that allows no more and lives no
// longer. An exchanged token ends with the sign-in that the first one came of. The steps of a login are not asked.
type TokenExchangeGrant struct {
	Provider *Provider
}

// Type implements Grant.
func (g *TokenExchangeGrant) Type() string { return tokenExchange }

// badSubject and badActor are invalid_request, as RFC 8693 §2.2.2 says.
func badSubject(format string, args ...any) *Error {
	return oauth("invalid_request", "the subject token is not valid, or not for this app to exchange").because(fmt.Errorf(format, args...))
}

func badActor(format string, args ...any) *Error {
	return oauth("invalid_request", "the actor token is not valid, or not this app's").because(fmt.Errorf(format, args...))
}

// Authorize implements Grant.
func (g *TokenExchangeGrant) Authorize(ctx context.Context, app *broker.App, form url.Values) (token.Authorization, error) {
	x, err := readExchange(form)
	if err != nil {
		return token.Authorization{}, err
	}
	var a token.Authorization
	if x.subjectType == typeID {
		a, err = g.upstream(ctx, app, x)
	} else {
		a, err = g.access(ctx, app, x, form)
	}
	if err != nil {
		return token.Authorization{}, err
	}
	if err := g.act(ctx, app, x, &a); err != nil {
		return token.Authorization{}, err
	}
	a.App, a.AccessOnly, a.IssuedType = app, true, typeAccess
	return a, nil
}

// access exchanges an access token of ours that introspection would call active.
func (g *TokenExchangeGrant) access(ctx context.Context, app *broker.App, x exchange, form url.Values) (token.Authorization, error) {
	p := g.Provider
	in, err := p.live(ctx, x.subject)
	if errors.Is(err, token.ErrInvalid) {
		return token.Authorization{}, badSubject("%w", err)
	} else if err != nil {
		return token.Authorization{}, err
	}
	a := token.Authorization{User: in.User, Until: in.Expires, Actor: in.Actor}
	switch own := in.App == app.ID; {
	case in.Family.ID == "":
		return a, badSubject("it is of nobody who has signed in")
	case !own && (app.Public() || !slices.Contains(app.Exchange.Apps, in.App)):
		return a, badSubject("app %q may not exchange what app %q has got", app.ID, in.App)
	case own:
		// Else a stolen token would be worth something without its key.
		if err := sameSender(ctx, in, &a); err != nil {
			return a, err
		}
	}
	scope, err := narrowed(in.Scope, form)
	if err != nil {
		return a, err
	}
	if scope == nil {
		scope = in.Scope
	}
	to := in.Audience
	if len(x.targets) == 1 {
		to = x.targets[0]
	}
	if to == p.Issuer.URL && in.Audience != to {
		return a, badTarget("a token for %.200q is none for Signet itself", in.Audience)
	}
	a.Resources = []string{to}
	f := in.Family
	f.Parent, f.ID = cmp.Or(f.Parent, f.ID), broker.NewID(p.Now())
	a.Family = p.brief(f, app, scope, in.Expires)
	a.Commit = func(ctx context.Context) error {
		err := p.Store.Begin(ctx, a.Family, p.issued(ctx, a.Family, "exchanged a token of "+in.App))
		if errors.Is(err, broker.ErrNotFound) {
			return badSubject("its family ended at the same time")
		}
		return err
	}
	return a, nil
}

// upstream exchanges an ID token that one of the app's providers has issued to Signet's own client there.
func (g *TokenExchangeGrant) upstream(ctx context.Context, app *broker.App, x exchange) (token.Authorization, error) {
	p := g.Provider
	id := x.provider
	if id == "" && len(app.Exchange.Providers) == 1 {
		id = app.Exchange.Providers[0]
	}
	provider := p.Registry.Provider(id)
	if provider == nil || !slices.Contains(app.Exchange.Providers, id) {
		return token.Authorization{}, badSubject("app %q may not exchange ID tokens of provider %.80q", app.ID, id)
	}
	opened, err := provider.Open(ctx)
	if err != nil {
		return token.Authorization{}, err
	}
	verifier, ok := opened.Upstream.(providers.TokenVerifier)
	if !ok {
		return token.Authorization{}, badSubject("provider %q has no ID tokens", id)
	}
	v := vouching{provider: id, create: app.Exchange.Create, scope: x.scope, targets: x.targets, how: "exchanged an ID token", bad: badSubject}
	if v.identity, v.ends, err = verifier.VerifyToken(ctx, x.subject); err != nil {
		return token.Authorization{}, v.refuse(err)
	}
	if !v.ends.After(p.Now()) { // the provider allows for clocks that differ
		return token.Authorization{}, badSubject("it ended at %v", v.ends)
	}
	return p.admit(ctx, app, v)
}

// act adds the actor (RFC 8693 §4.1) to those that the subject token names already, whom nobody can leave out. It
// is a token that the app itself has got, so that nobody is named who knows nothing of it.
func (g *TokenExchangeGrant) act(ctx context.Context, app *broker.App, x exchange, a *token.Authorization) error {
	if x.actor != "" {
		in, err := g.Provider.live(ctx, x.actor)
		switch {
		case errors.Is(err, token.ErrInvalid):
			return badActor("%w", err)
		case err != nil:
			return err
		case in.App != app.ID:
			return badActor("issued to app %q", in.App)
		case in.Actor != nil:
			return badActor("somebody acts for the actor")
		}
		if err := sameSender(ctx, in, a); err != nil {
			return err
		}
		a.Actor = &token.Actor{Subject: in.Subject, Before: a.Actor}
	}
	if n := a.Actor.Depth(); n > maxActors {
		return badActor("%d actors", n)
	}
	return nil
}

// sameSender demands of a token that is bound (RFC 9449 §6, RFC 8705 §3) what it is bound to.
func sameSender(ctx context.Context, in token.Inspection, a *token.Authorization) error {
	shown := base64.RawURLEncoding.EncodeToString(web.RequestInfo(ctx).Certificate)
	switch {
	case in.Certificate != "" && in.Certificate != shown:
		return badSubject("bound to certificate %q, shown %q", in.Certificate, shown)
	case in.Key != "" && a.Bound != "" && in.Key != a.Bound:
		return badActor("bound to another key than the subject token")
	}
	a.Bound = cmp.Or(in.Key, a.Bound)
	return nil
}

// live reads an access token of ours for whomever it is. Errors wrap token.ErrInvalid, but for a database that
// cannot be asked.
func (p *Provider) live(ctx context.Context, raw string) (token.Inspection, error) {
	in, err := p.Issuer.Inspect(ctx, raw, "")
	if err != nil {
		return in, err
	}
	if err := p.stillGranted(in); err != nil {
		return in, fmt.Errorf("%w: %w", token.ErrInvalid, err)
	}
	return in, nil
}
