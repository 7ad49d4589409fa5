package oidc

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/jwks"
	"github.com/signet-broker/signet/providers"
)

// verify returns the payload of a token that one of the upstream's keys has signed.
func (p *provider) verify(ctx context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	payload, err := jwks.Verify(ctx, p.keys, jws)
	var unreachable *providers.Error
	if err != nil && !errors.As(err, &unreachable) {
		header := jws.Signatures[0].Protected
		return nil, providers.Refuse("sig", "token of kid %.64q, alg %s: %w", header.KeyID, header.Algorithm, err)
	}
	return payload, err
}

// fetchKeys is the fetch of provider.keys.
func (p *provider) fetchKeys(ctx context.Context) (*jwks.Set, error) {
	m, err := p.metadata.Get(ctx)
	if err != nil {
		return nil, err
	}
	body, _, err := p.read(ctx, m.JWKSURL, "")
	if errors.Is(err, egress.ErrTooLarge) {
		return nil, providers.Refuse("jwks", "key set: %w", err)
	}
	if err != nil {
		return nil, err
	}
	set, err := jwks.Parse(body)
	if err != nil {
		return nil, providers.Refuse("jwks", "key set: %w", err)
	}
	return set, nil
}

// read fetches a document of the upstream; bearer is an access token or "". An error is an *Error.
func (p *provider) read(ctx context.Context, url, bearer string) (body []byte, contentType string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", authcode.Broken("request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := p.env.Client.Do(req)
	if err != nil {
		return nil, "", authcode.Unreachable("fetch", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, "", authcode.Broken("%s answers %d", url, resp.StatusCode)
	}
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		return nil, "", authcode.Unreachable("read "+url, err)
	}
	return body, resp.Header.Get("Content-Type"), nil
}
