package token

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
)

// logoutLifetime is how long a logout token is good: it is used at once or not at all.
const logoutLifetime = 2 * time.Minute

// Logout returns the logout token that tells an app of a session's end (OpenID Connect Back-Channel Logout
// 1.0 §2.4).
func (i *Issuer) Logout(ctx context.Context, a *broker.App, user, session string) (string, error) {
	now := i.Now()
	sub, sid, err := i.names(a, user, session)
	if err != nil {
		return "", err
	}
	return i.Keys.Sign(ctx, a.Signing, keys.TypeLogout, map[string]any{
		"iss": i.URL, "sub": sub, "aud": a.ID, "sid": sid, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(logoutLifetime).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": struct{}{}},
	})
}
