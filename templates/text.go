package templates

import (
	"hash/fnv"
	"html/template"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// functions are what the HTML files may call.
func (p *Pages) functions(asset func(string) string) template.FuncMap {
	return template.FuncMap{
		"asset":    asset,
		"t":        p.words.text,
		"wait":     p.words.wait,
		"scope":    p.words.scope,
		"monogram": monogram,
		"tint":     tint,
	}
}

// wait says how long d is, rounded up to a number that people read at a glance.
func (m *messages) wait(lang Lang, d time.Duration) (string, error) {
	up := func(unit time.Duration) int { return int((d + unit - 1) / unit) }
	switch {
	case d <= 0:
		return m.text(lang, "wait.soon")
	case d <= time.Minute:
		return m.text(lang, "wait.seconds", "PluralCount", up(time.Second))
	case d <= time.Hour:
		return m.text(lang, "wait.minutes", "PluralCount", up(time.Minute))
	default:
		return m.text(lang, "wait.hours", "PluralCount", up(time.Hour))
	}
}

// scopes are the scopes that have a sentence.
var scopes = map[string]string{
	"openid": "consent.openid", "profile": "consent.profile", "email": "consent.email", "phone": "consent.phone",
	"address": "consent.address", "groups": "consent.groups", "offline_access": "consent.offline_access",
}

// scope says what an app may do with a scope.
func (m *messages) scope(lang Lang, name string) (string, error) {
	if key, ok := scopes[name]; ok {
		return m.text(lang, key)
	}
	return m.text(lang, "consent.unnamed", "Scope", name)
}

// monogram is the first letter or digit of a name.
func monogram(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return "·"
}

// tint picks one of the six colours of the style sheet, always the same for a name.
func tint(name string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return int(h.Sum32() % 6)
}

// hint is a value from outside that is put into a field for convenience: what no person would have typed
// is left out, not shortened into something else.
func hint(s string) string {
	if len(s) > 255 || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return ""
	}
	return s
}

// outside is link for pages of others: https alone.
func outside(s string) string {
	if strings.HasPrefix(s, "https://") {
		return link(s)
	}
	return ""
}

// link returns a URL that may be followed from a page: a path of ours, or an absolute one of http or
// https. Anything else (javascript:, data:, //host) becomes "".
func link(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || strings.ContainsRune(s, '\\'):
		return ""
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//"):
		return s
	case (u.Scheme == "https" || u.Scheme == "http") && u.Host != "":
		return s
	}
	return ""
}
