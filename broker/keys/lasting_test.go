package keys_test

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker/keys"
)

func TestLastingOutlivesRestartsNodesAndRotations(t *testing.T) {
	b := newBench(t)
	schedule := keys.Schedule{Every: 90 * 24 * time.Hour, Ahead: 2 * time.Hour, Keep: 25 * time.Hour}
	r := b.open(schedule)
	made := func(r *keys.Ring, purpose string, texts ...string) []byte {
		t.Helper()
		m, err := r.Lasting(purpose, texts...)
		if err != nil || len(m) != 32 {
			t.Fatalf("Lasting = %x, %v", m, err)
		}
		return m
	}
	first := made(r, "subject", "a.example", "ann")
	for name, other := range map[string][]byte{
		"another purpose":   made(r, "session", "a.example", "ann"),
		"another sector":    made(r, "subject", "b.example", "ann"),
		"another user":      made(r, "subject", "a.example", "bob"),
		"texts moved":       made(r, "subject", "a.exampl", "eann"),
		"texts joined":      made(r, "subject", "a.exampleann"),
		"one text more":     made(r, "subject", "a.example", "ann", ""),
		"another installed": made(newBench(t).open(schedule), "subject", "a.example", "ann"),
	} {
		if bytes.Equal(first, other) {
			t.Errorf("%s: the same", name)
		}
	}
	// Twelve years, with the rotations that are due and some by hand.
	for year := range 12 {
		b.pass(366 * 24 * time.Hour)
		if err := r.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, node := range map[string]*keys.Ring{"the node": r, "another": b.open(schedule)} {
			if got := made(node, "subject", "a.example", "ann"); !bytes.Equal(got, first) {
				t.Fatalf("year %d: %s makes %x, it was %x", year, name, got, first)
			}
		}
	}
	list := slices.DeleteFunc(r.List(), func(k keys.Info) bool { return k.Use != "subject" })
	if len(list) != 1 || list[0].Status != "active" {
		t.Errorf("keys = %+v, want one in use", list)
	}
	if bytes.Contains(r.JWKS(), []byte(list[0].ID)) || bytes.Contains(r.JWKS(), []byte("oct")) {
		t.Error("it is published")
	}
}

// TestOneRSAKeyHasOneAlgorithm: PS256 and RS256 have keys of their own, and none is taken for the other.
func TestOneRSAKeyHasOneAlgorithm(t *testing.T) {
	r := newBench(t).open(keys.Default)
	token := func(alg string) string {
		s, err := r.Sign(t.Context(), alg, keys.TypeAccess, map[string]any{"sub": "x"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for alg, other := range map[string]string{"PS256": "RS256", "RS256": "PS256"} {
		good := token(alg)
		if err := r.Verify(t.Context(), good, keys.TypeAccess, &map[string]any{}); err != nil || !verifies(r.JWKS(), good) {
			t.Errorf("%s: %v", alg, err)
		}
		parts, theirs := strings.Split(good, "."), strings.Split(token(other), ".")
		if parts[0] == theirs[0] {
			t.Errorf("%s and %s have one header", alg, other)
		}
		header, _ := base64.RawURLEncoding.DecodeString(parts[0])
		named := base64.RawURLEncoding.EncodeToString(bytes.Replace(header, []byte(alg), []byte(other), 1))
		for name, forged := range map[string]string{
			"called " + other:        named + "." + parts[1] + "." + parts[2],
			"by the key of " + other: theirs[0] + "." + parts[1] + "." + parts[2],
		} {
			if err := r.Verify(t.Context(), forged, keys.TypeAccess, &map[string]any{}); err == nil {
				t.Errorf("a token of %s is taken %s", alg, name)
			}
		}
	}
}
