package keys

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The types of the tokens that are signed here (RFC 8725 §3.11): one is never taken for another.
const (
	TypeID     = "JWT"
	TypeAccess = "at+jwt"     // RFC 9068 §2.1
	TypeLogout = "logout+jwt" // OpenID Connect Back-Channel Logout 1.0 §2.4
	// TypeIntrospection is of answers about a token (RFC 9701 §5).
	TypeIntrospection = "token-introspection+jwt"
	// TypeUserinfo is of UserInfo that is signed, which is no ID token though it says the same (OpenID Connect Core
	// §5.3.2 names no type).
	TypeUserinfo = "userinfo+jwt"
)

// maxToken is the length of the longest token that is looked at, in bytes.
const maxToken = 32 << 10

func (k *key) openSigner(public crypto.PublicKey) error {
	k.public = jose.JSONWebKey{Key: public, KeyID: k.ID, Algorithm: k.Alg, Use: "sig"}
	k.headers = map[string]string{}
	for _, typ := range []string{TypeID, TypeAccess, TypeLogout, TypeIntrospection, TypeUserinfo} {
		header, err := json.Marshal(jwsHeader{k.Alg, k.ID, typ})
		if err != nil {
			return fmt.Errorf("key %s: %w", k.ID, err)
		}
		k.headers[typ] = b64.EncodeToString(header) + "."
	}
	return nil
}

type jwsHeader struct {
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Typ string `json:"typ"`
}

// Sign returns claims as a JWT (RFC 7519) of a type, signed with the key of alg that is in use. Where that is kept
// elsewhere, the network is asked, and errors are those of Remote.
func (r *Ring) Sign(ctx context.Context, alg, typ string, claims any) (string, error) {
	k := r.signer(r.keys.Load(), alg, r.now())
	if k == nil {
		return "", fmt.Errorf("no key for %s", alg)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	// A JWS in compact form (RFC 7515 §7.1). It is put together here because signing is most of what a login
	// costs, and go-jose makes the header anew for each.
	token := make([]byte, 0, len(k.headers[typ])+len(payload)*4/3+400)
	token = append(token, k.headers[typ]...)
	token = b64.AppendEncode(token, payload)
	signature, err := r.sign(ctx, k, token)
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", k.ID, err)
	}
	return string(b64.AppendEncode(append(token, '.'), signature)), nil
}

// sign returns the signature of a key's algorithm over input (RFC 7518 §3.3 to §3.5, RFC 8037 §3.1).
func (r *Ring) sign(ctx context.Context, k *key, input []byte) ([]byte, error) {
	if k.Alg == "EdDSA" {
		return k.private.Sign(rand.Reader, input, crypto.Hash(0))
	}
	digest := sha256.Sum256(input)
	signature, err := r.signDigest(ctx, k, digest[:])
	if err != nil || k.Alg != "ES256" {
		return signature, err
	}
	var pair cryptobyte.String // what crypto.Signer gives is ASN.1 (RFC 3279 §2.2.3)
	var rBytes, sBytes []byte
	der := cryptobyte.String(signature)
	if !der.ReadASN1(&pair, asn1.SEQUENCE) || !pair.ReadASN1Integer(&rBytes) || !pair.ReadASN1Integer(&sBytes) ||
		len(rBytes) > 32 || len(sBytes) > 32 {
		return nil, errors.New("the signature is no pair of numbers below 2^256")
	}
	fixed := make([]byte, 64)
	copy(fixed[32-len(rBytes):], rBytes)
	copy(fixed[64-len(sBytes):], sBytes)
	return fixed, nil
}

func (r *Ring) signDigest(ctx context.Context, k *key, digest []byte) ([]byte, error) {
	if k.remote != "" {
		return r.signRemote(ctx, k, digest)
	}
	switch k.Alg {
	case "PS256":
		return k.private.Sign(rand.Reader, digest, pss)
	case "ES256":
		// Without randomness the signature's secret number comes of the key and the digest (RFC 6979, FIPS 186-5 §6.3),
		// which costs a quarter less.
		return k.private.Sign(nil, digest, crypto.SHA256)
	}
	return k.private.Sign(rand.Reader, digest, crypto.SHA256)
}

var pss = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}

// Verify checks that a token of a type was signed here, and decodes its payload into claims. Nothing else
// is checked: neither its times nor its audience.
func (r *Ring) Verify(ctx context.Context, token, typ string, claims any) error {
	if len(token) > maxToken {
		return fmt.Errorf("token of %d bytes", len(token))
	}
	t, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA, jose.PS256})
	if err != nil {
		return fmt.Errorf("parse token: %w", err)
	}
	h := t.Headers[0]
	if got, _ := h.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return fmt.Errorf("token of type %.20q, not %s", got, typ)
	}
	k := r.find(ctx, h.KeyID)
	if k == nil || k.Use != "sig" || k.Alg != h.Algorithm {
		return fmt.Errorf("no %s key %.60q here", h.Algorithm, h.KeyID)
	}
	// The ID of a key is its thumbprint, so that what it has signed once it has signed for ever; whether it is still
	// one of ours was looked at above.
	sum := sha256.Sum256([]byte(token))
	if r.verified.has(sum) {
		return t.UnsafeClaimsWithoutVerification(claims)
	}
	if err := t.Claims(k.public.Key, claims); err != nil {
		return err
	}
	r.verified.add(sum)
	return nil
}
