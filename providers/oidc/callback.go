package oidc

import (
	"context"
	"time"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/providers"
)

// Continue takes the upstream's answer that came through the browser, trades the code in, and says who the
// person is. Everything that a forger could have written is refused before the code goes anywhere.
func (p *provider) Continue(ctx context.Context, a *providers.Attempt, r providers.Reply) (providers.Next, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	mem, ok := recall(a)
	if !ok {
		return nil, providers.Refuse("state_invalid", "attempt %s was not begun", a.ID)
	}
	m, err := p.metadata.Get(ctx)
	if err != nil {
		return nil, err
	}
	code, err := authcode.Callback{
		Form: p.conf.ResponseMode == modeForm, State: a.ID,
		Iss: func(iss string, given bool) error { return p.checkIss(m, iss, given) },
	}.Code(r)
	if err != nil {
		return nil, err
	}
	p.keys.Warm(ctx)
	tokens, err := p.exchange(ctx, m, code, mem.Verifier)
	if err != nil {
		return nil, err
	}
	person, err := p.readIDToken(ctx, tokens, expectation{attempt: a, issuer: m.Issuer, nonce: mem.Nonce, code: code})
	if err != nil {
		return nil, err
	}
	id := providers.Identity{Claims: person, Keep: p.options.Keep}
	if p.options.Person != nil {
		if id.Subject, err = p.options.Person(person, r); err != nil {
			return nil, err
		}
	}
	if p.conf.UserInfo {
		if err := p.addUserInfo(ctx, m, tokens.access, person); err != nil {
			return nil, err
		}
	}
	p.identify(&id, person)
	if p.conf.Logout && len(tokens.id) < maxHint {
		id.Memory = []byte(tokens.id)
	}
	return providers.Done{Identity: id}, nil
}

// checkIss is RFC 9207, section 2.4.
func (p *provider) checkIss(m *metadata, iss string, given bool) error {
	switch {
	case given && !p.issued(iss, m.Issuer):
		return providers.Refuse("iss_mismatch", "callback is from another issuer")
	case !given && m.IssParam:
		return providers.Refuse("iss_mismatch", "callback without iss, which this upstream always sends")
	}
	return nil
}

// identify adds to id what the claims say of a person in the broker's terms.
func (p *provider) identify(id *providers.Identity, c claims) {
	id.AuthTime = p.env.Now()
	switch sub, _ := c["sub"].(string); id.Subject {
	case "":
		id.Subject = sub
	case sub:
	default:
		id.Handle = sub
	}
	id.ACR, _ = c["acr"].(string)
	id.Session, _ = c["sid"].(string)
	if at, ok := p.authTime(c); ok && at.Before(id.AuthTime) {
		id.AuthTime = at.Round(time.Second)
	}
	if list, ok := c["amr"].([]any); ok {
		for _, v := range list {
			if s, ok := v.(string); ok {
				id.AMR = append(id.AMR, s)
			}
		}
	}
}
