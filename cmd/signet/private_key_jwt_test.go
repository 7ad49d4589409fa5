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
	for _, path := range []string{"/callback/globex/jwks", "/callback/initech/jwks", "/callback/local/jwks", "/callback/nobody/jwks", "/saml/keyed/metadata"} {
		if p := w.browser().get(path); p.status != http.StatusNotFound || strings.Contains(p.body, "keys") {
			t.Errorf("%s: %v", path, p)
		}
	}
}
