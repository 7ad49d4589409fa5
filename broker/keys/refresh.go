package keys

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// What is given out and comes back only to Signet is a JWE in compact form (RFC 7516 §7.1) with alg "dir"
// and enc "A256GCM". The IV is made from the plaintext with a second key, so that the same content is the
// same token (an app that asks again for a successor it lost gets that very one) and different contents
// never share an IV. go-jose cannot be given an IV, hence these few lines on the standard library.

type jweHeader struct {
	Alg string `json:"alg"`
	Enc string `json:"enc"`
	Kid string `json:"kid"`
}

var b64 = base64.RawURLEncoding.Strict()

func (k *key) openSecret(secret []byte) error {
	content, err := hkdf.Key(sha256.New, secret, nil, "signet refresh content", 32)
	if err != nil {
		return err
	}
	if k.iv, err = hkdf.Key(sha256.New, secret, nil, "signet refresh iv", 32); err != nil {
		return err
	}
	if k.mac, err = hkdf.Key(sha256.New, secret, nil, "signet mac", 32); err != nil {
		return err
	}
	block, err := aes.NewCipher(content)
	if err != nil {
		return err
	}
	k.aead, err = cipher.NewGCM(block)
	return err
}

// Encrypt returns content as a JWE that only this ring can read.
func (r *Ring) Encrypt(content []byte) (string, error) {
	k, err := r.keys.Load().current(line{"refresh", "A256GCM"}, r.now())
	if err != nil {
		return "", err
	}
	header, err := json.Marshal(jweHeader{"dir", "A256GCM", k.ID})
	if err != nil {
		return "", err
	}
	protected := b64.EncodeToString(header)
	mac := hmac.New(sha256.New, k.iv)
	mac.Write(content)
	iv := mac.Sum(nil)[:k.aead.NonceSize()]
	out := k.aead.Seal(nil, iv, content, []byte(protected))
	cut := len(out) - k.aead.Overhead()
	return strings.Join([]string{protected, "", b64.EncodeToString(iv), b64.EncodeToString(out[:cut]), b64.EncodeToString(out[cut:])}, "."), nil
}

var errNotOurs = errors.New("not a token made here")

// Decrypt returns the content of a JWE that Encrypt made; an error for everything else.
func (r *Ring) Decrypt(ctx context.Context, token string) ([]byte, error) {
	part := strings.Split(token[:min(len(token), maxToken)], ".")
	if len(token) > maxToken || len(part) != 5 || part[1] != "" {
		return nil, errNotOurs
	}
	var decoded [5][]byte
	for i, p := range part {
		var err error
		if decoded[i], err = b64.DecodeString(p); err != nil {
			return nil, errNotOurs
		}
	}
	var h jweHeader
	if err := json.Unmarshal(decoded[0], &h); err != nil || h.Alg != "dir" || h.Enc != "A256GCM" {
		return nil, errNotOurs
	}
	k := r.find(ctx, h.Kid)
	if k == nil || k.aead == nil || len(decoded[2]) != k.aead.NonceSize() {
		return nil, errNotOurs
	}
	content, err := k.aead.Open(nil, decoded[2], append(decoded[3], decoded[4]...), []byte(part[0]))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotOurs, err)
	}
	return content, nil
}

// MAC returns 32 bytes that only this ring can make of data, for a purpose. They change with its key, so
// they are for what may be asked for again.
func (r *Ring) MAC(purpose string, data []byte) ([]byte, error) {
	k, err := r.keys.Load().current(line{"refresh", "A256GCM"}, r.now())
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, k.mac)
	mac.Write([]byte(purpose))
	mac.Write([]byte{0})
	mac.Write(data)
	return mac.Sum(nil), nil
}
