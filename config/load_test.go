package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/secret"
)

// write makes a configuration file; others are name and content of files beside it.
func write(t *testing.T, text string, others ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i+1 < len(others); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, others[i]), []byte(others[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "signet.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// faultsOf returns what Load says, with the folder cut off.
func faultsOf(t *testing.T, path string) []string {
	t.Helper()
	_, err := Load(path)
	if err == nil {
		return nil
	}
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("Load = %v, want Faults", err)
	}
	return strings.Split(strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", ""), "\n")
}

const contract = `
issuer: https://login.example.com
listen: 127.0.0.1:5556
admin_listen: 127.0.0.1:5557
database: sqlite:signet.db
master_key_file: signet.key
trusted_proxies: []
sessions: {idle: 12h, absolute: 168h}
apps:
  - id: web
    name: Acme Web
    secret: ${env:WEB_SECRET}
    redirect_uris: [https://app.example.com/callback]
    post_logout_redirect_uris: []
    initiate_login_uri: https://app.example.com/login
    providers: [corp]
    pkce: required
    tokens: {access: 15m, id: 1h, refresh: 720h, signing: RS256}
providers:
  - id: corp
    kind: oidc
    name: Acme Corp
    issuer: https://acme.okta.com
    client_id: signet
    client_secret: ${env:CORP_SECRET}
    scopes: [openid, email, profile]
    domains: [acme.com]
    map:
      email: claims.email
      email_verified: claims.email_verified
      name: claims.name
      groups: claims.groups
      attributes: {department: claims.department}
  - id: acme-saml
    kind: saml
    metadata_url: https://idp.acme.com/metadata
`

type oidcKeys struct {
	Issuer       string        `yaml:"issuer"`
	ClientID     string        `yaml:"client_id"`
	ClientSecret secret.String `yaml:"client_secret"`
	Scopes       []string      `yaml:"scopes"`
}

func TestLoadReadsTheWholeFile(t *testing.T) {
	t.Setenv("WEB_SECRET", "0123456789012345678901234567890123")
	t.Setenv("CORP_SECRET", "007")
	path := write(t, contract)
	dir := filepath.Dir(path)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Warnings != nil {
		t.Errorf("warnings: %v", c.Warnings)
	}
	if got, want := c.Database.Reveal(), "sqlite:"+dir+"/signet.db"; got != want {
		t.Errorf("database = %s, want %s", got, want)
	}
	if want := dir + "/signet.key"; c.MasterKeyFile != want {
		t.Errorf("master_key_file = %s, want %s", c.MasterKeyFile, want)
	}
	wantApp := App{
		ID: "web", Name: "Acme Web", Secret: "0123456789012345678901234567890123",
		RedirectURIs: []string{"https://app.example.com/callback"}, PostLogoutRedirectURIs: []string{},
		InitiateLoginURI: "https://app.example.com/login", Providers: []string{"corp"}, PKCE: "required",
		Tokens: Tokens{15 * time.Minute, time.Hour, 720 * time.Hour, 2160 * time.Hour, "RS256", ""}, DPoP: DPoPOptional, FirstParty: true,
		AppSubject: AppSubject{SubjectType: SubjectPublic},
	}
	if !reflect.DeepEqual(c.Apps[0], wantApp) {
		t.Errorf("app = %+v\nwant %+v", c.Apps[0], wantApp)
	}
	p := c.Providers[0]
	if p.ID != "corp" || p.Kind != "oidc" || p.Name != "Acme Corp" || p.Domains[0] != "acme.com" ||
		p.Map.Attributes["department"] != "claims.department" {
		t.Errorf("provider = %+v", p)
	}
	own := oidcKeys{Scopes: []string{"default"}}
	if faults := p.Decode(&own); faults != nil {
		t.Fatal(faults)
	}
	want := oidcKeys{"https://acme.okta.com", "signet", "007", []string{"openid", "email", "profile"}}
	if !reflect.DeepEqual(own, want) {
		t.Errorf("kind's own = %+v, want %+v", own, want)
	}
	expressions := p.Map.Over(map[string]string{"email": "claims.mail", "locale": "claims.locale"})
	if expressions["email"] != "claims.email" || expressions["locale"] != "claims.locale" || len(expressions) != 5 {
		t.Errorf("map = %v", expressions)
	}
}

func TestLoadHasDefaults(t *testing.T) {
	path := write(t, "issuer: http://localhost:5556\napps: [{id: spa, redirect_uris: ['http://127.0.0.1/cb']}]\nproviders: [{id: p, kind: password}]\n")
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:5556" || c.AdminListen != "127.0.0.1:5557" || c.Sessions.Idle != 12*time.Hour ||
		c.Database.Reveal() != "sqlite:"+filepath.Dir(path)+"/signet.db" || c.MasterKeyFile != filepath.Dir(path)+"/signet.key" {
		t.Errorf("config = %+v", c)
	}
	if a := c.Apps[0]; a.PKCE != "required" || a.Tokens.Access != 15*time.Minute || a.Tokens.RefreshCap != 90*day || a.Name != "spa" || !a.Public() {
		t.Errorf("app = %+v", a)
	}
	if c.Providers[0].Name != "p" {
		t.Errorf("provider = %+v", c.Providers[0])
	}
}

// Every fault of the file comes in one answer, in the order of the lines.
func TestLoadNamesEveryFaultAtOnce(t *testing.T) {
	got := faultsOf(t, write(t, `issuer: https://login.example.com/
listne: 127.0.0.1:1
apps:
  - id: web
    secret: ${env:SURELY_NOT_SET}
    redirect_uri: [https://a.example/cb]
    tokens: {access: 15, id: [1h]}
  - id: web
    redirect_uris: https://a.example/cb
    providers: [CORP, other_]
    pkce: [required]
providers:
  - id: Corp
    kind: oidc
    domains: [ACME.com]
    disabled: maybe
sessions: 12h
`))
	want := []string{
		"signet.yaml:1: issuer: may not end with a slash",
		"signet.yaml:2: listne: unknown key; did you mean listen?",
		"signet.yaml:5: apps.0.secret: the environment variable SURELY_NOT_SET is not set",
		"signet.yaml:6: apps.0.redirect_uri: unknown key; did you mean redirect_uris?",
		"signet.yaml:7: apps.0.tokens.access: must be a duration such as 90s, 15m, 12h or 30d",
		"signet.yaml:7: apps.0.tokens.id: must be a duration such as 90s, 15m, 12h or 30d",
		"signet.yaml:8: apps.1.id: web is used at apps.0.id already",
		"signet.yaml:9: apps.1.redirect_uris: must be a list, as in [a, b]",
		"signet.yaml:10: apps.1.providers.0: no provider has this id",
		"signet.yaml:10: apps.1.providers.1: no provider has this id",
		"signet.yaml:11: apps.1.pkce: must be text",
		"signet.yaml:13: providers.0.id: must be 1 to 64 of a-z 0-9 -",
		"signet.yaml:15: providers.0.domains.0: must be in lower case",
		"signet.yaml:16: providers.0.disabled: must be true or false",
		"signet.yaml:17: sessions: must be a set of keys",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSecretsComeFromFilesAndVariables(t *testing.T) {
	t.Setenv("EMPTY", "")
	t.Setenv("TRICK", "${env:HOME}")
	t.Setenv("NULLISH", "null")
	app := "issuer: https://h.example\napps:\n  - id: a\n    redirect_uris: [https://a.example/]\n    "
	rows := []struct{ name, line, want, fault string }{
		{"file", "secret_file: s", "from the file", ""},
		{"file by a variable", "secret_file: ${env:S}", "from the file", ""},
		{"number as it is written", "secret: 007", "007", ""},
		{"inside of text", "secret: a-${env:S}-${env:S}-b", "a-s-s-b", ""},
		{"a variable's value is not looked at again", "secret: ${env:TRICK}", "${env:HOME}", ""},
		{"a variable's value is text", "secret: ${env:NULLISH}", "null", ""},
		{"other dollars stay", "secret: $HOME${x}", "$HOME${x}", ""},
		{"as shells write it", "secret: a-${WEB_SECRET}", "", "apps.0.secret: has ${WEB_SECRET}, which is not replaced; write ${env:WEB_SECRET}"},
		{"as shells write it, bare", "secret: $WEB_SECRET", "", "apps.0.secret: has $WEB_SECRET, which is not replaced; write ${env:WEB_SECRET}"},
		{"both", "secret: x\n    secret_file: s", "", "apps.0.secret_file: and secret are both given"},
		{"no such file", "secret_file: nowhere", "", "apps.0.secret_file: cannot be read: no such file"},
		{"folder", "secret_file: .", "", "apps.0.secret_file: cannot be read"},
		{"empty file", "secret_file: empty", "", "apps.0.secret_file: names an empty file"},
		{"huge file", "secret_file: huge", "", "apps.0.secret_file: is larger than"},
		{"no file named", "secret_file: ''", "", "apps.0.secret_file: names no file"},
		// An app without a secret is a public client: a variable that is empty may not make it one.
		{"empty variable", "secret: ${env:EMPTY}", "", "apps.0.secret: is empty"},
		{"nothing", "secret:", "", "apps.0.secret: has no value"},
		{"unclosed", "secret: ${env:S", "", "apps.0.secret: has a ${env:…} that names no variable"},
		{"no name", "secret: ${env:}", "", "apps.0.secret: has a ${env:…} that names no variable"},
		{"anchor", "secret: &hunter2", "", "apps.0.secret: a value that begins with & must be in quotes"},
		{"tag", "secret: !hunter2", "", "apps.0.secret: a value that begins with ! must be in quotes"},
		{"alias", "secret: *hunter2", "", "a value that begins with * must be in quotes"},
		{"list", "secret: [hunter2]", "", "apps.0.secret: must be text"},
		{"set", "secret: {hunter2: x}", "", "apps.0.secret: must be text"},
	}
	t.Setenv("S", "s")
	for _, row := range rows {
		path := write(t, app+row.line+"\n", "s", "from the file\r\n", "empty", "\n", "huge", strings.Repeat("x", maxSecret+1))
		c, err := Load(path)
		if row.fault == "" {
			if err != nil || c.Apps[0].Secret.Reveal() != row.want {
				t.Errorf("%s: %v", row.name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), row.fault) || strings.Count(err.Error(), "\n") != 0 {
			t.Errorf("%s: %v, want the one fault %q", row.name, err, row.fault)
		}
	}
}

// Whatever is wrong around a secret, no fault and no print of the configuration shows it.
func TestNoFaultShowsAValue(t *testing.T) {
	t.Setenv("S", "hunter2")
	for _, text := range []string{
		"secret: *hunter2", "secret: !hunter2", "secret: &hunter2", "secret: {hunter2}", "secret: [hunter2",
		"secret: 'hunter2", "secret: \"hunter2\\q\"", "secret: %hunter2", "secret: @hunter2", "secret: `hunter2",
		"secret: hunter2: x", "secret: hunter2\nx", "{secret:hunter2}", "- {id: x, secret:hunter2}", "sekret: hunter2",
		"database: hunter2", "database: mysql://root:hunter2@h/d", "database: ${env:S}", "listen: hunter2", "issuer: ${env:S}",
		"issuer: https://u:hunter2@h.example", "apps: hunter2", "sessions: {idle: hunter2}", "trusted_proxies: [hunter2]",
		"apps: [{id: 'hunter2 x', pkce: hunter2, redirect_uris: ['hunter2 x'], tokens: {signing: hunter2, access: hunter2}}]",
		"apps: [{secret:hunter2}]", "apps: [{secret: [hunter2]}]", "providers: [{domains: [hunter2@x], disabled: hunter2}]",
		"a: &a hunter2\nb: *a", "\"\\x00hunter2\": x", "secret: |hunter2", "secret: >hunter2\n", "? [hunter2]\n: x", "tls: {cert_file: x, key_file: [hunter2]}",
	} {
		_, err := Load(write(t, text))
		if err == nil {
			t.Errorf("%q: no fault", text)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the fault shows the value: %v", text, err)
		}
	}
	c, err := Load(write(t, "issuer: https://h.example\ndatabase: postgres://u:hunter2@h/d\nmaster_key_file: k\napps: [{id: a, secret: hunter2}]", "k", "x"))
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%v %+v %#v", c, c, c) + fmt.Sprint(c.Warnings); strings.Contains(s, "hunter2") {
		t.Error("a printed configuration shows a secret")
	}
}

func TestHostileYAMLIsRefused(t *testing.T) {
	bomb := "issuer: https://h.example\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	rows := []struct{ name, text, want string }{
		{"billion laughs", bomb, "aliases stand for more than"},
		{"alias inside itself", "a: &a [*a]", "an alias may not stand inside"},
		{"merge into itself", "a: &a {<<: *a}", "an alias may not stand inside"},
		{"deep", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "nested too deep"},
		{"too deep for the parser", strings.Repeat("[", 100_000), "is not YAML"},
		{"large", "#" + strings.Repeat("x", maxFile), "is larger than 4194304 bytes"},
		{"two documents", "issuer: https://h.example\n---\nissuer: https://i.example", "more than one document"},
		{"key twice", "issuer: https://h.example\nissuer: https://i.example", "issuer: is given twice, first in line 1"},
		{"key twice, below", "sessions: {idle: 1h, idle: 2h}", "sessions.idle: is given twice, first in line 1"},
		{"key is a list", "[a]: b", "a key must be plain text"},
		{"a list at the top", "- a", "must be a set of keys"},
		{"text at the top", "hello", "must be a set of keys"},
		{"empty", "", "issuer: is missing"},
		{"comment", "# nothing", "issuer: is missing"},
		{"not UTF-8", "issuer: \xff\xfe", "is not YAML"},
		{"reference in braces", "apps: [{id: a, secret: ${env:S}}]", "signet.yaml:1: is not YAML: did not find expected ',' or '}' (within braces or brackets, ${env:NAME} must be in quotes)"},
		{"reference in brackets", "a: 1\nb: [${env:S}]\n", "signet.yaml:2: is not YAML: did not find expected ',' or ']' (within"},
		{"unknown anchor", "a: 1\nb: 2\nc: *x", "signet.yaml:3: a value that begins with *"},
		{"wrong indent", "a: 1\nb:\n  - x\n y: z", "signet.yaml:4: is not YAML"},
		{"colon in text", "a: 1\nb: x: y", "signet.yaml:2: is not YAML"},
		{"binary", "issuer: !!binary aGk=", "must be in quotes"},
		{"merge of text", "<<: x", "<< needs a set of keys"},
	}
	for _, row := range rows {
		begun := time.Now()
		_, err := Load(write(t, row.text))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %.300v, want %q", row.name, err, row.want)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s: took %v", row.name, took)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml: cannot be read: no such file") {
		t.Errorf("missing file: %v", err)
	}
}

func TestAliasesAndMergeKeysWork(t *testing.T) {
	c, err := Load(write(t, `
issuer: https://h.example
apps:
  - &base
    id: a
    redirect_uris: [https://a.example/cb]
    tokens: &short {access: 5m}
  - <<: *base
    id: b
    tokens: {<<: *short, id: 10m}
`))
	if err != nil {
		t.Fatal(err)
	}
	b := c.Apps[1]
	if b.ID != "b" || b.RedirectURIs[0] != "https://a.example/cb" || b.Tokens.Access != 5*time.Minute || b.Tokens.ID != 10*time.Minute {
		t.Errorf("app = %+v", b)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(contract)
	f.Add("a: &a [*a]\n<<: *a")
	f.Fuzz(func(t *testing.T, text string) {
		d := &document{file: "f", dir: "/nonexistent", env: func(string) (string, bool) { return "v", true }, faulty: map[string]bool{}}
		c, err := d.load([]byte(text))
		if c == nil && err == nil {
			t.Error("neither a configuration nor a fault")
		}
		if c != nil {
			for i := range c.Providers {
				c.Providers[i].Decode(&oidcKeys{})
				c.Providers[i].FaultAt("scopes.0", "x")
			}
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x00\x1b\r") {
			t.Errorf("a fault has control characters: %q", err)
		}
	})
}
