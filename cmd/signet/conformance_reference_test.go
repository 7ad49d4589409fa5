package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// withReferring adds the app of these modules: with keys, and with addresses that have been registered as the plan
// does it, with a fragment that changes with each.
func withReferring(text string) string {
	text = withReferences(text)
	return strings.Replace(text, "{id: "+refApp+", ", "{id: "+refApp+", pkce: optional, ", 1)
}

// TestConformanceRequestURI are the modules of the plan oidcc-dynamic-certification-test-plan that have a request
// fetched.
func TestConformanceRequestURI(t *testing.T) {
	s := newSuite(t, withReferring, withLoopback)
	s.run(t, []testModule{
		{"oidcc-request-uri-unsigned", func(m *module) {
			// None is supported, as discovery says, so the request is refused.
			q, _ := m.refers(appKey{alg: "none"})
			if got := m.refusal(q, m.open(q)); got != "invalid_request_object" || has(m.discovery(), "request_object_signing_alg_values_supported", "none") {
				m.t.Errorf("error = %s", got)
			}
		}},
		{"oidcc-request-uri-signed-rs256", func(m *module) {
			q, object := m.refers(appKeys()["rs"])
			r := m.finish(url.Values{"redirect_uri": {callbackURI}, "state": {object.claims["state"].(string)}, "nonce": {object.claims["nonce"].(string)}}, m.open(q), nil)
			if n := objectDesk().asked.Load(); n != 1 || r.id.Nonce == "" {
				m.t.Errorf("asked for %d times", n)
			}
			if doc := m.discovery(); doc["request_uri_parameter_supported"] != true || doc["require_request_uri_registration"] != true || !has(doc, "request_object_signing_alg_values_supported", "RS256") {
				m.t.Errorf("discovery says %v, %v", doc["request_uri_parameter_supported"], doc["require_request_uri_registration"])
			}
		}},
	})
}

// refers leaves a request where the app has registered it, and is the request that points there: what OpenID Connect
// Core §6.2 wants beside it, with another state than is inside.
func (m *module) refers(key appKey) (url.Values, *draft) {
	m.t.Helper()
	m.app = refApp
	q := m.request(nil)
	d := &draft{key, map[jose.HeaderKey]any{}, map[string]any{"iss": m.app, "aud": m.URL, "exp": m.now().Add(5 * time.Minute).Unix(), "iat": m.now().Unix()}}
	for name := range q {
		d.claims[name] = q.Get(name)
	}
	objectDesk().does(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/oauth-authz-req+jwt")
		w.Write([]byte(d.sign()))
	})
	if key.alg != "none" {
		q.Set("state", "beside")
		q.Del("nonce")
	}
	q.Set("request_uri", objectDesk().URL+"/summed#"+oldSum)
	return q, d
}
