package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/signet-broker/signet/providers"
)

// How large an attribute may be.
const (
	maxEmail      = 254 // bytes, RFC 5321 §4.5.3.1.3
	maxText       = 2 << 10
	maxGroups     = 10_000
	maxGroup      = 256
	maxExtra      = 8 << 10 // as JSON
	maxExtraDepth = 20
	maxName       = 128
)

// shape is what an attribute has to be.
type shape struct {
	want string
	read func(any) (any, error) // a value of Go's JSON types, not nil, becomes the attribute; nil: absent
}

const (
	text     = "string"
	truth    = "boolean"
	list     = "list of strings"
	object   = "object"
	anything = "JSON value"
)

// standardAttributes are those with a meaning in OpenID Connect Core §5.1, and groups.
var standardAttributes = map[string]shape{
	"email":                 {text, readEmail},
	"email_verified":        {truth, readBool},
	"name":                  {text, readText},
	"given_name":            {text, readText},
	"family_name":           {text, readText},
	"preferred_username":    {text, readText},
	"picture":               {text, readText},
	"locale":                {text, readText},
	"phone_number":          {text, readText},
	"phone_number_verified": {truth, readBool},
	"address":               {object, readAddress},
	"groups":                {list, readGroups},
}

// protocolClaims are written by the token issuer. An attribute of that name would forge them.
var protocolClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "nonce", "auth_time", "acr", "amr", "sid",
	"at_hash", "c_hash", "s_hash", "client_id", "scope", "scp", "typ", "cnf", "act", "may_act", "events",
	"token_type", "active", "username", "updated_at", "_claim_names", "_claim_sources",
}

// AboutPerson tells whether a claim says something about a person, rather than about a token or a sign-in.
func AboutPerson(name string) bool {
	return name == "updated_at" || name != "" && !slices.Contains(protocolClaims, name)
}

// reservedName says why an operator's own attribute may not have a name, "" if it may.
func reservedName(name string) string {
	if _, standard := standardAttributes[name]; standard {
		return "is a standard attribute; put it directly below map"
	}
	if slices.Contains(protocolClaims, name) {
		return "is a claim of the token protocol and cannot be mapped"
	}
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Sprintf("needs a name of 1 to %d printable ASCII characters without spaces", maxName)
	}
	return ""
}

// takes tells whether a value of CEL's type t can have this shape.
func (s shape) takes(t *cel.Type) bool {
	if t.Kind() == types.OpaqueKind && t.TypeName() == "optional_type" {
		t = t.Parameters()[0]
	}
	switch t.Kind() {
	case types.DynKind, types.NullTypeKind, types.AnyKind, types.TypeParamKind:
		return true
	case types.StringKind:
		return s.want == text || s.want == list || s.want == anything
	case types.BoolKind:
		return s.want == truth || s.want == anything
	case types.ListKind:
		return s.want == list || s.want == anything
	case types.MapKind:
		return s.want == object || s.want == anything
	case types.IntKind, types.UintKind, types.DoubleKind:
		return s.want == anything
	}
	return false
}

func typeName(t *cel.Type) string {
	switch t.Kind() {
	case types.BoolKind:
		return truth
	case types.IntKind, types.UintKind, types.DoubleKind:
		return "number"
	case types.MapKind:
		return object
	}
	return t.TypeName()
}

// nativeValue turns CEL's value into Go's JSON types.
func nativeValue(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case *types.Optional:
		if !v.HasValue() {
			return nil, nil
		}
		return nativeValue(v.GetValue())
	case types.String:
		return string(v), nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return float64(v), nil
	case types.Uint:
		return float64(v), nil
	case types.Double:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, errors.New("gives a number that JSON does not have")
		}
		return float64(v), nil
	case traits.Mapper:
		return nativeObject(v)
	case traits.Lister:
		return nativeList(v)
	}
	return nil, fmt.Errorf("gives a %s, which JSON does not have", v.Type().TypeName())
}

func nativeList(v traits.Lister) (any, error) {
	out := []any{}
	for it := v.Iterator(); it.HasNext() == types.True; {
		value, err := nativeValue(it.Next())
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}

func nativeObject(v traits.Mapper) (any, error) {
	out := map[string]any{}
	for it := v.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, errors.New("gives an object with a key that is no string")
		}
		value, err := nativeValue(v.Get(key))
		if err != nil {
			return nil, err
		}
		out[string(name)] = value
	}
	return out, nil
}

// readEmail brings an address into the one form in which it is stored and compared: trimmed, ASCII letters
// in lower case, all else as it is. Two addresses are the same only if these are. Unicode's lower case is
// not used: it turns letters that are no ASCII, like the Kelvin sign, into ASCII ones, and so a stranger's
// address into somebody's.
func readEmail(v any) (any, error) {
	s, err := asString(v, maxText)
	if err != nil {
		return nil, err
	}
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, nil
	}
	local, domain, _ := strings.Cut(s, "@")
	switch {
	case len(s) > maxEmail:
		return nil, providers.Refuse("email_malformed", "the address has %d bytes, more than %d", len(s), maxEmail)
	case local == "" || domain == "" || strings.Contains(domain, "@"):
		return nil, providers.Refuse("email_malformed", "the address has not exactly one @ with something on both sides")
	case strings.ContainsFunc(s, notInAddress):
		return nil, providers.Refuse("email_malformed", "the address has a space, an invisible or a special character")
	case strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") || strings.Contains(domain, ".."):
		// A dot at the end names the same domain in DNS and is another string.
		return nil, providers.Refuse("email_malformed", "the address's domain has an empty label")
	}
	return strings.Map(asciiLower, s), nil
}

func notInAddress(r rune) bool {
	return strings.ContainsRune(`()<>[]:;,\"`, r) || r == utf8.RuneError || r != ' ' && !unicode.IsPrint(r) || unicode.IsSpace(r)
}

func asciiLower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

func readBool(v any) (any, error) {
	if b, ok := v.(bool); ok {
		return b, nil
	}
	return nil, fmt.Errorf("gives a %s, want a boolean: compare it, as in claims.x == \"true\"", jsonType(v))
}

func readText(v any) (any, error) {
	s, err := asString(v, maxText)
	if err != nil || s == "" {
		return nil, err
	}
	return s, nil
}

// readAddress takes the members of OpenID Connect Core §5.1.1.
func readAddress(v any) (any, error) {
	members, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("gives a %s, want an object", jsonType(v))
	}
	out := map[string]any{}
	for _, name := range []string{"formatted", "street_address", "locality", "region", "postal_code", "country"} {
		if members[name] == nil {
			continue
		}
		value, err := readText(members[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if value != nil {
			out[name] = value
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// readGroups keeps the order and drops repeats; one string is a list of one.
func readGroups(v any) (any, error) {
	var in []any
	switch v := v.(type) {
	case string:
		in = []any{v}
	case []any:
		in = v
	case []string:
		for _, s := range v {
			in = append(in, s)
		}
	default:
		return nil, fmt.Errorf("gives a %s, want a list of strings", jsonType(v))
	}
	if len(in) > maxGroups {
		return nil, fmt.Errorf("gives %d groups, more than %d", len(in), maxGroups)
	}
	out := make([]string, 0, len(in))
	seen := make(map[string]bool, len(in))
	for _, one := range in {
		s, err := asString(one, maxGroup)
		if err != nil {
			return nil, fmt.Errorf("a group: %w", err)
		}
		if s != "" && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out, nil
}

// readExtra takes any JSON and copies it, so that no attribute shares memory with the claims.
func readExtra(v any) (any, error) {
	if s, ok := v.(string); ok {
		return readText(s)
	}
	if err := checkJSON(v, maxExtraDepth); err != nil {
		return nil, err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("gives a %s, which JSON does not have", jsonType(v))
	}
	if len(data) > maxExtra {
		return nil, fmt.Errorf("gives %d bytes of JSON, more than %d", len(data), maxExtra)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, err
	}
	return out, nil
}

func checkJSON(v any, depth int) error {
	if depth == 0 {
		return fmt.Errorf("gives more than %d levels", maxExtraDepth)
	}
	switch v := v.(type) {
	case string:
		return checkText(v)
	case []any:
		for _, one := range v {
			if err := checkJSON(one, depth-1); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, one := range v {
			if err := errors.Join(checkText(name), checkJSON(one, depth-1)); err != nil {
				return err
			}
		}
	}
	return nil
}

func asString(v any, limit int) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("gives a %s, want a string", jsonType(v))
	}
	if len(s) > limit {
		return "", fmt.Errorf("gives %d bytes, more than %d", len(s), limit)
	}
	return s, checkText(s)
}

// checkText refuses what no database and no token can hold.
func checkText(s string) error {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return errors.New("gives text that is not UTF-8 or has a zero byte")
	}
	return nil
}

func jsonType(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return text
	case bool:
		return truth
	case float64:
		return "number"
	case []any, []string:
		return "list"
	case map[string]any:
		return object
	}
	return "value of no JSON type"
}
