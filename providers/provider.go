// Package providers is the contract between the broker and the upstreams that people are sent to.
//
// A provider speaks one protocol with one upstream and answers a single question: who is this person, in
// the upstream's own words? It decides nothing else. It creates no user, opens no session, maps no
// attribute and writes nothing to a database: whatever it has to remember between Begin and Continue goes
// into Attempt.State, and whatever may be used only once is named in Done.Once and remembered by the broker.
//
// Each kind of provider is a folder below this one and is listed in a table of cmd/signet. Every kind
// passes providertest.Run.
package providers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// A Provider is one configured upstream. It is used by many goroutines at once.
//
// Both methods return within 10 seconds, whatever the upstream does, and an error of theirs is an *Error:
// Upstream when the upstream cannot be reached or is broken, Invalid when what came back must be refused.
type Provider interface {
	// Begin says what the browser does first. It may fill a.State.
	Begin(ctx context.Context, a *Attempt) (Next, error)
	// Continue reads what came back and says what is next: Done when the person is known, anything else to
	// go on (a.State may change). r is hostile until verified; a is what Begin left.
	Continue(ctx context.Context, a *Attempt, r Reply) (Next, error)
}

// Attempt is one try to sign in at one provider.
type Attempt struct {
	ID         string        // goes out as state or RelayState, at most 80 bytes of base64url; names the login and proves nothing
	State      []byte        // the provider's memory (nonce, PKCE verifier, request ID): kept by the broker, never sent out
	LoginHint  string        // from the app or the person; "" when there is none; unverified
	ForceLogin bool          // the person must sign in again upstream, a session there is not enough
	MaxAge     time.Duration // how old the authentication may be at most; 0: any age
	SelectUser bool          // the person must get the chance to choose another account upstream
	ACR        []string      // authentication contexts that the app would like, best first; a wish
	Locales    []string      // the person's languages, best first, as BCP 47 tags
	Begun      time.Time     // when Begin was called
}

// Reply is what a browser brought back.
type Reply struct {
	Method string     // GET or POST
	Values url.Values // the query of a GET, the form of a POST; a key may come more than once
	Query  string     // the query of a GET as it came, for a signature over its octets
	Addr   netip.Addr // the browser's address, for throttling; invalid when unknown
	Device string     // a stable name of this browser known only to it and us, for throttling; "" when unknown
}

// Next is what a browser does next: exactly one of Redirect, Post, Ask and Done.
type Next interface{ next() }

// Redirect sends the browser to URL with 303 See Other.
type Redirect struct{ URL string }

// Post has the browser submit Fields to URL by a form that submits itself.
type Post struct {
	URL    string
	Fields url.Values
}

// Ask shows one of our own pages; its form comes back as a Reply.
type Ask struct {
	Page string // a page of package templates, e.g. "password"
	Data any    // what that page wants
}

// Done ends an attempt: the person is known.
type Done struct {
	Identity Identity
	Once     []Once // what made this proof may not be used again: remembered before anything is done with it
}

func (Redirect) next() {}
func (Post) next()     {}
func (Ask) next()      {}
func (Done) next()     {}

// Once names something that may be accepted a single time, e.g. an assertion's ID.
type Once struct {
	ID    string // unique within the provider
	Until time.Time
}

// Identity is one person as one provider asserts them.
type Identity struct {
	Subject  string         `json:"subject"`           // 1 to 255 bytes, never reassigned by this provider
	Claims   map[string]any `json:"claims"`            // as asserted, JSON types only; mapping is the broker's work
	AuthTime time.Time      `json:"auth_time"`         // when the person authenticated upstream; now when unknown
	AMR      []string       `json:"amr,omitempty"`     // RFC 8176 values, as asserted
	ACR      string         `json:"acr,omitempty"`     // as asserted
	Session  string         `json:"session,omitempty"` // the upstream's own session: sid or SessionIndex
	Handle   string         `json:"handle,omitempty"`  // the person's name in the upstream's sign-outs, e.g. a NameID; "": Subject
	Memory   []byte         `json:"memory,omitempty"`  // what Logout will need, at most 4 KB; no secret
	Keep     []string       `json:"keep,omitempty"`    // attributes that the upstream tells only once: those known already stay when they are missing
}

// Env is what a provider gets from Signet when it is opened.
type Env struct {
	ID     string       // the provider's id in the configuration
	Name   string       // its name for people
	Base   string       // Signet's issuer URL, without a trailing slash; the callbacks are below it
	Client *http.Client // the only way out: bounded in time, size and redirects
	// Trusting returns a Client that trusts these certificate authorities instead of the system's.
	Trusting func(roots *x509.CertPool) *http.Client
	Now      func() time.Time // the clock
	Log      *slog.Logger     // never gets a secret, a token, an assertion or an upstream's body
	// Certificate returns Signet's own key pair for a use ("saml"), made at its first use and the same on
	// every node. The key is RSA of 2048 bits or more.
	Certificate func(ctx context.Context, use string) (*tls.Certificate, error)
	// Certificates returns the key pairs of a use that are good now, the one to use first: during a roll-over
	// there are two.
	Certificates func(ctx context.Context, use string) ([]*tls.Certificate, error)
}

// Callback is where an OIDC or OAuth2 upstream sends the browser back to.
func (e Env) Callback() string { return e.Base + "/callback/" + e.ID }

// SAML is the base of this provider's SAML endpoints: /metadata, /acs and /slo are below it.
func (e Env) SAML() string { return e.Base + "/saml/" + e.ID }

// Kind is one sort of provider.
type Kind struct {
	// Config returns a pointer to a struct with this kind's own keys, holding the defaults.
	// It is decoded from YAML, and described by its `yaml` and `doc` tags. If it has a method
	// Check() []Fault, that is asked for everything that is wrong at once.
	Config func() any
	// Open makes a provider of a checked Config. It does not wait for the upstream: what has to be fetched
	// is fetched at the first login, and again after it could not be.
	Open func(ctx context.Context, env Env, config any) (Provider, error)
	// Map is the mapping that holds where the configuration names none: an attribute and its CEL
	// expression over `claims`.
	Map map[string]string
}

// Fault is something wrong with a configuration.
type Fault struct {
	Key     string // the key below the provider, e.g. "issuer" or "scopes.0"
	Problem string // one plain sentence without a value of a secret
}

// Describer is a provider that publishes a document about Signet for its upstream: SAML metadata, or the JWK
// set of private_key_jwt.
type Describer interface {
	Describe(ctx context.Context) (contentType string, document []byte, err error)
}

// Inspector is a provider that can tell how it stands without a person. Looked for once, when it is opened.
type Inspector interface {
	// Inspect tries what can be tried (discovery, keys, metadata, the client's secret as far as it shows), and
	// returns what it found, the good and the bad. It takes no longer than ctx.
	Inspect(ctx context.Context) []Finding
}

// Finding is one thing that an inspection found.
type Finding struct {
	Name    string    // what was looked at, one word: "discovery", "jwks", "certificate", "secret", "metadata", "callback"
	Problem string    // "" when all is well; else one sentence that says what to change, with the values to paste
	Detail  string    // what is, e.g. the subject of a certificate; no secret
	Expires time.Time // when it stops working; zero: never, or unknown
}
