package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// findings is what signet provider check says, by provider and name.
func (w *world) findings(args ...string) (map[string][]checked, int) {
	w.t.Helper()
	out, code := w.command(append([]string{"provider", "check", "--json"}, args...)...)
	end := strings.LastIndex(out, "]")
	if end < 0 {
		w.t.Fatalf("provider check = exit %d: %s", code, out)
	}
	var all []checked
	if err := json.Unmarshal([]byte(out[strings.Index(out, "["):end+1]), &all); err != nil {
		w.t.Fatalf("provider check: %v in %s", err, out)
	}
	by := map[string][]checked{}
	for _, k := range all {
		by[k.Provider+" "+k.What] = append(by[k.Provider+" "+k.What], k)
	}
	return by, code
}

func TestProviderCheckSaysWhatToChange(t *testing.T) {
	w := newWorld(t, func(config string) string {
		return strings.Replace(config, "  - id: local\n", `  - {id: typo, kind: oidc, name: Typo, issuer: "http://127.0.0.1:1", client_id: signet, client_secret: x}
  - id: local
`, 1)
	})
	found, code := w.findings()
	if code != 1 {
		t.Errorf("exit %d with a provider that cannot be reached", code)
	}
	for name, list := range found {
		for _, k := range list {
			if wrong := name == "typo discovery"; k.OK == wrong {
				t.Errorf("%s: %+v", name, k)
			}
		}
	}
	if list := found["globex callback"]; len(list) != 1 || !strings.Contains(list[0].Detail, w.URL+"/callback/globex") {
		t.Errorf("globex's callback: %+v", list)
	}
	for _, name := range []string{"globex secret", "hooli jwks", "initech metadata", "initech certificate", "local configuration"} {
		if len(found[name]) == 0 {
			t.Errorf("nothing is said of %s", name)
		}
	}
	if found, code := w.findings("globex"); code != 0 || len(found["initech metadata"]) != 0 {
		t.Errorf("of globex alone: exit %d, %v", code, found)
	}
	if out, code := w.command("provider", "check", "globex"); code != 0 || !strings.Contains(out, "secret") || strings.Contains(out, "globex-secret") {
		t.Errorf("for people: exit %d\n%s", code, out)
	}
	if out, code := w.command("provider", "check", "nobody"); code != 1 || !strings.Contains(out, `no provider "nobody"`) {
		t.Errorf("of one that is not there: exit %d\n%s", code, out)
	}
}
