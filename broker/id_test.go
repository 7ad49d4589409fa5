package broker

import (
	"regexp"
	"testing"
	"time"
)

// A name that was made later comes later in an index, whatever its random part, and no two are the same.
func TestNamesFollowTheTime(t *testing.T) {
	form := regexp.MustCompile(`^[0-9A-Z]{36}$`)
	last, at := "", time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 400 {
		id := NewID(at)
		if !form.MatchString(id) || id <= last {
			t.Fatalf("NewID(%v) = %q, after %q", at, id, last)
		}
		last, at = id, at.Add(time.Since(at)/100+time.Millisecond)
	}
	now := time.Now()
	if a, b := NewID(now), NewID(now); a == b || a[:10] != b[:10] {
		t.Fatalf("two names of one moment are %q and %q", a, b)
	}
}
