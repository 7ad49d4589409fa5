package broker

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// App is an OpenID relying party.
type App struct {
	ID                     string
	Name                   string
	Names                  map[string]string // in other languages, by tag in lower case
	SecretHashes           [][]byte          // SHA-256 of each secret that is good; none: a public client
	RedirectURIs           []string
	RequestURIs            []string // where its signed requests may stand (OpenID Connect Core §6.2); none: nothing is fetched
	PostLogoutRedirectURIs []string
	InitiateLoginURI       string
	BackchannelLogoutURI   string   // is told of ended sessions by us; "": it does not want to be
	FrontchannelLogoutURI  string   // is told by the browser that signs out
	Providers              []string // ids; none: all
	PKCEOptional           bool
	Credentials            Credentials
	Tokens                 Lifetimes
	Signing                string // the JWS alg of its tokens
	Exchange               Exchange
	Grants                 []string // the grant types it may use; none: authorization_code and refresh_token
	DPoPRequired           bool     // its tokens are always bound to a key of its own (RFC 9449), and RS256 makes no proof
	CertificateBound       bool     // its tokens are bound to the certificate that it shows (RFC 8705 §3)
	Sector                 string   // the host whose apps alone know people by the same sub (OpenID Connect Core §8.1); "": it is the same everywhere
	ThirdParty             bool     // somebody else's: people are asked what it may have
	DPoPNonce              bool     // its proofs must carry a nonce of ours (RFC 9449 §8)
	Registered             bool     // a program has registered it: Scopes and Links say all that it may ask for and show
	Scopes                 []string // with Registered: what people may be asked for
	Links                  Links
	UserinfoSigning        string         // the JWS alg of UserInfo; "": it is JSON
	DefaultMaxAge          *time.Duration // of the authentication, where a request says nothing
	DefaultACR             []string       // what its requests ask for that ask for nothing
}

// Links are pages of an app's about itself. Nobody has looked at them; none is ever fetched from here.
type Links struct{ Site, Logo, Policy, Terms string }

// Called is the app's name in a language.
func (a *App) Called(lang string) string { return cmp.Or(a.Names[strings.ToLower(lang)], a.Name) }

// MayAsk tells whether people may be asked for a scope.
func (a *App) MayAsk(scope string) bool { return !a.Registered || slices.Contains(a.Scopes, scope) }

// Lifetimes of what an app gets.
type Lifetimes struct {
	Access, ID time.Duration
	Refresh    time.Duration // since its last use
	RefreshCap time.Duration // since the sign-in
	Code       time.Duration
}

// Public tells whether the app proves nothing about itself.
func (a *App) Public() bool {
	return a.Credentials.Method == AuthNone || a.Credentials.Method == "" && len(a.SecretHashes) == 0
}

// Constrained tells whether nobody else has any use for the app's tokens: it authenticates, and each access token
// needs a proof of its key or its certificate.
func (a *App) Constrained() bool {
	bound := a.DPoPRequired || a.CertificateBound || a.Credentials.Method == AuthTLS || a.Credentials.Method == AuthSelfSigned
	return bound && !a.Public()
}

// Uses tells whether the app may use a grant type.
func (a *App) Uses(grant string) bool {
	if len(a.Grants) == 0 {
		return grant == "authorization_code" || grant == "refresh_token"
	}
	return slices.Contains(a.Grants, grant)
}

// May tells whether the app's people may sign in at a provider.
func (a *App) May(provider string) bool {
	return len(a.Providers) == 0 || slices.Contains(a.Providers, provider)
}
