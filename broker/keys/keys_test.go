package keys_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/internal/seal"
	"github.com/signet-broker/signet/store"
)

// bench is a database with a clock, on which rings are opened as nodes would.
type bench struct {
	t   testing.TB
	db  *store.DB
	box *seal.Box

	mu  sync.Mutex
	now time.Time
}

func newBench(t testing.TB) *bench {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "signet.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	box, err := seal.New(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, db: db, box: box, now: time.Now()}
	db.Now = b.Now
	return b
}

func (b *bench) Now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// small makes RSA keys that are of no use but to tests, which want many.
func small() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 1024) }

func (b *bench) open(s keys.Schedule) *keys.Ring {
	b.t.Helper()
	s.RSA = small
	return b.openAsIs(s)
}

func (b *bench) openAsIs(s keys.Schedule) *keys.Ring {
	b.t.Helper()
	r, err := keys.Open(b.t.Context(), b.db, b.box, b.Now, slog.New(slog.DiscardHandler), s, keys.Elsewhere{})
	if err != nil {
		b.t.Fatalf("Open: %v", err)
	}
	return r
}

// verifies checks a token with nothing but a key set that was fetched some time ago, as a gateway does.
func verifies(set []byte, token string) bool {
	var jwks jose.JSONWebKeySet
	if json.Unmarshal(set, &jwks) != nil {
		return false
	}
	t, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA, jose.PS256})
	if err != nil || len(jwks.Key(t.Headers[0].KeyID)) != 1 {
		return false
	}
	return t.Claims(jwks.Key(t.Headers[0].KeyID)[0].Key, &map[string]any{}) == nil
}

func TestNoTokenIsRefusedWhileKeysRotate(t *testing.T) {
	const life, cache = 20 * time.Second, 4 * time.Second // of a token, and of a gateway's key set
	b := newBench(t)
	schedule := keys.Schedule{Every: 10 * time.Second, Ahead: cache + time.Second, Keep: life + cache + time.Second}
	nodes := []*keys.Ring{b.open(schedule), b.open(schedule)}
	var cached []byte
	var fetched time.Time
	type issued struct {
		token string
		until time.Time
	}
	var live []issued
	kids := map[string]bool{}
	for second := range 70 {
		node := nodes[second%2]
		if second == 33 || second == 34 || second == 51 {
			if _, err := node.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else if err := node.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b.Now().Sub(fetched) >= cache {
			cached, fetched = nodes[(second+1)%2].JWKS(), b.Now()
		}
		for _, alg := range keys.Algorithms {
			token, err := node.Sign(t.Context(), alg, keys.TypeAccess, map[string]any{"n": second})
			if err != nil {
				t.Fatal(err)
			}
			live = append(live, issued{token, b.Now().Add(life)})
		}
		live = slices.DeleteFunc(live, func(i issued) bool { return b.Now().After(i.until) })
		for _, i := range live {
			if !verifies(cached, i.token) {
				t.Fatalf("second %d: a valid token is refused with a key set of %v ago", second, b.Now().Sub(fetched))
			}
			parsed, _ := jwt.ParseSigned(i.token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA, jose.PS256})
			kids[parsed.Headers[0].KeyID] = true
			if err := nodes[second%2].Verify(t.Context(), i.token, keys.TypeAccess, &map[string]any{}); err != nil {
				t.Fatalf("second %d: Verify: %v", second, err)
			}
		}
		b.pass(time.Second)
	}
	if len(kids) < 3*7 {
		t.Errorf("%d keys were used in 70 s, want at least 21", len(kids))
	}
	if n := strings.Count(string(nodes[0].JWKS()), `"kid"`); n > 3*8 {
		t.Errorf("%d keys are still published", n)
	}
}

func TestKeysThatAreOverAreNeitherPublishedNorTaken(t *testing.T) {
	b := newBench(t)
	r := b.open(keys.Schedule{Every: 10 * time.Second, Ahead: time.Second, Keep: 15 * time.Second})
	old, err := r.Sign(t.Context(), "ES256", keys.TypeAccess, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Verify(t.Context(), old, keys.TypeAccess, &map[string]any{}); err != nil {
		t.Fatal(err)
	}
	for range 40 {
		b.pass(time.Second)
		if err := r.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Verify(t.Context(), old, keys.TypeAccess, &map[string]any{}); err == nil {
		t.Error("a token of a key that is over is taken")
	}
	if verifies(r.JWKS(), old) {
		t.Error("a key that is over is published")
	}
}

func TestNodesThatStartTogetherShareOneRing(t *testing.T) {
	b := newBench(t)
	rings := make([]*keys.Ring, 4)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() { rings[i] = b.open(keys.Default) })
	}
	wg.Wait()
	for _, r := range rings {
		if !bytes.Equal(r.JWKS(), rings[0].JWKS()) {
			t.Fatal("two nodes publish different keys")
		}
	}
}

// TestRotationsDoNotPileUp: whoever rotates again and again makes no more keys, and brings none into use that
// verifiers have not seen.
func TestRotationsDoNotPileUp(t *testing.T) {
	b := newBench(t)
	r := b.open(keys.Default)
	kid := func() string {
		t.Helper()
		token, err := r.Sign(t.Context(), "ES256", keys.TypeAccess, map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		return parsed.Headers[0].KeyID
	}
	rotate := func(want time.Duration) {
		t.Helper()
		done, err := r.Rotate(t.Context())
		if got := done.At.Sub(b.Now()).Round(time.Second); err != nil || got != want {
			t.Fatalf("Rotate = in %v, %v, want in %v", got, err, want)
		}
	}
	first := kid()
	rotate(0)
	second := kid()
	if second == first {
		t.Fatal("the first rotation changed nothing")
	}
	rotate(keys.Default.Ahead)
	many := len(r.List())
	b.pass(time.Hour)
	for range 3 {
		rotate(keys.Default.Ahead - time.Hour)
	}
	if got := len(r.List()); got != many || kid() != second {
		t.Errorf("%d keys after five rotations, want %d, and the one in use as before", got, many)
	}
	b.pass(keys.Default.Ahead - time.Hour)
	if kid() == second {
		t.Error("the second rotation has not come about")
	}
}

// TestANodeWhoseClockIsBehindSigns: the node that made the first keys lives a minute ahead.
func TestANodeWhoseClockIsBehindSigns(t *testing.T) {
	b := newBench(t)
	ahead := b.open(keys.Default)
	b.pass(-time.Minute)
	behind := b.open(keys.Default)
	token, err := behind.Sign(t.Context(), "RS256", keys.TypeAccess, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := behind.Encrypt([]byte("x")); err != nil {
		t.Error(err)
	}
	if err := ahead.Verify(t.Context(), token, keys.TypeAccess, &map[string]any{}); err != nil {
		t.Error(err)
	}
}

func TestJWKSHoldsPublicMembersOnly(t *testing.T) {
	b := newBench(t)
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(b.openAsIs(keys.Default).JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 2*len(keys.Algorithms) || set.Keys[0]["alg"] != "RS256" {
		t.Errorf("keys = %v", set.Keys)
	}
	for _, k := range set.Keys {
		if n, _ := k["n"].(string); k["kty"] == "RSA" && len(n) != 342 { // 2048 bits
			t.Errorf("key %v has a modulus of %d characters", k["kid"], len(n))
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, ok := k[private]; ok {
				t.Errorf("key %v shows %s", k["kid"], private)
			}
		}
	}
}

// Each row is a token that Verify must refuse as an access token.
func TestVerifyRefuses(t *testing.T) {
	b := newBench(t)
	r, other := b.open(keys.Default), newBench(t).open(keys.Default)
	sign := func(r *keys.Ring, typ string) string {
		s, err := r.Sign(t.Context(), "ES256", typ, map[string]any{"sub": "x"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	good := sign(r, keys.TypeAccess)
	if err := r.Verify(t.Context(), good, keys.TypeAccess, &map[string]any{}); err != nil {
		t.Fatalf("an honest token: %v", err)
	}
	if err := r.Verify(t.Context(), good, keys.TypeID, &map[string]any{}); err == nil {
		t.Error("an access token that was found good is taken for an ID token")
	}
	var again struct {
		Sub string `json:"sub"`
	}
	if err := r.Verify(t.Context(), good, keys.TypeAccess, &again); err != nil || again.Sub != "x" {
		t.Errorf("an honest token again: %q, %v", again.Sub, err)
	}
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"an ID token":             sign(r, keys.TypeID),
		"another issuer's":        sign(other, keys.TypeAccess),
		"one without a signature": parts[0] + "." + parts[1] + ".",
		"one cut short":           good[:len(good)-4],
		"one with a bit changed":  good[:len(good)-10] + "A" + good[len(good)-9:],
		"alg none":                "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + parts[1] + ".",
		"JSON serialisation":      `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"a million dots":          strings.Repeat(".", 1<<20),
		"nothing":                 "",
	} {
		if token == good {
			continue
		}
		if err := r.Verify(t.Context(), token, keys.TypeAccess, &map[string]any{}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestEncryptedIsTheSameForTheSameAndOnlyForUs(t *testing.T) {
	b := newBench(t)
	r, other := b.open(keys.Default), newBench(t).open(keys.Default)
	one, err := r.Encrypt([]byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := r.Encrypt([]byte("one")); again != one {
		t.Error("the same content is two tokens")
	}
	two, _ := r.Encrypt([]byte("two"))
	if iv := func(s string) string { return strings.Split(s, ".")[2] }; iv(one) == iv(two) {
		t.Error("two contents share an IV")
	}
	if got, err := r.Decrypt(t.Context(), one); err != nil || string(got) != "one" {
		t.Errorf("Decrypt = %q, %v", got, err)
	}
	foreign, _ := other.Encrypt([]byte("one"))
	parts := strings.Split(one, ".")
	for name, token := range map[string]string{
		"another ring's":     foreign,
		"one cut short":      one[:len(one)-1],
		"one with a = added": one + "=",
		"another header":     strings.Split(foreign, ".")[0] + "." + strings.Join(parts[1:], "."),
		"another content":    strings.Join([]string{parts[0], "", parts[2], strings.Split(two, ".")[3], parts[4]}, "."),
		"an encrypted key":   strings.Join([]string{parts[0], "AA", parts[2], parts[3], parts[4]}, "."),
		"nothing":            "",
		"a megabyte":         strings.Repeat("A", 1<<20),
	} {
		if _, err := r.Decrypt(t.Context(), token); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if done, err := r.Rotate(t.Context()); err != nil || !done.At.Equal(b.Now()) {
		t.Fatalf("Rotate = %v, %v", done, err)
	}
	if got, err := r.Decrypt(t.Context(), one); err != nil || string(got) != "one" {
		t.Errorf("after a rotation: Decrypt = %q, %v", got, err)
	}
}
