package broker

// Exchange is what an app may exchange for tokens of its own (RFC 8693).
type Exchange struct {
	Apps      []string // ids of the apps whose access tokens it may exchange, beside its own
	Providers []string // ids of those whose ID tokens it may exchange
	Create    bool     // who is in such an ID token and unknown here becomes a user, as at a login
}
