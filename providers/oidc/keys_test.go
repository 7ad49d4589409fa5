package oidc

import (
	"crypto/rand"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
			time.Sleep(time.Second)
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
