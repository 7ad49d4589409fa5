package broker

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// NewID returns a name for a row that is made now: 10 characters of the time, in milliseconds, and 130 bits that
// nobody can guess, all of it letters and digits. Names that begin with the time go to the end of an index one after
// the other, where random ones touch a page each: less to write, and nothing old to read.
func NewID(now time.Time) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixMilli())<<14)
	return timeText.EncodeToString(b[:])[:10] + rand.Text()
}

// timeText keeps the order of what it encodes, which the alphabet of rand.Text does not: there, digits stand for
// more than letters.
var timeText = base32.HexEncoding.WithPadding(base32.NoPadding)
