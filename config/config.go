// Package config reads Signet's one configuration file.
//
// Load reports everything that is wrong at once, each fault with its line and key, and never shows the value
// of a secret. ${env:NAME} may stand in any text; every secret may be given as <key>_file instead, a file
// that holds it. Every path in the file (keys that end in _file, and an SQLite database) is relative to the
// folder that the configuration file is in.
//
// Read in this order: config.go (what can be set), load.go (file to tree), tree.go (aliases, environment),
// decode.go (tree to structs), check.go (what the structs may say), provider.go (what belongs to a kind).
package config

import (
	"net/netip"
	"time"

	"github.com/signet-broker/signet/internal/secret"
)

// Config is the configuration file. A field's zero value is never meant where a default is named.
type Config struct {
	Issuer         string         `yaml:"issuer" doc:"Signet's own address, exactly as tokens say it in iss: https, without a slash at the end; http on loopback only"`
	Listen         string         `yaml:"listen" doc:"host:port that people and apps reach"`
	TLS            TLS            `yaml:"tls" doc:"the certificate to serve; absent: plain HTTP, for a proxy in front"`
	AdminListen    string         `yaml:"admin_listen" doc:"host:port of /healthz, /readyz and /metrics; empty: none"`
	Database       secret.String  `yaml:"database" doc:"sqlite:FILE or postgres://user:password@host/name"`
	MasterKeyFile  string         `yaml:"master_key_file" doc:"file with the key that seals secrets in the database: 32 random bytes in base64. Made when missing with SQLite, required with PostgreSQL"`
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies" doc:"addresses or networks of the proxies whose X-Forwarded headers are believed"`
	ClientTLS
	Keys      Keys       `yaml:"keys" doc:"where the private keys are that sign tokens; absent: sealed in the database"`
	Sessions  Sessions   `yaml:"sessions" doc:"how long a browser stays signed in"`
	Egress    Egress     `yaml:"egress" doc:"where Signet itself may connect to"`
	Apps      []App      `yaml:"apps" doc:"the OpenID relying parties that sign people in here"`
	APIs      []API      `yaml:"apis" doc:"the programs that take access tokens made here"`
	Providers []Provider `yaml:"providers" doc:"where people sign in"`

	Registration   Registration    `yaml:"registration" doc:"whether programs may register apps of their own (RFC 7591); absent: no"`
	TrustedIssuers []TrustedIssuer `yaml:"trusted_issuers" doc:"whose assertions apps may bring for an access token (RFC 7523)"`

	// Warnings are what may be meant and is probably not.
	Warnings Faults `yaml:"-"`

	doc *document
}

// FaultAt is a fault that was found when something was tried, e.g. at keys.kms.RS256.0.
func (c *Config) FaultAt(key, problem string) Fault { return c.doc.at(key, problem) }

// TLS names the files of a certificate, both or none.
type TLS struct {
	CertFile string `yaml:"cert_file" doc:"certificate chain as PEM"`
	KeyFile  string `yaml:"key_file" doc:"its private key as PEM"`
}

// Egress is about providers that are registered in the database: those of this file reach every address.
type Egress struct {
	Allow []netip.Prefix `yaml:"allow" doc:"private networks, or loopback, that registered providers and the keys and requests of apps may be at; absent: public addresses only"`
}

// Sessions are the lifetimes of a browser's sign-in.
type Sessions struct {
	Idle     time.Duration `yaml:"idle" doc:"without being used"`
	Absolute time.Duration `yaml:"absolute" doc:"since the sign-in"`
}

// App is an OpenID relying party. One without a secret is public.
type App struct {
	ID                     string        `yaml:"id" doc:"the client_id: 1 to 64 of A-Z a-z 0-9 . _ ~ -"`
	Name                   string        `yaml:"name" doc:"what people read; the id when absent"`
	Secret                 secret.String `yaml:"secret" doc:"the client_secret; absent: a public client"`
	RedirectURIs           []string      `yaml:"redirect_uris" doc:"where a login may end; compared exactly. https, http on loopback, or a public client's own scheme with a dot"`
	RequestURIs            []string      `yaml:"request_uris" doc:"where signed requests of the app may stand (request_uri of OpenID Connect Core §6.2): compared exactly but for a fragment that is the SHA-256 of what stands there. https, or http on loopback; public addresses, or those of egress.allow. Needs jwks or jwks_uri"`
	PostLogoutRedirectURIs []string      `yaml:"post_logout_redirect_uris" doc:"where a logout may end; compared exactly"`
	InitiateLoginURI       string        `yaml:"initiate_login_uri" doc:"the app's address that starts a login"`
	BackchannelLogoutURI   string        `yaml:"backchannel_logout_uri" doc:"where Signet tells the app of ended sessions (OpenID Connect Back-Channel Logout); https, or http on loopback"`
	BackchannelSession     bool          `yaml:"backchannel_logout_session_required" doc:"the app wants sid in logout tokens; it is always there"`
	FrontchannelLogoutURI  string        `yaml:"frontchannel_logout_uri" doc:"the app's page that ends its session when the signed-out page loads it (OpenID Connect Front-Channel Logout); on the origin of one of redirect_uris"`
	FrontchannelSession    bool          `yaml:"frontchannel_logout_session_required" doc:"the app wants iss and sid there; they are always given"`
	Providers              []string      `yaml:"providers" doc:"ids of the providers its people may use; absent: all"`
	FirstParty             bool          `yaml:"first_party" doc:"the app is yours; if not, people are asked what it may have"`
	AppAuth
	AppSubject
	PKCE             string   `yaml:"pkce" doc:"required or optional; a public client's is always required"`
	Tokens           Tokens   `yaml:"tokens" doc:"what the app's tokens are like"`
	Grants           []string `yaml:"grants" doc:"the grant types it may use: authorization_code, refresh_token, client_credentials, urn:ietf:params:oauth:grant-type:device_code, urn:ietf:params:oauth:grant-type:token-exchange, urn:ietf:params:oauth:grant-type:jwt-bearer; absent: the first two"`
	TokenExchange    Exchange `yaml:"token_exchange" doc:"what it may exchange for access tokens of its own (RFC 8693), beside its own access tokens"`
	DPoP             string   `yaml:"dpop" doc:"required: its tokens are always bound to a key that it proves (RFC 9449), by something better than RS256; optional: when it proves one"`
	CertificateBound bool     `yaml:"certificate_bound" doc:"its access tokens are bound to the certificate that it shows (RFC 8705 §3), however it authenticates; by one of the tls_client_auth methods they always are, unless dpop is required"`
	DPoPNonce        bool     `yaml:"dpop_nonce" doc:"its proofs must carry a nonce of Signet's"`
}

// Tokens are an app's lifetimes and algorithm.
type Tokens struct {
	Access     time.Duration `yaml:"access" doc:"lifetime of an access token: 5m to 24h"`
	ID         time.Duration `yaml:"id" doc:"lifetime of an ID token: 5m to 24h"`
	Refresh    time.Duration `yaml:"refresh" doc:"lifetime of a refresh token since its last use: 1h to 87600h"`
	RefreshCap time.Duration `yaml:"refresh_cap" doc:"lifetime of refresh tokens since the sign-in; 2160h, or refresh where that is longer"`
	Signing    string        `yaml:"signing" doc:"RS256, ES256, EdDSA or PS256"`
	Userinfo   string        `yaml:"userinfo" doc:"the same, to have UserInfo signed as a JWT; absent: it is plain JSON"`
}

// CodeLifetime is how long an authorization code is good (RFC 6749 §4.1.2 recommends far below ten minutes).
const CodeLifetime = time.Minute

//go:generate go run ./schemagen schema.json

const day = 24 * time.Hour

// The lifetimes that an app may choose.
const (
	minToken, maxToken     = 5 * time.Minute, day
	minRefresh, maxRefresh = time.Hour, 3650 * day
	defaultRefreshCap      = 90 * day
	minSession, maxSession = time.Minute, 3650 * day
	minSecret              = 32 // characters, below which a client secret is warned about
	maxID                  = 64
	sqliteScheme           = "sqlite:"
)

// Default is what a file means that says nothing; paths in it are relative to that file.
func Default() *Config {
	return &Config{
		Listen:        "127.0.0.1:5556",
		AdminListen:   "127.0.0.1:5557",
		Database:      "sqlite:signet.db",
		MasterKeyFile: "signet.key",
		Sessions:      Sessions{Idle: 12 * time.Hour, Absolute: 7 * day},
		Registration:  DefaultRegistration(),
	}
}

// DefaultApp is what an app means that says nothing.
func DefaultApp() App {
	return App{
		FirstParty: true,
		AppSubject: AppSubject{SubjectType: SubjectPublic},

		PKCE:   PKCERequired,
		DPoP:   DPoPOptional,
		Tokens: Tokens{Access: 15 * time.Minute, ID: time.Hour, Refresh: 30 * day, Signing: "RS256"},
	}
}

func (a *App) setDefaults() { *a = DefaultApp() }

// What App.PKCE may be.
const (
	PKCERequired = "required"
	PKCEOptional = "optional"
)

// Public tells whether the app proves nothing about itself.
func (a *App) Public() bool { return a.Auth == "none" || a.Auth == "" && a.Secret == "" }
