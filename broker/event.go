package broker

import "time"

// Event is something that happened and must be known later. It never holds a secret.
type Event struct {
	ID        string
	Time      time.Time
	Type      string // e.g. login.finished, login.refused, session.ended; see the constants
	Reason    string // one word, with refusals: Error.Reason
	User      string
	App       string
	Provider  string
	Session   string
	Login     string
	Addr      string // the browser's address
	RequestID string
	Detail    string // a short text for people; "" mostly
}

// The types of events.
const (
	LoginFinished   = "login.finished"
	LoginRefused    = "login.refused"
	LogoutFinished  = "logout.finished" // a browser is back from signing out upstream
	LogoutReceived  = "logout.received" // an upstream has ended sessions here
	LogoutRefused   = "logout.refused"
	LogoutLost      = "logout.undelivered" // an app was not told of a session's end
	SessionEnded    = "session.ended"
	UserCreated     = "user.created"
	UserDisabled    = "user.disabled"
	UserEnabled     = "user.enabled"
	PasswordSet     = "password.set"
	PasswordWrong   = "password.wrong"
	TokensIssued    = "tokens.issued"
	TokensRefused   = "tokens.refused"
	CodeReplayed    = "code.replayed"
	RefreshReplayed = "refresh.replayed"
	FamilyRevoked   = "family.revoked"
	KeyRotated      = "key.rotated"
	ConsentRevoked  = "consent.revoked"
	DeviceDenied    = "device.denied"

	ProviderExpiring = "provider.expiring" // Reason is what: certificate, secret, metadata
)

// EndedUpstream is the reason of a SessionEnded whose session an upstream has ended.
const EndedUpstream = "upstream"
