package config

import (
	"strings"
	"testing"
)

func TestRequestURIs(t *testing.T) {
	const keys = `, jwks: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}`
	rows := []struct{ app, key, want string }{
		{"request_uris: [https://a.example/object, 'https://a.example/x#y', 'http://127.0.0.1:1/object']" + keys, "", ""},
		{"request_uris: [https://a.example/object], jwks_uri: https://a.example/keys", "", ""},
		{"request_uris: [https://a.example/object]", "request_uris", "must be signed"},
		{"request_uris: [https://a.example/object], require_par: true" + keys, "request_uris", "of no use"},
		{"request_uris: ['http://a.example/object']" + keys, "request_uris.0", "https://"},
		{"request_uris: ['file:///etc/passwd']" + keys, "request_uris.0", "no host"},
		{"request_uris: ['https://u@a.example/object']" + keys, "request_uris.0", "user name"},
		{"request_uris: ['https://a.example/" + strings.Repeat("x", 500) + "']" + keys, "request_uris.0", "longer"},
	}
	for _, row := range rows {
		err := loadText(t, "issuer: https://h.example\napps: [{id: a, secret: 0123456789012345678901234567890123, "+row.app+"}]")
		if row.want != "" {
			expect(t, row.app, err, "apps.0."+row.key, row.want)
		} else if err != nil {
			t.Errorf("%s: %v", row.app, err)
		}
	}
}
