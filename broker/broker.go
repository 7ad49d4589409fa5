// Package broker is the core of Signet: it takes a login from an app to a provider and back, and decides
// who the person is. It knows nothing of HTTP, SQL, HTML, OAuth or SAML.
//
// # The story of a login
//
// A door (an endpoint family, e.g. package op) calls Start with a Login. If the browser's session already
// answers it, the login finishes at once. Otherwise its row is written, and the browser gets a page to
// choose a provider, or goes straight to the only one. What comes back from there reaches Receive, which
// has the provider verify it. Only the browser that started the login goes on from there: the
// identity's claims become attributes, the door's Finish says what the app gets, and one transaction writes session
// and what the app may redeem. It finds by itself those of whom nothing has changed; whoever is new, has changed or
// must be asked is found or made before, and user and link are written too.
//
// Read in this order: login.go (a login and its stages), flow.go (Start, Show, Choose, Answer), choice.go (which
// providers are offered), receive.go (what comes back from there), park.go (an identity waits for its browser),
// unsolicited.go (a sign-in that an upstream began),
// resolve.go (an identity becomes a user), mapping.go (claims become attributes), consent.go (what a person is asked),
// finish.go (what is written),
// logout.go (the end of sessions, here and upstream).
package broker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/signet-broker/signet/providers"
)

// Error is the one error type, from the providers to the pages.
type Error = providers.Error

// What a Store answers beside success. Anything else means that the database could not do it.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("changed meanwhile")
	ErrReplay   = errors.New("used before")
)

// Store keeps what the core works with. Each method is one atomic operation, safe for many goroutines and
// nodes. Every time is kept in whole milliseconds. A method MUST return ErrNotFound for a row that is
// missing or expired, and an *Error of kind Unavailable when the database cannot be reached.
type Store interface {
	// CreateLogin adds a login. It may be lost with the machine's power, not with the process.
	CreateLogin(ctx context.Context, l Login) error
	// Login returns a login as it is now, whichever node has changed it.
	Login(ctx context.Context, id string) (Login, error)
	// RecentLogin returns a login as it was created by this process, once, if that is remembered and no change of it was
	// made here. It may have been changed elsewhere, which UpdateLogin and Finish notice.
	RecentLogin(id string) (Login, bool)
	// UpdateLogin replaces a login whose Version is still l.Version and remembers every one of once for
	// l.Provider, in one transaction. ErrConflict: the login has changed. ErrReplay: one of once is known;
	// nothing was written. May be lost with the machine's power unless once names something.
	UpdateLogin(ctx context.Context, l Login, once []providers.Once) error

	// UserByLink returns the user that an identity belongs to.
	UserByLink(ctx context.Context, provider, subject string) (User, error)
	// HasLocalAccount tells whether an account with a password here has this e-mail address, in whatever case.
	HasLocalAccount(ctx context.Context, email string) (bool, error)

	// Session returns a live session and its user by the HashSecret of what is in the browser's cookie.
	Session(ctx context.Context, hash []byte) (Session, User, error)
	// TouchSession notes that a session was used, and when it ends unless it is used again. May be lost with
	// the machine's power.
	TouchSession(ctx context.Context, id string, seen, idle time.Time) error
	// EndSession removes a session, revokes its families that are not offline, and makes a notice for each
	// app that is to be told of it. A session that is gone already is no error.
	EndSession(ctx context.Context, id string, e Event) error
	// SessionApps returns the apps that took part in a session, which may have ended.
	SessionApps(ctx context.Context, id string) ([]string, error)
	// EndUpstream ends the sessions of a provider that o names as EndSession does, and remembers every one of
	// o.Once. It returns how many sessions there were. ErrReplay: one of o.Once is known; nothing was ended.
	EndUpstream(ctx context.Context, provider string, o providers.SignOut, e Event) (int, error)

	// CreateLogout adds a sign-out. It may be lost with the machine's power.
	CreateLogout(ctx context.Context, l Logout) error
	Logout(ctx context.Context, id string) (Logout, error)
	// TakeLogout removes a sign-out. Of two who try, one finds it.
	TakeLogout(ctx context.Context, id string, e Event) error

	// Finish writes the end of a login, all of it or nothing. ErrConflict: the login was finished or changed
	// meanwhile, the new link exists already, the user is gone, or the artifact's Request is over. ErrReplay: one of
	// Once is known.
	Finish(ctx context.Context, f Finish) error
	// FinishKnown is Finish for a user who was not looked up: whom the session's provider and subject belong to, if as
	// is exactly what is known of them. f has Login, Session, Event and maybe Once and Artifact, and names no user. It
	// returns the user. ErrNotFound: nobody such may sign in. ErrConflict, ErrReplay: as of Finish. Nothing was written.
	FinishKnown(ctx context.Context, f Finish, as Attributes) (User, error)
	// Consents returns the scopes that a user has allowed an app.
	Consents(ctx context.Context, user, app string) ([]string, error)
	// Record keeps an event.
	Record(ctx context.Context, e Event) error
}

// Finish is everything that the end of a login writes.
type Finish struct {
	Login      *Login           // stored as it is, if its Version is still current; nil: it never had a row
	Once       []providers.Once // remembered for Login.Provider
	User       *User            // added (NewUser) or updated; nil: unchanged
	NewUser    bool
	Who        *User    // who has signed in, as the artifact's reader will want to know; nil: unknown
	Link       *Link    // added; nil: known already
	EndSession string   // this browser's former session; "" when there was none
	Session    *Session // added; nil: the browser's session goes on
	Artifact   *Artifact
	Consent    *Consent // added to what is known; nil: nothing
	Event      Event
}

// Registry has the apps and providers, read from memory. App and Provider return nil for what is unknown or
// disabled.
type Registry interface {
	App(id string) *App
	Provider(id string) *Provider
	// Providers are those of the configuration, in its order. The others, of which there may be thousands,
	// are found by an app's own list or hint, and by the domains that are proven to be theirs.
	Providers() []*Provider
	// ByDomain returns the id of the provider that a domain (lower case) belongs to, also while it is
	// disabled; "" when it is nobody's.
	ByDomain(domain string) string
	// Searchable tells whether a domain finds a provider that is not one of Providers.
	Searchable() bool
}

// Door is an endpoint family that starts logins and is handed each of its own back when it ends.
type Door interface {
	// Finish says where the browser goes with a finished login, and what the app may redeem there.
	// It writes nothing: the artifact is stored together with the session.
	Finish(ctx context.Context, l Login, s Session) (providers.Next, *Artifact, error)
	// Fail says where the browser goes with a login that ended without a user.
	Fail(ctx context.Context, l Login, reason *Error) (providers.Next, error)
}

// Names are what apps call users and sessions (OpenID Connect Core §8).
type Names interface {
	Subject(app *App, user string) (string, error)
	SID(app *App, session string) (string, error)
}

// Broker runs logins.
type Broker struct {
	Store    Store
	Registry Registry
	Doors    map[string]Door // by Login.Door
	Names    Names
	Now      func() time.Time
	Log      *slog.Logger
	Sessions SessionLimits
	Observe  func(Event) // is told of every event; may be nil

	refusals quota
}
