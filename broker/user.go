package broker

import "time"

// User is a person who has signed in, or has an account here.
type User struct {
	ID         string // what apps without a sector get as sub; never reused
	Attributes Attributes
	Created    time.Time
	Updated    time.Time
	Disabled   bool
}

// Attributes are what is known of a user, named and typed as the standard claims of OpenID Connect Core
// §5.1 (email, email_verified, name, …), groups ([]string), and the names the configuration adds. Every
// value has a JSON type; one that is absent is unknown.
type Attributes map[string]any

// Email returns the e-mail address, "" when unknown.
func (a Attributes) Email() string { s, _ := a["email"].(string); return s }

// Name returns the best name to show.
func (a Attributes) Name() string {
	for _, k := range []string{"name", "preferred_username", "email"} {
		if s, _ := a[k].(string); s != "" {
			return s
		}
	}
	return ""
}

// Link says that an identity belongs to a user. (Provider, Subject) is unique.
type Link struct {
	Provider string
	Subject  string
	User     string
	Created  time.Time
}
