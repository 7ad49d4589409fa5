package authcode

import (
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/signet-broker/signet/providers"
)

// Claims reads a JSON object about a person. encoding/json would take "ſub" for sub and the last of two;
// this decoder knows names exactly and refuses a name that comes twice. Bytes that are no UTF-8 would all
// become the same replacement character, and two subjects one.
func Claims(payload []byte) (map[string]any, error) {
	var c map[string]any
	if !utf8.Valid(payload) {
		return nil, providers.Refuse("malformed", "claims are not UTF-8")
	}
	if err := json.Unmarshal(payload, &c); err != nil || c == nil {
		return nil, providers.Refuse("malformed", "claims are no JSON object with unique names")
	}
	return c, nil
}
