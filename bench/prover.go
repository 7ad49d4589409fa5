package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// prover is a key that an app's tokens are bound to (RFC 9449).
type prover struct{ signer jose.Signer }

func newProver() (*prover, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	return &prover{signer}, err
}

// proof is one for a POST without an access token.
func (p *prover) proof(to string) (string, error) {
	return jwt.Signed(p.signer).Claims(map[string]any{
		"jti": rand.Text(), "htm": "POST", "htu": to, "iat": time.Now().Unix(),
	}).Serialize()
}
