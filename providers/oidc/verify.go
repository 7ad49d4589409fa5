package oidc

import (
	"context"
	"strings"
	"time"

	"github.com/signet-broker/signet/providers"
)

// VerifyToken implements providers.TokenVerifier: what is asked of an ID token at a login, but for what ties it
// to one. It may be as old as it says.
func (p *provider) VerifyToken(ctx context.Context, raw string) (id providers.Identity, expires time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	jws, err := p.parse(raw, "JWT")
	if err != nil {
		return id, expires, err
	}
	m, err := p.metadata.Get(ctx)
	if err != nil {
		return id, expires, err
	}
	payload, err := p.verify(ctx, jws)
	if err != nil {
		return id, expires, err
	}
	c, err := decode(payload)
	if err != nil {
		return id, expires, err
	}
	for _, check := range []func() error{
		func() error { return p.checkParties(c, m.Issuer) },
		func() error { return p.checkTimes(c, maxLife) },
		func() error { return checkPerson(c) },
		func() error { return checkNoEvent(c) },
		func() error { return checkNotOurs(c) },
		func() error { return p.checkAuthentication(c, &providers.Attempt{}) },
	} {
		if err := check(); err != nil {
			return id, expires, err
		}
	}
	id = providers.Identity{Claims: c, Keep: p.options.Keep}
	if p.options.Person != nil {
		if id.Subject, err = p.options.Person(c, providers.Reply{}); err != nil {
			return id, expires, err
		}
	}
	p.identify(&id, c)
	if _, known := p.authTime(c); !known {
		id.AuthTime = time.Time{} // somebody who must have signed in lately may not have
	}
	expires, _ = c.time("exp")
	return id, expires, nil
}

// checkNoEvent: at a login, the nonce tells an ID token from a logout token of the same key and audience.
func checkNoEvent(c claims) error {
	if _, there := c["events"]; there {
		return providers.Refuse("events", "token has events: it is a logout token")
	}
	return nil
}

// checkNotOurs: what one of our own logins has got is no app's to bring.
func checkNotOurs(c claims) error {
	if nonce, _ := c["nonce"].(string); strings.HasPrefix(nonce, ownNonce) {
		return providers.Refuse("nonce", "ID token is of a login at Signet")
	}
	return nil
}
