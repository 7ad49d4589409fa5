package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAPIs(t *testing.T) {
	const good = "https://api.example.com"
	rows := []struct{ name, api, key, want string }{
		{"the least", `{id: "https://api.example.com"}`, "", ""},
		{"an URN", `{id: "urn:acme:orders", scopes: [{name: "a:b"}, {name: c}], access: 1m, signing: EdDSA, apps: [web]}`, "", ""},
		{"no id", `{name: x}`, "id", "is missing"},
		{"relative", `{id: /orders}`, "id", "absolute URI"},
		{"no scheme", `{id: api.example.com}`, "id", "absolute URI"},
		{"a fragment", `{id: "https://api.example.com#x"}`, "id", "fragment"},
		{"an empty fragment", `{id: "https://api.example.com#"}`, "id", "fragment"},
		{"a space", `{id: "https://api.example.com/a b"}`, "id", "absolute URI"},
		{"too long", `{id: "https://api.example.com/` + strings.Repeat("a", 250) + `"}`, "id", "longer"},
		{"the issuer", `{id: "https://login.example.com"}`, "id", "is the issuer"},
		{"scope with a space", `{id: "` + good + `", scopes: [{name: "a b"}]}`, "scopes.0.name", "visible ASCII"},
		{"scope with a quote", `{id: "` + good + `", scopes: [{name: 'a"b'}]}`, "scopes.0.name", "visible ASCII"},
		{"scope without a name", `{id: "` + good + `", scopes: [{description: x}]}`, "scopes.0.name", "visible ASCII"},
		{"scope of OpenID's", `{id: "` + good + `", scopes: [{name: email}]}`, "scopes.0.name", "OpenID"},
		{"scope twice", `{id: "` + good + `", scopes: [{name: a}, {name: a}]}`, "scopes.1.name", "is at"},
		{"lives too short", `{id: "` + good + `", access: 30s}`, "access", "between"},
		{"lives too long", `{id: "` + good + `", access: 25h}`, "access", "between"},
		{"unsigned", `{id: "` + good + `", signing: none}`, "signing", "RS256"},
		{"symmetric", `{id: "` + good + `", signing: HS256}`, "signing", "RS256"},
		{"app of nobody", `{id: "` + good + `", apps: [web, nobody]}`, "apps.1", "no app"},
	}
	for _, row := range rows {
		text := fmt.Sprintf("issuer: https://login.example.com\napps: [{id: web, redirect_uris: [https://a.example/cb]}]\napis:\n  - %s\n", row.api)
		expect(t, row.name, loadText(t, text), "apis.0."+row.key, row.want)
	}
	twice := "issuer: https://login.example.com\napis: [{id: 'urn:a:b'}, {id: 'urn:a:b'}]\n"
	expect(t, "twice", loadText(t, twice), "apis.1.id", "used at")
}

func TestAPIDefaults(t *testing.T) {
	c, err := Load(write(t, "issuer: https://login.example.com\napis: [{id: 'urn:a:b'}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if a := c.APIs[0]; a.Name != "urn:a:b" || a.Access != 15*time.Minute || a.Signing != "RS256" {
		t.Errorf("%+v", a)
	}
}

func TestGrantsOfAnApp(t *testing.T) {
	rows := []struct{ name, app, key, want string }{
		{"itself", "secret: s, grants: [client_credentials]", "", ""},
		{"all", "secret: s, grants: [authorization_code, refresh_token, client_credentials], dpop: required, dpop_nonce: true", "", ""},
		{"itself without a secret", "grants: [client_credentials]", "grants.0", "needs a secret"},
		{"password", "secret: s, grants: [refresh_token, password]", "grants.1", "must be"},
		{"dpop", "secret: s, dpop: maybe", "dpop", "must be"},
	}
	for _, row := range rows {
		expect(t, row.name, loadText(t, "issuer: https://login.example.com\napps: [{id: web, "+row.app+"}]\n"), "apps.0."+row.key, row.want)
	}
}

// Who is never asked for a certificate cannot have tokens bound to it.
func TestCertificatesAreAskedForWhereTokensAreBoundToThem(t *testing.T) {
	for _, a := range []App{{AppAuth: AppAuth{Auth: "self_signed_tls_client_auth"}}, {CertificateBound: true}, {}} {
		want := a.Auth != "" || a.CertificateBound
		if got := (&Config{Apps: []App{a}}).UsesTLS(); got != want {
			t.Errorf("%q, bound %v: UsesTLS = %v", a.Auth, a.CertificateBound, got)
		}
	}
}
