package broker

import (
	"slices"
	"time"
)

// App is an OpenID relying party.
type App struct {
	ID                     string
	Name                   string
	SecretHashes           [][]byte // SHA-256 of each secret that is good; none: a public client
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	InitiateLoginURI       string
	Providers              []string // ids; none: all
	PKCEOptional           bool
	Tokens                 Lifetimes
	Signing                string // the JWS alg of its tokens
}

// Lifetimes of what an app gets.
type Lifetimes struct {
	Access, ID time.Duration
	Refresh    time.Duration // since its last use
	RefreshCap time.Duration // since the sign-in
	Code       time.Duration
}

// Public tells whether the app has no secret.
func (a *App) Public() bool { return len(a.SecretHashes) == 0 }

// May tells whether the app's people may sign in at a provider.
func (a *App) May(provider string) bool {
	return len(a.Providers) == 0 || slices.Contains(a.Providers, provider)
}
