package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/providers"
)

// maxKeys is the most keys that a key set may have.
const maxKeys = 100

// publicKey is one key of an upstream that signs.
type publicKey struct {
	id  string
	alg string // the one algorithm it is for; "" leaves that to its type
	key crypto.PublicKey
}

// keySet is what an upstream's jwks_uri held, parsed once.
type keySet struct{ keys []publicKey }

// fits tells whether a key may verify alg (RFC 7518, section 3.1): the algorithm is never the token's choice
// alone, a curve and its hash belong together.
func (k *publicKey) fits(alg string) bool {
	if k.alg != "" && k.alg != alg && !(k.alg == "Ed25519" && alg == "EdDSA") {
		return false
	}
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case *ecdsa.PublicKey:
		return alg == "ES256" && key.Curve == elliptic.P256() || alg == "ES384" && key.Curve == elliptic.P384()
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}

var (
	errNoKey     = errors.New("no key of that kid and alg")
	errAmbiguous = errors.New("several keys fit and the token names none")
)

// find returns the one key that a token may be signed with. A token without kid is taken only where there is
// a single key: trying all of them would let a forgotten key sign for ever.
func (s *keySet) find(kid, alg string) (crypto.PublicKey, error) {
	if kid == "" {
		switch {
		case len(s.keys) > 1:
			return nil, errAmbiguous
		case len(s.keys) == 1 && s.keys[0].fits(alg):
			return s.keys[0].key, nil
		}
		return nil, errNoKey
	}
	var found crypto.PublicKey
	for i := range s.keys {
		k := &s.keys[i]
		if k.id != kid || !k.fits(alg) {
			continue
		}
		if found != nil && !found.(interface{ Equal(crypto.PublicKey) bool }).Equal(k.key) {
			return nil, errAmbiguous
		}
		found = k.key
	}
	if found == nil {
		return nil, errNoKey
	}
	return found, nil
}

// verify returns the payload of a token that one of the upstream's keys has signed.
func (p *provider) verify(ctx context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	set, err := p.keys.get(ctx)
	if err != nil {
		return nil, err
	}
	header := jws.Signatures[0].Protected
	payload, err := set.verify(jws, header)
	// A key that is not there yet may have come since. A known one that does not verify is no reason to ask.
	if errors.Is(err, errNoKey) || err != nil && header.KeyID == "" && !errors.Is(err, errAmbiguous) {
		if renewed, ok := p.keys.renew(ctx); ok {
			payload, err = renewed.verify(jws, header)
		}
	}
	if err != nil {
		return nil, providers.Refuse("sig", "token of kid %.64q, alg %s: %w", header.KeyID, header.Algorithm, err)
	}
	return payload, nil
}

func (s *keySet) verify(jws *jose.JSONWebSignature, header jose.Header) ([]byte, error) {
	key, err := s.find(header.KeyID, header.Algorithm)
	if err != nil {
		return nil, err
	}
	return jws.Verify(key)
}

// fetchKeys is the fetch of provider.keys.
func (p *provider) fetchKeys(ctx context.Context) (*keySet, error) {
	m, err := p.metadata.get(ctx)
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
	set, err := parseKeys(body)
	if err != nil {
		return nil, providers.Refuse("jwks", "key set: %w", err)
	}
	return set, nil
}

// parseKeys reads a key set (RFC 7517, section 5). Keys that are of no use to verify an ID token are left
// out, as the RFC says; a set that is none, or is too large, is an error.
func parseKeys(body []byte) (*keySet, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, errors.New("is no JSON object with keys")
	}
	if doc.Keys == nil {
		return nil, errors.New("has no keys")
	}
	if n := len(doc.Keys); n > maxKeys {
		return nil, fmt.Errorf("has %d keys, more than %d", n, maxKeys)
	}
	set := &keySet{}
	for _, raw := range doc.Keys {
		if k, ok := parseKey(raw); ok {
			set.keys = append(set.keys, k)
		}
	}
	return set, nil
}

func parseKey(raw json.RawMessage) (publicKey, bool) {
	var about struct {
		Type string   `json:"kty"`
		Use  string   `json:"use"`
		Ops  []string `json:"key_ops"`
		D    any      `json:"d"`
	}
	err := json.Unmarshal(raw, &about)
	switch {
	case err != nil, about.Use != "" && about.Use != "sig", about.Ops != nil && !slices.Contains(about.Ops, "verify"):
		return publicKey{}, false
	case about.Type == "oct", about.D != nil: // a secret that is published is none
		return publicKey{}, false
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(raw); err != nil || !strong(jwk.Key) {
		return publicKey{}, false
	}
	return publicKey{id: jwk.KeyID, alg: jwk.Algorithm, key: jwk.Key}, true
}

// strong leaves out keys that are too small to hold and those so large that verifying is an attack on us.
func strong(key any) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		bits := k.N.BitLen()
		return bits >= 2048 && bits <= 4096 && k.E >= 3 && k.E <= 1<<31-1 && k.E%2 == 1
	case *ecdsa.PublicKey:
		return k.Curve == elliptic.P256() || k.Curve == elliptic.P384()
	case ed25519.PublicKey:
		return len(k) == ed25519.PublicKeySize
	}
	return false
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
