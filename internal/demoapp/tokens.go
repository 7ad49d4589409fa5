package demoapp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// tokens are what the app holds for a person.
type tokens struct {
	id, access, refresh string
	nonce               string
	idClaims            map[string]any
	accessClaims        map[string]any // for show; nil where the token is not a JWT
	came                time.Time
}

// verify takes a token response whose ID token holds (OpenID Connect Core §3.1.3.7). The nonce is the
// caller's: a refreshed ID token need not have one.
func (a *App) verify(ctx context.Context, p *party, got *oauth2.Token) (*tokens, error) {
	raw, ok := got.Extra("id_token").(string)
	if !ok || raw == "" {
		return nil, refused("no_id_token", "The sign-in service has sent no ID token.", errors.New("no ID token"))
	}
	id, err := p.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, refused("bad_id_token", "The ID token is not valid.", err)
	}
	t := &tokens{id: raw, access: got.AccessToken, refresh: got.RefreshToken, nonce: id.Nonce, came: a.opts.Now()}
	if t.idClaims = decode(raw); t.idClaims == nil {
		return nil, refused("bad_id_token", "The ID token is not valid.", errors.New("not a JWT"))
	}
	// What the library leaves to its caller.
	azp, _ := t.idClaims["azp"].(string)
	switch {
	case id.Subject == "" || id.IssuedAt.IsZero():
		err = errors.New("no sub or no iat")
	case azp != "" && azp != a.opts.ClientID, len(id.Audience) > 1 && azp == "":
		err = errors.New("made for another app")
	case id.AccessTokenHash != "":
		err = id.VerifyAccessToken(got.AccessToken)
	}
	if err != nil {
		return nil, refused("bad_id_token", "The ID token is not valid.", err)
	}
	// An app has no business in its access token, which is the API's to read. This one looks to show it.
	t.accessClaims = decode(got.AccessToken)
	return t, nil
}

// decode reads the claims of a JWT without verifying it; nil when it is none.
func decode(jwt string) map[string]any {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var claims map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // a time is a whole number, and stays one
	if d.Decode(&claims) != nil {
		return nil
	}
	return claims
}
