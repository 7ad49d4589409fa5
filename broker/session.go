package broker

import "time"

// Session is a browser's standing sign-in.
type Session struct {
	ID       string // public: the sid of tokens, for apps without a sector
	Hash     []byte // HashSecret of what is in the browser's cookie
	User     string
	Provider string
	Subject  string    // the provider's name of the person
	Upstream string    // the provider's own session, if it named one
	Handle   string    // the person's name in the provider's sign-outs
	Memory   []byte    // what the provider needs to sign the person out
	AuthTime time.Time // when the person last authenticated
	AMR      []string
	ACR      string
	Created  time.Time
	Seen     time.Time // when it was last used
	Idle     time.Time // ends then, unless used
	Ends     time.Time // ends then
}

// SessionLimits are how long a browser stays signed in.
type SessionLimits struct {
	Idle     time.Duration // without being used
	Absolute time.Duration
}
