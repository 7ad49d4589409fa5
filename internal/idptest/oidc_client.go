package idptest

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/go-jose/go-jose/v4"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// isClient tells whether a token request is the client's.
func (f *OIDC) isClient(r *http.Request) bool {
	id, secret := r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	if user, pass, ok := r.BasicAuth(); ok {
		id, _ = url.QueryUnescape(user)
		secret, _ = url.QueryUnescape(pass)
	}
	switch {
	case r.PostForm.Has("client_assertion"):
		return r.PostFormValue("client_assertion_type") == assertionType && secret == "" && f.isAssertion(r.PostFormValue("client_assertion"))
	case id != f.options.ClientID || f.options.ClientKeys != nil:
		return false
	case f.secret != nil:
		return f.secret(secret)
	}
	return subtle.ConstantTimeCompare([]byte(secret), []byte(f.options.ClientSecret)) == 1
}

// isAssertion verifies a JWT by which the client proves itself (RFC 7523, section 3), once.
func (f *OIDC) isAssertion(raw string) bool {
	algs, key := []jose.SignatureAlgorithm{jose.HS256}, any([]byte(f.options.ClientSecret))
	if f.options.ClientKeys != nil {
		algs = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256}
		text, err := f.options.ClientKeys()
		var set jose.JSONWebKeySet
		if err != nil || json.Unmarshal(text, &set) != nil {
			return false
		}
		key = set
	}
	jws, err := jose.ParseSignedCompact(raw, algs)
	if err != nil {
		return false
	}
	payload, err := jws.Verify(key)
	var c struct {
		Iss, Sub, Aud, Jti string
		Iat, Exp           int64
	}
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return false
	}
	now := f.options.Now().Unix()
	good := c.Iss == f.options.ClientID && c.Sub == c.Iss && (c.Aud == f.Issuer+tokenPath || c.Aud == f.Issuer) &&
		c.Jti != "" && c.Iat <= now && c.Exp > now && c.Exp <= now+600
	f.mu.Lock()
	defer f.mu.Unlock()
	good = good && !f.used[c.Jti]
	f.used[c.Jti] = true
	return good
}
