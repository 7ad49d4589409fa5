package keys

import (
	"crypto/sha256"
	"sync"
)

// maxVerified is how many tokens are remembered at least, once there were so many: half a megabyte of them.
const maxVerified = 4096

// verified remembers tokens whose signature was found good, by their hash: an API asks about the same token again and
// again, and the signature is the most of what an answer costs. Nothing that is not signed here gets in. The zero
// value is ready.
type verified struct {
	mu          sync.Mutex
	young, aged map[[sha256.Size]byte]struct{}
}

func (v *verified) has(sum [sha256.Size]byte) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.young[sum]; ok {
		return true
	}
	_, ok := v.aged[sum]
	if ok {
		v.put(sum) // it is still asked about
	}
	return ok
}

func (v *verified) add(sum [sha256.Size]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.put(sum)
}

// put remembers a token, and forgets those that nobody has asked about since the last time that it was full; v.mu is
// held.
func (v *verified) put(sum [sha256.Size]byte) {
	if v.young == nil || len(v.young) >= maxVerified {
		v.young, v.aged = map[[sha256.Size]byte]struct{}{}, v.young
	}
	v.young[sum] = struct{}{}
}
