package saml

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

func TestContract(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		b := openTest(t, nil)
		var down atomic.Bool
		metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if down.Load() {
				panic(http.ErrAbortHandler)
			}
			w.Write(b.idp.Metadata())
		}))
		t.Cleanup(metadata.Close)
		b.p = openConfig(t, testEnv("initech", b.now), func(c *Config) { c.MetadataURL = metadata.URL })
		return providertest.Harness{
			Provider: b.p,
			SignIn: func(t *testing.T, _ providers.Attempt, next providers.Next) providers.Reply {
				return b.answer(t, next.(providers.Redirect).URL, nil)
			},
			Subject: "peter",
			Down:    func() { down.Store(true) },
			Up:      func() { down.Store(false) },
		}
	})
}

// TestLibraries: the versions before these verify what was not signed, or panic.
func TestLibraries(t *testing.T) {
	for path, least := range map[string]string{
		"github.com/russellhaering/goxmldsig": "v1.6.1",
		"github.com/beevik/etree":             "v1.8.1",
	} {
		out, err := exec.Command("go", "list", "-m", "-f", "{{if .Replace}}{{.Replace.Version}}{{else}}{{.Version}}{{end}}", path).Output()
		if got := strings.TrimSpace(string(out)); err != nil || got < least {
			t.Errorf("%s is %q (%v), want %s or later", path, got, err, least)
		}
	}
}
