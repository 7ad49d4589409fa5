package broker

import (
	"bytes"
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

// What is kept of a secret follows the time too, and tells nothing of it but that.
func TestHashesFollowTheTime(t *testing.T) {
	now := time.Now()
	first, same, later := NewSecret(now), NewSecret(now), NewSecret(now.Add(time.Millisecond))
	a, b, c := HashSecret(first), HashSecret(same), HashSecret(later)
	if len(first) != 62 || len(a) != 42 || bytes.Equal(a, b) || !bytes.Equal(a[:10], b[:10]) || bytes.Compare(a, c) >= 0 || bytes.Compare(b, c) >= 0 {
		t.Fatalf("%q is kept as %x, %q as %x, and a later one as %x", first, a, same, b, c)
	}
	if string(a[:10]) != Stamp(now) || bytes.Contains(a, []byte(first[10:16])) {
		t.Fatalf("%q is kept as %q", first, a)
	}
	seen := map[string]string{}
	for _, s := range []string{"", "A", first[:9], first[:10], first[:10] + "A", first + "A", first[:52], first, same} {
		h := string(HashSecret(s))
		if other, ok := seen[h]; ok {
			t.Errorf("%q and %q are kept as one", s, other)
		}
		seen[h] = s
	}
}
