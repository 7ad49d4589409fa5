package oauth2

import (
	"math"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/signet-broker/signet/providers"
)

// Subject returns what a profile calls a person, at a path such as "data.user.id": a string, or an integer
// digit by digit. Anything else is nobody: 1e3 and 1000 would be two names of one person, true a name of many.
func Subject(profile map[string]any, path string) (string, error) {
	var at any = profile
	for name := range strings.SplitSeq(path, ".") {
		object, _ := at.(map[string]any)
		at = object[name]
	}
	var s string
	switch v := at.(type) {
	case string:
		s = v
	case json.Number:
		s = string(v)
		if strings.ContainsAny(s, ".eE-") {
			s = ""
		}
	}
	if s == "" || len(s) > 255 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", providers.Refuse("sub", "profile has no %.40q of 1 to 255 bytes", path)
	}
	return s, nil
}

// Claims returns a profile with plain numbers. One that a float64 cannot hold keeps its digits as a string: two
// people whose ids differ in the last digit must not become one.
func Claims(profile map[string]any) map[string]any {
	for name, value := range profile {
		profile[name] = plain(value)
	}
	return profile
}

func plain(value any) any {
	switch v := value.(type) {
	case json.Number:
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil || math.Abs(f) >= 1<<53 {
			return string(v)
		}
		return f
	case map[string]any:
		return Claims(v)
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return value
}
