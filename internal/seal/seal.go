// Package seal encrypts what the database keeps and no reader of the database may see.
//
// A sealed value is a version byte, four bytes that name the master key, a random nonce and AES-256-GCM's
// ciphertext. The purpose and that header are the additional data: a value that is moved to another row or
// column does not open there.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// KeySize is the length of a master key in bytes.
const KeySize = 32

const (
	version   = 1
	keyIDSize = 4
	headSize  = 1 + keyIDSize
	nonceSize = 12
	tagSize   = 16
)

// What Open answers for a value that it cannot open.
var (
	ErrOtherKey = errors.New("sealed with another master key")
	ErrDamaged  = errors.New("sealed value is damaged or belongs elsewhere")
)

// Box seals and opens with one master key. It is used by many goroutines at once.
type Box struct {
	aead cipher.AEAD
	head [headSize]byte
}

// New returns a Box for a master key of KeySize random bytes.
func New(masterKey []byte) (*Box, error) {
	if len(masterKey) != KeySize {
		return nil, fmt.Errorf("master key has %d bytes, want %d", len(masterKey), KeySize)
	}
	// The key that encrypts and the id that is shown are derived apart, so that the id tells nothing.
	key, err := hkdf.Key(sha256.New, masterKey, nil, "signet seal key", KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	id, err := hkdf.Key(sha256.New, masterKey, nil, "signet seal key id", keyIDSize)
	if err != nil {
		return nil, fmt.Errorf("derive key id: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("open cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("open cipher: %w", err)
	}
	b := &Box{aead: aead}
	b.head[0] = version
	copy(b.head[1:], id)
	return b, nil
}

// KeyID names the master key: eight hexadecimal digits that tell nothing of it.
func (b *Box) KeyID() string { return hex.EncodeToString(b.head[1:]) }

// Seal encrypts plaintext for a purpose, e.g. "keys|private|" and the row's id.
func (b *Box) Seal(purpose string, plaintext []byte) ([]byte, error) {
	sealed := make([]byte, headSize+nonceSize, headSize+nonceSize+len(plaintext)+tagSize)
	copy(sealed, b.head[:])
	nonce := sealed[headSize:]
	rand.Read(nonce) // never fails: the program ends instead
	return b.aead.Seal(sealed, nonce, plaintext, b.additional(purpose)), nil
}

// Open returns what was sealed for this purpose. ErrOtherKey: it was sealed with another master key.
// ErrDamaged: it is not what Seal returned, or was sealed for another purpose.
func (b *Box) Open(purpose string, sealed []byte) ([]byte, error) {
	if len(sealed) < headSize+nonceSize+tagSize {
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrDamaged, len(sealed))
	}
	if sealed[0] != version {
		return nil, fmt.Errorf("%w: unknown version %d", ErrDamaged, sealed[0])
	}
	if id := sealed[1:headSize]; string(id) != string(b.head[1:]) {
		return nil, fmt.Errorf("%w: %x, this one is %s", ErrOtherKey, id, b.KeyID())
	}
	body := sealed[headSize:]
	plaintext, err := b.aead.Open(nil, body[:nonceSize], body[nonceSize:], b.additional(purpose))
	if err != nil {
		return nil, ErrDamaged
	}
	return plaintext, nil
}

func (b *Box) additional(purpose string) []byte {
	return append(b.head[:len(b.head):len(b.head)], purpose...)
}
