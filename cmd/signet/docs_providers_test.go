package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
)

var (
	yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	envName   = regexp.MustCompile(`\$\{env:(\w+)\}`)
	namedFile = regexp.MustCompile(`(?m)^\s*(?:- )?(\w+)_files?: \[?([^\s#\]]+)`)
)

// aroundProviders is what a page leaves out.
const aroundProviders = "issuer: https://login.example.com\napps:\n" +
	"  - {id: web, name: Web, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback]}\n"

// TestProviderPagesCanBePasted loads every configuration that a page of docs/providers shows, as it stands
// there. What it names, variables and files, is made for it.
func TestProviderPagesCanBePasted(t *testing.T) {
	pages, err := filepath.Glob("../../docs/providers/*.md")
	if err != nil || len(pages) < 7 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	files := exampleFiles(t)
	for _, name := range pages {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		blocks := yamlBlock.FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 {
			t.Errorf("%s has nothing to paste", filepath.Base(name))
		}
		last := ""
		for _, block := range blocks {
			whole := "" // what a block that begins with a blank goes on with
			if strings.HasPrefix(block[1], " ") {
				whole = last
			} else {
				last = block[1]
			}
			t.Run(filepath.Base(name), func(t *testing.T) {
				dir := t.TempDir()
				config := whole + block[1]
				if strings.HasPrefix(config, "providers:") {
					config = aroundProviders + config
				}
				for _, m := range envName.FindAllStringSubmatch(config, -1) {
					t.Setenv(m[1], "a-secret-of-32-characters-or-more")
				}
				for _, m := range namedFile.FindAllStringSubmatch(config, -1) {
					content, ok := files[m[1]]
					if !ok {
						content = []byte("a-secret-of-32-characters-or-more\n")
					}
					if err := os.WriteFile(filepath.Join(dir, filepath.Base(m[2])), content, 0o600); err != nil {
						t.Fatal(err)
					}
					config = strings.Replace(config, m[2], filepath.Base(m[2]), 1)
				}
				path := filepath.Join(dir, "signet.yaml")
				if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
					t.Fatal(err)
				}
				cfg, err := loadConfig(path)
				if err != nil {
					t.Fatalf("%v\n%s", err, config)
				}
				if len(cfg.Providers) == 0 {
					t.Error("it has no provider")
				}
				for _, p := range cfg.Providers {
					if callback := "/callback/" + p.ID; p.Kind != "saml" && p.Kind != passwordKind && !strings.Contains(string(text), callback) {
						t.Errorf("the page does not say what to register for %s: %s", p.ID, callback)
					}
				}
			})
		}
	}
}

// exampleFiles is what files hold, by the key that names them without its end.
func exampleFiles(t *testing.T) map[string][]byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	idp := idptest.NewSAML(t, idptest.SAMLOptions{SignIn: "peter", Now: time.Now})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, idp.URL+"/metadata", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metadata, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"private_key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"ca":          certificate, "certificate": certificate, "metadata": metadata,
	}
}
