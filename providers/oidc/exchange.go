package oidc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"golang.org/x/oauth2"

	"github.com/signet-broker/signet/providers"
)

// tokens is what the token endpoint gave.
type tokens struct{ access, id string }

// exchange trades a code for tokens (RFC 6749, section 4.1.3) in exactly one request: a code that is sent
// twice is taken for a stolen one.
func (p *provider) exchange(ctx context.Context, m *metadata, code, verifier string) (tokens, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, p.token)
	client, proof, err := p.client(ctx, m)
	if err != nil {
		return tokens{}, providers.AsError(err)
	}
	t, err := client.Exchange(ctx, code, append(proof, oauth2.VerifierOption(verifier))...)
	if err != nil {
		return tokens{}, exchangeError(err)
	}
	// Type() would read a missing token_type as Bearer.
	if !strings.EqualFold(t.TokenType, "Bearer") {
		return tokens{}, providers.Refuse("malformed", "token response has token_type %.20q", t.TokenType)
	}
	id, ok := t.Extra("id_token").(string)
	if !ok || id == "" {
		return tokens{}, providers.Refuse("malformed", "token response has no ID token")
	}
	return tokens{access: t.AccessToken, id: id}, nil
}

// exchangeError names what went wrong. The library's own text may hold the upstream's body, which may hold
// secrets, so nothing of it is used.
func exchangeError(err error) error {
	var refusal *oauth2.RetrieveError
	switch {
	case errors.Is(err, errFormat):
		return providers.Refuse("malformed", "token response is not JSON")
	case errors.As(err, &refusal):
		status := refusal.Response.StatusCode
		switch {
		case status >= 500 || status >= 300 && status < 400 || status == http.StatusTooManyRequests:
			return broken("token endpoint answers %d", status)
		case refusal.ErrorCode == "invalid_grant": // the code: not ours to use, used, or too old
			return providers.Refuse("token_refused", "token endpoint answers %d invalid_grant", status)
		}
		// Anything else is between the upstream and us, e.g. invalid_client: the person can do nothing.
		return &providers.Error{
			Kind: providers.Upstream, Reason: "token_refused",
			Err: broken("token endpoint answers %d %s", status, errorWord(refusal.ErrorCode)).Err,
		}
	case transportFailed(err):
		return unreachable("token request", err)
	}
	return providers.Refuse("malformed", "token response cannot be read")
}

var errFormat = errors.New("not JSON")

// strict returns a client for the token endpoint. It follows no redirect, which would carry code and secret
// to another host, and hands on only answers that were read to the end and, if they are good, are JSON:
// x/oauth2 reads forms as well, and cannot tell a body that was cut from one that is wrong.
func strict(c *http.Client) *http.Client {
	strict := *c
	strict.Transport = jsonOnly{c.Transport}
	strict.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &strict
}

type jsonOnly struct{ next http.RoundTripper }

func (j jsonOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	req.Header.Set("Accept", "application/json")
	resp, err := j.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); resp.StatusCode == http.StatusOK &&
		(err != nil || media != "application/json") {
		return nil, errFormat
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
