package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
)

// ErrInvalid is why a token is refused; what wraps it says more, for the log.
var ErrInvalid = errors.New("invalid token")

// Access is a verified access token with what belongs to it.
type Access struct {
	Family  Family
	User    broker.User
	Subject string // who the user is to the app
	Scope   []string
	Claims  []string // about the user, that were asked for one by one
	Key     string   // the thumbprint of the key that its bearer must prove (RFC 9449 §6); "" for anybody's
	// Certificate is the thumbprint of the one that its bearer must show (RFC 8705 §3); "" for anybody's.
	Certificate string
}

// accessToken is what is read of an access token (RFC 9068 §2.2).
type accessToken struct {
	Issuer       string       `json:"iss"`
	Subject      string       `json:"sub"`
	Audience     string       `json:"aud"`
	Client       string       `json:"client_id"`
	Scope        string       `json:"scope"`
	Expires      int64        `json:"exp"`
	ID           string       `json:"jti"`
	Confirmation confirmation `json:"cnf"`
	Actor        *Actor       `json:"act"`
	Claims       []string     `json:"claims"`
}

// confirmation is what a token is bound to (RFC 7800 §3).
type confirmation struct {
	Key         string `json:"jkt,omitempty"`
	Certificate string `json:"x5t#S256,omitempty"`
}

// family returns the ID of the token's family; ok is false for an app's own token, which has none.
func (t *accessToken) family() (id string, ok bool) {
	id, _, ok = strings.Cut(t.ID, ".")
	return id, ok
}

// VerifyAccess checks an access token that is presented to Signet itself: signed here, of the right type, for this
// issuer, in time, and its family and user still good. A session that is ended takes its family with it, unless the app
// has offline access. Errors wrap ErrInvalid, but for a database that cannot be asked.
func (i *Issuer) VerifyAccess(ctx context.Context, token string) (Access, error) {
	var c accessToken
	if err := i.Keys.Verify(ctx, token, keys.TypeAccess, &c); err != nil {
		return Access{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if c.Issuer != i.URL || c.Audience != i.URL {
		return Access{}, fmt.Errorf("%w: not for this issuer", ErrInvalid)
	}
	return i.alive(ctx, &c)
}

// alive checks that what an access token was made for is still good.
func (i *Issuer) alive(ctx context.Context, c *accessToken) (Access, error) {
	family, ok := c.family()
	switch {
	case !ok:
		return Access{}, fmt.Errorf("%w: of nobody", ErrInvalid)
	case i.Now().Unix() >= c.Expires:
		return Access{}, fmt.Errorf("%w: expired", ErrInvalid)
	}
	f, u, err := i.Store.Family(ctx, family)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return Access{}, fmt.Errorf("%w: its family is gone", ErrInvalid)
	case err != nil:
		return Access{}, err
	case f.Revoked || u.Disabled || f.App != c.Client:
		return Access{}, fmt.Errorf("%w: revoked", ErrInvalid)
	}
	app := i.Apps.App(c.Client)
	if app == nil {
		return Access{}, fmt.Errorf("%w: app %q is gone", ErrInvalid, c.Client)
	}
	if sub, err := i.Subject(app, u.ID); err != nil {
		return Access{}, err
	} else if sub != c.Subject {
		return Access{}, fmt.Errorf("%w: of somebody else", ErrInvalid)
	}
	return Access{Family: f, User: u, Subject: c.Subject, Scope: strings.Fields(c.Scope), Claims: c.Claims, Key: c.Confirmation.Key, Certificate: c.Confirmation.Certificate}, nil
}

// FamilyOf returns the family of an access or refresh token of an app, for revocation; ok is false when the
// token is not one of this app's. Its times do not matter.
func (i *Issuer) FamilyOf(ctx context.Context, token, app string) (family string, ok bool) {
	if r, err := i.OpenRefresh(ctx, token, app); err == nil || errors.Is(err, errExpired) {
		return r.Family, true
	}
	var c accessToken
	if err := i.Keys.Verify(ctx, token, keys.TypeAccess, &c); err != nil || c.Issuer != i.URL || c.Client != app {
		return "", false
	}
	return c.family()
}

// Hint is what an ID token says that an app sends back as a hint.
type Hint struct {
	Subject string
	App     string
	Session string
}

// ReadHint reads an id_token_hint: an ID token signed here. It may have expired (OpenID Connect RP-Initiated
// Logout §2); it proves nothing about who sends it.
func (i *Issuer) ReadHint(ctx context.Context, token string) (Hint, error) {
	var c struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		Session  string `json:"sid"`
	}
	if err := i.Keys.Verify(ctx, token, keys.TypeID, &c); err != nil {
		return Hint{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if c.Issuer != i.URL || c.Subject == "" {
		return Hint{}, fmt.Errorf("%w: not from this issuer", ErrInvalid)
	}
	return Hint{Subject: c.Subject, App: c.Audience, Session: c.Session}, nil
}

// Granted returns the scopes of a request that mean something here, each once, in the order asked for.
func Granted(requested []string) []string {
	var scope []string
	for _, s := range requested {
		if slices.Contains(Scopes, s) && !slices.Contains(scope, s) {
			scope = append(scope, s)
		}
	}
	return scope
}

// Start returns the family that a sign-in begins. access is how long its access tokens live at most.
func Start(id string, app *broker.App, scope []string, now time.Time, access time.Duration) Family {
	f := Family{ID: id, App: app.ID, Scope: scope, Generation: 1, Rotated: now, Created: now}
	f.Offline = slices.Contains(scope, "offline_access")
	if f.Offline {
		f.Ends = now.Add(app.Tokens.RefreshCap)
		f.Expires = earlier(now.Add(app.Tokens.Refresh), f.Ends)
	} else {
		f.Ends = now.Add(access)
		f.Expires = f.Ends
	}
	return f
}

// Next returns the family after a refresh.
func (f Family) Next(app *broker.App, now time.Time) Family {
	f.Generation++
	f.Rotated = now
	f.Expires = earlier(now.Add(app.Tokens.Refresh), f.Ends)
	return f
}

// Kept returns the family after a refresh that leaves its refresh token as it is: one that is used goes on. It does so
// by a twentieth of its life at least, so that not each use has to be written down.
func (f Family) Kept(app *broker.App, now time.Time) Family {
	if expires := earlier(now.Add(app.Tokens.Refresh), f.Ends); expires.Sub(f.Expires) > app.Tokens.Refresh/20 || expires.Equal(f.Ends) {
		f.Expires = expires
	}
	return f
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
