package authcode

import (
	"net/http"
	"regexp"

	"github.com/signet-broker/signet/providers"
)

// MaxParam is the most bytes that a parameter of a callback may have; the longest codes seen are below 3 KB.
const MaxParam = 8 << 10

// Callback is what a callback has to be.
type Callback struct {
	Form  bool   // it is a posted form, not a query
	State string // of the attempt
	// Iss looks at the parameter iss (RFC 9207), "" when it is not given; nil: anything will do.
	Iss func(iss string, given bool) error
}

// Code returns the code of a callback that may be one (RFC 6749, section 4.1.2). Everything that a forger
// could have written is refused before the code goes anywhere.
func (c Callback) Code(r providers.Reply) (string, error) {
	// One that comes another way than it was asked for has been carried by somebody.
	want := http.MethodGet
	if c.Form {
		want = http.MethodPost
	}
	if r.Method != want {
		return "", providers.Refuse("malformed", "callback by %.10q, want %s", r.Method, want)
	}
	for _, name := range []string{"state", "code", "iss", "error"} {
		// Two of one are two readings: some part before us may have checked the other.
		if v := r.Values[name]; len(v) > 1 || len(v) == 1 && len(v[0]) > MaxParam {
			return "", providers.Refuse("malformed", "callback has %d %s parameters, or one too long", len(v), name)
		}
	}
	state, code, failure := r.Values.Get("state"), r.Values.Get("code"), r.Values.Get("error")
	switch {
	case state == "":
		return "", providers.Refuse("state_missing", "callback without state")
	case state != c.State:
		return "", providers.Refuse("state_invalid", "callback of another attempt")
	}
	// Before the token request: after it, a code of the honest upstream would have gone to the wrong one.
	if c.Iss != nil {
		if err := c.Iss(r.Values.Get("iss"), r.Values.Has("iss")); err != nil {
			return "", err
		}
	}
	switch {
	case failure != "" && code != "":
		return "", providers.Refuse("malformed", "callback with both code and error")
	case failure != "":
		return "", providers.Refuse("idp_error", "upstream answers %s", errorWord(failure))
	case code == "":
		return "", providers.Refuse("malformed", "callback without code")
	}
	return code, nil
}

var word = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// errorWord returns an OAuth error code that is fit for a log; whatever else a stranger wrote is not.
func errorWord(s string) string {
	if word.MatchString(s) {
		return s
	}
	return "an error without a usable code"
}
