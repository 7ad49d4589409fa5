package main

import (
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// discovery is the discovery document.
func (s *suite) discovery() (doc map[string]any) {
	s.t.Helper()
	s.document("/.well-known/openid-configuration", &doc)
	return doc
}

// keys is the key set.
func (s *suite) keys() []map[string]any {
	s.t.Helper()
	var set struct{ Keys []map[string]any }
	s.document("/jwks", &set)
	return set.Keys
}

func (s *suite) document(path string, into any) {
	s.t.Helper()
	p := s.browser().get(path)
	if err := json.Unmarshal([]byte(p.body), into); err != nil || p.status != http.StatusOK || !strings.HasPrefix(p.header.Get("Content-Type"), "application/json") {
		s.t.Fatalf("%v: %v %s", p, err, p.body)
	}
}

// has tells whether a member of a document is a list with all of want.
func has(doc map[string]any, name string, want ...string) bool {
	list, _ := doc[name].([]any)
	for _, w := range want {
		if !slices.Contains(list, any(w)) {
			return false
		}
	}
	return true
}

// TestConformanceConfig is the plan oidcc-config-certification-test-plan.
func TestConformanceConfig(t *testing.T) {
	s := newSuite(t, withSuite)
	s.run(t, []testModule{{"oidcc-discovery-endpoint-verification", (*module).discoveryVerification}})
}

func (m *module) discoveryVerification() {
	doc := m.discovery()
	if doc["issuer"] != m.URL {
		m.t.Errorf("issuer = %v", doc["issuer"])
	}
	m.endpoints(doc, "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
	for name, want := range map[string][]string{
		"response_types_supported": {"code"}, "subject_types_supported": {"public"}, "id_token_signing_alg_values_supported": {"RS256"},
		"scopes_supported": {"openid", "profile", "email", "address", "phone", "offline_access"}, "grant_types_supported": {"authorization_code", "refresh_token"},
		"response_modes_supported":              {"query", "form_post"},
		"token_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post", "private_key_jwt"},
		"claims_supported":                      {"sub", "iss", "auth_time", "acr", "name", "email", "email_verified"},
	} {
		if !has(doc, name, want...) {
			m.t.Errorf("%s = %v", name, doc[name])
		}
	}
	// Apps that register themselves may register some. Absent, request_uri would be supported (OpenID Connect Discovery §3).
	if doc["request_uri_parameter_supported"] != m.dynamic || doc["claims_parameter_supported"] != true {
		m.t.Errorf("request_uri %v, claims %v", doc["request_uri_parameter_supported"], doc["claims_parameter_supported"])
	}
	if has(doc, "request_object_signing_alg_values_supported", "none") || has(doc, "token_endpoint_auth_signing_alg_values_supported", "none") {
		m.t.Error("something may come without a signature")
	}
	m.publicKeys()
}

// endpoints are addresses of this issuer's own host, which is https unless it is loopback.
func (m *module) endpoints(doc map[string]any, names ...string) {
	m.t.Helper()
	for _, name := range names {
		address, _ := doc[name].(string)
		u, err := url.Parse(address)
		if err != nil || !strings.HasPrefix(address, m.URL+"/") || u.Fragment != "" {
			m.t.Errorf("%s = %v", name, doc[name])
		}
	}
}

// publicKeys holds the key set against RFC 7517: public halves, each with a name of its own and a use.
func (m *module) publicKeys() {
	m.t.Helper()
	seen, rs := map[string]bool{}, false
	for _, k := range m.keys() {
		raw, err := json.Marshal(k)
		if err != nil {
			m.t.Fatal(err)
		}
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON(raw); err != nil || !key.Valid() || !key.IsPublic() {
			m.t.Errorf("key %v: %v", k["kid"], err)
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
			if _, ok := k[private]; ok {
				m.t.Errorf("the key set shows %s", private)
			}
		}
		if key.KeyID == "" || seen[key.KeyID] || key.Use != "sig" {
			m.t.Errorf("kid %q, use %q", key.KeyID, key.Use)
		}
		seen[key.KeyID] = true
		if k, ok := key.Key.(*rsa.PublicKey); ok {
			rs = rs || k.N.BitLen() >= 2048
		}
	}
	if !rs {
		m.t.Error("no RSA key of 2048 bits")
	}
}
