package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/internal/pgtest"
)

// command runs a command of signet on a world's configuration, beside the running broker.
func (w *world) command(args ...string) (string, int) {
	w.t.Helper()
	p := &process{t: w.t, dir: w.dir}
	return p.run(args...)
}

func (w *world) mustRun(args ...string) string {
	w.t.Helper()
	out, code := w.command(args...)
	if code != 0 {
		w.t.Fatalf("signet %v = exit %d: %s", args, code, out)
	}
	return out
}

func TestDisabledUserIsOutAtOnce(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	got := b.signIn(webApp, "globex", "ann")
	a := w.redeem(webApp, got.Get("code"), nil)
	var c struct{ Sub string }
	decodeClaims(t, a.ID, &c)
	pending := b.atApp(b.authorize(otherApp, nil)).Get("code")

	w.mustRun("user", "disable", c.Sub)
	if p := w.userinfo(a.Access); p.status != http.StatusUnauthorized {
		t.Errorf("userinfo = %d", p.status)
	}
	if r := w.refresh(webApp, a.Refresh); r.status != 400 || r.Error != "invalid_grant" {
		t.Errorf("refresh = %d %s", r.status, r.Error)
	}
	if r := w.redeem(otherApp, pending, nil); r.status != 400 || r.Error != "invalid_grant" {
		t.Errorf("code = %d %s", r.status, r.Error)
	}
	if p := b.authorize(webApp, url.Values{"prompt": {"none"}}); b.atApp(p).Get("error") != "login_required" {
		t.Errorf("the session lives: %v", p)
	}
	p := b.atGlobex(b.authorize(webApp, url.Values{"provider": {"globex"}}), w.globex, "ann")
	if p.status != http.StatusForbidden || !strings.Contains(p.text("reason"), "disabled") {
		t.Errorf("a new login = %v", p)
	}
	w.mustRun("user", "enable", c.Sub)
	if got := w.browser().signIn(webApp, "globex", "ann"); got.Get("code") == "" {
		t.Error("an enabled user cannot sign in")
	}
	if r := w.refresh(webApp, a.Refresh); r.status == 200 {
		t.Error("what was revoked works again")
	}
}

func TestUserCommands(t *testing.T) {
	w := newWorld(t)
	out := w.mustRun("user", "add", "--username", "Ben", "--email", "ben@acme.example", "--email-verified", "--name", "Ben Bow", "--group", "crew", "--group", "mates", "--json")
	var added struct{ ID, Username, Provider, Password string }
	if err := json.Unmarshal([]byte(out), &added); err != nil || added.Username != "ben" || added.Provider != "local" || len(added.Password) < 16 {
		t.Fatalf("user add = %+v, %v", added, err)
	}
	b := w.browser()
	p := b.authorize(webApp, url.Values{"provider": {"local"}})
	got := b.atApp(b.password(b.get(p.location.String()), "BEN", added.Password))
	a := w.redeem(webApp, got.Get("code"), nil)
	var c struct {
		Sub, Email string
		Verified   bool `json:"email_verified"`
		Groups     []string
		AMR        []string
	}
	decodeClaims(t, a.ID, &c)
	if c.Sub != added.ID || c.Email != "ben@acme.example" || !c.Verified || strings.Join(c.Groups, " ") != "crew mates" || strings.Join(c.AMR, " ") != "pwd" {
		t.Errorf("claims = %+v", c)
	}
	for _, ref := range []string{added.ID, "ben", "ben@acme.example"} {
		if out := w.mustRun("user", "show", ref); !strings.Contains(out, added.ID) || !strings.Contains(out, "local") {
			t.Errorf("user show %s = %s", ref, out)
		}
	}
	if out := w.mustRun("user", "list"); !strings.Contains(out, "Ben Bow") {
		t.Errorf("user list = %s", out)
	}
	if out, code := w.command("user", "add", "--username", "ben"); code != 1 || !strings.Contains(out, "already") {
		t.Errorf("a second ben = %d %s", code, out)
	}
	if out := w.mustRun("user", "add", "--username", "eve", "--email", "eve@hooli.example"); !strings.Contains(out, "hooli.example belongs to provider hooli") {
		t.Errorf("an address that another provider keeps to itself: %s", out)
	}
	if out, code := w.command("user", "show", "nobody"); code != 1 || !strings.Contains(out, "nobody") {
		t.Errorf("user show nobody = %d %s", code, out)
	}
	w.mustRun("user", "set-password", "--username", "ben")
	if p := w.userinfo(a.Access); p.status != http.StatusUnauthorized {
		t.Errorf("userinfo after a new password = %d", p.status)
	}
	p = b.get(w.browser().authorize(webApp, url.Values{"provider": {"local"}}).location.String())
	if p.status != 400 {
		t.Errorf("a login of another browser = %v", p)
	}
	p = b.get(b.authorize(webApp, url.Values{"provider": {"local"}}).location.String())
	if p = b.password(p, "ben", added.Password); p.status != http.StatusUnauthorized || p.text("problem") == "" {
		t.Errorf("the old password = %v", p)
	}
}

func TestKeysRotateCommandReachesTheRunningBroker(t *testing.T) {
	w := newWorld(t)
	a := w.tokens(webApp, "globex", "ann")
	before := w.browser().get("/jwks").body
	if out, code := w.command("keys", "rotate", "--now"); code != 1 || !strings.Contains(out, "--use") {
		t.Errorf("keys rotate --now = %d %s", code, out)
	}
	w.mustRun("keys", "rotate")
	if out := w.mustRun("keys", "list"); strings.Count(out, "active") < 4 || strings.Count(out, "retired") < 4 {
		t.Errorf("keys list = %s", out)
	}
	w.restart()
	if after := w.browser().get("/jwks").body; after == before {
		t.Error("the keys are the same")
	}
	if p := w.userinfo(a.Access); p.status != 200 {
		t.Errorf("a token of the old key = %d", p.status)
	}
	if r := w.refresh(webApp, a.Refresh); r.status != 200 {
		t.Errorf("a refresh token of the old key = %d %s", r.status, r.body)
	}
}

func TestMapTry(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(w.dir, "claims.json")
	if err := os.WriteFile(file, []byte(`{"email":"Ann@Globex.example","email_verified":true,"name":"Ann"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out := w.mustRun("map", "try", "--provider", "globex", "--claims", file)
	var got struct {
		User map[string]any
		ID   map[string]any `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.User["email"] != "ann@globex.example" || got.ID["email_verified"] != true {
		t.Errorf("map try = %s (%v)", out, err)
	}
	if out, code := w.command("map", "try", "--provider", "nobody", "--claims", file); code != 1 || !strings.Contains(out, "nobody") {
		t.Errorf("map try with an unknown provider = %d %s", code, out)
	}
	if _, code := w.command("map", "try", "--provider", "globex"); code != exitUsage {
		t.Errorf("map try without a file = exit %d, want %d", code, exitUsage)
	}
}

// What the example says of a SAML identity provider's attributes finds them.
func TestTheExamplesMapFindsTheAddress(t *testing.T) {
	w := newWorld(t)
	t.Setenv("WEB_SECRET", "0123456789012345678901234567890123")
	t.Setenv("CORP_SECRET", "from the upstream")
	example, err := os.ReadFile("../../config/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(w.dir, "assertion.xml")
	assertion := `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><saml:AttributeStatement>` +
		`<saml:Attribute Name="urn:oid:0.9.2342.19200300.100.1.3"><saml:AttributeValue>ann@acme.example</saml:AttributeValue></saml:Attribute>` +
		`</saml:AttributeStatement></saml:Assertion>`
	for path, text := range map[string]string{file: assertion, filepath.Join(w.dir, "example.yaml"): string(example), filepath.Join(w.dir, "next.secret"): "x"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := w.mustRun("map", "try", "--config", "example.yaml", "--provider", "acme-saml", "--assertion", file)
	var got struct{ User map[string]any }
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.User["email"] != "ann@acme.example" || got.User["email_verified"] != true {
		t.Errorf("map try = %s (%v)", out, err)
	}
}

func TestUsageErrorsExitWith2(t *testing.T) {
	w := newWorld(t)
	for _, args := range [][]string{{}, {"nonsense"}, {"serve", "--nonsense"}, {"user", "add"}} {
		if out, code := w.command(args...); code != exitUsage || !strings.Contains(out, "signet") {
			t.Errorf("signet %v = exit %d %s", args, code, out)
		}
	}
	if out := w.mustRun("version"); !strings.HasPrefix(out, "signet ") {
		t.Errorf("version = %q", out)
	}
	if out := w.mustRun("--help"); !strings.Contains(out, "Examples:") {
		t.Errorf("--help has no examples: %s", out)
	}
}

func TestCheckTellsEveryFaultAtOnce(t *testing.T) {
	w := newWorld(t)
	if out := w.mustRun("check"); !strings.Contains(out, "/callback/globex") || !strings.Contains(out, "/saml/initech/metadata") {
		t.Errorf("check = %s", out)
	}
	bad := strings.NewReplacer("pkce: optional", "pkce: maybe", `name: Globex`, "name: Globex, colour: red, map: {email: 'claims.email +'}", "kind: password", "kind: passwords").Replace(w.config)
	if err := os.WriteFile(w.configFile(), []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := w.command("check")
	if code != exitFailed {
		t.Errorf("check = exit %d", code)
	}
	for _, want := range []string{"apps.3.pkce", "providers.0.colour", "providers.0.map.email", "providers.3.kind", "signet.yaml:"} {
		if !strings.Contains(out, want) {
			t.Errorf("check does not say %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, appSecret) || strings.Contains(out, "globex-secret") {
		t.Errorf("check shows a secret:\n%s", out)
	}
}

func TestCheckReadsTheMasterKey(t *testing.T) {
	w := newWorld(t, withAPIs)
	key := filepath.Join(w.dir, "signet.key")
	if out := w.mustRun("check"); strings.Contains(out, "master_key") || !strings.Contains(out, "https://orders.example.com/v1") || !strings.Contains(out, "orders:read orders:write") {
		t.Errorf("check = %s", out)
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := w.mustRun("check"); !strings.Contains(out, "master_key_file: ") || !strings.Contains(out, "chmod 600") {
		t.Errorf("check of a key that others can read = %s", out)
	}
	if err := os.WriteFile(key, []byte("hunter2 hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := w.command("check"); code != exitFailed || !strings.Contains(out, "signet.yaml") || !strings.Contains(out, "is not base64") || strings.Contains(out, "hunter2") {
		t.Errorf("check of what is no key = %d %s", code, out)
	}
}

// TestDatabaseAway takes PostgreSQL away from a running broker, and gives it back.
func TestDatabaseAway(t *testing.T) {
	pg, err := pgtest.New("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pg.Stop() })
	dsn, err := pg.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, dsn)
	code, err := p.login(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := pg.Down(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	resp, err := http.Get(p.URL + "/authorize?" + authorizeQuery(webApp, nil).Encode())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("authorize = %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	if a, err := p.redeem(t.Context(), code); err != nil || a.status != http.StatusServiceUnavailable {
		t.Errorf("token = %d %s, %v", a.status, a.body, err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v to say so", took)
	}
	for _, path := range []string{"/jwks", "/.well-known/openid-configuration"} {
		if err := get(t.Context(), p.URL+path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if p.ready() {
		t.Error("it says that it is ready")
	}
	if err := pg.Restart(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); !p.ready(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not ready 5 s after the database is back")
		}
	}
	if a, err := p.redeem(t.Context(), code); err != nil || a.status != http.StatusOK {
		t.Errorf("the code that was refused with 503 = %d %s, %v", a.status, a.body, err)
	}
}

// writePair writes a self-signed certificate for a name.
func writePair(t *testing.T, dir, name string) config.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := config.TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	for file, block := range map[string]*pem.Block{files.CertFile: {Type: "CERTIFICATE", Bytes: der}, files.KeyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestARenewedCertificateIsServedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	files := writePair(t, dir, "one.example")
	c := &certificate{files: files, log: slog.New(slog.DiscardHandler)}
	if err := c.read(); err != nil {
		t.Fatal(err)
	}
	served := func() string {
		c.checked = time.Time{} // long ago
		pair, err := c.get(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.Subject.CommonName
	}
	if got := served(); got != "one.example" {
		t.Errorf("serves %s", got)
	}
	writePair(t, dir, "two.example")
	if got := served(); got != "two.example" {
		t.Errorf("serves %s after the renewal", got)
	}
	if err := os.WriteFile(files.CertFile, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := served(); got != "two.example" {
		t.Errorf("serves %s after a broken renewal", got)
	}
}
