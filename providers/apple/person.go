package apple

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signet-broker/signet/providers"
)

const (
	maxUser = 4 << 10 // bytes of the field user
	maxName = 100     // characters of each of the two names
)

// person corrects the types of two claims, and adds the name.
func person(claims map[string]any, reply providers.Reply) (string, error) {
	for _, name := range []string{"email_verified", "is_private_email"} {
		switch claims[name] {
		case "true":
			claims[name] = true
		case "false":
			claims[name] = false
		}
	}
	return "", addName(claims, reply.Values["user"])
}

// addName reads the field user, which the browser brings along the first time that somebody signs in.
// Nothing vouches for it, so it says how to address the person and nothing else: an e-mail address in it is
// whatever somebody typed.
func addName(claims map[string]any, user []string) error {
	if len(user) == 0 {
		return nil
	}
	if len(user) > 1 || len(user[0]) > maxUser {
		return providers.Refuse("malformed", "callback has %d user parameters, or one too long", len(user))
	}
	var said struct {
		Name struct {
			First string `json:"firstName"`
			Last  string `json:"lastName"`
		} `json:"name"`
	}
	if err := json.Unmarshal([]byte(user[0]), &said); err != nil {
		return providers.Refuse("malformed", "callback has a user parameter that is no JSON of a name")
	}
	first, last := plain(said.Name.First), plain(said.Name.Last)
	for name, value := range map[string]string{
		"given_name": first, "family_name": last, "name": strings.TrimSpace(first + " " + last),
	} {
		if _, there := claims[name]; !there && value != "" {
			claims[name] = value
		}
	}
	return nil
}

// plain returns a name without what is not shown, or "" for what cannot be one.
func plain(s string) string {
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) > maxName || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return s
}
