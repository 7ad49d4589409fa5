package idptest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// token is the token endpoint.
func (f *OIDC) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) { writeJSON(w, status, map[string]any{"error": code}) }
	if !f.isClient(r) {
		refuse(http.StatusUnauthorized, "invalid_client")
		return
	}
	if r.PostFormValue("grant_type") != "authorization_code" {
		refuse(http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	code := r.PostFormValue("code")
	f.mu.Lock()
	g, ok := f.codes[code]
	if !f.options.CodesLast {
		delete(f.codes, code)
	}
	f.mu.Unlock()
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || r.PostFormValue("redirect_uri") != g.redirectURI ||
		!f.noPKCE && base64.RawURLEncoding.EncodeToString(challenge[:]) != g.challenge {
		refuse(http.StatusBadRequest, "invalid_grant")
		return
	}
	access := f.mint(g.person)
	doc := map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": 3600, "id_token": f.idToken(g, access),
	}
	if alter := f.now().Response; alter != nil {
		alter(f, doc)
	}
	writeJSON(w, http.StatusOK, doc)
}

// idToken makes the ID token of a grant, as the row in force wants it.
func (f *OIDC) idToken(g grant, access string) string {
	row := f.now()
	f.mu.Lock()
	key := f.signer
	f.mu.Unlock()
	now := f.options.Now()
	header := map[string]any{"alg": "RS256", "kid": key.id, "typ": "JWT"}
	claims := f.profile(g.person)
	claims["iss"], claims["aud"] = f.Issuer, f.options.ClientID
	claims["iat"], claims["exp"], claims["auth_time"] = now.Unix(), now.Add(time.Hour).Unix(), g.authTime.Unix()
	claims["nonce"], claims["at_hash"] = g.nonce, leftHalf(access)
	claims["sid"], claims["amr"], claims["acr"] = "sid-"+g.person.Username, []string{"pwd"}, "urn:globex:password"
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

// profile are the claims about a person.
func (f *OIDC) profile(p Person) map[string]any {
	claims := map[string]any{
		"sub": p.Username, "name": p.Name, "preferred_username": p.Username, "email": p.Email, "email_verified": p.EmailVerified,
	}
	if p.Groups != nil {
		claims["groups"] = p.Groups
	}
	return claims
}

func (f *OIDC) userinfo(w http.ResponseWriter, r *http.Request) {
	p, ok := f.bearer(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return
	}
	claims := f.profile(p)
	claims["department"] = "Research" // in userinfo only
	if alter := f.now().Info; alter != nil {
		alter(f, claims)
	}
	if f.now().SignedInfo {
		f.mu.Lock()
		key := f.signer
		f.mu.Unlock()
		w.Header().Set("Content-Type", "application/jwt")
		w.Write([]byte(signRS256(key, encode(map[string]any{"alg": "RS256", "kid": key.id}), encode(claims))))
		return
	}
	writeJSON(w, http.StatusOK, claims)
}

// encode is one part of a JWS.
func encode(doc any) string {
	raw, err := json.Marshal(doc)
	if err != nil {
		panic(err) // a row has put in what JSON does not have
	}
	return encodeRaw(raw)
}

func encodeRaw(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// leftHalf is at_hash and c_hash for an algorithm with SHA-256.
func leftHalf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return encodeRaw(sum[:16])
}

func signRS256(key signingKey, header, payload string) string {
	sum := sha256.Sum256([]byte(header + "." + payload))
	return header + "." + payload + "." + signRSA(key, crypto.SHA256, sum[:])
}

func signRS512(key signingKey, header, payload string) string {
	sum := sha512.Sum512([]byte(header + "." + payload))
	return header + "." + payload + "." + signRSA(key, crypto.SHA512, sum[:])
}

func signRSA(key signingKey, hash crypto.Hash, sum []byte) string {
	sig, err := rsa.SignPKCS1v15(rand.Reader, key.rsa, hash, sum)
	if err != nil {
		panic(err) // the key does not fit the hash
	}
	return encodeRaw(sig)
}

// parts takes a compact token apart.
func parts(token string) (header, payload, sig string) {
	p := append(strings.Split(token, "."), "", "", "")
	return p[0], p[1], p[2]
}
