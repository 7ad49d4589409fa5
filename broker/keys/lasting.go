package keys

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
)

// lasting is the line whose one key never changes: what is made with it names people at apps, who keep the
// names for years. Nothing signs with it and nobody outside has it, so there is nothing to exchange it for:
// it goes with its database, and with its master key alone.
var lasting = line{"subject", "HS256"}

func (k *key) openLasting(secret []byte) (err error) {
	k.mac, err = hkdf.Key(sha256.New, secret, nil, "signet lasting mac", sha256.Size)
	return err
}

// Lasting returns 32 bytes that only this ring can make of texts, for a purpose: the same on every node, after
// every restart and every rotation.
func (r *Ring) Lasting(purpose string, texts ...string) ([]byte, error) {
	k, err := r.keys.Load().current(lasting, r.now())
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, k.mac)
	for _, text := range append([]string{purpose}, texts...) {
		// Each by itself first, so that no two lists of texts are the same input.
		sum := sha256.Sum256([]byte(text))
		mac.Write(sum[:])
	}
	return mac.Sum(nil), nil
}
