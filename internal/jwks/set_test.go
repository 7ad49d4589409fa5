package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math/big"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestKeysThatAreStrongEnough(t *testing.T) {
	sized := func(bits, e int) *rsa.PublicKey {
		return &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), bits-1, 1), E: e}
	}
	curve := func(c elliptic.Curve) *ecdsa.PublicKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return &k.PublicKey
	}
	for _, c := range []struct {
		name string
		key  any
		want bool
	}{
		{"RSA 2048", sized(2048, 65537), true},
		{"RSA 4096", sized(4096, 65537), true},
		{"RSA 2047", sized(2047, 65537), false},
		{"RSA 4097", sized(4097, 65537), false},
		{"RSA exponent 1", sized(2048, 1), false},
		{"RSA exponent even", sized(2048, 65536), false},
		{"RSA exponent huge", sized(2048, 1<<32+1), false},
		{"P-256", curve(elliptic.P256()), true},
		{"P-384", curve(elliptic.P384()), true},
		{"P-521", curve(elliptic.P521()), false},
		{"P-224", curve(elliptic.P224()), false},
		{"Ed25519", ed25519.PublicKey(make([]byte, 32)), true},
		{"a secret", []byte("secret"), false},
	} {
		if got := strong(c.key); got != c.want {
			t.Errorf("strong(%s) = %v, want %v", c.name, got, c.want)
		}
	}
}

// Each algorithm with a key of its own, and with that of another.
func TestAlgorithmAndKeyBelongTogether(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signers := map[jose.SignatureAlgorithm]any{jose.RS256: rsaKey, jose.PS256: rsaKey, jose.ES256: p256, jose.ES384: p384, jose.EdDSA: ed}
	var published []jose.JSONWebKey
	for alg, key := range signers {
		k := jose.JSONWebKey{Key: key, KeyID: string(alg), Algorithm: string(alg)}
		published = append(published, k.Public())
	}
	doc, err := json.Marshal(jose.JSONWebKeySet{Keys: published})
	if err != nil {
		t.Fatal(err)
	}
	set, err := Parse(doc)
	if err != nil || len(set.keys) != len(signers) {
		t.Fatalf("Parse = %d keys, %v", len(set.keys), err)
	}
	for alg, key := range signers {
		for kid := range signers {
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", string(kid)))
			if err != nil {
				t.Fatal(err)
			}
			signed, err := signer.Sign([]byte("{}"))
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := signed.CompactSerialize()
			jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{alg})
			if err != nil {
				t.Fatal(err)
			}
			_, err = set.Verify(jws, jws.Signatures[0].Protected)
			switch {
			case alg == kid && err != nil:
				t.Errorf("%s: %v", alg, err)
			case alg != kid && !errors.Is(err, ErrNoKey):
				t.Errorf("%s by the key of %s: %v, want ErrNoKey", alg, kid, err)
			}
		}
	}
}
