package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/providers"
)

func newMapping(t testing.TB, exprs, extra map[string]string) *Mapping {
	t.Helper()
	m, err := NewMapping(exprs, extra)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// usual is what a mapping mostly looks like.
var usual = map[string]string{
	"email":              "claims.email",
	"email_verified":     "claims.email_verified",
	"name":               "claims.name",
	"given_name":         "claims.given_name",
	"family_name":        "claims.family_name",
	"preferred_username": "claims.preferred_username",
	"picture":            "claims.picture",
	"locale":             "claims.locale",
	"groups":             "claims.groups",
}

func usualClaims() map[string]any {
	return map[string]any{
		"iss": "https://idp.example", "sub": "u1", "email": "Ann@Example.COM", "email_verified": true,
		"name": "Ann Lee", "given_name": "Ann", "family_name": "Lee", "preferred_username": "ann",
		"groups": []any{"staff", "admins", "staff"}, "department": "R&D",
		"address": map[string]any{"country": "DE", "planet": "Earth"},
	}
}

func TestApplyMapsClaims(t *testing.T) {
	m := newMapping(t, usual, map[string]string{
		"department": `claims["department"].lowerAscii()`,
		"manager":    "claims.?manager",
		"senior":     `"admins" in claims.groups`,
		"limits":     `{"seats": 3, "tags": ["a", null]}`,
		"cc":         "claims.address.country",
	})
	got, err := m.Apply(t.Context(), usualClaims())
	want := Attributes{
		"email": "ann@example.com", "email_verified": true, "name": "Ann Lee", "given_name": "Ann",
		"family_name": "Lee", "preferred_username": "ann", "groups": []string{"staff", "admins"},
		"department": "r&d", "senior": true, "cc": "DE",
		"limits": map[string]any{"seats": 3.0, "tags": []any{"a", nil}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("Apply = %v, %v\nwant %v", got, err, want)
	}
}

func TestApplyGivesTheStandardTypes(t *testing.T) {
	rows := []struct {
		name, attribute, expr string
		claim                 any
		want                  any // nil: left out
		reason                string
	}{
		{"e-mail in its one form", "email", "claims.x", "  A@X.example ", "a@x.example", ""},
		{"e-mail once more", "email", "claims.x", "a@x.example", "a@x.example", ""},
		{"homograph stays another address", "email", "claims.x", "\u0430@x.example", "\u0430@x.example", ""},
		{"Kelvin sign is no k", "email", "claims.x", "\u212Aim@x.example", "\u212Aim@x.example", ""},
		{"plus and dots are kept", "email", "claims.x", "a.b+c@x.example", "a.b+c@x.example", ""},
		{"empty e-mail is absent", "email", "claims.x", " ", nil, ""},
		{"two at signs", "email", "claims.x", "a@b@c", nil, "email_malformed"},
		{"no at sign", "email", "claims.x", "ann", nil, "email_malformed"},
		{"no domain", "email", "claims.x", "ann@", nil, "email_malformed"},
		{"no name", "email", "claims.x", "@x.example", nil, "email_malformed"},
		{"space inside", "email", "claims.x", "a b@x.example", nil, "email_malformed"},
		{"line break", "email", "claims.x", "a@x.example\r\nBcc: b", nil, "email_malformed"},
		{"zero byte", "email", "claims.x", "a@x.example\x00", nil, "mapping_failed"},
		{"invisible character", "email", "claims.x", "a\u200b@x.example", nil, "email_malformed"},
		{"text direction", "email", "claims.x", "a\u202e@x.example", nil, "email_malformed"},
		{"list in one string", "email", "claims.x", "a@x.example,b", nil, "email_malformed"},
		{"angle brackets", "email", "claims.x", "<a@x.example>", nil, "email_malformed"},
		{"domain with a final dot", "email", "claims.x", "a@x.example.", nil, "email_malformed"},
		{"domain with an empty label", "email", "claims.x", "a@x..example", nil, "email_malformed"},
		{"longest", "email", "claims.x", strings.Repeat("a", 250) + "@x.y", strings.Repeat("a", 250) + "@x.y", ""},
		{"too long", "email", "claims.x", strings.Repeat("a", 251) + "@x.y", nil, "email_malformed"},
		{"e-mail is a list", "email", "claims.x", []any{"a@x.example"}, nil, "mapping_failed"},

		{"verified as text", "email_verified", "claims.x", "true", nil, "mapping_failed"},
		{"verified as number", "email_verified", "claims.x", 1.0, nil, "mapping_failed"},
		{"verified, compared", "email_verified", `claims.x == "true"`, "true", true, ""},
		{"verified, a boolean compared with text", "email_verified", `claims.x == "true"`, true, false, ""},
		{"not verified", "email_verified", "claims.x", false, false, ""},
		{"verified is null", "email_verified", "claims.x", nil, nil, ""},

		{"name is a number", "name", "claims.x", 7.0, nil, "mapping_failed"},
		{"name is empty", "name", "claims.x", "", nil, ""},
		{"name too long", "name", "claims.x", strings.Repeat("x", maxText+1), nil, "mapping_failed"},
		{"name not UTF-8", "name", "claims.x", "a\xff", nil, "mapping_failed"},

		{"one group", "groups", "claims.x", "staff", []string{"staff"}, ""},
		{"no group", "groups", "claims.x", []any{}, []string{}, ""},
		{"groups, repeated and empty", "groups", "claims.x", []any{"a", "", "b", "a"}, []string{"a", "b"}, ""},
		{"groups, filtered", "groups", `claims.x.filter(g, g.startsWith("app-"))`, []any{"app-a", "b"}, []string{"app-a"}, ""},
		{"a group is a number", "groups", "claims.x", []any{"a", 1.0}, nil, "mapping_failed"},
		{"groups is an object", "groups", "claims.x", map[string]any{"a": true}, nil, "mapping_failed"},
		{"a group too long", "groups", "claims.x", []any{strings.Repeat("g", maxGroup+1)}, nil, "mapping_failed"},
		{"too many groups", "groups", "claims.x", slices.Repeat([]any{"g"}, maxGroups+1), nil, "mapping_failed"},

		{"address", "address", "claims.x", map[string]any{"country": "DE", "planet": "Earth"}, map[string]any{"country": "DE"}, ""},
		{"address is text", "address", "claims.x", "Berlin", nil, "mapping_failed"},
		{"address with a number", "address", "claims.x", map[string]any{"country": 49.0}, nil, "mapping_failed"},

		{"extra too large", "attributes.x", "claims.x", []any{strings.Repeat("x", maxExtra)}, nil, "mapping_failed"},
		{"extra with a zero byte", "attributes.x", "claims.x", map[string]any{"a": []any{"\x00"}}, nil, "mapping_failed"},
		{"extra too deep", "attributes.x", "claims.x", nested(maxExtraDepth + 1), nil, "mapping_failed"},
		{"extra from a number as it was written", "attributes.x", "claims.x", json.Number("12"), 12.0, ""},

		{"not there", "name", "claims.y", "x", nil, ""},
		{"not there, below", "name", "claims.y.z", "x", nil, ""},
		{"not there, below text", "name", "claims.x.z", "x", nil, ""},
		{"not there, in a calculation", "name", `claims.y + " " + claims.x`, "x", nil, ""},
		{"wrong types", "name", "claims.x + claims.x", true, nil, "mapping_failed"},
		{"list too short", "name", "claims.x[1]", []any{"x"}, nil, "mapping_failed"},
	}
	for _, row := range rows {
		exprs, extra := map[string]string{row.attribute: row.expr}, map[string]string(nil)
		key := row.attribute
		if name, own := strings.CutPrefix(row.attribute, "attributes."); own {
			exprs, extra, key = nil, map[string]string{name: row.expr}, name
		}
		if key == "email_verified" {
			exprs["email"] = `"a@x.example"`
		}
		got, err := newMapping(t, exprs, extra).Apply(t.Context(), map[string]any{"x": row.claim})
		if row.reason != "" {
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.Reason != row.reason || refusal.Kind != providers.Invalid {
				t.Errorf("%s: %v, want reason %s", row.name, err, row.reason)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got[key], row.want) {
			t.Errorf("%s: %#v, %v, want %#v", row.name, got[key], err, row.want)
		}
		if _, there := got[key]; there && row.want == nil {
			t.Errorf("%s: the attribute is there", row.name)
		}
	}
}

func nested(depth int) any {
	v := any("x")
	for range depth {
		v = []any{v}
	}
	return v
}

func TestVerifiedNeedsSomethingVerified(t *testing.T) {
	m := newMapping(t, map[string]string{
		"email": "claims.email", "email_verified": "true", "phone_number": "claims.phone", "phone_number_verified": "true",
	}, nil)
	if got, err := m.Apply(t.Context(), map[string]any{}); err != nil || len(got) != 0 {
		t.Errorf("Apply = %v, %v, want nothing", got, err)
	}
}

// A plain selection is read without CEL: it must mean the same.
func TestPlainSelectionsMeanWhatCELMeans(t *testing.T) {
	claims := map[string]any{
		"a": map[string]any{"b": map[string]any{"c": "deep"}, "n": nil}, "s": "text", "n": nil, "t": true, "f": 1.5,
		"l": []any{"x", 1.0}, "sl": []string{"x"}, "i": 3, "num": json.Number("7"), "https://x/y": "url",
	}
	for _, source := range []string{
		"claims.a.b.c", `claims.a["b"].c`, `claims["https://x/y"]`, "claims.s", "claims.t", "claims.f", "claims.l",
		"claims.sl", "claims.i", "claims.num", "claims.n", "claims.a", "claims.zz", "claims.zz.y", "claims.s.x",
		"claims.?s", "claims.?zz", "claims.?n", "claims.?a.b", "claims.?a.?b.?c", "claims.?a.zz.c", "claims.?s.x", "claims.?zz.y",
		`claims[?"a"].b`, `claims.a[?"zz"]`, "claims.?n.x", "claims.?l.x", "claims.?t.x", "claims.a.?n.x", "claims.?f",
		"claims.n.x", "claims.l.x", "claims.a.n", "claims.a.n.x", "claims.a.zz.y", "claims.t.x",
	} {
		m := newMapping(t, nil, map[string]string{"x": source})
		if m.rules[0].path == nil {
			t.Errorf("%s is not recognised as plain", source)
		}
		fast, fastErr := m.Apply(t.Context(), claims)
		m.rules[0].path = nil
		slow, slowErr := m.Apply(t.Context(), claims)
		if !reflect.DeepEqual(fast, slow) || (fastErr == nil) != (slowErr == nil) {
			t.Errorf("%s: %v, %v without CEL, %v, %v with it", source, fast, fastErr, slow, slowErr)
		}
	}
	for _, source := range []string{"has(claims.a)", "claims.?a.orValue(1)", "claims.l[0]", "claims.l[?0]", "claims.a.b.c + ''", "[claims.a]"} {
		if m := newMapping(t, nil, map[string]string{"x": source}); m.rules[0].path != nil {
			t.Errorf("%s is taken for a plain selection", source)
		}
	}
}

func TestApplyIsStoppedWhenItCostsTooMuch(t *testing.T) {
	groups := make([]any, 10_000)
	for i := range groups {
		groups[i] = fmt.Sprintf("group-%d", i)
	}
	claims := map[string]any{"groups": groups}
	loops := map[string]string{
		"cubic":     "claims.groups.exists(a, claims.groups.exists(b, claims.groups.exists(c, a + b == c)))",
		"cubic map": "claims.groups.map(a, claims.groups.map(b, claims.groups.map(c, a)))",
		"in":        "claims.groups.map(a, claims.groups.filter(b, a in claims.groups))",
		"in once":   "claims.groups.filter(a, !(('x' + a) in claims.groups))",
	}
	for name, source := range loops {
		begun := time.Now()
		m := newMapping(t, nil, map[string]string{"x": source})
		_, err := m.Apply(t.Context(), claims)
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s: stopped after %v", name, took)
		}
		if err == nil || !strings.Contains(err.Error(), errTooLong.Error()) {
			t.Errorf("%s: %v, want that it takes too long", name, err)
		}
		// The cost alone stops it, however slow the clock.
		late, stop := context.WithTimeout(t.Context(), 20*time.Second)
		if _, _, err := m.rules[0].program.ContextEval(late, map[string]any{"claims": claims}); err == nil || !strings.Contains(err.Error(), "cost limit") {
			t.Errorf("%s, without a deadline: %v", name, err)
		}
		stop()
	}
	// The largest list of groups can be filtered.
	m := newMapping(t, map[string]string{"groups": `claims.groups.filter(g, g.startsWith("group-") && !g.endsWith("7"))`}, nil)
	if got, err := m.Apply(t.Context(), claims); err != nil || len(got["groups"].([]string)) != 9000 {
		t.Errorf("filter: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newMapping(t, nil, map[string]string{"x": loops["cubic"]}).Apply(ctx, claims)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestMappingFailureNamesKeysAndNoValues(t *testing.T) {
	claims := map[string]any{"token": "hunter2", "ssn": "078-05-1120", "bad": "no-number", "t": true}
	for _, source := range []string{
		"int(claims.bad)", "claims.token + 1", "claims.t ? claims.token.split(1) : claims.ssn", "timestamp(claims.ssn)",
		"{'a': claims.token}[claims.ssn] + 1/0", "claims.token.charAt(int(size(claims.ssn)))", "string(b'\\xff') + claims.token",
	} {
		m, err := NewMapping(map[string]string{"name": "dyn(" + source + ")"}, nil)
		if err != nil {
			continue // refused earlier still
		}
		_, err = m.Apply(t.Context(), claims)
		if err == nil {
			continue
		}
		for _, value := range []string{"hunter2", "078-05-1120", "no-number"} {
			if strings.Contains(err.Error(), value) {
				t.Errorf("%s: the error shows a value: %v", source, err)
			}
		}
	}
	_, err := newMapping(t, map[string]string{"name": "int(claims.bad) == 1 ? 'a' : 'b'"}, nil).Apply(t.Context(), claims)
	for _, want := range []string{"map name", "int(claims.bad)", `["bad" "ssn" "t" "token"]`, "converted"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestNewMappingNamesEveryFault(t *testing.T) {
	_, err := NewMapping(map[string]string{
		"email":          "claim.email",
		"email_verified": `"true"`,
		"name":           "claims.first +",
		"given_name":     " ",
		"groups":         "3",
		"nickname":       "claims.nickname",
		"picture":        `"` + strings.Repeat("x", maxSource) + `"`,
		"locale":         "[" + strings.Repeat("1,", maxNodes) + "1]",
	}, map[string]string{
		"sub": "claims.sub", "aud": "claims.aud", "exp": "claims.exp", "email": "claims.email", "a b": "claims.x",
		"sid": "claims.sid", "client_id": "claims.x", "amr": "claims.x", "ok": "claims.ok", "raw": "b'x'",
	})
	want := map[string]string{
		"email": "line 1, column 1: undeclared reference to 'claim'", "email_verified": "gives a string, want a boolean",
		"name": "line 1, column 15", "given_name": "is empty", "groups": "gives a number, want a list of strings",
		"nickname": "no standard attribute", "picture": "more than 4096", "locale": "limit",
		"attributes.sub": "token protocol", "attributes.aud": "token protocol", "attributes.exp": "token protocol",
		"attributes.sid": "token protocol", "attributes.client_id": "token protocol", "attributes.amr": "token protocol",
		"attributes.email": "directly below map", "attributes.a b": "printable", "attributes.raw": "JSON value",
	}
	var faults MappingFaults
	if !errors.As(err, &faults) {
		t.Fatalf("NewMapping = %v", err)
	}
	for _, f := range faults {
		if want[f.Key] == "" || !strings.Contains(f.Problem, want[f.Key]) || strings.Contains(f.Problem, "\n") {
			t.Errorf("%s: %q, want %q", f.Key, f.Problem, want[f.Key])
		}
		delete(want, f.Key)
	}
	if len(want) != 0 {
		t.Errorf("not named: %v", want)
	}
}

func TestAttributesShareNothingWithClaims(t *testing.T) {
	claims := map[string]any{"o": map[string]any{"k": []any{"v"}}}
	m := newMapping(t, nil, map[string]string{"o": "claims.o"})
	got, err := m.Apply(t.Context(), claims)
	if err != nil {
		t.Fatal(err)
	}
	claims["o"].(map[string]any)["k"].([]any)[0] = "changed"
	if !reflect.DeepEqual(got["o"], map[string]any{"k": []any{"v"}}) {
		t.Errorf("attribute = %v", got["o"])
	}
}

func BenchmarkApply(b *testing.B) {
	plain := newMapping(b, usual, map[string]string{"department": "claims.department"})
	calculated := newMapping(b, usual, map[string]string{
		"department": `claims.department.lowerAscii()`,
		"admin":      `"admins" in claims.groups`,
	})
	claims := usualClaims()
	for name, m := range map[string]*Mapping{"plain": plain, "calculated": calculated} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Apply(b.Context(), claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNewMapping(b *testing.B) {
	for b.Loop() {
		newMapping(b, usual, nil)
	}
}

func FuzzNewMapping(f *testing.F) {
	for _, s := range usual {
		f.Add(s)
	}
	f.Add(`claims.groups.filter(g, g.startsWith("a")).map(g, g.split("-")[0])`)
	claims := usualClaims()
	f.Fuzz(func(t *testing.T, source string) {
		m, err := NewMapping(map[string]string{"groups": source}, map[string]string{"x": source})
		if err != nil {
			return
		}
		got, err := m.Apply(t.Context(), claims)
		if err != nil {
			return
		}
		if _, err := json.Marshal(got); err != nil {
			t.Errorf("%q: %v", source, err)
		}
	})
}
