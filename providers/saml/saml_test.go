package saml

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

// ourKey is our own key pair, one for all tests.
var ourKey = sync.OnceValue(func() *tls.Certificate { return selfSigned("signet", 2048) })

func selfSigned(name string, bits int) *tls.Certificate {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// bench is a provider with a fake identity provider behind it, and the clock of both.
type bench struct {
	idp *idptest.SAML
	p   *provider
	now func() time.Time
}

func testEnv(id string, now func() time.Time) providers.Env {
	return providers.Env{
		ID: id, Name: "Initech", Base: "https://signet.example",
		Client: &http.Client{Timeout: 5 * time.Second}, Now: now, Log: slog.New(slog.DiscardHandler),
		Certificate:  func(context.Context, string) (*tls.Certificate, error) { return ourKey(), nil },
		Certificates: func(context.Context, string) ([]*tls.Certificate, error) { return []*tls.Certificate{ourKey()}, nil },
	}
}

// openTest opens a provider whose identity provider is a fake that signs in peter; change may alter its
// configuration.
func openTest(t testing.TB, change func(*Config)) *bench {
	t.Helper()
	return openFake(t, "peter", change)
}

func openFake(t testing.TB, signIn string, change func(*Config)) *bench {
	t.Helper()
	b := &bench{now: time.Now}
	now := func() time.Time { return b.now() }
	b.idp = idptest.NewSAML(t, idptest.SAMLOptions{
		SignIn: signIn, Now: now,
		ServiceProvider: func(ctx context.Context, _ string) ([]byte, error) {
			_, document, err := b.p.Describe(ctx)
			return document, err
		},
	})
	b.p = openConfig(t, testEnv("initech", now), func(c *Config) {
		c.MetadataURL = b.idp.URL + "/metadata"
		if change != nil {
			change(c)
		}
	})
	return b
}

func openConfig(t testing.TB, env providers.Env, change func(*Config)) *provider {
	t.Helper()
	cfg := Kind().Config().(*Config)
	change(cfg)
	if faults := cfg.Check(); len(faults) > 0 {
		t.Fatalf("Check = %v, want no faults", faults)
	}
	p, err := Kind().Open(t.Context(), env, cfg)
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	return p.(*provider)
}

// begin starts an attempt and returns it with what goes out.
func (b *bench) begin(t testing.TB, a providers.Attempt) (*providers.Attempt, string) {
	t.Helper()
	a.ID, a.Begun = rand.Text(), b.now()
	next, err := b.p.Begin(t.Context(), &a)
	if err != nil {
		t.Fatalf("Begin = %v", err)
	}
	return &a, next.(providers.Redirect).URL
}

// answer is what the browser brings back from the fake.
func (b *bench) answer(t testing.TB, sent string, row *idptest.SAMLRow) providers.Reply {
	t.Helper()
	form, err := b.idp.AnswerURL(sent, row)
	if err != nil {
		t.Fatalf("Answer = %v", err)
	}
	return providers.Reply{Method: http.MethodPost, Values: form}
}

// signIn runs one login with the answer altered.
func (b *bench) signIn(t testing.TB, a providers.Attempt, alter func(*idptest.Answer)) (providers.Done, error) {
	t.Helper()
	attempt, sent := b.begin(t, a)
	next, err := b.p.Continue(t.Context(), attempt, b.answer(t, sent, &idptest.SAMLRow{Alter: alter}))
	if err != nil {
		return providers.Done{}, err
	}
	return next.(providers.Done), nil
}

// wantReason fails unless err is a refusal with that reason.
func wantReason(t testing.TB, err error, reason string) {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) || e.Kind != providers.Invalid || e.Reason != reason {
		t.Errorf("error = %v, want an Invalid with reason %s", err, reason)
	}
}

func parse(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatalf("Parse(%q) = %v", s, err)
	}
	return u
}
