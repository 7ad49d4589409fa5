package providers

import "context"

// Logouter is a provider whose upstream and Signet tell each other of sign-outs (OpenID Connect RP-Initiated
// and Back-Channel Logout 1.0, SAML single logout). Looked for once, when the provider is opened.
type Logouter interface {
	// Logout says where to send the browser of a session that has ended here, so that it ends upstream too.
	// nil: the configuration does not ask for that, or the upstream has no such endpoint. It may fill l.State.
	Logout(ctx context.Context, l *Logout) (Next, error)
	// ReceiveLogout reads what came to the logout endpoint, by way of a browser or from the upstream itself.
	// l is the sign-out of ours that r names as its state or RelayState; nil when there is none. Errors are
	// as with Continue.
	ReceiveLogout(ctx context.Context, r Reply, l *Logout) (SignOut, error)
}

// Logout is a sign-out that goes from here to an upstream.
type Logout struct {
	ID      string // goes out as state or RelayState, at most 80 bytes of base64url; names the sign-out and proves nothing
	State   []byte // the provider's memory, e.g. the request's ID
	Subject string // the session's, as its identity had them
	Handle  string
	Session string
	Memory  []byte
}

// SignOut is what an upstream said about a sign-out.
type SignOut struct {
	// Answers: this is the answer to a sign-out of ours, which has ended the session here already. Nothing
	// else is set then.
	Answers bool
	// Handle is whose sessions end, as the upstream names the person; "" when it named sessions only.
	Handle string
	// Sessions are those of the upstream whose sign-ins here end; none: all of Handle's.
	Sessions []string
	Once     []Once
	// Answer is what the browser takes back to the upstream; ended: all that was named is gone. nil: the
	// upstream itself has asked, and gets an empty 200.
	Answer func(ended bool) (Next, error)
}

// Unsolicited is a provider that takes sign-ins which its upstream began (IdP-initiated SAML). What it reads
// signs nobody in: the person is asked, and the app then begins an ordinary login.
type Unsolicited interface {
	// Unsolicited reads what came without a login of ours, and names the one app that it is for. The reason
	// is "unsolicited" where the configuration does not allow it.
	Unsolicited(ctx context.Context, r Reply) (done Done, app string, err error)
}
