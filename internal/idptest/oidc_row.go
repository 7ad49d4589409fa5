package idptest

import (
	"net/http"
	"net/url"
	"slices"
	"time"
)

// OIDCRow is one way in which an OpenID provider misbehaves, or (a control) behaves unusually. Whatever is
// nil stays honest. The hooks change in place what the fake was about to send.
type OIDCRow struct {
	Row

	Callback   func(f *OIDC, v url.Values)                                      // parameters of the way back
	Discovery  func(f *OIDC, doc map[string]any)                                // discovery document
	JWKS       func(f *OIDC, doc map[string]any)                                // key set
	Header     func(f *OIDC, header map[string]any)                             // of the ID token
	Claims     func(f *OIDC, claims map[string]any)                             // of the ID token
	Sign       func(f *OIDC, header, claims map[string]any) string              // makes the whole ID token
	Response   func(f *OIDC, doc map[string]any)                                // token response
	Info       func(f *OIDC, claims map[string]any)                             // userinfo
	SignedInfo bool                                                             // userinfo is a JWT
	Serve      map[string]func(f *OIDC, w http.ResponseWriter, r *http.Request) // instead of an endpoint, by path

	// What the row needs at the side of whoever signs people in.
	Warm      bool          // an honest login comes first, so that documents are at hand
	UserInfo  bool          // the provider asks userinfo
	ACRValues []string      // the provider's acr_values
	MaxAge    time.Duration // the attempt's
}

// Cold tells whether a row is about documents that a provider keeps, so that one must be opened for it.
func (r *OIDCRow) Cold() bool {
	return !r.Warm && (r.Discovery != nil || r.JWKS != nil || r.Serve[discoveryPath] != nil || r.Serve[jwksPath] != nil)
}

const (
	discoveryPath = "/.well-known/openid-configuration"
	jwksPath      = "/jwks"
	tokenPath     = "/token"
)

// OIDCRows is the catalogue: everything that an upstream can do wrong. The numbers are those of the
// project's list of attacks; a number with several inputs comes several times.
var OIDCRows = slices.Concat(oidcCallbackRows, oidcClaimRows, oidcSignatureRows, oidcEndpointRows, oidcDocumentRows)

func setClaim(name string, value any) func(*OIDC, map[string]any) {
	return func(_ *OIDC, claims map[string]any) { claims[name] = value }
}

func dropClaim(name string) func(*OIDC, map[string]any) {
	return func(_ *OIDC, claims map[string]any) { delete(claims, name) }
}

// shift moves every time of an ID token, as if the upstream's clock were off by d.
func shift(d time.Duration) func(*OIDC, map[string]any) {
	return func(_ *OIDC, claims map[string]any) {
		for _, name := range []string{"iat", "exp", "auth_time"} {
			claims[name] = claims[name].(int64) + int64(d/time.Second)
		}
	}
}

// at is a time that is off by d.
func at(f *OIDC, d time.Duration) int64 { return f.options.Now().Add(d).Unix() }

var oidcCallbackRows = []OIDCRow{
	{Row: Row{ID: "R-1", Name: "no state", Reason: "state_missing"},
		Callback: func(_ *OIDC, v url.Values) { v.Del("state") }},
	{Row: Row{ID: "R-2", Name: "state of nobody", Reason: "state_invalid"},
		Callback: func(_ *OIDC, v url.Values) { v.Set("state", "AAAAAAAAAAAAAAAAAAAAAAAAAA") }},
	{Row: Row{ID: "R-6", Name: "iss of another upstream", Reason: "iss_mismatch"},
		Callback: func(_ *OIDC, v url.Values) { v.Set("iss", "https://evil.example") }},
	{Row: Row{ID: "R-6", Name: "iss with a slash more", Reason: "iss_mismatch"},
		Callback: func(f *OIDC, v url.Values) { v.Set("iss", f.Issuer+"/") }},
	{Row: Row{ID: "R-6", Name: "iss empty", Reason: "iss_mismatch"},
		Callback: func(_ *OIDC, v url.Values) { v.Set("iss", "") }},
	{Row: Row{ID: "R-7", Name: "iss missing though announced", Reason: "iss_mismatch"},
		Callback: func(_ *OIDC, v url.Values) { v.Del("iss") }},
	{Row: Row{ID: "R-7", Name: "iss missing and not announced", Control: true},
		Discovery: func(_ *OIDC, doc map[string]any) { delete(doc, "authorization_response_iss_parameter_supported") },
		Callback:  func(_ *OIDC, v url.Values) { v.Del("iss") }},
	{Row: Row{ID: "R-6", Name: "iss wrong and not announced", Reason: "iss_mismatch"},
		Discovery: func(_ *OIDC, doc map[string]any) { delete(doc, "authorization_response_iss_parameter_supported") },
		Callback:  func(_ *OIDC, v url.Values) { v.Set("iss", "https://evil.example") }},
	{Row: Row{ID: "R-11", Name: "two codes", Reason: "malformed"},
		Callback: func(_ *OIDC, v url.Values) { v.Add("code", "other") }},
	{Row: Row{ID: "R-11", Name: "two states", Reason: "malformed"},
		Callback: func(_ *OIDC, v url.Values) { v.Add("state", "other") }},
	{Row: Row{ID: "R-11", Name: "two iss", Reason: "malformed"},
		Callback: func(_ *OIDC, v url.Values) { v.Add("iss", "https://evil.example") }},
	{Row: Row{ID: "R-11", Name: "code and error", Reason: "malformed"},
		Callback: func(_ *OIDC, v url.Values) { v.Set("error", "access_denied") }},
	{Row: Row{ID: "R-13", Name: "access_denied with a script", Reason: "idp_error"},
		Callback: func(_ *OIDC, v url.Values) {
			v.Del("code")
			v.Set("error", "access_denied")
			v.Set("error_description", "<script>alert('SECRET')</script>")
		}},
	{Row: Row{ID: "R-13", Name: "error that is a script", Reason: "idp_error"},
		Callback: func(_ *OIDC, v url.Values) {
			v.Del("code")
			v.Set("error", "<script>alert('SECRET')</script>")
		}},
	{Row: Row{ID: "R-14", Name: "code of nobody", Reason: "token_refused"},
		Callback: func(_ *OIDC, v url.Values) { v.Set("code", "AAAAAAAAAAAAAAAAAAAAAAAAAA") }},
}

var year = 365 * 24 * time.Hour

// Claims of the ID token.
var oidcClaimRows = []OIDCRow{
	{Row: Row{ID: "R-19", Name: "nonce missing", Reason: "nonce"}, Claims: dropClaim("nonce")},
	{Row: Row{ID: "R-19", Name: "nonce of another login", Reason: "nonce"}, Claims: setClaim("nonce", "AAAAAAAAAAAAAAAAAAAAAAAAAA")},
	{Row: Row{ID: "R-19", Name: "nonce a list", Reason: "nonce"},
		Claims: func(_ *OIDC, c map[string]any) { c["nonce"] = []any{c["nonce"]} }},
	{Row: Row{ID: "R-21", Name: "sub missing", Reason: "sub"}, Claims: dropClaim("sub")},
	{Row: Row{ID: "R-21", Name: "sub empty", Reason: "sub"}, Claims: setClaim("sub", "")},
	{Row: Row{ID: "R-22", Name: "sub a number", Reason: "sub"}, Claims: setClaim("sub", 42)},
	{Row: Row{ID: "R-22", Name: "sub of 256 bytes", Reason: "sub"}, Claims: setClaim("sub", long(256))},
	{Row: Row{ID: "R-22", Name: "sub with a NUL", Reason: "sub"}, Claims: setClaim("sub", "ann\x00")},
	{Row: Row{ID: "R-23", Name: "iat missing", Reason: "iat"}, Claims: dropClaim("iat")},
	{Row: Row{ID: "R-24", Name: "iat a year ahead", Reason: "iat"},
		Claims: func(f *OIDC, c map[string]any) { c["iat"], c["exp"] = at(f, year), at(f, year+time.Hour) }},
	{Row: Row{ID: "R-26", Name: "exp missing", Reason: "exp"}, Claims: dropClaim("exp")},
	{Row: Row{ID: "R-27", Name: "exp a string", Reason: "exp"}, Claims: setClaim("exp", "99999999999")},
	{Row: Row{ID: "R-28", Name: "exp in ten years", Reason: "exp"},
		Claims: func(f *OIDC, c map[string]any) { c["exp"] = at(f, 10*year) }},
	{Row: Row{ID: "R-28", Name: "exp beyond every calendar", Reason: "exp"}, Claims: setClaim("exp", 1e300)},
	{Row: Row{ID: "R-29", Name: "exp a second ago", Control: true},
		Claims: func(f *OIDC, c map[string]any) { c["exp"] = at(f, -time.Second) }},
	{Row: Row{ID: "R-29", Name: "exp two minutes ago", Reason: "exp"},
		Claims: func(f *OIDC, c map[string]any) { c["exp"] = at(f, -2*time.Minute) }},
	{Row: Row{ID: "R-29", Name: "nbf in an hour", Reason: "nbf"},
		Claims: func(f *OIDC, c map[string]any) { c["nbf"] = at(f, time.Hour) }},
	{Row: Row{ID: "R-31", Name: "aud missing", Reason: "aud"}, Claims: dropClaim("aud")},
	{Row: Row{ID: "R-31", Name: "aud of another client", Reason: "aud"}, Claims: setClaim("aud", "other")},
	{Row: Row{ID: "R-31", Name: "aud an empty list", Reason: "aud"}, Claims: setClaim("aud", []string{})},
	{Row: Row{ID: "R-32", Name: "two audiences without azp", Reason: "azp"},
		Claims: func(f *OIDC, c map[string]any) { c["aud"] = []string{f.ClientID(), "evil"} }},
	{Row: Row{ID: "R-32", Name: "two audiences and azp is us", Control: true},
		Claims: func(f *OIDC, c map[string]any) { c["aud"], c["azp"] = []string{f.ClientID(), "api"}, f.ClientID() }},
	{Row: Row{ID: "R-33", Name: "azp is another client", Reason: "azp"}, Claims: setClaim("azp", "evil")},
	{Row: Row{ID: "R-34", Name: "iss with a slash more", Reason: "iss"},
		Claims: func(f *OIDC, c map[string]any) { c["iss"] = f.Issuer + "/" }},
	{Row: Row{ID: "R-34", Name: "iss in capitals", Reason: "iss"},
		Claims: func(f *OIDC, c map[string]any) { c["iss"] = "HTTP" + f.Issuer[4:] }},
	{Row: Row{ID: "R-34", Name: "iss of another upstream", Reason: "iss"}, Claims: setClaim("iss", "https://evil.example")},
	{Row: Row{ID: "R-34", Name: "iss missing", Reason: "iss"}, Claims: dropClaim("iss")},
	{Row: Row{ID: "R-35", Name: "iss without a scheme", Reason: "iss"},
		Claims: func(f *OIDC, c map[string]any) { c["iss"] = f.Issuer[len("http://"):] }},
	{Row: Row{ID: "R-49", Name: "SUB beside sub", Control: true}, Claims: setClaim("SUB", "victim")},
	{Row: Row{ID: "R-49", Name: "ſub beside sub", Control: true}, Claims: setClaim("ſub", "victim")},
	{Row: Row{ID: "R-49", Name: "ſub instead of sub", Reason: "sub"},
		Claims: func(_ *OIDC, c map[string]any) { c["ſub"] = c["sub"]; delete(c, "sub") }},
	{Row: Row{ID: "R-53", Name: "at_hash of another token", Reason: "at_hash"}, Claims: setClaim("at_hash", leftHalf("other"))},
	{Row: Row{ID: "R-53", Name: "at_hash a number", Reason: "at_hash"}, Claims: setClaim("at_hash", 1)},
	{Row: Row{ID: "R-53", Name: "at_hash absent", Control: true}, Claims: dropClaim("at_hash")},
	{Row: Row{ID: "R-54", Name: "c_hash of another code", Reason: "c_hash"}, Claims: setClaim("c_hash", leftHalf("other"))},
	{Row: Row{ID: "R-58", Name: "signed in longer ago than max_age", Reason: "stale_auth"}, MaxAge: 10 * time.Minute,
		Claims: func(f *OIDC, c map[string]any) { c["auth_time"] = at(f, -time.Hour) }},
	{Row: Row{ID: "R-58", Name: "max_age and no auth_time", Reason: "stale_auth"}, MaxAge: 10 * time.Minute, Claims: dropClaim("auth_time")},
	{Row: Row{ID: "R-58", Name: "auth_time a string", Reason: "malformed"}, Claims: setClaim("auth_time", "now")},
	{Row: Row{ID: "R-58", Name: "signed in within max_age", Control: true}, MaxAge: 10 * time.Minute,
		Claims: func(f *OIDC, c map[string]any) { c["auth_time"] = at(f, -9*time.Minute) }},
	{Row: Row{ID: "R-59", Name: "acr that was not asked for", Reason: "weak_acr"}, ACRValues: []string{"urn:globex:phr"}},
	{Row: Row{ID: "R-59", Name: "acr missing though asked for", Reason: "weak_acr"}, ACRValues: []string{"urn:globex:phr"}, Claims: dropClaim("acr")},
	{Row: Row{ID: "R-59", Name: "acr as asked for", Control: true}, ACRValues: []string{"urn:globex:phr", "urn:globex:password"}},
	{Row: Row{ID: "R-98", Name: "clock 90 s ahead", Control: true}, Claims: shift(90 * time.Second)},
	{Row: Row{ID: "R-98", Name: "clock 90 s behind", Control: true}, Claims: shift(-90 * time.Second)},
	{Row: Row{ID: "R-98", Name: "clock 10 min ahead", Reason: "iat"}, Claims: shift(10 * time.Minute)},
	{Row: Row{ID: "R-98", Name: "clock 10 min behind", Reason: "iat"}, Claims: shift(-10 * time.Minute)},
}
