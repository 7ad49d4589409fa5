package main

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Secrets have shapes that nothing else in a log has: our own are 52 characters of base32, every token is
// a JOSE object, and a SAML message is XML, plain or in base64.
var secretShapes = []*regexp.Regexp{
	regexp.MustCompile(`[A-Z2-7]{52}`),
	regexp.MustCompile(`eyJ[A-Za-z0-9_-]{12}`),
	regexp.MustCompile(`<\w*:?(Response|Assertion|AuthnRequest)\b`),
	regexp.MustCompile(`(PHNhbWx|PD94bWw|PFJlc3Bvbn|PEFzc2Vyd|PG1kO)[A-Za-z0-9+/]*`),
	regexp.MustCompile(`\$argon2`),
	regexp.MustCompile(`-----BEGIN`),
}

// secretWords are those that the rows use.
var secretWords = []string{appSecret, "correct horse battery", "correct%20horse", "globex-secret", verifier}

func secretsIn(log string) []string {
	var found []string
	for line := range strings.Lines(log) {
		told := slices.ContainsFunc(secretWords, func(s string) bool { return strings.Contains(line, s) }) ||
			slices.ContainsFunc(secretShapes, func(s *regexp.Regexp) bool { return s.MatchString(line) })
		if told {
			found = append(found, line)
		}
	}
	return found
}

// TestSecretsAreSeen holds the search for secrets to secrets as they are.
func TestSecretsAreSeen(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	back := b.atInitech(b.authorize(webApp, url.Values{"provider": {"initech"}}), nil)
	got := b.atApp(b.get(back.location.String()))
	a := w.redeem(webApp, got.Get("code"), nil)
	home, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{got.Get("code"), a.Access, a.ID, a.Refresh, appSecret, verifier, `<samlp:Response ID="x">`, "PHNhbWxwOlJlc3BvbnNl"}
	for _, c := range b.client.Jar.Cookies(home) {
		if c.Name != "signet-last" { // a provider's id
			secrets = append(secrets, c.Value)
		}
	}
	for _, s := range secrets {
		if len(secretsIn(`{"error":"`+s+`"}`)) != 1 {
			t.Errorf("%.40q is not taken for a secret", s)
		}
	}
	if found := secretsIn(w.log.String()); len(found) > 0 {
		t.Errorf("an honest login's log: %s", found)
	}
}
