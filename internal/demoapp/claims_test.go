package demoapp

import (
	"encoding/json"
	"testing"
	"time"
)

func TestClaimsAreReadable(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.Local)
	at := func(d time.Duration) json.Number {
		raw, _ := json.Marshal(now.Add(d).Unix())
		return json.Number(raw)
	}
	for _, c := range []struct {
		name        string
		v           any
		value, note string
	}{
		{"exp", at(15*time.Minute - time.Second), "12:14:59", "in 14 min 59 s"},
		{"exp", at(15 * time.Minute), "12:15:00", "in 15 min"},
		{"exp", at(-time.Hour - time.Second), "10:59:59", "1 h ago"},
		{"auth_time", at(-50 * time.Hour), "2 May 2026 10:00:00", "2 d 2 h ago"},
		{"iat", at(0), "12:00:00", "now"},
		{"level", json.Number("7"), "7", ""},
		{"email_verified", true, "yes", ""},
		{"email_verified", false, "no", ""},
		{"groups", []any{"a", "b"}, "a, b", ""},
		{"groups", []any{}, "none", ""},
		{"address", map[string]any{"country": "FR"}, `{"country":"FR"}`, ""},
	} {
		if value, note := readable(c.name, c.v, now); value != c.value || note != c.note {
			t.Errorf("readable(%s, %v) = %q, %q, want %q, %q", c.name, c.v, value, note, c.value, c.note)
		}
	}
}

func TestRowsTellWhatChanged(t *testing.T) {
	before := map[string]any{"jti": "1", "sub": "u"}
	got := rows(map[string]any{"jti": "2", "sub": "u", "zeta": "new"}, before, time.Now())
	want := []claim{
		{Name: "sub", Label: "Who: the user's id", Value: "u", Before: "u"},
		{Name: "jti", Label: "This token's id", Value: "2", Changed: true, Before: "1"},
		{Name: "zeta", Label: "zeta", Value: "new", Changed: true, Before: "absent"},
	}
	if len(got) != len(want) {
		t.Fatalf("rows = %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("row %d = %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestMonogram(t *testing.T) {
	for name, want := range map[string]string{"Ann Archer": "AA", "ann": "A", "Émile de la Tour": "ÉT", "ann@example.com": "AC", "": "?", "***": "?"} {
		if got := monogram(name); got != want {
			t.Errorf("monogram(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestDecodeTakesOnlyJWTs(t *testing.T) {
	for _, s := range []string{"", "a.b", "a.!.c", "a.e30K.c.d", "a.W10.c"} {
		if got := decode(s); got != nil {
			t.Errorf("decode(%q) = %v, want nil", s, got)
		}
	}
}
