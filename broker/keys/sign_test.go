package keys_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/signet-broker/signet/broker/keys"
)

// One signature in 128 has a half that begins with a zero byte, which its ASN.1 leaves out.
func TestASignatureWithAShortHalfIsValid(t *testing.T) {
	r := newBench(t).open(keys.Default)
	for n, first, second := 0, 0, 0; first == 0 || second == 0; n++ {
		token, err := r.Sign(t.Context(), "ES256", keys.TypeAccess, map[string]any{"n": n})
		if err != nil {
			t.Fatal(err)
		}
		if !verifies(r.JWKS(), token) {
			t.Fatalf("token %d is not valid: %s", n, token)
		}
		signature, err := base64.RawURLEncoding.DecodeString(token[strings.LastIndexByte(token, '.')+1:])
		if err != nil || len(signature) != 64 {
			t.Fatalf("a signature of %d bytes, %v", len(signature), err)
		}
		if signature[0] == 0 {
			first++
		}
		if signature[32] == 0 {
			second++
		}
	}
}
