package oidc

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/providers"
)

// tokens is what the token endpoint gave.
type tokens struct{ access, id string }

// exchange trades a code for tokens (RFC 6749, section 4.1.3).
func (p *provider) exchange(ctx context.Context, m *metadata, code, verifier string) (tokens, error) {
	client, proof, err := p.client(ctx, m)
	if err != nil {
		return tokens{}, providers.AsError(err)
	}
	if !p.options.NoPKCE {
		proof = append(proof, oauth2.VerifierOption(verifier))
	}
	t, err := authcode.Exchange(ctx, p.token, &client, code, proof...)
	if err != nil {
		return tokens{}, err
	}
	id, ok := t.Extra("id_token").(string)
	if !ok || id == "" {
		return tokens{}, providers.Refuse("malformed", "token response has no ID token")
	}
	return tokens{access: t.AccessToken, id: id}, nil
}
