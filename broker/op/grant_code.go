package op

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
)

// CodeGrant is the authorization_code grant (RFC 6749 §4.1.3) with PKCE (RFC 7636 §4.6).
type CodeGrant struct {
	Store token.Store
	APIs  broker.APIs
	Now   func() time.Time
}

// Type implements Grant.
func (g *CodeGrant) Type() string { return "authorization_code" }

// errUnknownCode says that a code was never made here: an app has mixed something up, or somebody guesses.
var errUnknownCode = errors.New("unknown code")

// badCode is what every code gets that is not good, whatever is wrong with it.
func badCode(format string, args ...any) *Error {
	return oauth("invalid_grant", "the code is not valid").because(fmt.Errorf(format, args...))
}

// Authorize implements Grant. A code that was spent before revokes what it was spent for; one whose
// verifier is wrong is spent for nothing.
func (g *CodeGrant) Authorize(ctx context.Context, app *broker.App, form url.Values) (token.Authorization, error) {
	for _, name := range []string{"code", "redirect_uri", "code_verifier"} {
		if _, err := web.Single(form, name); err != nil {
			return token.Authorization{}, oauth("invalid_request", "%s must not be repeated", name)
		}
	}
	a, user, sessionAlive, err := g.Store.Artifact(ctx, broker.HashSecret(form.Get("code")))
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return token.Authorization{}, badCode("%w", errUnknownCode)
	case err != nil:
		return token.Authorization{}, err
	case a.App != app.ID:
		return token.Authorization{}, badCode("made for app %q", a.App)
	case a.Family != "":
		return token.Authorization{}, g.replayed(ctx, app, a)
	}
	c, ok := a.Made.(code)
	if !ok {
		if err := json.Unmarshal(a.Data, &c); err != nil {
			return token.Authorization{}, fmt.Errorf("code: %w", err)
		}
	}
	switch {
	case !g.Now().Before(a.Expires):
		return token.Authorization{}, badCode("expired")
	case !sessionAlive:
		return token.Authorization{}, badCode("its session has ended")
	case c.RedirectURI != form.Get("redirect_uri"):
		return token.Authorization{}, g.burn(ctx, app, a, "redirect_uri differs")
	case !proves(form.Get("code_verifier"), c.Challenge):
		return token.Authorization{}, g.burn(ctx, app, a, "wrong code_verifier")
	}
	return g.authorization(app, a, user, c), nil
}

// proves tells whether a verifier is the one that a challenge was made of. Without a challenge there must be
// no verifier either: its request was stripped of the challenge on the way (RFC 9700 §4.8.2).
func proves(verifier, challenge string) bool {
	if challenge == "" {
		return verifier == ""
	}
	sum := sha256.Sum256([]byte(verifier))
	made := base64.RawURLEncoding.EncodeToString(sum[:])
	return len(verifier) >= 43 && len(verifier) <= 128 && strings.Trim(verifier, base64url+".~") == "" && subtle.ConstantTimeCompare([]byte(made), []byte(challenge)) == 1
}

func (g *CodeGrant) authorization(app *broker.App, a broker.Artifact, user broker.User, c code) token.Authorization {
	now := g.Now()
	f := token.Start(broker.NewID(now), app, c.Scope, now, longest(g.APIs, app, c.Resources))
	f.User, f.Session, f.Provider = a.User, a.Session, a.Provider
	f.AuthTime, f.AMR, f.ACR = time.Unix(c.Auth.Time, 0), c.Auth.AMR, c.Auth.ACR
	return token.Authorization{
		App: app, User: user, Family: f, Nonce: c.Nonce, Resources: c.Resources, Bound: c.Key, Claims: c.Claims,
		Commit: func(ctx context.Context) error {
			err := g.Store.Redeem(ctx, a.Hash, f, g.event(app, a, broker.TokensIssued), g.event(app, a, broker.CodeReplayed))
			switch {
			case errors.Is(err, broker.ErrReplay):
				return badCode("spent by a request at the same time")
			case errors.Is(err, broker.ErrNotFound):
				return badCode("its user was disabled or signed out at the same time")
			}
			return err
		},
	}
}

// longest is the lifetime of the access token that lives longest of those that can come of a grant.
func longest(apis broker.APIs, app *broker.App, resources []string) time.Duration {
	d := app.Tokens.Access
	for _, id := range resources {
		if api := apis[id]; api != nil {
			d = max(d, api.Access)
		}
	}
	return d
}

// replayed revokes what a code was spent for: one of the two who have it should not.
func (g *CodeGrant) replayed(ctx context.Context, app *broker.App, a broker.Artifact) error {
	err := g.Store.Burn(ctx, a.Hash, g.event(app, a, broker.TokensRefused), g.event(app, a, broker.CodeReplayed))
	if err != nil && !errors.Is(err, broker.ErrReplay) {
		return err
	}
	return badCode("spent before; its tokens are revoked")
}

func (g *CodeGrant) burn(ctx context.Context, app *broker.App, a broker.Artifact, why string) error {
	e := g.event(app, a, broker.TokensRefused)
	e.Reason = "invalid_grant"
	if err := g.Store.Burn(ctx, a.Hash, e, g.event(app, a, broker.CodeReplayed)); err != nil && !errors.Is(err, broker.ErrReplay) {
		return err
	}
	return badCode("%s", why)
}

func (g *CodeGrant) event(app *broker.App, a broker.Artifact, kind string) broker.Event {
	return broker.Event{ID: rand.Text(), Time: g.Now(), Type: kind, User: a.User, App: app.ID, Provider: a.Provider, Session: a.Session}
}
