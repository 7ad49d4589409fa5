package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestIssuer(t *testing.T) {
	rows := []struct{ issuer, want string }{
		{"https://login.example.com", ""},
		{"https://login.example.com:8443/tenant/a", ""},
		{"http://localhost:5556", ""},
		{"http://127.0.0.1:5556/x", ""},
		{"http://127.9.9.9", ""},
		{"http://[::1]:5556", ""},
		{"http://login.example.com", "http is for localhost"},
		{"http://localhost.example.com", "http is for localhost"},
		{"http://127.0.0.1.example.com", "http is for localhost"},
		{"http://0.0.0.0:5556", "http is for localhost"},
		{"https://login.example.com/", "slash"},
		{"https://login.example.com/a/", "slash"},
		{"https://login.example.com?x=1", "no query"},
		{"https://login.example.com?", "no query"},
		{"https://login.example.com#x", "no fragment"},
		{"https://Login.example.com", "lower case"},
		{"https://a/b/../c", "plain path"},
		{"https://a//c", "plain path"},
		{"https://a/{x}", "plain path"},
		{"https://a/%2e", "plain path"},
		{"https://u@login.example.com", "user name"},
		{"https:///x", "no host"},
		{"https:login.example.com", "no host"},
		{"https://login.example.com:", "no port"},
		{"HTTPS://login.example.com", "full URL"},
		{"login.example.com", "full URL"},
		{"ftp://login.example.com", "must begin with https://"},
		{"https://a b", "space"},
		{"https://a\\b", "backslash"},
		{"https://a\u200b.example", "invisible"},
		{"", "is missing"},
	}
	for _, row := range rows {
		expect(t, row.issuer, loadText(t, "issuer: "+quote(row.issuer)), "issuer", row.want)
	}
}

func TestRedirectURIs(t *testing.T) {
	rows := []struct {
		uri    string
		public bool
		want   string
	}{
		{"https://app.example.com/cb?tenant=1", false, ""},
		{"https://app.example.com", false, ""},
		{"http://localhost:3000/cb", false, ""},
		{"http://127.0.0.1/cb", true, ""},
		{"http://[::1]:1/cb", true, ""},
		{"com.example.app:/cb", true, ""},
		{"com.example.app://cb/x", true, ""},
		{"com.example.app:/cb", false, "apps without a secret"},
		{"myapp:/cb", true, "a scheme that has a dot"},
		{"http://app.example.com/cb", false, "http is for localhost"},
		{"http://localhost.example.com/cb", true, "http is for localhost"},
		{"http://192.168.1.2/cb", true, "http is for localhost"},
		{"https://app.example.com/cb#x", false, "fragment"},
		{"https://app.example.com/cb#", false, "fragment"},
		{"https://*.example.com/cb", false, "wildcard"},
		{"https://app.example.com/*", false, "wildcard"},
		{"com.example.app:/*", true, "wildcard"},
		{"javascript:alert(1)", true, "a scheme that has a dot"},
		{"JavaScript:alert(1)", true, "full URL"},
		{"data:text/html,x", true, "a scheme that has a dot"},
		{"file:///etc/passwd", true, "a scheme that has a dot"},
		{"/cb", false, "full URL"},
		{"//app.example.com/cb", false, "full URL"},
		{"app.example.com/cb", false, "full URL"},
		{"https:///cb", false, "no host"},
		{"https:app.example.com/cb", false, "no host"},
		{"https://good.example@evil.example/cb", false, "user name"},
		{"https://good.example\\@evil.example/cb", false, "backslash"},
		{"https://app.example.com/\tcb", false, "space"},
		{"https://app.example.com/%zz", false, "no URL"},
		{"", false, "full URL"},
	}
	for _, row := range rows {
		secret := "secret: 0123456789012345678901234567890123, "
		if row.public {
			secret = ""
		}
		app := "issuer: https://h.example\napps: [{id: a, " + secret
		expect(t, row.uri, loadText(t, app+"redirect_uris: ["+quote(row.uri)+"]}]"), "apps.0.redirect_uris.0", row.want)
		expect(t, row.uri, loadText(t, app+"post_logout_redirect_uris: ["+quote(row.uri)+"]}]"), "apps.0.post_logout_redirect_uris.0", row.want)
	}
}

// quote makes a YAML string of any text.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`, "\u200b", `\u200b`).Replace(s) + `"`
}

func loadText(t *testing.T, text string) error {
	t.Helper()
	_, err := Load(write(t, text))
	return err
}

// expect wants a single fault at a key, or none.
func expect(t *testing.T, name string, err error, key, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("%s: %v, want no fault", name, err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), ": "+key+": ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: %v, want %s: … %s", name, err, key, want)
	}
}

func TestValuesThatAreRefused(t *testing.T) {
	long := strings.Repeat("a", 65)
	rows := []struct{ text, key, want string }{
		{"listen: nowhere", "listen", "host:port"},
		{"listen: 127.0.0.1:99999", "listen", "port from 0"},
		{"listen: 127.0.0.1:http", "listen", "port from 0"},
		{"listen: 'a b:80'", "listen", "no IP address"},
		{"admin_listen: x", "admin_listen", "host:port"},
		{"admin_listen: 127.0.0.1:5556", "admin_listen", "another port than listen"},
		{"admin_listen: ':5556'", "admin_listen", "another port than listen"},
		{"listen: 0.0.0.0:5557", "admin_listen", "another port than listen"},
		{"admin_listen: 127.0.0.2:5556", "", ""},
		{"listen: '[::1]:0'\nadmin_listen: '[::1]:0'", "", ""},
		{"admin_listen: ''", "", ""},
		{"database: mysql://x", "database", "sqlite:FILE or postgres://"},
		{"database: signet.db", "database", "sqlite:FILE or postgres://"},
		{"database: 'sqlite:'", "database", "names no file"},
		{"database: 'sqlite::memory:'", "database", "names no file"},
		{"database: postgres://u@h/d", "master_key_file", "no such file"},
		{"database: postgres://u@h/d\nmaster_key_file: signet.yaml", "", ""},
		{"master_key_file: ''", "master_key_file", "is empty"},
		{"tls: {cert_file: c.pem}", "tls.cert_file", "no such file"},
		{"tls: {cert_file: signet.yaml}", "tls.key_file", "given together"},
		{"tls: {key_file: signet.yaml}", "tls.cert_file", "given together"},
		{"tls: {cert_file: signet.yaml, key_file: signet.yaml}", "tls", "PEM"},
		{"trusted_proxies: [10.0.0.0/8, '::1', 192.168.0.1]", "", ""},
		{"trusted_proxies: [10.0.0.0/33]", "trusted_proxies.0", "an IP address or a network"},
		{"trusted_proxies: [proxy]", "trusted_proxies.0", "an IP address or a network"},
		{"sessions: {idle: 10s}", "sessions.idle", "between 1m and 87600h"},
		{"sessions: {idle: 0}", "sessions.idle", "between 1m"},
		{"sessions: {idle: 2h, absolute: 1h}", "sessions.absolute", "shorter than sessions.idle"},
		{"sessions: {absolute: -1h}", "sessions.absolute", "duration"},

		{"apps: [{redirect_uris: ['https://a.example']}]", "apps.0.id", "is missing"},
		{"apps: [{id: 'a b'}]", "apps.0.id", "must be 1 to 64 of A-Z"},
		{"apps: [{id: " + long + "}]", "apps.0.id", "must be 1 to 64"},
		{"apps: [{id: a}, {id: a}]", "apps.1.id", "a is used at apps.0.id already"},
		{"apps: [{id: a}, {id: A}]", "", ""},
		{"apps: [{id: a, initiate_login_uri: 'http://a.example'}]", "apps.0.initiate_login_uri", "http is for"},
		{"apps: [{id: a, initiate_login_uri: 'com.example.app:/x'}]", "apps.0.initiate_login_uri", "https://"},
		{"apps: [{id: a, backchannel_logout_uri: 'http://a.example/x'}]", "apps.0.backchannel_logout_uri", "http is for"},
		{"apps: [{id: a, backchannel_logout_uri: 'https://a.example/x#y'}]", "apps.0.backchannel_logout_uri", "fragment"},
		{"apps: [{id: a, backchannel_logout_uri: 'com.example.app:/x'}]", "apps.0.backchannel_logout_uri", "https://"},
		{"apps: [{id: a, backchannel_logout_uri: 'com.example.app://x/y'}]", "apps.0.backchannel_logout_uri", "https://"},
		{"apps: [{id: a, frontchannel_logout_uri: 'http://a.example/x'}]", "apps.0.frontchannel_logout_uri", "http is for"},
		{"apps: [{id: a, redirect_uris: ['https://a.example/c'], frontchannel_logout_uri: 'https://b.example/x'}]", "apps.0.frontchannel_logout_uri", "one of redirect_uris"},
		{"apps: [{id: a, redirect_uris: ['https://a.example/c'], frontchannel_logout_uri: 'https://a.example:8443/x'}]", "apps.0.frontchannel_logout_uri", "one of redirect_uris"},
		{"apps: [{id: a, pkce: never}]", "apps.0.pkce", "required or optional"},
		{"apps: [{id: a, pkce: optional}]", "apps.0.pkce", "without a secret"},
		{"apps: [{id: a, pkce: optional, secret: x}]", "", ""},
		{"apps: [{id: a, pkce: optional, secret: '${env:SURELY_NOT_SET}'}]", "apps.0.secret", "is not set"},
		{"apps: [{id: a, pkce: optional, secret_file: none}]", "apps.0.secret_file", "no such file"},
		{"apps: [{id: a, providers: [P]}]", "apps.0.providers.0", "no provider has this id"},
		{"apps: [{id: a, tokens: {access: 4m}}]", "apps.0.tokens.access", "between 5m and 24h"},
		{"apps: [{id: a, tokens: {access: 25h}}]", "apps.0.tokens.access", "between 5m and 24h"},
		{"apps: [{id: a, tokens: {access: 1d}}]", "", ""},
		{"apps: [{id: a, tokens: {id: 4m}}]", "apps.0.tokens.id", "between 5m and 24h"},
		{"apps: [{id: a, tokens: {refresh: 59m}}]", "apps.0.tokens.refresh", "between 1h and 87600h"},
		{"apps: [{id: a, tokens: {refresh: 3651d}}]", "apps.0.tokens.refresh", "between 1h and 87600h"},
		{"apps: [{id: a, tokens: {refresh: 3650d}}]", "", ""},
		{"apps: [{id: a, tokens: {refresh: 2h, refresh_cap: 1h}}]", "apps.0.tokens.refresh_cap", "shorter than refresh"},
		{"apps: [{id: a, tokens: {signing: none}}]", "apps.0.tokens.signing", "RS256, ES256, EdDSA"},
		{"apps: [{id: a, tokens: {signing: HS256}}]", "apps.0.tokens.signing", "RS256, ES256, EdDSA"},

		{"providers: [{kind: oidc}]", "providers.0.id", "is missing"},
		{"providers: [{id: p}]", "providers.0.kind", "is missing"},
		{"providers: [{id: P, kind: oidc}]", "providers.0.id", "must be 1 to 64 of a-z"},
		{"providers: [{id: a/b, kind: oidc}]", "providers.0.id", "must be 1 to 64 of a-z"},
		{"providers: [{id: " + long + ", kind: oidc}]", "providers.0.id", "must be 1 to 64"},
		{"providers: [{id: p, kind: oidc}, {id: p, kind: oidc}]", "providers.1.id", "p is used at providers.0.id already"},
		{"providers: [{id: p, kind: oidc, domains: [a.example]}, {id: q, kind: oidc, domains: [a.example]}]", "providers.1.domains.0", "a.example is at providers.0.domains.0 already"},
		{"providers: [{id: p, kind: oidc, domains: [ann@a.example]}]", "providers.0.domains.0", "after the @"},
		{"providers: [{id: p, kind: oidc, domains: ['*.example']}]", "providers.0.domains.0", "no domain name"},
		{"providers: [{id: p, kind: oidc, domains: [-a.example]}]", "providers.0.domains.0", "no domain name"},
		{"providers: [{id: p, kind: oidc, domains: [a..example]}]", "providers.0.domains.0", "no domain name"},
		{"providers: [{id: p, kind: oidc, domains: [a.example.]}]", "providers.0.domains.0", "no domain name"},
		{"providers: [{id: p, kind: oidc, map: {emial: claims.x}}]", "providers.0.map.emial", "did you mean email?"},
		{"providers: [{id: p, kind: oidc, map: {email: [a]}}]", "providers.0.map.email", "must be text"},
	}
	for _, row := range rows {
		expect(t, row.text, loadText(t, "issuer: https://h.example\n"+row.text), row.key, row.want)
	}
}

func TestWarnings(t *testing.T) {
	rows := []struct{ text, want string }{
		{"listen: ':5556'", "listen: is reachable from other machines"},
		{"listen: ':5556'\ntrusted_proxies: [10.0.0.1]", ""},
		{"trusted_proxies: [0.0.0.0/0]", "trusted_proxies.0: believes everybody"},
		{"apps: [{id: a, secret: short, redirect_uris: ['https://a.example']}]", "apps.0.secret: has fewer than 32"},
		{"apps: [{id: a}]", "apps.0.redirect_uris: is empty"},
		{"apps: []", "apps: is empty"},
		{"providers: []", "providers: is empty"},
		{"database: sqlite:nowhere/signet.db", "nowhere does not exist on this machine"},
	}
	for _, row := range rows {
		text := "issuer: https://h.example\n" + row.text + "\n"
		if !strings.Contains(text, "apps:") {
			text += "apps: [{id: a, redirect_uris: ['https://a.example']}]\n"
		}
		if !strings.Contains(text, "providers:") {
			text += "providers: [{id: p, kind: oidc}]\n"
		}
		c, err := Load(write(t, text))
		if err != nil {
			t.Errorf("%s: %v", row.text, err)
			continue
		}
		if got := c.Warnings.Error(); !strings.Contains(got, row.want) || (row.want == "") != (got == "") {
			t.Errorf("%s: warnings %q, want %q", row.text, got, row.want)
		}
	}
}

func TestCertificateIsRead(t *testing.T) {
	certificate, key := selfSigned(t)
	_, other := selfSigned(t)
	text := "issuer: https://h.example\ntls: {cert_file: c.pem, key_file: k.pem}"
	c, err := Load(write(t, text, "c.pem", certificate, "k.pem", key))
	if err != nil || !filepath.IsAbs(c.TLS.CertFile) {
		t.Errorf("good pair: %v", err)
	}
	_, err = Load(write(t, text, "c.pem", certificate, "k.pem", other))
	expect(t, "another's key", err, "tls", "private key does not match")
}

func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "h.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8)
}
