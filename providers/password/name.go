package password

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

const (
	maxUsername = 255  // bytes
	maxPassword = 1000 // bytes
	minPassword = 8    // characters
)

// Username returns a user name as it is matched: NFKC, lower case, without surrounding space. It is an
// error when that is empty, longer than 255 bytes, no UTF-8, or has control characters in it.
func Username(s string) (string, error) {
	if len(s) > maxUsername || !utf8.ValidString(s) {
		return "", fmt.Errorf("a user name is at most %d bytes of UTF-8", maxUsername)
	}
	// Lower case can undo NFKC, so it is applied once more.
	s = norm.NFKC.String(cases.Lower(language.Und).String(norm.NFKC.String(s)))
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", errors.New("a user name is empty")
	case len(s) > maxUsername:
		return "", fmt.Errorf("a user name is at most %d bytes of UTF-8", maxUsername)
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", errors.New("a user name has control characters in it")
	}
	return s, nil
}

// CheckNew returns why a password must not be given to the account of username, nil when it may be
// (NIST SP 800-63B §3.1.1.2). There are no rules about the kinds of characters.
func CheckNew(username, password string) error {
	switch {
	case !utf8.ValidString(password):
		return errors.New("a password is UTF-8 text")
	case len(password) > maxPassword:
		return fmt.Errorf("a password has at most %d bytes", maxPassword)
	case utf8.RuneCountInString(norm.NFKC.String(password)) < minPassword:
		return fmt.Errorf("a password has at least %d characters", minPassword)
	}
	name, err := Username(username)
	if err != nil {
		return err
	}
	same, err := Username(password)
	if local, _, _ := strings.Cut(name, "@"); err == nil && (same == name || same == local) {
		return errors.New("a password must not be the user name")
	}
	return nil
}
