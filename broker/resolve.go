package broker

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/signet-broker/signet/providers"
)

// resolved is the user that an identity belongs to, and what has to be written for it.
type resolved struct {
	user    User
	isNew   bool
	changed bool  // the attributes are not what is stored
	link    *Link // to add
}

// describe makes of a login's identity what is to be known of its user.
func (b *Broker) describe(ctx context.Context, l *Login) (Attributes, error) {
	// Again, because a parked identity may have waited while the configuration changed.
	p, app := b.Registry.Provider(l.Provider), b.Registry.App(l.App)
	if p == nil || app == nil || !b.allowed(l, app, p.ID) {
		return nil, providers.Refuse("idp_disabled", "app %q may not use provider %q any more", l.App, l.Provider)
	}
	o, err := p.Open(ctx)
	if err != nil {
		return nil, err
	}
	attrs, err := o.Mapping.Apply(ctx, l.Identity.Claims)
	if err != nil {
		return nil, err
	}
	return attrs, b.ownsDomain(p, attrs)
}

// resolve finds or makes the user of a login's identity.
func (b *Broker) resolve(ctx context.Context, l *Login) (resolved, error) {
	attrs, err := b.describe(ctx, l)
	if err != nil {
		return resolved{}, err
	}
	return b.find(ctx, l, attrs)
}

// find finds or makes the user that attrs are of. A user is found by (provider, subject) and by nothing else: an
// e-mail address never links accounts.
func (b *Broker) find(ctx context.Context, l *Login, attrs Attributes) (resolved, error) {
	p := b.Registry.Provider(l.Provider)
	if p == nil { // it was there a moment ago
		return resolved{}, providers.Refuse("idp_disabled", "provider %q is gone", l.Provider)
	}
	u, err := b.Store.UserByLink(ctx, p.ID, l.Identity.Subject)
	switch {
	case err == nil && u.Disabled:
		return resolved{}, &Error{Kind: providers.Forbidden, Reason: "account_disabled", Err: fmt.Errorf("user %s", u.ID)}
	case err == nil:
		for _, name := range l.Identity.Keep {
			if known, ok := u.Attributes[name]; ok && attrs[name] == nil {
				attrs[name] = known
			}
		}
		if attrs.Email() != u.Attributes.Email() { // one that stays may have been given to a local account since
			if err := b.notLocal(ctx, p, attrs); err != nil {
				return resolved{}, err
			}
		}
		changed := !sameAttributes(u.Attributes, attrs)
		if changed {
			u.Attributes, u.Updated = attrs, b.Now()
		}
		return resolved{user: u, changed: changed}, nil
	case !errors.Is(err, ErrNotFound):
		return resolved{}, err
	}
	return b.newUser(ctx, p, l.Identity.Subject, attrs)
}

func (b *Broker) newUser(ctx context.Context, p *Provider, subject string, attrs Attributes) (resolved, error) {
	if err := b.notLocal(ctx, p, attrs); err != nil {
		return resolved{}, err
	}
	now := b.Now()
	u := User{ID: rand.Text(), Attributes: attrs, Created: now, Updated: now}
	return resolved{user: u, isNew: true, link: &Link{Provider: p.ID, Subject: subject, User: u.ID, Created: now}}, nil
}

// notLocal refuses somebody who comes from elsewhere with the address of an account kept here. They are not let
// into that account, and have no second one beside it either: apps that know people by e-mail would mix them up.
func (b *Broker) notLocal(ctx context.Context, p *Provider, attrs Attributes) error {
	email := attrs.Email()
	if email == "" || p.Password {
		return nil
	}
	taken, err := b.Store.HasLocalAccount(ctx, email)
	if err != nil {
		return err
	}
	if taken {
		return &Error{Kind: providers.Conflict, Reason: "link_required", Err: fmt.Errorf("a local account has this person's e-mail address")}
	}
	return nil
}

// ownsDomain keeps providers from speaking for each other's people: an address in another provider's domain
// is refused, and one outside a provider's own domains is not taken over. One that was registered and has
// proven no domain may tell an address, and nobody is told that it is verified; as with telephone numbers.
func (b *Broker) ownsDomain(p *Provider, attrs Attributes) error {
	if p.Registered { // nothing shows whose people have a number
		delete(attrs, "phone_number_verified")
	}
	domain := emailDomain(attrs.Email())
	if domain == "" || slices.Contains(p.Domains, domain) {
		return nil
	}
	if other := b.Registry.ByDomain(domain); other != "" && other != p.ID {
		return &Error{Kind: providers.Forbidden, Reason: "domain_not_owned", Err: fmt.Errorf("provider %q asserts an address in %s, which belongs to provider %q", p.ID, domain, other)}
	}
	if len(p.Domains) > 0 {
		delete(attrs, "email")
	}
	if len(p.Domains) > 0 || p.Registered {
		delete(attrs, "email_verified")
	}
	return nil
}

// emailDomain returns the domain of an e-mail address in lower case; "" unless it has exactly one @.
func emailDomain(email string) string {
	local, domain, ok := strings.Cut(strings.TrimSpace(email), "@")
	if !ok || local == "" || strings.Contains(domain, "@") {
		return ""
	}
	return strings.ToLower(domain)
}

// sameAttributes compares them as JSON, which they have become once they were stored.
func sameAttributes(a, b Attributes) bool {
	if len(a) != len(b) {
		return false
	}
	for name, x := range a {
		y, ok := b[name]
		if !ok || !sameValue(x, y) {
			return false
		}
	}
	return true
}

func sameValue(a, b any) bool {
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		return ok && x == y
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
