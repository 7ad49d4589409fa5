package op

import (
	"crypto/rand"
	"strings"
)

const (
	// userLetters are those of a user_code: none is a vowel, so that no code is a word (RFC 8628 §6.1).
	userLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userLength  = 8
)

// newUserCode makes a code of 34 bits.
func newUserCode() string {
	code := make([]byte, 0, userLength)
	for len(code) < userLength {
		var b [2 * userLength]byte
		_, _ = rand.Read(b[:]) // never fails
		for _, c := range b {
			// Above the largest multiple, some letters would come more often.
			if int(c) < 256/len(userLetters)*len(userLetters) && len(code) < userLength {
				code = append(code, userLetters[int(c)%len(userLetters)])
			}
		}
	}
	return string(code)
}

// shownUserCode is a code as people read it.
func shownUserCode(code string) string { return code[:userLength/2] + "-" + code[userLength/2:] }

// readUserCode reads what a person has typed, in any case and with whatever between the letters; "" when it
// is no code.
func readUserCode(typed string) string {
	if len(typed) > 40 {
		return ""
	}
	code := strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-' || r == '.' || r == '_' || r == '\t' || r == '\u2010' || r == '\u2011' || r == '\u2013':
			return -1
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, typed)
	if len(code) != userLength || strings.Trim(code, userLetters) != "" {
		return ""
	}
	return code
}
