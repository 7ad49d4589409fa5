package keys

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
)

func sumOf(n int) [sha256.Size]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// TestVerifiedIsBounded: what is asked about stays, what nobody asks about goes, and there are never many.
func TestVerifiedIsBounded(t *testing.T) {
	var v verified
	if v.has(sumOf(0)) {
		t.Fatal("a token that was never verified is known")
	}
	const many = 10 * maxVerified
	for n := range many {
		v.add(sumOf(n))
		if !v.has(sumOf(n)) || !v.has(sumOf(0)) {
			t.Fatalf("after %d: the last or the first is forgotten", n)
		}
		if len(v.young)+len(v.aged) > 2*maxVerified {
			t.Fatalf("%d are remembered", len(v.young)+len(v.aged))
		}
	}
	if v.has(sumOf(1)) || !v.has(sumOf(many-maxVerified+1)) {
		t.Error("one that nobody asked about is remembered, or one of the last is not")
	}
}
