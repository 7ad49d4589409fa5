package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
)

// Signet makes a key, publishes the public half, and an upstream that fetches it lets Signet in; after a
// restart too, because the key is kept.
func TestUpstreamKnowsSignetByItsKey(t *testing.T) {
	var w *world
	upstream, err := idptest.StartOIDC(idptest.OIDCOptions{Name: "Keyed", Now: time.Now, ClientKeys: func() ([]byte, error) {
		return []byte(w.browser().get("/callback/keyed/jwks").body), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { upstream.Close() })
	w = newWorld(t, func(config string) string {
		return config + fmt.Sprintf("  - {id: keyed, kind: oidc, name: Keyed, issuer: %q, client_id: signet, token_auth: private_key_jwt}\n", upstream.Issuer)
	})
	signIn := func() {
		t.Helper()
		b := w.browser()
		b.atApp(b.atGlobex(b.authorize(webApp, map[string][]string{"provider": {"keyed"}}), upstream, "ann"))
	}
	signIn()
	before := w.browser().get("/callback/keyed/jwks")
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(before.body), &set); err != nil || before.header.Get("Content-Type") != "application/json" || len(set.Keys) == 0 {
		t.Fatalf("%v: %v, %s", before, err, before.body)
	}
	for _, key := range set.Keys {
		if key["d"] != nil || key["kty"] != "RSA" || key["kid"] == "" {
			t.Errorf("published: %v", key)
		}
	}
	w.restart()
	if after := w.browser().get("/callback/keyed/jwks"); after.body != before.body {
		t.Errorf("another key after a restart: %s", after.body)
	}
	signIn()
	published := func() []string {
		t.Helper()
		w.restart()
		var set struct{ Keys []struct{ Kid string } }
		if err := json.Unmarshal([]byte(w.browser().get("/callback/keyed/jwks").body), &set); err != nil {
			t.Fatal(err)
		}
		var kids []string
		for _, k := range set.Keys {
			kids = append(kids, k.Kid)
		}
		return kids
	}
	first := published()
	if out := w.mustRun("keys", "rotate", "--use", "oidc-client"); !strings.Contains(out, "stands ready") {
		t.Errorf("rotate = %s", out)
	}
	both := published()
	if len(first) != 1 || len(both) != 2 || both[0] != first[0] {
		t.Fatalf("keys = %v and then %v, want the first and a next one", first, both)
	}
	signIn()
	if out := w.mustRun("keys", "rotate", "--use", "oidc-client", "--now"); !strings.Contains(out, "is in use") {
		t.Errorf("rotate --now = %s", out)
	}
	if now := published(); len(now) != 2 || now[0] != both[1] || now[1] != first[0] {
		t.Errorf("keys after --now = %v, want %v turned round", now, both)
	}
	signIn()
	for _, path := range []string{"/callback/globex/jwks", "/callback/initech/jwks", "/callback/local/jwks", "/callback/nobody/jwks", "/saml/keyed/metadata"} {
		if p := w.browser().get(path); p.status != http.StatusNotFound || strings.Contains(p.body, "keys") {
			t.Errorf("%s: %v", path, p)
		}
	}
}
