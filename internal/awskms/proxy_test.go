package awskms_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/awskms"
	"github.com/signet-broker/signet/internal/kmstest"
)

// proxied is how often the proxy that the environment names was asked for something.
var proxied atomic.Int32

// TestMain names it before anything is asked for: Go reads the environment once. Nothing on this machine goes there.
func TestMain(m *testing.M) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		proxied.Add(1)
		w.WriteHeader(http.StatusForbidden)
	}))
	if err := os.Setenv("HTTP_PROXY", proxy.URL); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestNoProxySeesCredentials: what AWS tells a machine signs tokens.
func TestNoProxySeesCredentials(t *testing.T) {
	s := kmstest.Start(t)
	arn := s.NewEC(t, region)
	for from, env := range map[string]map[string]string{
		"a container's agent": {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials"},
		"a machine's role":    {"AWS_EC2_METADATA_DISABLED": ""},
	} {
		t.Run(from, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			for name, value := range env {
				t.Setenv(name, value)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			before := proxied.Load()
			if _, err := awskms.New(s.URL).Sign(ctx, arn, "ES256", digest[:]); err == nil {
				t.Error("signed without credentials")
			}
			if proxied.Load() != before {
				t.Error("they were asked for through the proxy")
			}
		})
	}
}
