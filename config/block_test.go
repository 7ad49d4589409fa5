package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// blockKeys has the forms that files may stand for.
type blockKeys struct {
	kindKeys
	Inline string   `yaml:"metadata"`
	PEMs   []string `yaml:"certificates"`
	CA     string   `yaml:"ca_file"`
}

func TestABlockIsReadWithEveryFaultAtOnce(t *testing.T) {
	t.Setenv("SECRET", "hunter2")
	_, err := ParseProvider("corp.yaml", t.TempDir(), []byte("- id: Corp\n  kind: oidc\n  client_secret: ${env:SECRET}\n  domains: [A.example, b.example, b.example]\n"))
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("err = %v", err)
	}
	var got []string
	for _, f := range faults {
		got = append(got, f.String())
	}
	for i, want := range []string{
		"corp.yaml:1: id: must be 1 to 64 of a-z 0-9 -",
		"corp.yaml:3: client_secret: takes no ${env:…} here; write what it stands for",
		"corp.yaml:4: domains.0: must be in lower case",
		"corp.yaml:4: domains.2: b.example is at domains.1 already; its people can be sent to one provider",
	} {
		if i >= len(got) || got[i] != want {
			t.Fatalf("faults = %q, want %q at %d", got, want, i)
		}
	}
	for _, text := range []string{"", "[]", "null", "- {id: a, kind: x}\n- {id: b, kind: x}\n", "a: [", "id: a\nid: b\nkind: x", "id: a\nkind: x\n---\nid: b\nkind: x\n"} {
		if _, err := ParseProvider("x", "", []byte(text)); err == nil {
			t.Errorf("%q is taken for a provider", text)
		}
	}
}

// A block from elsewhere must not have this machine's files or environment read.
func TestABlockFromElsewhereNamesNoFile(t *testing.T) {
	for _, key := range []string{"client_secret_file: /etc/passwd", "metadata_file: /etc/passwd", "certificate_files: [/etc/passwd]", "limits: {deep_file: /etc/passwd}", `"params": [{"x_file": "/etc/passwd"}]`} {
		_, err := ParseProvider("-", "", []byte("id: a\nkind: x\n"+key+"\n"))
		if err == nil || !strings.Contains(err.Error(), "names a file") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestInlineAndBack(t *testing.T) {
	dir := t.TempDir()
	pem := "-----BEGIN X-----\nabc\n-----END X-----\n"
	xml := "<a b=\"c\">\r\n\t<!-- ü \U0001F600 ' \" \\ -->\n  </a>\n"
	for name, text := range map[string]string{"s": "hun\"ter: 2\n", "idp.xml": xml, "a.pem": pem, "b.pem": pem} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	block := "id: a\nkind: x\nclient_id: 0123\nclient_secret_file: s\nmetadata_file: idp.xml\ncertificates: [one]\ncertificate_files: [a.pem, b.pem]\nskew: 1m\nsign: true\ntries: 5\nrate: 0.5\nparams: {hd: x}\nlimits: {account: 7}\n"
	p, err := ParseProvider("a.yaml", dir, []byte(block))
	if err != nil {
		t.Fatal(err)
	}
	var own blockKeys
	if faults := p.Inline(&own); faults != nil {
		t.Fatal(faults)
	}
	document, err := p.Document()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseProvider("a", "", document)
	if err != nil {
		t.Fatalf("%v in %s", err, document)
	}
	if faults := back.Decode(&own); faults != nil {
		t.Fatal(faults)
	}
	if own.ClientID != "0123" || own.Secret.Reveal() != "hun\"ter: 2" || own.Inline != strings.TrimRight(xml, "\r\n") || len(own.PEMs) != 3 ||
		own.PEMs[0] != "one" || own.PEMs[2] != strings.TrimSpace(pem) || own.Skew.String() != "1m0s" || !*own.Sign || own.Tries != 5 || own.Limits.Account != 7 {
		t.Errorf("came back as %+v from %s", own, document)
	}
	shown, err := back.Shown(&own)
	if err != nil || strings.Contains(string(shown), "hun") || !strings.Contains(string(shown), `"client_secret":"[secret]"`) || !strings.Contains(string(shown), `"account":7`) {
		t.Errorf("Shown = %s, %v", shown, err)
	}

	p, err = ParseProvider("a.yaml", dir, []byte("id: a\nkind: x\nca_file: s\nmetadata_file: none\n"))
	if err != nil {
		t.Fatal(err)
	}
	if faults := p.Inline(&own); len(faults) != 2 || !strings.Contains(faults[0].String(), "a.yaml:3: ca_file: names a file and cannot") || !strings.Contains(faults[1].String(), "metadata_file: cannot be read") {
		t.Errorf("Inline = %v", faults)
	}
}
