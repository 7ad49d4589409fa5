package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
)

// Inspection is what a good token stands for.
type Inspection struct {
	Claims   map[string]any // as RFC 7662 §2.2 names them, without active
	App      string         // whom it was issued to
	Audience string         // an API's identifier or the issuer; "" for a refresh token
	Subject  string
	Scope    []string
	Family   Family      // without an ID for an app's own token, or a service's
	User     broker.User // of Family
	Actor    *Actor
	Expires  time.Time
	// Key and Certificate are those that the token is bound to.
	Key, Certificate string
}

// Inspect reads a token for somebody who asks about it (RFC 7662). An access token may be for anybody; a
// refresh token is looked at only when app, who asks, is the one it was made for. Errors wrap ErrInvalid,
// but for a database that cannot be asked. There is one read at most.
func (i *Issuer) Inspect(ctx context.Context, token, app string) (Inspection, error) {
	var raw json.RawMessage
	if err := i.Keys.Verify(ctx, token, keys.TypeAccess, &raw); err != nil {
		if app == "" {
			return Inspection{}, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		return i.inspectRefresh(ctx, token, app)
	}
	var c accessToken
	var claims map[string]any
	if err := errors.Join(json.Unmarshal(raw, &c), json.Unmarshal(raw, &claims)); err != nil {
		return Inspection{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	claims["token_type"] = "Bearer"
	if c.Confirmation.Key != "" {
		claims["token_type"] = "DPoP"
	}
	out := Inspection{
		Claims: claims, App: c.Client, Audience: c.Audience, Subject: c.Subject, Scope: strings.Fields(c.Scope), Actor: c.Actor, Expires: time.Unix(c.Expires, 0),
		Key: c.Confirmation.Key, Certificate: c.Confirmation.Certificate,
	}
	if c.Issuer != i.URL || i.Now().Unix() >= c.Expires {
		return Inspection{}, fmt.Errorf("%w: expired, or of another issuer", ErrInvalid)
	}
	if _, ok := c.family(); !ok {
		return out, nil
	}
	a, err := i.alive(ctx, &c)
	out.Family, out.User = a.Family, a.User
	return out, err
}

func (i *Issuer) inspectRefresh(ctx context.Context, token, app string) (Inspection, error) {
	r, err := i.OpenRefresh(ctx, token, app)
	if err != nil {
		return Inspection{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	f, u, err := i.Store.Family(ctx, r.Family)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return Inspection{}, fmt.Errorf("%w: its family is gone", ErrInvalid)
	case err != nil:
		return Inspection{}, err
	case f.Revoked || u.Disabled || f.App != app || !f.Offline || !f.takes(r.Generation, i.Now()):
		return Inspection{}, fmt.Errorf("%w: revoked, or exchanged before", ErrInvalid)
	}
	to := i.Apps.App(app)
	if to == nil {
		return Inspection{}, fmt.Errorf("%w: app %q is gone", ErrInvalid, app)
	}
	sub, sid, err := i.names(to, u.ID, f.Session)
	if err != nil {
		return Inspection{}, err
	}
	c := map[string]any{"iss": i.URL, "sub": sub, "client_id": app, "scope": strings.Join(f.Scope, " "), "exp": r.Expires.Unix()}
	known := f
	known.Session = sid
	authentication(c, known)
	if r.Key != "" {
		c["cnf"] = map[string]string{"jkt": r.Key}
	}
	return Inspection{Claims: c, App: app, Subject: sub, Family: f, User: u}, nil
}

// takes tells whether a refresh token of a generation could be exchanged now.
func (f Family) takes(generation int64, now time.Time) bool {
	return generation == f.Generation || generation == f.Generation-1 && now.Sub(f.Rotated) <= Grace
}
