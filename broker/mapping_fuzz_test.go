package broker

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/signet-broker/signet/providers"
)

// FuzzApply maps claims that an upstream makes up: they become attributes of the right types or are refused,
// and an attribute read again is the same.
func FuzzApply(f *testing.F) {
	exprs := map[string]string{}
	for name := range standardAttributes {
		exprs[name] = "claims.?" + name
	}
	m, err := NewMapping(exprs, map[string]string{"staff": `claims.?groups.orValue([]).exists(g, g == "staff")`})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		`{"email":" Ann@ACME.example ","email_verified":"true","name":"Ann","groups":["a","b"],"address":{"country":"NZ"}}`,
		`{"email":"a@b@c"}`, `{"email":["a@b.example"]}`, `{"email":"É@b.example"}`, `{"email":"a@b.example."}`, `{"email":"a@b\u0000"}`,
		`{"groups":"a,b"}`, `{"groups":[1,null,{}]}`, `{"groups":{"a":1}}`, `{"email_verified":1}`, `{"name":{"x":[[[[[[]]]]]]}}`, `{"address":"here"}`, `{}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		var claims map[string]any
		if json.Unmarshal(document, &claims) != nil || claims == nil {
			return
		}
		attrs, err := m.Apply(t.Context(), claims)
		if err != nil {
			if e := providers.AsError(err); e.Reason == "" {
				t.Fatalf("%s: %v", document, err)
			}
			return
		}
		for name, value := range attrs {
			if shape, standard := standardAttributes[name]; standard {
				if again, err := shape.read(value); err != nil || !reflect.DeepEqual(again, value) {
					t.Fatalf("%s: %s is %v, and %v (%v) when it is read again", document, name, value, again, err)
				}
			}
		}
		if email := attrs.Email(); email != "" && (strings.Count(email, "@") != 1 || emailDomain(email) == "") {
			t.Fatalf("%s: address %q", document, email)
		}
	})
}
