package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

// ownKeyPairs are two: the one in use, and the one that is on its way out.
var ownKeyPairs = sync.OnceValue(func() []*tls.Certificate {
	var pairs []*tls.Certificate
	for range 2 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		pairs = append(pairs, &tls.Certificate{PrivateKey: key})
	}
	return pairs
})

func ownCertificates(_ context.Context, use string) ([]*tls.Certificate, error) {
	if use != "oidc-client" {
		return nil, errors.New("a key for another use: " + use)
	}
	return ownKeyPairs(), nil
}

// upstreamKnowing starts a fake that takes assertions of the key set that p publishes.
func upstreamKnowing(t testing.TB, p *providers.Provider) *idptest.OIDC {
	t.Helper()
	f, err := idptest.StartOIDC(idptest.OIDCOptions{Now: time.Now, ClientKeys: func() ([]byte, error) {
		_, document, err := (*p).(providers.Describer).Describe(context.Background())
		return document, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func pemOf(t testing.TB, key crypto.PrivateKey) secret.String {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return secret.String(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestPrivateKeyJWT(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := ownKeyPairs()[0].PrivateKey
	for _, c := range []struct {
		name   string
		change func(c *Config)
		wanted []string // token_endpoint_auth_signing_alg_values_supported
		alg    string
		keys   int
		kid    string // "": a thumbprint
	}{
		{"Signet's own key", nil, nil, "RS256", 2, ""},
		{"Signet's own key, for the issuer", func(c *Config) { c.TokenAudience = "issuer" }, nil, "RS256", 2, ""},
		{"Signet's own key, as PS256", nil, []string{"PS256", "ES256"}, "PS256", 2, ""},
		{"an RSA key", func(c *Config) { c.PrivateKey = pemOf(t, rsaKey) }, nil, "RS256", 1, ""},
		{"an ECDSA key with a name", func(c *Config) { c.PrivateKey, c.PrivateKeyID = pemOf(t, ec), "key-7" }, nil, "ES256", 1, "key-7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p providers.Provider
			f := upstreamKnowing(t, &p)
			var sent url.Values
			f.Misbehave(&idptest.OIDCRow{Discovery: func(_ *idptest.OIDC, doc map[string]any) {
				if c.wanted != nil {
					doc["token_endpoint_auth_signing_alg_values_supported"] = c.wanted
				}
			}})
			p = openFor(t, f, time.Now, func(conf *Config) {
				conf.TokenAuth, conf.ClientSecret = "private_key_jwt", ""
				if c.change != nil {
					c.change(conf)
				}
			})
			pr := p.(*provider)
			pr.token.Transport = recording{pr.token.Transport, &sent}
			for range 2 { // each assertion is good once
				if _, err := login(t, f, p, providertest.Attempt()); err != nil {
					t.Fatal(err)
				}
			}
			if sent.Has("client_secret") {
				t.Error("a secret goes along")
			}
			checkAssertion(t, sent.Get("client_assertion"), c.alg, f, pr.conf.TokenAudience)
			checkKeySet(t, p, c.keys, c.kid)
		})
	}
}

// recording keeps the form of each request.
type recording struct {
	next http.RoundTripper
	form *url.Values
}

func (r recording) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text := new(strings.Builder)
	if _, err := io.Copy(text, body); err != nil {
		return nil, err
	}
	*r.form, err = url.ParseQuery(text.String())
	if err != nil {
		return nil, err
	}
	return r.next.RoundTrip(req)
}

func checkAssertion(t *testing.T, raw, alg string, f *idptest.OIDC, audience string) {
	t.Helper()
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		t.Fatalf("assertion: %v", err)
	}
	var c struct {
		Iss, Sub, Aud, Jti string
		Iat, Exp           int64
	}
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &c); err != nil {
		t.Fatal(err)
	}
	want := f.Issuer + "/token"
	if audience == "issuer" {
		want = f.Issuer
	}
	if c.Iss != f.ClientID() || c.Sub != f.ClientID() || c.Aud != want || len(c.Jti) < 22 || c.Exp-c.Iat > 300 {
		t.Errorf("assertion says %+v", c)
	}
}

// checkKeySet: what is published is public, and no more than that.
func checkKeySet(t *testing.T, p providers.Provider, n int, kid string) {
	t.Helper()
	contentType, document, err := p.(providers.Describer).Describe(t.Context())
	if err != nil || contentType != "application/json" {
		t.Fatalf("Describe = %s, %v", contentType, err)
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil || len(set.Keys) != n {
		t.Fatalf("%d keys (%v), want %d: %s", len(set.Keys), err, n, document)
	}
	for _, key := range set.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, there := key[private]; there {
				t.Errorf("a private %s is published", private)
			}
		}
		if id, _ := key["kid"].(string); key["use"] != "sig" || kid != "" && id != kid || kid == "" && len(id) != 43 {
			t.Errorf("key %v, want kid %q", key, kid)
		}
	}
}

func TestNoKeySetWithoutPrivateKeyJWT(t *testing.T) {
	f := upstream(t, time.Now)
	_, _, err := openFor(t, f, time.Now, nil).(providers.Describer).Describe(t.Context())
	if e := providers.AsError(err); e.Reason != "not_found" || e.Status != http.StatusNotFound {
		t.Errorf("Describe = %v, want not_found", err)
	}
}

func TestClientSecretJWT(t *testing.T) {
	f, err := idptest.StartOIDC(idptest.OIDCOptions{Now: time.Now, ClientSecret: "a-secret-of-32-characters-or-more"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	p := openFor(t, f, time.Now, func(c *Config) { c.TokenAuth = "client_secret_jwt" })
	var sent url.Values
	pr := p.(*provider)
	pr.token.Transport = recording{pr.token.Transport, &sent}
	if _, err := login(t, f, p, providertest.Attempt()); err != nil {
		t.Fatal(err)
	}
	checkAssertion(t, sent.Get("client_assertion"), "HS256", f, "")
	if strings.Contains(sent.Encode(), f.ClientSecret()) {
		t.Error("the secret itself goes along")
	}
	// Too short a secret can be guessed from one assertion.
	c := Defaults()
	c.Issuer, c.ClientID, c.ClientSecret, c.TokenAuth = "https://idp.example", "signet", "globex-secret", "client_secret_jwt"
	if faults := c.Check(); len(faults) != 1 || faults[0].Key != "token_auth" {
		t.Errorf("Check = %v", faults)
	}
}

func TestPrivateKeysThatAreNone(t *testing.T) {
	weak, _ := rsa.GenerateKey(rand.Reader, 1024)
	other, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	good := pemOf(t, ownKeyPairs()[0].PrivateKey).Reveal()
	for name, text := range map[string]string{
		"text": "SECRET", "a weak key": pemOf(t, weak).Reveal(), "another curve": pemOf(t, other).Reveal(), "Ed25519": pemOf(t, ed).Reveal(),
		"two keys": good + good, "half a key": good[:len(good)/2], "no key": "-----BEGIN PRIVATE KEY-----\nU0VDUkVU\n-----END PRIVATE KEY-----\n",
	} {
		key, problem := ParsePrivateKey(text)
		if key != nil || problem == "" || strings.Contains(problem, "SECRET") || strings.Contains(problem, "U0VDUkVU") {
			t.Errorf("%s: %v, %q", name, key != nil, problem)
		}
	}
	if _, problem := ParsePrivateKey(good); problem != "" {
		t.Error(problem)
	}
}
