package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

const jwksPath, discoveryPath = "/jwks", "/.well-known/openid-configuration"

var unknownKid = &idptest.OIDCRow{Header: func(_ *idptest.OIDC, h map[string]any) { h["kid"] = rand.Text() }}

func gone(path string) *idptest.OIDCRow {
	return &idptest.OIDCRow{Serve: map[string]func(*idptest.OIDC, http.ResponseWriter, *http.Request){
		path: func(_ *idptest.OIDC, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		},
	}}
}

// strangers' tokens must not make us ask the upstream for its keys again and again.
func TestUnknownKidsCauseOneFetchAMinute(t *testing.T) {
	now := newClock()
	f := upstream(t, now.Now)
	p := openFor(t, f, now.Now, nil)
	if _, err := login(t, f, p, providertest.Attempt()); err != nil {
		t.Fatal(err)
	}
	now.add(10 * time.Second)
	f.Misbehave(unknownKid)
	flood := func() {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 25 {
					if _, err := login(t, f, p, providertest.Attempt()); err == nil {
						t.Error("a token of an unknown key was accepted")
					}
				}
			})
		}
		all.Wait()
	}
	flood()
	if n := f.Requests(jwksPath); n != 2 {
		t.Errorf("after 100 tokens: %d fetches, want 2: the first login's and one more", n)
	}
	now.add(59 * time.Second)
	flood()
	if n := f.Requests(jwksPath); n != 2 {
		t.Errorf("within the minute: %d fetches, want 2", n)
	}
	now.add(2 * time.Second)
	flood()
	if n := f.Requests(jwksPath); n != 3 {
		t.Errorf("after a minute: %d fetches, want 3", n)
	}
	f.Honest()
	if _, err := login(t, f, p, providertest.Attempt()); err != nil {
		t.Errorf("honest login after: %v", err)
	}
}

// Known keys with bad signatures cause no fetch at all.
func TestBadSignaturesCauseNoFetch(t *testing.T) {
	now := newClock()
	f := upstream(t, now.Now)
	p := openFor(t, f, now.Now, nil)
	for i := range idptest.OIDCRows {
		if row := &idptest.OIDCRows[i]; row.Name == "other key under a published kid" {
			f.Misbehave(row)
		}
	}
	for range 20 {
		_, err := login(t, f, p, providertest.Attempt())
		wantReason(t, err, "sig", providers.Invalid)
		now.add(2 * time.Second)
	}
	if n := f.Requests(jwksPath); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

// A key that has just been rotated in is found at once.
func TestRotatedKeyIsFound(t *testing.T) {
	now := newClock()
	f := upstream(t, now.Now)
	p := openFor(t, f, now.Now, nil)
	if _, err := login(t, f, p, providertest.Attempt()); err != nil {
		t.Fatal(err)
	}
	now.add(6 * time.Second)
	f.Rotate()
	if _, err := login(t, f, p, providertest.Attempt()); err != nil {
		t.Fatalf("after the rotation: %v", err)
	}
	if n := f.Requests(jwksPath); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

// a key that the upstream has withdrawn dies within the hour, even if no new one is ever seen.
func TestWithdrawnKeyDiesWithinTheHour(t *testing.T) {
	now := newClock()
	f := upstream(t, now.Now)
	p := openFor(t, f, now.Now, nil)
	if _, err := login(t, f, p, providertest.Attempt()); err != nil {
		t.Fatal(err)
	}
	f.Misbehave(&idptest.OIDCRow{JWKS: func(_ *idptest.OIDC, doc map[string]any) { doc["keys"] = []any{} }})
	now.add(61 * time.Minute)
	_, err := login(t, f, p, providertest.Attempt())
	wantReason(t, err, "sig", providers.Invalid)
}

// what was fetched serves for a day when the upstream's documents cannot be had, and no longer.
func TestDocumentsAreKeptForADay(t *testing.T) {
	for _, path := range []string{jwksPath, discoveryPath} {
		t.Run(path, func(t *testing.T) {
			now := newClock()
			f := upstream(t, now.Now)
			p := openFor(t, f, now.Now, nil)
			if _, err := login(t, f, p, providertest.Attempt()); err != nil {
				t.Fatal(err)
			}
			f.Misbehave(gone(path))
			for range 22 {
				now.add(time.Hour)
				if _, err := login(t, f, p, providertest.Attempt()); err != nil {
					t.Fatalf("within the day: %v", err)
				}
			}
			if n := f.Requests(path); n > 24 {
				t.Errorf("%d fetches in 22 hours", n)
			}
			now.add(2*time.Hour + time.Second)
			_, err := login(t, f, p, providertest.Attempt())
			wantReason(t, err, "upstream_broken", providers.Upstream)
			f.Honest()
			time.Sleep(retry)
			if _, err := login(t, f, p, providertest.Attempt()); err != nil {
				t.Fatalf("when it is back: %v", err)
			}
		})
	}
}

// While there is something to go on with, a failing upstream is asked once a minute.
func TestFailingDocumentIsAskedOnceAMinute(t *testing.T) {
	now := newClock()
	f := upstream(t, now.Now)
	p := openFor(t, f, now.Now, nil)
	if _, err := login(t, f, p, providertest.Attempt()); err != nil {
		t.Fatal(err)
	}
	f.Misbehave(gone(jwksPath))
	now.add(2 * time.Hour)
	for range 10 {
		if _, err := login(t, f, p, providertest.Attempt()); err != nil {
			t.Fatal(err)
		}
		now.add(5 * time.Second)
	}
	if n := f.Requests(jwksPath); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

// A hundred first logins at once wait for one fetch, and one that goes away does not end it.
func TestDocumentIsFetchedOnce(t *testing.T) {
	var fetches atomic.Int32
	release := make(chan struct{})
	d := newDocument(time.Now, func(ctx context.Context) (int, error) {
		fetches.Add(1)
		<-release
		return 7, ctx.Err()
	})
	early, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := d.get(early); err == nil {
			t.Error("get with an ended context has a document")
		}
	})
	for fetches.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 100 {
		all.Go(func() {
			if n, err := d.get(t.Context()); n != 7 || err != nil {
				t.Errorf("get = %d, %v", n, err)
			}
		})
	}
	leave()
	time.Sleep(10 * time.Millisecond)
	close(release)
	all.Wait()
	if n := fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

// A hung upstream keeps nobody for long who has an old document.
func TestHungRefreshDoesNotHoldLogins(t *testing.T) {
	now := newClock()
	hang := make(chan struct{})
	defer close(hang)
	var fetches atomic.Int32
	d := newDocument(now.Now, func(context.Context) (int, error) {
		if fetches.Add(1) > 1 {
			<-hang
		}
		return 7, nil
	})
	get := func() time.Duration {
		start := time.Now()
		if n, err := d.get(t.Context()); n != 7 || err != nil {
			t.Errorf("get = %d, %v", n, err)
		}
		return time.Since(start)
	}
	get()
	now.add(55 * time.Minute)
	if took := get(); took > grace/2 {
		t.Errorf("within the hour: took %v, want no wait", took)
	}
	now.add(time.Hour)
	if took := get(); took < grace/2 || took > 2*grace {
		t.Errorf("after the hour: took %v, want about %v", took, grace)
	}
	if n := fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

// A document that makes a parser panic must not end the process.
func TestPanicOverADocumentIsAnError(t *testing.T) {
	d := newDocument(time.Now, func(context.Context) (int, error) { panic("parser") })
	_, err := d.get(t.Context())
	wantReason(t, err, "upstream_broken", providers.Upstream)
}

func TestKeysThatAreStrongEnough(t *testing.T) {
	sized := func(bits, e int) *rsa.PublicKey {
		return &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), bits-1, 1), E: e}
	}
	curve := func(c elliptic.Curve) *ecdsa.PublicKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return &k.PublicKey
	}
	for _, c := range []struct {
		name string
		key  any
		want bool
	}{
		{"RSA 2048", sized(2048, 65537), true},
		{"RSA 4096", sized(4096, 65537), true},
		{"RSA 2047", sized(2047, 65537), false},
		{"RSA 4097", sized(4097, 65537), false},
		{"RSA exponent 1", sized(2048, 1), false},
		{"RSA exponent even", sized(2048, 65536), false},
		{"RSA exponent huge", sized(2048, 1<<32+1), false},
		{"P-256", curve(elliptic.P256()), true},
		{"P-384", curve(elliptic.P384()), true},
		{"P-521", curve(elliptic.P521()), false},
		{"P-224", curve(elliptic.P224()), false},
		{"Ed25519", ed25519.PublicKey(make([]byte, 32)), true},
		{"a secret", []byte("secret"), false},
	} {
		if got := strong(c.key); got != c.want {
			t.Errorf("strong(%s) = %v, want %v", c.name, got, c.want)
		}
	}
}

// Each algorithm with a key of its own, and with that of another.
func TestAlgorithmAndKeyBelongTogether(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signers := map[jose.SignatureAlgorithm]any{jose.RS256: rsaKey, jose.PS256: rsaKey, jose.ES256: p256, jose.ES384: p384, jose.EdDSA: ed}
	var published []jose.JSONWebKey
	for alg, key := range signers {
		k := jose.JSONWebKey{Key: key, KeyID: string(alg), Algorithm: string(alg)}
		published = append(published, k.Public())
	}
	doc, err := json.Marshal(jose.JSONWebKeySet{Keys: published})
	if err != nil {
		t.Fatal(err)
	}
	set, err := parseKeys(doc)
	if err != nil || len(set.keys) != len(signers) {
		t.Fatalf("parseKeys = %d keys, %v", len(set.keys), err)
	}
	for alg, key := range signers {
		for kid := range signers {
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", string(kid)))
			if err != nil {
				t.Fatal(err)
			}
			signed, err := signer.Sign([]byte("{}"))
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := signed.CompactSerialize()
			jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{alg})
			if err != nil {
				t.Fatal(err)
			}
			_, err = set.verify(jws, jws.Signatures[0].Protected)
			switch {
			case alg == kid && err != nil:
				t.Errorf("%s: %v", alg, err)
			case alg != kid && !errors.Is(err, errNoKey):
				t.Errorf("%s by the key of %s: %v, want errNoKey", alg, kid, err)
			}
		}
	}
}

// R-87, by itself: a body without end is cut off where it comes in.
func TestKeySetOverTheLimitIsNotRead(t *testing.T) {
	f := upstream(t, time.Now)
	var sent atomic.Int64
	f.Misbehave(&idptest.OIDCRow{Serve: map[string]func(*idptest.OIDC, http.ResponseWriter, *http.Request){
		jwksPath: func(_ *idptest.OIDC, w http.ResponseWriter, _ *http.Request) {
			chunk := make([]byte, 64<<10)
			for sent.Load() < 256<<20 {
				n, err := w.Write(chunk)
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
			io.WriteString(w, "}")
		},
	}})
	_, err := login(t, f, openFor(t, f, time.Now, nil), providertest.Attempt())
	wantReason(t, err, "jwks", providers.Invalid)
	if n := sent.Load(); n > 32<<20 {
		t.Errorf("the upstream could send %d bytes", n)
	}
}
