package jwks

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-broker/signet/providers"
)

// maxToken is the length of the longest token that is looked at, in bytes.
const maxToken = 16 << 10

// Client are the keys of somebody who signs to us: written down, or published at an address.
type Client struct {
	fixed  *Set
	remote *Document[*Set]
}

// Fixed returns keys that are written down as a JWK set (RFC 7517 §5) in JSON.
func Fixed(document []byte) (*Client, error) {
	set, err := Parse(document)
	if err != nil {
		return nil, err
	}
	if len(set.keys) == 0 && len(set.certificates) == 0 {
		return nil, errors.New("has no key that a signature can be verified with")
	}
	return &Client{fixed: set}, nil
}

// At returns keys that are published at an address and fetched when they are needed: within what client
// allows, once a minute at most, and kept for a day while they cannot be had.
func At(url string, client *http.Client, now func() time.Time) *Client {
	return &Client{remote: NewDocument(now, func(ctx context.Context) (*Set, error) { return fetch(ctx, client, url) })}
}

func fetch(ctx context.Context, client *http.Client, url string) (*Set, error) {
	broken := func(err error) error { return providers.Broken("jwks", fmt.Errorf("key set: %w", err)) }
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, broken(err)
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, broken(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, broken(fmt.Errorf("status %d", resp.StatusCode))
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, broken(err)
	}
	set, err := Parse(body)
	if err != nil {
		return nil, broken(err)
	}
	return set, nil
}

// Verify returns the header's typ and the payload of a JWS in compact form (RFC 7515 §7.1) that one of the
// keys has signed by one of algs. A key is only ever taken from the set, and a header that brings one of its
// own is refused.
func (c *Client) Verify(ctx context.Context, token string, algs []string) (typ string, payload []byte, err error) {
	if len(token) > maxToken {
		return "", nil, fmt.Errorf("token of %d bytes", len(token))
	}
	allowed := make([]jose.SignatureAlgorithm, len(algs))
	for i, alg := range algs {
		allowed[i] = jose.SignatureAlgorithm(alg)
	}
	jws, err := jose.ParseSignedCompact(token, allowed)
	if err != nil {
		return "", nil, fmt.Errorf("parse token: %w", err)
	}
	typ, err = Plain(jws)
	if err != nil {
		return "", nil, err
	}
	if c.remote == nil {
		payload, err = c.fixed.Verify(jws, jws.Signatures[0].Protected)
	} else {
		payload, err = Verify(ctx, c.remote, jws)
	}
	return typ, payload, err
}

// Plain returns the typ of a JWS. Its header may ask for nothing that is not understood here (RFC 7515 §4.1.11)
// and may bring or point to no key (RFC 8725 §3.10).
func Plain(jws *jose.JSONWebSignature) (typ string, err error) {
	h := jws.Signatures[0].Protected
	for _, name := range []jose.HeaderKey{"crit", "b64", "zip", "jku", "x5u"} {
		if _, there := h.ExtraHeaders[name]; there {
			return "", fmt.Errorf("header has %s", name)
		}
	}
	if h.JSONWebKey != nil {
		return "", errors.New("header has jwk")
	}
	if v, there := h.ExtraHeaders[jose.HeaderType]; there {
		text, ok := v.(string)
		if !ok {
			return "", errors.New("typ is no text")
		}
		typ = text
	}
	return typ, nil
}

// HasCertificate tells whether a certificate with this SHA-256 is among the keys: named by x5t#S256, or the
// first of x5c (RFC 8705 §2.2.2).
func (c *Client) HasCertificate(ctx context.Context, thumbprint [sha256.Size]byte) (bool, error) {
	set := c.fixed
	if c.remote != nil {
		var err error
		if set, err = c.remote.Get(ctx); err != nil {
			return false, err
		}
		if set.has(thumbprint) {
			return true, nil
		}
		if renewed, ok := c.remote.Renew(ctx); ok {
			set = renewed
		}
	}
	return set.has(thumbprint), nil
}

func (s *Set) has(thumbprint [sha256.Size]byte) bool {
	for _, known := range s.certificates {
		if subtle.ConstantTimeCompare(known[:], thumbprint[:]) == 1 {
			return true
		}
	}
	return false
}
