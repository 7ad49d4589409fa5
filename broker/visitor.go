package broker

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"

	"github.com/signet-broker/signet/providers"
)

// Visitor is the browser at the other end of a request.
type Visitor struct {
	Browser   []byte     // SHA-256 of the secret in its cookie; nil when it sent none
	Session   *Session   // its live session; nil: not signed in
	User      *User      // of that session
	Addr      netip.Addr // where it came from; invalid when unknown
	Last      string     // the provider that it last signed in with, as it says itself; "" when unknown
	RequestID string
}

// owns tells whether a login was started in this browser.
func (v Visitor) owns(l *Login) bool {
	return len(v.Browser) == sha256.Size && subtle.ConstantTimeCompare(v.Browser, l.Browser) == 1
}

// Turn is what a browser does next.
type Turn struct {
	Login   string         // the login that goes on; "" when it is over
	App     string         // the app that the login is for
	Next    providers.Next // Redirect, Post or Ask; nil: go on at the login's own page
	Receipt string         // of a parked identity: the browser takes it to the login's own page
	Offer   string         // a sign-in that an upstream began: its person is asked
	Session *Session       // a session was started: Secret goes into this browser's cookie
	Secret  string
}
