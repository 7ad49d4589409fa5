package apple

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

func pemOf(t *testing.T, key any) secret.String {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return secret.String(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// clock is one that a test moves.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// start opens a provider on an Internet of its own.
func start(t *testing.T, clk *clock, change func(c *Config)) (providers.Provider, *idptest.OIDC) {
	t.Helper()
	n, err := idptest.StartInternet()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	f, client, err := n.Apple(idptest.OIDCOptions{Now: clk.now})
	if err != nil {
		t.Fatal(err)
	}
	c := Kind().Config().(*Config)
	c.ClientID, c.TeamID, c.KeyID, c.PrivateKey = "signet", client.TeamID, client.KeyID, pemOf(t, client.Key)
	if change != nil {
		change(c)
	}
	if faults := c.Check(); len(faults) > 0 {
		t.Fatalf("Check = %v", faults)
	}
	p, err := Kind().Open(t.Context(), providers.Env{
		ID: "apple", Name: "Apple", Base: "http://127.0.0.1:1", Now: clk.now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Client: egress.Client(egress.Options{Roots: n.Roots, Route: n.Route()}),
	}, c)
	if err != nil {
		t.Fatal(err)
	}
	return p, f
}

func signIn(t *testing.T, f *idptest.OIDC, next providers.Next) providers.Reply {
	t.Helper()
	_, form, err := f.SignInForm(t.Context(), next.(providers.Redirect).URL, "ann")
	if err != nil {
		t.Fatal(err)
	}
	return providers.Reply{Method: http.MethodPost, Values: form}
}

func login(t *testing.T, f *idptest.OIDC, p providers.Provider, clk *clock, change func(url.Values)) (providers.Identity, error) {
	t.Helper()
	a := providertest.Attempt()
	a.Begun = clk.now()
	next, err := p.Begin(t.Context(), &a)
	if err != nil {
		t.Fatal(err)
	}
	reply := signIn(t, f, next)
	if change != nil {
		change(reply.Values)
	}
	if next, err = p.Continue(t.Context(), &a, reply); err != nil {
		return providers.Identity{}, err
	}
	return next.(providers.Done).Identity, nil
}

func TestContract(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		p, f := start(t, &clock{}, nil)
		return providertest.Harness{Provider: p, Subject: "ann", Optional: []string{"user"}, SignIn: func(t *testing.T, _ providers.Attempt, next providers.Next) providers.Reply {
			return signIn(t, f, next)
		}}
	})
}

// No client secret is ever too old, however long the process runs; one of another key is refused.
func TestClientSecretIsRenewed(t *testing.T) {
	clk := &clock{}
	p, f := start(t, clk, nil)
	for range 4 {
		if _, err := login(t, f, p, clk, nil); err != nil {
			t.Fatalf("after %v: %v", clk.offset, err)
		}
		clk.add(100 * 24 * time.Hour)
	}
	for name, change := range map[string]func(c *Config){
		"another team":     func(c *Config) { c.TeamID = "OTHER12345" },
		"another key's id": func(c *Config) { c.KeyID = "OTHER12345" },
		"another key": func(c *Config) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			c.PrivateKey = pemOf(t, key)
		},
	} {
		p, f := start(t, clk, change)
		_, err := login(t, f, p, clk, nil)
		if e := providers.AsError(err); e.Reason != "token_refused" || e.Kind != providers.Upstream {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the browser brings about the person is a name, if it can be one.
func TestUserFieldIsANameAndNoMore(t *testing.T) {
	clk := &clock{}
	p, f := start(t, clk, nil)
	for text, want := range map[string]string{
		`{"name":{"firstName":" Ann ","lastName":"Archer"},"email":"victim@globex.example","sub":"victim","email_verified":true}`: "Ann|Archer|Ann Archer",
		`{"name":{"firstName":"Ann"}}`:                                            "Ann||Ann",
		`{"name":{"lastName":"李"}}`:                                               "|李|李",
		`{"name":{"firstName":"A\u0000nn","lastName":"\u202eArcher"}}`:            "||",
		`{"name":{"firstName":"` + strings.Repeat("A", 101) + `"}}`:               "||",
		`{"name":{"firstName":"Ann","lastName":"Archer","sub":"x"},"sub":"evil"}`: "Ann|Archer|Ann Archer",
		`{}`: "||",
	} {
		id, err := login(t, f, p, clk, func(v url.Values) { v.Set("user", text) })
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		given, _ := id.Claims["given_name"].(string)
		family, _ := id.Claims["family_name"].(string)
		name, _ := id.Claims["name"].(string)
		if got := given + "|" + family + "|" + name; got != want || id.Subject != "ann" || id.Claims["email"] != "ann@globex.example" {
			t.Errorf("%.60s: %s, %s, %v, want %s", text, got, id.Subject, id.Claims["email"], want)
		}
	}
	for _, text := range []string{"", "[]", `"Ann"`, `{"name":"Ann"}`, `{"name":{"firstName":1}}`, "{", strings.Repeat(" ", 5<<10) + "{}"} {
		_, err := login(t, f, p, clk, func(v url.Values) { v.Set("user", text) })
		if e := providers.AsError(err); err == nil || e.Reason != "malformed" {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// A name in the signed token is not overwritten by what the browser brings.
func TestSignedNameStays(t *testing.T) {
	clk := &clock{}
	p, f := start(t, clk, nil)
	f.Misbehave(&idptest.OIDCRow{Claims: func(_ *idptest.OIDC, c map[string]any) { c["name"] = "Signed" }})
	id, err := login(t, f, p, clk, func(v url.Values) { v.Set("user", `{"name":{"firstName":"Eve"}}`) })
	if err != nil || id.Claims["name"] != "Signed" {
		t.Errorf("name = %v, %v", id.Claims["name"], err)
	}
}

func TestTextsBecomeBooleans(t *testing.T) {
	clk := &clock{}
	p, f := start(t, clk, nil)
	for _, c := range []struct{ sent, want any }{{"true", true}, {"false", false}, {true, true}, {false, false}, {"TRUE", "TRUE"}, {1, 1.0}, {"1", "1"}} {
		f.Misbehave(&idptest.OIDCRow{Claims: func(_ *idptest.OIDC, claims map[string]any) {
			claims["email_verified"], claims["is_private_email"] = c.sent, c.sent
		}})
		id, err := login(t, f, p, clk, nil)
		if err != nil || id.Claims["email_verified"] != c.want || id.Claims["is_private_email"] != c.want {
			t.Errorf("%v becomes %v and %v (%v), want %v", c.sent, id.Claims["email_verified"], id.Claims["is_private_email"], err, c.want)
		}
	}
}

func TestCheckNamesEveryFault(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys := func(c *Config) string {
		var keys []string
		for _, f := range c.Check() {
			keys = append(keys, f.Key)
			if strings.Contains(f.Problem, "SECRET") {
				t.Errorf("%s tells a secret: %s", f.Key, f.Problem)
			}
		}
		return strings.Join(keys, " ")
	}
	if got, want := keys(&Config{Scopes: []string{""}}), "team_id key_id private_key client_id scopes.0"; got != want {
		t.Errorf("faults at %s, want %s", got, want)
	}
	if got, want := keys(&Config{ClientID: "x", TeamID: "short", KeyID: "KEYID98765", PrivateKey: "SECRET"}), "team_id private_key"; got != want {
		t.Errorf("faults at %s, want %s", got, want)
	}
	if got, want := keys(&Config{ClientID: "x", TeamID: "TEAM123456", KeyID: "KEYID98765", PrivateKey: pemOf(t, rsaKey)}), "private_key"; got != want {
		t.Errorf("faults at %s, want %s", got, want)
	}
}
