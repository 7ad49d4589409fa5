package token

import (
	"cmp"
	"crypto/rand"
	"maps"
	"slices"
	"time"

	"github.com/signet-broker/signet/broker"
)

// scopeClaims are the claims that a scope stands for (OpenID Connect Core §5.4). Attributes that are in no
// scope of the standard belong to profile.
var scopeClaims = map[string][]string{
	"email":   {"email", "email_verified"},
	"phone":   {"phone_number", "phone_number_verified"},
	"address": {"address"},
	"groups":  {"groups"},
}

// Scopes are those that mean something here.
var Scopes = []string{"openid", "profile", "email", "phone", "address", "groups", "offline_access"}

// ScopeOf names the scope that releases an attribute.
func ScopeOf(attribute string) string {
	for scope, claims := range scopeClaims {
		if slices.Contains(claims, attribute) {
			return scope
		}
	}
	return "profile"
}

// Claims are those that an app has asked for one by one (OpenID Connect Core §5.5), beside what its scopes release.
type Claims struct {
	ID       []string `json:"id_token,omitempty"`
	Userinfo []string `json:"userinfo,omitempty"`
}

// Scopes are those whose claims c has some of.
func (c Claims) Scopes() []string {
	var scopes []string
	for _, name := range slices.Concat(c.ID, c.Userinfo) {
		if s := ScopeOf(name); !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// UserClaims are the claims about a user that the granted scopes release, and those that were asked for one by one,
// without sub.
func UserClaims(u broker.User, scope, asked []string) map[string]any {
	c := make(map[string]any, len(u.Attributes)+16)
	released := func(name string) bool { return slices.Contains(scope, ScopeOf(name)) || slices.Contains(asked, name) }
	for name, v := range u.Attributes {
		if released(name) {
			c[name] = v
		}
	}
	if u.Attributes["email"] != nil && c["email_verified"] == nil && released("email_verified") {
		c["email_verified"] = false
	}
	if released("updated_at") {
		c["updated_at"] = u.Updated.Unix()
	}
	return c
}

// idClaims are those of an ID token (OpenID Connect Core §2). a is as its app knows it.
func (i *Issuer) idClaims(a Authorization, now time.Time, atHash string) map[string]any {
	c := UserClaims(a.User, a.Family.Scope, a.Claims.ID)
	maps.Copy(c, map[string]any{
		"iss": i.URL, "sub": a.User.ID, "aud": a.App.ID, "azp": a.App.ID, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(a.App.Tokens.ID).Unix(), "at_hash": atHash,
	})
	if a.Nonce != "" {
		c["nonce"] = a.Nonce
	}
	authentication(c, a.Family)
	return c
}

// accessClaims are those of an access token (RFC 9068 §2.2). Its jti starts with the family's ID; that of an
// app's own, or a service's, has none. a is as its app knows it, whomever the token is for: the app can read it.
func (i *Issuer) accessClaims(a Authorization, to audience, now time.Time) map[string]any {
	c := map[string]any{
		"iss": i.URL, "sub": a.User.ID, "aud": to.id, "client_id": a.App.ID, "scope": join(to.scope),
		"iat": now.Unix(), "exp": now.Add(to.lifetime).Unix(), "jti": a.Family.ID + "." + rand.Text(),
	}
	if cnf := (confirmation{a.Key, a.Certificate}); cnf != (confirmation{}) {
		c["cnf"] = cnf
	}
	if a.Actor != nil {
		c["act"] = a.Actor
	}
	if a.API == nil && len(a.Claims.Userinfo) > 0 {
		c["claims"] = a.Claims.Userinfo // for UserInfo, where only this token is seen
	}
	if a.Family.ID == "" {
		c["sub"], c["jti"] = cmp.Or(a.User.ID, a.App.ID), rand.Text()
		return c
	}
	if groups, ok := a.User.Attributes["groups"]; ok && slices.Contains(a.Family.Scope, "groups") {
		c["groups"] = groups
	}
	authentication(c, a.Family)
	return c
}

// authentication adds how and when the person signed in. What the provider did not say is left out.
func authentication(c map[string]any, f Family) {
	if !f.AuthTime.IsZero() {
		c["auth_time"] = f.AuthTime.Unix()
	}
	if f.Session != "" {
		c["sid"] = f.Session
	}
	if f.ACR != "" {
		c["acr"] = f.ACR
	}
	if len(f.AMR) > 0 {
		c["amr"] = f.AMR
	}
}
