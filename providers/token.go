package providers

import (
	"context"
	"time"
)

// TokenVerifier is a provider that knows an ID token of its upstream that an app has got there by itself, with
// Signet's own client_id. Looked for when the provider is opened.
type TokenVerifier interface {
	// VerifyToken returns whom an ID token is about and when it ends, once it is as certain as at a login that
	// the upstream made it for Signet's client_id (OpenID Connect Core §3.1.3.7), but for the nonce, which
	// only the app knows: one of a login at Signet is refused. AuthTime is zero where the token does not say it.
	// Errors are as with Continue.
	VerifyToken(ctx context.Context, raw string) (id Identity, expires time.Time, err error)
}
