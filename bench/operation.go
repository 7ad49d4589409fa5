package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
)

// operation is what a browser, or the app it belongs to, does over and over in a phase.
type operation func(ctx context.Context, browser int) error

// operations are the phases that there are, by their names. Each gets the tokens that every browser holds.
var operations = map[string]func(i *issuer, ctx context.Context, held []tokens) (operation, error){
	"login":              (*issuer).logins,
	"saml":               (*issuer).samlLogins,
	"par":                (*issuer).pushedLogins,
	"device":             (*issuer).deviceLogins,
	"device_poll":        (*issuer).devicePolls,
	"refresh":            (*issuer).refreshes,
	"dpop_refresh":       (*issuer).boundRefreshes,
	"client_credentials": (*issuer).ownTokens,
	"introspection":      (*issuer).introspections,
	"userinfo": func(i *issuer, _ context.Context, held []tokens) (operation, error) {
		return func(ctx context.Context, b int) error { return i.get(ctx, i.info, held[b].Access) }, nil
	},
	"jwks": func(i *issuer, _ context.Context, _ []tokens) (operation, error) {
		return func(ctx context.Context, _ int) error { return i.get(ctx, i.keys, "") }, nil
	},
}

func (i *issuer) operation(ctx context.Context, name string, held []tokens) (operation, error) {
	start, ok := operations[name]
	if !ok {
		return nil, errors.New("no phase is called that")
	}
	return start(i, ctx, held)
}

func (i *issuer) logins(_ context.Context, held []tokens) (operation, error) {
	var logins atomic.Int64
	return func(ctx context.Context, b int) error {
		t, _, err := i.login(ctx)
		if err != nil {
			return err
		}
		held[b] = t
		if logins.Add(1)%64 == 0 { // some, since checking costs the same processors
			_, err = i.verifier.Verify(ctx, t.ID)
		}
		return err
	}, nil
}

func (i *issuer) samlLogins(context.Context, []tokens) (operation, error) {
	if i.SAML == nil {
		return nil, errors.New("no SAML identity provider is there")
	}
	saml := *i
	saml.Authorize = i.SAML
	return saml.anyLogin, nil
}

func (i *issuer) pushedLogins(context.Context, []tokens) (operation, error) {
	pushing := *i
	pushing.pushes = true
	return pushing.anyLogin, nil
}

func (i *issuer) anyLogin(ctx context.Context, _ int) error {
	_, _, err := i.login(ctx)
	return err
}

func (i *issuer) refreshes(_ context.Context, held []tokens) (operation, error) {
	return func(ctx context.Context, b int) error { return i.refresh(ctx, &held[b]) }, nil
}

// boundRefreshes are those of apps without a secret, whose refresh tokens are bound to a key of each browser's.
func (i *issuer) boundRefreshes(ctx context.Context, held []tokens) (operation, error) {
	apps, bound := make([]*issuer, len(held)), make([]tokens, len(held))
	for b := range held {
		var err error
		apps[b] = i.public()
		if apps[b].prover, err = newProver(); err != nil {
			return nil, err
		}
		if bound[b], _, err = apps[b].login(ctx); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, b int) error { return apps[b].refresh(ctx, &bound[b]) }, nil
}

// public is the issuer with its app that has no secret.
func (i *issuer) public() *issuer {
	public := *i
	if i.Public != "" {
		public.ClientID, public.Secret = i.Public, ""
	}
	return &public
}

func (i *issuer) refresh(ctx context.Context, held *tokens) error {
	t, err := i.redeem(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {held.Refresh}})
	if err != nil {
		return err
	}
	held.Access = t.Access
	if t.Refresh != "" {
		held.Refresh = t.Refresh
	}
	return nil
}

// ownTokens are those that an app gets for itself.
func (i *issuer) ownTokens(context.Context, []tokens) (operation, error) {
	return func(ctx context.Context, _ int) error {
		t, err := i.redeem(ctx, url.Values{"grant_type": {"client_credentials"}})
		if err == nil && t.Access == "" {
			err = errors.New("no token came")
		}
		return err
	}, nil
}

// introspections ask about a token that a person's login has made.
func (i *issuer) introspections(_ context.Context, held []tokens) (operation, error) {
	return func(ctx context.Context, b int) error {
		var answer struct {
			Active bool `json:"active"`
		}
		err := i.post(ctx, i.introspection, url.Values{"token": {held[b].Access}}, nil, &answer)
		if err == nil && !answer.Active {
			err = fmt.Errorf("a good token is not active")
		}
		return err
	}, nil
}
