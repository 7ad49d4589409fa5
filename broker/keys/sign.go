package keys

import (
	"context"
	"crypto"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// The types of the tokens that are signed here (RFC 8725 §3.11): one is never taken for another.
const (
	TypeID     = "JWT"
	TypeAccess = "at+jwt" // RFC 9068 §2.1
)

// maxToken is the length of the longest token that is looked at, in bytes.
const maxToken = 32 << 10

func (k *key) openSigner(private crypto.Signer) error {
	k.public = jose.JSONWebKey{Key: private.Public(), KeyID: k.ID, Algorithm: k.Alg, Use: "sig"}
	k.signers = map[string]jose.Signer{}
	for _, typ := range []string{TypeID, TypeAccess} {
		s, err := jose.NewSigner(
			jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Alg), Key: jose.JSONWebKey{Key: private, KeyID: k.ID}},
			(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
		if err != nil {
			return fmt.Errorf("key %s: %w", k.ID, err)
		}
		k.signers[typ] = s
	}
	return nil
}

// Sign returns claims as a JWT (RFC 7519) of a type, signed with the key of alg that is in use.
func (r *Ring) Sign(alg, typ string, claims any) (string, error) {
	k, err := r.keys.Load().current(line{"sig", alg}, r.now())
	if err != nil {
		return "", err
	}
	return jwt.Signed(k.signers[typ]).Claims(claims).Serialize()
}

// Verify checks that a token of a type was signed here, and decodes its payload into claims. Nothing else
// is checked: neither its times nor its audience.
func (r *Ring) Verify(ctx context.Context, token, typ string, claims any) error {
	if len(token) > maxToken {
		return fmt.Errorf("token of %d bytes", len(token))
	}
	t, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
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
	return t.Claims(k.public.Key, claims)
}
