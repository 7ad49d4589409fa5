package store

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// ms is how a time is kept: whole milliseconds since 1970, and 0 for none.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at undoes ms.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// whole cuts a time to what is kept of it.
func whole(t time.Time) time.Time { return at(ms(t)) }

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// list is how a short list of strings is kept.
func list(s []string) string {
	if len(s) == 0 {
		return ""
	}
	b, _ := json.Marshal(s) // strings only
	return string(b)
}

// unlist undoes list.
func unlist(s string) (out []string, err error) {
	if s == "" {
		return nil, nil
	}
	err = json.Unmarshal([]byte(s), &out)
	return out, err
}

// storable tells whether both databases can hold every one of args: PostgreSQL has no text with a NUL or
// with broken UTF-8, and both come in from strangers.
func storable(args []any) bool {
	for _, a := range args {
		if s, ok := a.(string); ok && (!utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0) {
			return false
		}
	}
	return true
}

// clean makes a text storable that is only for reading.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
