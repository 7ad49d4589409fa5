package demoapp

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// labels say in words what a claim is, in the order in which claims are shown. Others follow by name.
var labels = []struct{ name, label string }{
	{"name", "Name"},
	{"given_name", "Given name"},
	{"family_name", "Family name"},
	{"preferred_username", "User name"},
	{"email", "E-mail"},
	{"email_verified", "E-mail verified"},
	{"groups", "Groups"},
	{"department", "Department"},
	{"sub", "Who: the user's id"},
	{"iss", "Issued by"},
	{"aud", "Meant for"},
	{"azp", "Asked for by"},
	{"client_id", "Asked for by"},
	{"scope", "Allows"},
	{"auth_time", "Signed in"},
	{"amr", "Signed in with"},
	{"acr", "How strongly"},
	{"iat", "Issued"},
	{"nbf", "Good from"},
	{"exp", "Good until"},
	{"jti", "This token's id"},
	{"sid", "The session's id"},
	{"nonce", "Nonce of this sign-in"},
	{"at_hash", "Access token's hash"},
	{"updated_at", "Profile changed"},
}

var times = []string{"iat", "nbf", "exp", "auth_time", "updated_at"}

// claim is one row of a token's table.
type claim struct {
	Name, Label string
	Value       string
	Note        string // when a time is, from now
	Changed     bool   // by the last refresh
	Before      string // its value before that
}

// rows makes the table of a token. before are the claims of the one that it replaced; nil: none.
func rows(claims, before map[string]any, now time.Time) []claim {
	var list []claim
	rest := maps.Clone(claims)
	add := func(name, label string) {
		v, ok := rest[name]
		if !ok {
			return
		}
		delete(rest, name)
		c := claim{Name: name, Label: label}
		c.Value, c.Note = readable(name, v, now)
		if before != nil {
			was, had := before[name]
			if c.Before, _ = readable(name, was, now); !had {
				c.Before = "absent"
			}
			c.Changed = c.Before != c.Value
		}
		list = append(list, c)
	}
	for _, l := range labels {
		add(l.name, l.label)
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		add(name, name)
	}
	return list
}

// readable writes a claim's value for people, and for a time how far it is.
func readable(name string, v any, now time.Time) (value, note string) {
	if t, ok := instant(v); ok && slices.Contains(times, name) {
		return clock(t, now), distance(t, now)
	}
	switch v := v.(type) {
	case string:
		return v, ""
	case bool:
		if v {
			return "yes", ""
		}
		return "no", ""
	case []any:
		var words []string
		for _, e := range v {
			word, _ := readable("", e, now)
			words = append(words, word)
		}
		if len(words) == 0 {
			return "none", ""
		}
		return strings.Join(words, ", "), ""
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v), ""
	}
	return string(raw), ""
}

// instant reads a NumericDate (RFC 7519 §2).
func instant(v any) (time.Time, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseFloat(n.String(), 64)
	return time.Unix(int64(seconds), 0), err == nil
}

func clock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format("2 Jan 2006 15:04:05")
}

func distance(t, now time.Time) string {
	switch d := t.Sub(now).Round(time.Second); {
	case d > 0:
		return "in " + span(d)
	case d < 0:
		return span(-d) + " ago"
	}
	return "now"
}

// span writes a duration in its two largest units.
func span(d time.Duration) string {
	units := []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	var words []string
	for _, u := range units {
		n := d / u.d
		d -= n * u.d
		if n > 0 && len(words) < 2 {
			words = append(words, fmt.Sprintf("%d %s", n, u.name))
		} else if len(words) > 0 {
			break
		}
	}
	if len(words) == 0 {
		return "0 s"
	}
	return strings.Join(words, " ")
}
