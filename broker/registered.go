package broker

import "time"

// RegisteredPrefix begins the id of every app that a program has registered (RFC 7591), and of no other.
const RegisteredPrefix = "dyn-"

// Registered is an app that a program has registered, as a database keeps it.
type Registered struct {
	ID         string
	Version    int64  // counts its documents
	Change     int64  // the number of the change that it was last written by
	Name       string // what people read
	Via        string // the initial access token that it came by; "": it came by none
	Document   []byte // what it says of itself, as JSON
	SecretHash []byte // SHA-256 of its secret; nil: it has none
	Sealed     []byte // the secret, where its method needs it; nil: it does not
	TokenHash  []byte // SHA-256 of its registration access token (RFC 7592)
	Notified   bool   // it wants to be told of ended sessions
	Disabled   bool
	Created    time.Time
	Updated    time.Time
}

// Admission is what lets a program register an app.
type Admission struct {
	TokenHash []byte // SHA-256 of the initial access token; nil: it has none
	Most      int    // without one: how many apps there may be that came by none
}

// InitialToken is an initial access token (RFC 7591 §1.2).
type InitialToken struct {
	ID      string
	Hash    []byte // SHA-256
	Most    int    // how many apps it may register; 0: any number
	Used    int    // how many it has
	Created time.Time
	Expires time.Time
}

// The types of events of registered apps.
const (
	AppRegistered   = "app.registered"
	AppUpdated      = "app.updated"
	AppDisabled     = "app.disabled"
	AppEnabled      = "app.enabled"
	AppRemoved      = "app.removed"
	AppTokenAdded   = "app.token.added" //nolint:gosec // a word
	AppTokenRemoved = "app.token.removed"
)
