package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"

	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/providers"
)

func TestSchemaIsUpToDate(t *testing.T) {
	want, err := schemaText()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("config/schema.json is old: run go generate ./config")
	}
}

func TestEveryKindIsDescribed(t *testing.T) {
	folders, err := os.ReadDir("../../providers")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		// A folder is a kind, but for the tests of all and for social, which is several.
		if _, described := kinds[f.Name()]; f.IsDir() && f.Name() != "providertest" && f.Name() != "social" && !described {
			t.Errorf("kind %s has no schema", f.Name())
		}
	}
}

// readSchema resolves the file that editors get, not what it was made from.
func readSchema(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	text, err := os.ReadFile("../schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

func parse(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestExampleFollowsTheSchema(t *testing.T) {
	text, err := os.ReadFile("../example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := readSchema(t).Validate(parse(t, string(text))); err != nil {
		t.Error(err)
	}
}

func TestSchemaRefusesWhatLoadRefuses(t *testing.T) {
	schema := readSchema(t)
	const provider = "issuer: https://h.example\nproviders: [{id: p, "
	const app = "issuer: https://h.example\napps: [{id: a, "
	rows := []struct {
		text string
		good bool
	}{
		{"issuer: https://h.example", true},
		{"listen: 127.0.0.1:1", false},
		{"issuer: https://h.example\nlistne: x", false},
		{"issuer: [x]", false},
		{app + "secret: x}]", true},
		{app + "secret_file: x}]", true},
		{app + "secret: x, secret_file: y}]", false},
		{app + "pkce: '${env:PKCE}'}]", true},
		{app + "pkce: never}]", false},
		{app + "tokens: {access: 1h30m, refresh: 30d}}]", true},
		{app + "tokens: {access: soon}}]", false},
		{app + "tokens: {signing: none}}]", false},
		{app + "tokens: }]", true},
		{"issuer: https://h.example\napps: [{name: x}]", false},
		{provider + "kind: oidc, issuer: x, client_secret_file: y}]", true},
		{provider + "kind: oidc, metadata_url: x}]", false},
		{provider + "kind: saml, metadata_url: x}]", true},
		{provider + "kind: saml, client_id: x}]", false},
		{provider + "kind: password}]", true},
		{provider + "kind: password, limits: {accuont: 3}}]", false},
		{provider + "kind: carrier-pigeon}]", false},
		{provider + "kind: oidc, disabled: perhaps}]", false},
		{provider + "kind: oidc, disabled: '${env:OFF}'}]", true},
		{provider + "kind: oidc, map: {emial: x}}]", false},
		{provider + "kind: oidc, map: {attributes: {anything: x}}}]", true},
	}
	for _, row := range rows {
		if err := schema.Validate(parse(t, row.text)); (err == nil) != row.good {
			t.Errorf("%s: %v, want good: %v", strings.ReplaceAll(row.text, "\n", "; "), err, row.good)
		}
	}
}

// The example is good for each kind, too.
func TestExampleIsCheckedByItsKinds(t *testing.T) {
	text, err := os.ReadFile("../example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"signet.yaml": string(text), "next.secret": "from the upstream"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("WEB_SECRET", "0123456789012345678901234567890123")
	t.Setenv("CORP_SECRET", "from the upstream")
	c, err := config.Load(filepath.Join(dir, "signet.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.Providers {
		p := &c.Providers[i]
		own := kinds[p.Kind].Config()
		if faults := p.Decode(own); faults != nil {
			t.Error(faults)
		}
		if checked, ok := own.(interface{ Check() []providers.Fault }); ok {
			for _, f := range checked.Check() {
				t.Error(p.FaultAt(f.Key, f.Problem))
			}
		}
	}
}
