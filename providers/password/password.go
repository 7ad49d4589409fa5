// Package password is the provider whose accounts are kept here: a user name and a password.
//
// # Guessing
//
// Every try is counted before the password is looked at, so that guesses sent at the same moment cannot
// overtake the counter. A try that comes too early is answered with the time to wait, and costs no hash.
// Three rules decide, all with Limits of the configuration:
//
//   - One account from one address (an IPv6 address counts as its /64): after Limits.Account tries the next
//     must wait 1 s, then 2 s, 4 s and so on, up to Limits.Window. A try that comes too early counts as well.
//     After a window without tries, and after a success, all is forgotten.
//   - One address: the same after Limits.Address tries, whatever the accounts, which is what a spray of one
//     password over many accounts runs into. A success clears it, at most once per account and window, so
//     that an office behind one address can sign in and an attacker's own account is of little help.
//   - One account from everywhere: beyond ten times Limits.Account the account is under attack. Until that
//     ends an address gets only half the tries on it, and waits from a minute on (with the default window).
//
// Nobody can lock an account. A browser that has signed in to the account before (by a name in its cookie,
// kept as a hash for 180 days) has a counter of its own and is bound by none of the three; and whatever
// others do to the account, an address that has not tried it yet always gets some tries. Only those who
// share the attacker's address and use a new browser have to wait with the attacker.
//
// # Who exists
//
// An unknown user name is answered as a wrong password is: the same page after the same work, a hash with
// the configured parameters. An account whose hash was made with other parameters takes another time until
// its password is set anew.
//
// Read in this order: password.go (a sign-in), throttle.go (the policy above), hash.go, name.go, store.go.
package password

import (
	"context"
	"crypto/sha256"
	"maps"
	"net/url"
	"time"

	"github.com/signet-broker/signet/providers"
)

// Page is the Ask of this kind; its data is a Form.
const Page = "password"

// trusted is how long a browser that has signed in is known to the account.
const trusted = 180 * 24 * time.Hour

// Form is what the page shows.
type Form = providers.PasswordForm

// What Form.Problem says.
const (
	Wrong     = providers.PasswordWrong
	Throttled = providers.PasswordThrottled
)

// Kind is the kind "password" with its accounts in s. The number of passwords that are hashed at the same
// moment is bounded over all providers of one Kind.
func Kind(s Store) providers.Kind {
	hashing := newGate()
	return providers.Kind{
		Config: func() any { return &Config{Limits: DefaultLimits, Argon2: DefaultArgon2} },
		Open: func(_ context.Context, env providers.Env, config any) (providers.Provider, error) {
			c := config.(*Config)
			return &provider{
				env: env, store: s, hashing: hashing, dummy: c.Argon2.dummy(),
				throttle: throttle{store: s, limits: c.Limits, provider: env.ID},
			}, nil
		},
		Map: map[string]string{
			"preferred_username": "claims.?preferred_username",
			"email":              "claims.?email",
			"email_verified":     "claims.?email_verified",
			"name":               "claims.?name",
			"given_name":         "claims.?given_name",
			"family_name":        "claims.?family_name",
			"groups":             "claims.?groups",
		},
	}
}

type provider struct {
	env      providers.Env
	store    Store
	throttle throttle
	hashing  gate
	dummy    string // verified against where there is no account; no password matches it
}

// Begin asks for the password.
func (p *provider) Begin(_ context.Context, a *providers.Attempt) (providers.Next, error) {
	f := Form{}
	if name, err := Username(a.LoginHint); err == nil {
		f.Username = name
	}
	return providers.Ask{Page: Page, Data: f}, nil
}

// Continue takes the form: exactly one username and one password, by POST.
func (p *provider) Continue(ctx context.Context, _ *providers.Attempt, r providers.Reply) (providers.Next, error) {
	typed, word, err := fields(r)
	if err != nil {
		return nil, err
	}
	if typed == "" || word == "" {
		return wrong(typed), nil // an unfilled form is no guess
	}
	name, err := Username(typed)
	if err != nil {
		return wrong(typed), nil // nobody has such a name, and everyone may know that
	}
	next, err := p.signIn(ctx, name, word, r)
	if err != nil {
		return nil, providers.AsError(err)
	}
	if next == nil {
		return wrong(typed), nil
	}
	return next, nil
}

func wrong(typed string) providers.Ask {
	return providers.Ask{Page: Page, Data: Form{Username: typed, Problem: Wrong}}
}

// fields reads the form. A repeated field is refused: whoever counts one and checks the other is deceived.
func fields(r providers.Reply) (username, password string, err error) {
	if r.Method != "POST" {
		return "", "", providers.Refuse("method_invalid", "a password came by %.10q", r.Method)
	}
	one := func(values url.Values, key string, limit int) (string, error) {
		v := values[key]
		if len(v) != 1 {
			return "", providers.Refuse("form_invalid", "%d values of %s", len(v), key)
		}
		if len(v[0]) > limit {
			return "", providers.Refuse("form_invalid", "%s of %d bytes", key, len(v[0]))
		}
		return v[0], nil
	}
	if username, err = one(r.Values, "username", maxUsername); err != nil {
		return "", "", err
	}
	password, err = one(r.Values, "password", maxPassword)
	return username, password, err
}

// signIn verifies one guess. A nil Next means that it was wrong.
func (p *provider) signIn(ctx context.Context, name, word string, r providers.Reply) (providers.Next, error) {
	account, known, err := p.store.Account(ctx, p.env.ID, name)
	if err != nil {
		return nil, err
	}
	g := guess{username: name, addr: r.Addr, at: p.env.Now()}
	if r.Device != "" {
		sum := sha256.Sum256([]byte(r.Device))
		g.device = sum[:]
		// Asked for unknown names as well: the time must not tell.
		if g.trusted, err = p.store.Trusted(ctx, p.env.ID, account.Subject, g.device); err != nil {
			return nil, err
		}
		g.trusted = g.trusted && known
	}
	seen, err := p.throttle.admit(ctx, g)
	if err != nil {
		return nil, err
	}
	ok, err := p.matches(ctx, account, known, word)
	if err != nil || !ok {
		return nil, err
	}
	// The hash may have waited seconds for its turn. A password that was replaced meanwhile, which ended all
	// sessions, must not begin another.
	if now, _, err := p.store.Account(ctx, p.env.ID, name); err != nil || now.Hash != account.Hash {
		return nil, err
	}
	if err := p.throttle.succeeded(ctx, g, seen); err != nil {
		return nil, err
	}
	if g.device != nil {
		if err := p.store.Trust(ctx, p.env.ID, account.Subject, g.device, g.at.Add(trusted)); err != nil {
			return nil, err
		}
	}
	return providers.Done{Identity: identity(account, g.at)}, nil
}

// matches tells whether word is the account's password. The work is the same for an account that is not there.
func (p *provider) matches(ctx context.Context, a Account, known bool, word string) (bool, error) {
	hash := p.dummy
	if known {
		if err := checkHash(a.Hash); err != nil {
			p.env.Log.ErrorContext(ctx, "an account's password hash cannot be used", "provider", p.env.ID, "subject", a.Subject, "error", err)
			known = false
		} else {
			hash = a.Hash
		}
	}
	ok, err := p.hashing.verify(ctx, word, hash)
	return ok && known, err
}

func identity(a Account, at time.Time) providers.Identity {
	claims := maps.Clone(a.Claims)
	if claims == nil {
		claims = map[string]any{}
	}
	claims["preferred_username"] = a.Username
	return providers.Identity{Subject: a.Subject, Claims: claims, AuthTime: at, AMR: []string{"pwd"}}
}
