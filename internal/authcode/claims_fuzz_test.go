package authcode

import (
	"encoding/json"
	"reflect"
	"testing"

	jose "github.com/go-jose/go-jose/v4/json"

	"github.com/signet-broker/signet/providers"
)

// FuzzClaims holds the decoder of claims against another one: what we take, both read alike, and a struct
// reads the same subject as a map.
func FuzzClaims(f *testing.F) {
	for _, s := range []string{
		`{"sub":"ann","aud":["a","b"],"exp":1e9,"email_verified":true,"address":{"country":"NZ"}}`,
		`{"sub":"ann","sub":"victim"}`, `{"sub":"ann","SUB":"victim"}`, `{"sub":"ann","ſub":"victim"}`, `{"\u0073ub":"ann","sub":"victim"}`,
		`{"sub":"\ud800"}`, "{\"sub\":\"\xff\"}", "\ufeff{}", `{"a":{"b":1,"b":2}}`, `{"n":1e400}`, `{"n":-0,"m":0.1e1,"o":9007199254740993}`,
		`null`, `[]`, `{} {}`, `{}x`, `{"a":tru}`, `{"":{"":{"":[[[]]]}}}`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := Claims(payload)
		if err != nil {
			if e := providers.AsError(err); e.Kind != providers.Invalid || e.Reason != "malformed" {
				t.Fatalf("error = %v", err)
			}
			return
		}
		var other map[string]any
		if err := json.Unmarshal(payload, &other); err != nil || !reflect.DeepEqual(got, other) {
			t.Fatalf("%q: %v, and %v (%v) elsewhere", payload, got, other, err)
		}
		var person struct {
			Sub any `json:"sub"`
		}
		if err := jose.Unmarshal(payload, &person); err != nil || !reflect.DeepEqual(person.Sub, got["sub"]) {
			t.Fatalf("%q: sub is %v in a map, %v (%v) in a struct", payload, got["sub"], person.Sub, err)
		}
	})
}
