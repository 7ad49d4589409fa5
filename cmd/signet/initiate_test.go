package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// initiated returns where the page's link to web's initiate_login_uri leads.
func (p *page) initiated() *url.URL {
	p.w.t.Helper()
	link := p.find(func(n *html.Node) bool {
		return n.Data == "a" && strings.HasPrefix(attribute(n, "href"), "https://app.example.com/login")
	})
	if link == nil {
		p.w.t.Fatalf("no way back to the app: %v", p)
	}
	to, err := url.Parse(attribute(link, "href"))
	if err != nil {
		p.w.t.Fatal(err)
	}
	return to
}

// TestLoginsThatBeginElsewhereSayAtWhichIssuer: wherever a person is led back to an app, a login can begin there
// (OpenID Connect Core §4), and an app of several issuers must know whom to ask.
func TestLoginsThatBeginElsewhereSayAtWhichIssuer(t *testing.T) {
	w := newWorld(t, func(c string) string {
		return strings.Replace(c, "initiate_login_uri: https://app.example.com/login", "initiate_login_uri: 'https://app.example.com/login?tenant=a%20b&iss=https://evil.example'", 1)
	})
	signedIn := w.person("globex", "ann", webApp)
	for name, p := range map[string]*page{
		"a request that cannot go back": w.browser().authorize(webApp, url.Values{"redirect_uri": {"https://evil.example/"}}),
		"asked whether to sign out":     signedIn.get("/logout?client_id=" + webApp),
		"signed out":                    signedIn.get("/logout?" + url.Values{"id_token_hint": {signedIn.tokens.ID}}.Encode()),
	} {
		to := p.initiated()
		if got, want := to.Query(), (url.Values{"tenant": {"a b"}, "iss": {w.URL}}); got.Encode() != want.Encode() {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	// What an app does that is called there: a request of its own, at the issuer that is named.
	b := w.browser()
	p := b.authorize(webApp, url.Values{"login_hint": {"ann@hooli.example"}})
	if got := b.atApp(b.atGlobex(p, w.hooli, "ann")); got.Get("code") == "" || got.Get("iss") != w.URL {
		t.Errorf("the login ends with %v", got)
	}
	if p.status != http.StatusSeeOther {
		t.Errorf("status %d", p.status)
	}
}
