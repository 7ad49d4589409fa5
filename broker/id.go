package broker

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// NewID returns a name for a row that is made now: the Stamp of the time and 130 bits that nobody can guess, all of
// it letters and digits. Names that begin with the time go to the end of an index one after the other, where random
// ones touch a page each: less to write, and nothing old to read.
func NewID(now time.Time) string { return Stamp(now) + rand.Text() }

// NewSecret returns what its owner finds a row by that is made now: an ID with 260 bits that nobody can guess. The
// row keeps its HashSecret.
func NewSecret(now time.Time) string { return NewID(now) + rand.Text() }

// HashSecret returns what is kept of a secret: its Stamp, for the same reason as in NewID, and its SHA-256. Of
// anything that NewSecret cannot have made it is the SHA-256 alone, as it once was of all.
func HashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	if len(secret) != secretSize {
		return sum[:]
	}
	return append([]byte(secret[:stampSize]), sum[:]...)
}

const (
	stampSize  = 10                  // the length of a Stamp
	secretSize = stampSize + 26 + 26 // of what NewSecret makes
)

// Stamp returns what the IDs and secrets begin with that are made at a time, in whole milliseconds: 10 characters
// that sort as the time does.
func Stamp(t time.Time) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(t.UnixMilli())<<14)
	return stampText.EncodeToString(b[:])[:stampSize]
}

// stampText keeps the order of what it encodes, which the alphabet of rand.Text does not: there, digits stand for
// more than letters.
var stampText = base32.HexEncoding.WithPadding(base32.NoPadding)
