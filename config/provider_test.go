package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/secret"
)

// shared is what two kinds have in common.
type shared struct {
	ClientID string `yaml:"client_id"`
}

// kindKeys has every sort of field that a kind may have.
type kindKeys struct {
	shared
	Secret   secret.String     `yaml:"client_secret"`
	Metadata string            `yaml:"metadata_file"`
	Certs    []string          `yaml:"certificate_files"`
	Skew     time.Duration     `yaml:"skew"`
	Sign     *bool             `yaml:"sign"`
	Tries    uint8             `yaml:"tries"`
	Offset   int               `yaml:"offset"`
	Rate     float64           `yaml:"rate"`
	Params   map[string]string `yaml:"params"`
	Any      map[string]any    `yaml:"any"`
	Limits   struct {
		Account int `yaml:"account"`
	} `yaml:"limits"`
}

func provider(t *testing.T, text string, others ...string) *Provider {
	t.Helper()
	path := write(t, "issuer: https://h.example\nproviders:\n  - id: p\n    kind: x\n"+text, others...)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return &c.Providers[0]
}

func TestDecodeReadsAKindsOwnKeys(t *testing.T) {
	p := provider(t, `    client_id: 12345
    client_secret_file: s
    metadata_file: idp.xml
    certificate_files: [a.pem, /b.pem]
    skew: 1m30s
    sign: true
    tries: 5
    offset: -3
    rate: 0.5
    params: {hd: acme.com, n: 1}
    any: {list: [1, x, null, true], deep: {k: v}}
    limits: {account: 7}
`, "s", "hunter2\n")
	var got kindKeys
	if faults := p.Decode(&got); faults != nil {
		t.Fatal(faults)
	}
	dir := p.doc.dir
	sign := true
	want := kindKeys{
		shared: shared{"12345"}, Secret: "hunter2", Metadata: dir + "/idp.xml", Certs: []string{dir + "/a.pem", "/b.pem"},
		Skew: 90 * time.Second, Sign: &sign, Tries: 5, Offset: -3, Rate: 0.5, Params: map[string]string{"hd": "acme.com", "n": "1"},
		Any: map[string]any{"list": []any{1.0, "x", nil, true}, "deep": map[string]any{"k": "v"}},
	}
	want.Limits.Account = 7
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestDecodeIsStrict(t *testing.T) {
	p := provider(t, `    domains: [a.example]
    client_sceret: hunter2
    client_secret_file: none
    skew: soon
    sign: perhaps
    tries: 256
    rate: fast
    limits: {acount: 1}
    whatever: {a: b}
    metadata_file_file: x
`)
	faults := p.Decode(&kindKeys{})
	want := []string{
		":6: providers.0.client_sceret: unknown key; did you mean client_secret?",
		":7: providers.0.client_secret_file: cannot be read: no such file or directory",
		":8: providers.0.skew: must be a duration such as 90s, 15m, 12h or 30d",
		":9: providers.0.sign: must be true or false",
		":10: providers.0.tries: must be a whole number",
		":11: providers.0.rate: must be a number",
		":12: providers.0.limits.acount: unknown key; did you mean account?",
		":13: providers.0.whatever: unknown key",
		":14: providers.0.metadata_file_file: unknown key",
	}
	if len(faults) != len(want) {
		t.Errorf("%d faults, want %d: %v", len(faults), len(want), faults)
	}
	for i := range min(len(want), len(faults)) {
		if got := faults[i].String(); !strings.HasSuffix(got, want[i]) {
			t.Errorf("got  %s\nwant …%s", got, want[i])
		}
	}
	if strings.Contains(faults.Error(), "hunter2") {
		t.Error("a fault shows a value")
	}
	if again := p.Decode(&kindKeys{}); !reflect.DeepEqual(again, faults) {
		t.Errorf("a second time: %v", again)
	}
}

func TestDecodeKeepsDefaults(t *testing.T) {
	p := provider(t, "    params:\n    limits:\n")
	got := kindKeys{Skew: time.Minute, Params: map[string]string{"a": "b"}}
	got.Limits.Account = 3
	if faults := p.Decode(&got); faults != nil || got.Skew != time.Minute || got.Params["a"] != "b" || got.Limits.Account != 3 {
		t.Errorf("got %+v, %v", got, faults)
	}
	if faults := (&Provider{}).Decode(&got); faults != nil {
		t.Errorf("a provider of no file: %v", faults)
	}
}

func TestFaultAtFindsTheLine(t *testing.T) {
	p := provider(t, `    scopes:
      - openid
      - email
    client_secret_file: s
    map:
      email: claims.email
      attributes:
        https://acme.example/role: claims.role
`, "s", "x")
	for key, line := range map[string]int{
		"": 3, "id": 3, "kind": 4, "scopes": 5, "scopes.1": 7, "scopes.9": 5, "client_secret": 8, "map.email": 10, "map.locale": 9,
		"map.attributes.https://acme.example/role": 12, "missing": 3, "missing.too": 3, "scopes.x": 5, "kind.x": 4,
	} {
		got := p.FaultAt(key, "is wrong")
		want := strings.TrimSuffix("providers.0."+key, ".")
		if got.Line != line || got.Key != want || got.String() != fmt.Sprintf("%s:%d: %s: is wrong", got.File, line, want) {
			t.Errorf("%q: %v, want line %d", key, got, line)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"redirect_uris", "secret", "secret_file", "id", "post_logout_redirect_uris", "listen"}
	for unknown, want := range map[string]string{
		"redirect_uri": "redirect_uris", "redirect-uris": "redirect_uris", "Secret": "secret", "secrte": "secret",
		"secret_fil": "secret_file", "lisetn": "listen", "entirely": "", "x": "", "idd": "id", "": "",
	} {
		if got := nearest(unknown, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", unknown, got, want)
		}
	}
}
