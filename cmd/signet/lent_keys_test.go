package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"os"
	"slices"
	"sync"

	"github.com/signet-broker/signet/broker/keys"
)

// lentKeys are RSA keys that every world begins with, and every broker in a process of its own: making some for
// each of hundreds would be most of what the tests do. They guard nothing. A world that needs more, because its keys
// rotate for long, has new ones made.
//
//go:embed testdata/lent.pem
var lentKeys []byte

var lent struct {
	sync.Mutex
	keys []*rsa.PrivateKey
	rest []byte // of lentKeys, not read yet
	next int    // of the world that was begun last
}

func init() {
	if os.Getenv(asSignet) != "" && !slices.Contains(os.Args, "serve") {
		return // a command that makes keys makes some that the broker has not
	}
	lent.rest = lentKeys
	keys.Default.RSA = func() (*rsa.PrivateKey, error) {
		lent.Lock()
		defer lent.Unlock()
		if lent.next == len(lent.keys) {
			var block *pem.Block
			if block, lent.rest = pem.Decode(lent.rest); block == nil {
				return rsa.GenerateKey(rand.Reader, 2048)
			}
			key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
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
