package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// maxKeys is the most keys that a key set may have.
const maxKeys = 100

// publicKey is one key that signs.
type publicKey struct {
	id  string
	alg string // the one algorithm it is for; "" leaves that to its type
	key crypto.PublicKey
}

// Set is a JWK set (RFC 7517 §5), parsed once.
type Set struct {
	keys         []publicKey
	certificates [][sha256.Size]byte // that the keys name
}

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

// Why no key may be taken.
var (
	ErrNoKey     = errors.New("no key of that kid and alg")
	ErrAmbiguous = errors.New("several keys fit and the token names none")
)

// find returns the one key that a token may be signed with. A token without kid is taken only where there is
// a single key: trying all of them would let a forgotten key sign for ever.
func (s *Set) find(kid, alg string) (crypto.PublicKey, error) {
	if kid == "" {
		switch {
		case len(s.keys) > 1:
			return nil, ErrAmbiguous
		case len(s.keys) == 1 && s.keys[0].fits(alg):
			return s.keys[0].key, nil
		}
		return nil, ErrNoKey
	}
	var found crypto.PublicKey
	for i := range s.keys {
		k := &s.keys[i]
		if k.id != kid || !k.fits(alg) {
			continue
		}
		if found != nil && !found.(interface{ Equal(crypto.PublicKey) bool }).Equal(k.key) {
			return nil, ErrAmbiguous
		}
		found = k.key
	}
	if found == nil {
		return nil, ErrNoKey
	}
	return found, nil
}

// Verify returns the payload of a JWS that one of the keys has signed. ErrNoKey: none of them may have.
func (s *Set) Verify(jws *jose.JSONWebSignature, header jose.Header) ([]byte, error) {
	key, err := s.find(header.KeyID, header.Algorithm)
	if err != nil {
		return nil, err
	}
	return jws.Verify(key)
}

// Parse reads a key set (RFC 7517, section 5). Keys that are of no use to verify a token are left
// out, as the RFC says; a set that is none, or is too large, is an error.
func Parse(body []byte) (*Set, error) {
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
	set := &Set{}
	for _, raw := range doc.Keys {
		if k, ok := parseKey(raw); ok {
			set.keys = append(set.keys, k)
		}
		if sum, ok := parseCertificate(raw); ok {
			set.certificates = append(set.certificates, sum)
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

// parseCertificate reads the SHA-256 of a key's own certificate.
func parseCertificate(raw json.RawMessage) (sum [sha256.Size]byte, ok bool) {
	var about struct {
		Chain      []string `json:"x5c"`
		Thumbprint string   `json:"x5t#S256"`
	}
	if err := json.Unmarshal(raw, &about); err != nil {
		return sum, false
	}
	if len(about.Chain) == 0 {
		return thumbprintOf(about.Thumbprint)
	}
	der, err := base64.StdEncoding.DecodeString(about.Chain[0])
	if err != nil {
		return sum, false
	}
	return sha256.Sum256(der), true
}

// thumbprintOf reads an x5t#S256 (RFC 7517 §4.9).
func thumbprintOf(text string) (sum [sha256.Size]byte, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != len(sum) {
		return sum, false
	}
	return [sha256.Size]byte(raw), true
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
