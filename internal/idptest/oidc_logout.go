package idptest

import (
	"crypto/rand"
	"time"
)

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// LogoutToken makes a logout token for a person (OpenID Connect Back-Channel Logout 1.0, section 2.4) as row
// wants it; nil: an honest one.
func (f *OIDC) LogoutToken(username string, row *OIDCRow) string {
	if row == nil {
		row = &OIDCRow{}
	}
	f.mu.Lock()
	key := f.signer
	f.mu.Unlock()
	header := map[string]any{"alg": "RS256", "kid": key.id, "typ": "logout+jwt"}
	claims := map[string]any{
		"iss": f.Issuer, "aud": f.options.ClientID, "iat": at(f, 0), "exp": at(f, 2*time.Minute), "jti": rand.Text(),
		"sub": username, "sid": "sid-" + username, "events": map[string]any{logoutEvent: map[string]any{}},
	}
	if row.Header != nil {
		row.Header(f, header)
	}
	if row.Claims != nil {
		row.Claims(f, claims)
	}
	if row.Sign != nil {
		return row.Sign(f, header, claims)
	}
	return signRS256(key, encode(header), encode(claims))
}

func setEvents(events any) func(*OIDC, map[string]any) { return setClaim("events", events) }

// LogoutRows are the logout tokens of the catalogue.
var LogoutRows = []OIDCRow{
	{Row: Row{ID: "R-101", Name: "logout token of alg none", Reason: "alg"}, Sign: unsigned("none")},
	{Row: Row{ID: "R-101", Name: "logout token of alg nOnE", Reason: "alg"}, Sign: unsigned("nOnE")},
	{Row: Row{ID: "R-101", Name: "logout token by HS256 and the client's secret", Reason: "alg"},
		Sign: hmacWith(func(f *OIDC) []byte { return []byte(f.ClientSecret()) })},
	{Row: Row{ID: "R-101", Name: "logout token by nobody's key", Reason: "sig"}, Sign: signedBy(attackerKey, nil)},
	{Row: Row{ID: "R-101", Name: "logout token by a key that is its own", Reason: "sig"},
		Sign: signedBy(attackerKey, func(_ *OIDC, h map[string]any) { h["jwk"] = attackerKey().public() })},
	{Row: Row{ID: "R-101", Name: "logout token of 1 MB", Reason: "malformed"}, Claims: padded(1 << 20)},
	{Row: Row{ID: "R-102", Name: "logout token without events", Reason: "events"}, Claims: dropClaim("events")},
	{Row: Row{ID: "R-102", Name: "logout token of another event", Reason: "events"}, Claims: setEvents(map[string]any{"http://schemas.openid.net/event/other": map[string]any{}})},
	{Row: Row{ID: "R-102", Name: "logout token whose event is true", Reason: "events"}, Claims: setEvents(map[string]any{logoutEvent: true})},
	{Row: Row{ID: "R-102", Name: "logout token with a list of events", Reason: "events"}, Claims: setEvents([]string{logoutEvent})},
	{Row: Row{ID: "R-103", Name: "logout token with a nonce", Reason: "nonce"}, Claims: setClaim("nonce", "n")},
	{Row: Row{ID: "R-103", Name: "logout token whose nonce is null", Reason: "nonce"}, Claims: setClaim("nonce", nil)},
	{Row: Row{ID: "R-104", Name: "logout token for another client", Reason: "aud"}, Claims: setClaim("aud", "other")},
	{Row: Row{ID: "R-104", Name: "logout token for nobody", Reason: "aud"}, Claims: dropClaim("aud")},
	{Row: Row{ID: "R-104", Name: "logout token of another issuer", Reason: "iss"}, Claims: setClaim("iss", "https://evil.example")},
	{Row: Row{ID: "R-104", Name: "logout token of no issuer", Reason: "iss"}, Claims: dropClaim("iss")},
	{Row: Row{ID: "R-106", Name: "logout token that says it is an access token", Reason: "typ"}, Header: setHeader("typ", "at+jwt")},
	{Row: Row{ID: "R-106", Name: "logout token that says it is a secevent", Reason: "typ"}, Header: setHeader("typ", "secevent+jwt")},
	{Row: Row{ID: "R-106", Name: "logout token without a type", Control: true}, Header: func(_ *OIDC, h map[string]any) { delete(h, "typ") }},
	{Row: Row{ID: "R-106", Name: "logout token of type JWT", Control: true}, Header: setHeader("typ", "JWT")},
	{Row: Row{ID: "R-107", Name: "logout token without jti", Reason: "jti"}, Claims: dropClaim("jti")},
	{Row: Row{ID: "R-107", Name: "logout token whose jti is a number", Reason: "jti"}, Claims: setClaim("jti", 1)},
	{Row: Row{ID: "R-107", Name: "logout token with a jti of 1 KB", Reason: "jti"}, Claims: setClaim("jti", long(1<<10))},
	{Row: Row{ID: "R-108", Name: "logout token of an hour ago that has not ended", Reason: "iat"},
		Claims: func(f *OIDC, c map[string]any) { c["iat"], c["exp"] = at(f, -time.Hour), at(f, time.Hour) }},
	{Row: Row{ID: "R-108", Name: "logout token of three minutes ago", Reason: "iat"}, Claims: func(f *OIDC, c map[string]any) { c["iat"] = at(f, -3*time.Minute) }},
	{Row: Row{ID: "R-108", Name: "logout token of a minute ago", Control: true}, Claims: func(f *OIDC, c map[string]any) { c["iat"] = at(f, -time.Minute) }},
	{Row: Row{ID: "R-108", Name: "logout token from ahead", Reason: "iat"}, Claims: func(f *OIDC, c map[string]any) { c["iat"] = at(f, 10*time.Minute) }},
	{Row: Row{ID: "R-108", Name: "logout token without iat", Reason: "iat"}, Claims: dropClaim("iat")},
	{Row: Row{ID: "R-108", Name: "logout token that has ended", Reason: "exp"}, Claims: func(f *OIDC, c map[string]any) { c["exp"] = at(f, -2*time.Minute) }},
	{Row: Row{ID: "R-108", Name: "logout token without exp", Reason: "exp"}, Claims: dropClaim("exp")},
	{Row: Row{ID: "R-109", Name: "logout token of nobody", Reason: "sub"}, Claims: func(_ *OIDC, c map[string]any) { delete(c, "sub"); delete(c, "sid") }},
	{Row: Row{ID: "R-109", Name: "logout token whose sub is empty", Reason: "sub"}, Claims: setClaim("sub", "")},
	{Row: Row{ID: "R-109", Name: "logout token whose sub is a list", Reason: "sub"}, Claims: setClaim("sub", []string{"ann"})},
	{Row: Row{ID: "R-109", Name: "logout token whose sid is a number", Reason: "sid"}, Claims: setClaim("sid", 7)},
	{Row: Row{ID: "R-109", Name: "logout token of a session alone", Control: true}, Claims: dropClaim("sub")},
	{Row: Row{ID: "R-109", Name: "logout token of a person alone", Control: true}, Claims: dropClaim("sid")},
}
