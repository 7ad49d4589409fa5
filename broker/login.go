package broker

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/signet-broker/signet/providers"
)

// Stage is how far a login has come. It goes only forward, but for a person who chooses another provider.
type Stage int

const (
	Choosing   Stage = iota // no provider chosen yet
	AtProvider              // an attempt is under way
	Identified              // the provider has said who it is
	Finished                // the app has its answer
	Offered                 // no login yet: an upstream began it, and its person is asked
	Consenting              // it is known who it is, and they are asked whether the app may have what it asks for
)

const (
	// LoginLifetime is how long a person may take for a login.
	LoginLifetime = time.Hour
	// AttemptLifetime is how long an upstream's answer is waited for.
	AttemptLifetime = 10 * time.Minute
)

// Login is one sign-in under way: one row, found by its ID.
type Login struct {
	ID      string    `json:"id"`
	Version int64     `json:"-"` // counts the changes; 1 when created
	Stage   Stage     `json:"stage"`
	Expires time.Time `json:"expires"`
	Browser []byte    `json:"browser"` // SHA-256 of the secret in the cookie of the browser that started it
	Addr    string    `json:"addr"`    // the browser's address, for the event

	Door    string          `json:"door"`
	App     string          `json:"app"`
	Request json.RawMessage `json:"request"` // the door's memory of what the app asked for
	Asked   any             `json:"-"`       // what Request is made of when it is stored; nil: read Request. Nobody changes it

	Only         []string      `json:"only,omitempty"` // narrows the app's providers by a hint of the app
	LoginHint    string        `json:"login_hint,omitempty"`
	ForceLogin   bool          `json:"force_login,omitempty"` // a session is not enough
	SelectUser   bool          `json:"select_user,omitempty"` // the person must get the chance to choose
	MaxAge       time.Duration `json:"max_age,omitempty"`     // how old the authentication may be; 0 with HasMaxAge: not at all
	HasMaxAge    bool          `json:"has_max_age,omitempty"`
	NoInput      bool          `json:"no_input,omitempty"`      // nothing may be shown (prompt=none)
	ExpectedUser string        `json:"expected_user,omitempty"` // only this user will do, called as the app does (id_token_hint, sub in claims)
	ACR          []string      `json:"acr,omitempty"`           // how the person should authenticate, best first
	MustACR      bool          `json:"must_acr,omitempty"`      // nothing but one of ACR will do
	Locales      []string      `json:"locales,omitempty"`       // asked for by the app, best first

	Provider string              `json:"provider,omitempty"` // the chosen one
	State    []byte              `json:"state,omitempty"`    // its memory of the attempt
	Attempt  int                 `json:"attempt,omitempty"`  // counts the attempts
	Begun    time.Time           `json:"begun,omitzero"`     // zero: no attempt is under way
	Identity *providers.Identity `json:"identity,omitempty"` // parked until the right browser comes
	Receipt  []byte              `json:"receipt,omitempty"`  // SHA-256 of what the browser that brought it was given

	Scopes   []string `json:"scopes,omitempty"`    // what the app asks for, as its person is told
	AskAgain bool     `json:"ask_again,omitempty"` // they are asked whatever they have allowed before
	Device   *Waiting `json:"device,omitempty"`    // what waits for the answer elsewhere
	Session  string   `json:"session,omitempty"`   // Session.ID of what answers it, while its person is asked
	Allowed  bool     `json:"-"`                   // they have just said yes
}

// finished is what is kept of a login that is over: enough to tell its browser so, and the way back to the app.
func (l *Login) finished() *Login {
	return &Login{
		ID: l.ID, Version: l.Version, Stage: Finished, Expires: l.Expires, Browser: l.Browser, Addr: l.Addr,
		Door: l.Door, App: l.App, Provider: l.Provider, Locales: l.Locales,
	}
}

// attemptName is what goes out as the name of a login's attempt: the login's ID for the first, and for the others with
// their number.
func (l *Login) attemptName() string {
	if l.Attempt <= 1 {
		return l.ID
	}
	return l.ID + "." + strconv.Itoa(l.Attempt)
}

// ReadAttempt undoes attemptName. A name that is none of ours gives an ID that no login has.
func ReadAttempt(name string) (login string, number int) {
	id, digits, more := strings.Cut(name, ".")
	if !more {
		return name, 1
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 2 || strconv.Itoa(n) != digits {
		return name, 1
	}
	return id, n
}

// Artifact is what an app redeems once for its tokens. The app gets the secret, the store its hash.
type Artifact struct {
	Hash     []byte // HashSecret of the secret
	App      string
	User     string
	Session  string // Session.ID
	Provider string
	Data     json.RawMessage // the door's
	Made     any             // what Data was made of, while it is remembered; nil: read Data. Nobody changes it
	Expires  time.Time
	Family   string // what it was redeemed for; "" while it is good
	Request  []byte // Request.Hash of what it answers, which is over with it; nil: none
	Device   bool   // Hash is that of a Device, which is allowed by it; there is no other artifact then
}
