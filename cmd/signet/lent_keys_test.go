package main

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"

	"github.com/signet-broker/signet/broker/keys"
)

// lent are RSA keys that every world begins with: making some for each of hundreds would be most of what
// the tests do. A world that needs more, because its keys rotate, has new ones made.
var lent struct {
	sync.Mutex
	keys []*rsa.PrivateKey
	next int // of the world that was begun last
}

const maxLent = 16

func init() {
	keys.Default.RSA = func() (*rsa.PrivateKey, error) {
		lent.Lock()
		defer lent.Unlock()
		if lent.next >= maxLent {
			return rsa.GenerateKey(rand.Reader, 2048)
		}
		if lent.next == len(lent.keys) {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				return nil, err
			}
			lent.keys = append(lent.keys, key)
		}
		lent.next++
		return lent.keys[lent.next-1], nil
	}
}

// lendAnew begins a world.
func lendAnew() {
	lent.Lock()
	defer lent.Unlock()
	lent.next = 0
}
