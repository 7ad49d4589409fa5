package idptest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	mathbig "math/big"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func long(n int) string { return strings.Repeat("x", n) }

// padded adds a claim of n bytes. It is made when it is sent: the demo has this package in the broker's binary.
func padded(n int) func(f *OIDC, claims map[string]any) {
	return func(f *OIDC, claims map[string]any) { setClaim("pad", long(n))(f, claims) }
}

// attackerKey is nobody's whom the upstream publishes.
var attackerKey = sync.OnceValue(newSigningKey)

// weakKey is too small to hold, and its owner uses it all the same.
var weakKey = sync.OnceValue(func() signingKey { return sizedKey(1024) })

func setHeader(name string, value any) func(*OIDC, map[string]any) {
	return func(_ *OIDC, h map[string]any) { h[name] = value }
}

// signedBy signs an otherwise honest token with a key of the attacker's choice.
func signedBy(key func() signingKey, alter func(f *OIDC, header map[string]any)) func(*OIDC, map[string]any, map[string]any) string {
	return func(f *OIDC, header, claims map[string]any) string {
		if alter != nil {
			alter(f, header)
		}
		return signRS256(key(), encode(header), encode(claims))
	}
}

// unsigned is an alg none token in a spelling of its own.
func unsigned(alg string) func(*OIDC, map[string]any, map[string]any) string {
	return func(_ *OIDC, header, claims map[string]any) string {
		header["alg"] = alg
		return encode(header) + "." + encode(claims) + "."
	}
}

// hmacWith signs with HS256 and bytes that are no secret between the two.
func hmacWith(secret func(f *OIDC) []byte) func(*OIDC, map[string]any, map[string]any) string {
	return func(f *OIDC, header, claims map[string]any) string {
		header["alg"] = "HS256"
		input := encode(header) + "." + encode(claims)
		mac := hmac.New(sha256.New, secret(f))
		mac.Write([]byte(input))
		return input + "." + encodeRaw(mac.Sum(nil))
	}
}

// current is the fake's own signing key.
func (f *OIDC) current() signingKey {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.signer
}

// honest signs a token as the fake itself does.
func (f *OIDC) honest(header, claims map[string]any) string {
	return signRS256(f.current(), encode(header), encode(claims))
}

// certificate is a self-signed chain for x5c.
func certificate(key signingKey) string {
	template := &x509.Certificate{
		SerialNumber: mathbig.NewInt(1), Subject: pkix.Name{CommonName: "globex"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.rsa.PublicKey, key.rsa)
	if err != nil {
		panic(err) // the template is wrong
	}
	return base64.StdEncoding.EncodeToString(der)
}

// Header and signature of the ID token.
var oidcSignatureRows = []OIDCRow{
	{Row: Row{ID: "R-36", Name: "alg none", Reason: "alg"}, Sign: unsigned("none")},
	{Row: Row{ID: "R-36", Name: "alg None", Reason: "alg"}, Sign: unsigned("None")},
	{Row: Row{ID: "R-36", Name: "alg nOnE", Reason: "alg"}, Sign: unsigned("nOnE")},
	{Row: Row{ID: "R-36", Name: "alg empty", Reason: "alg"}, Sign: unsigned("")},
	{Row: Row{ID: "R-36", Name: "RS256 without a signature", Reason: "sig"}, Sign: unsigned("RS256")},
	{Row: Row{ID: "R-37", Name: "HS256 with the client secret", Reason: "alg"},
		Sign: hmacWith(func(f *OIDC) []byte { return []byte(f.ClientSecret()) })},
	{Row: Row{ID: "R-37", Name: "HS256 with the RSA modulus", Reason: "alg"},
		Sign: hmacWith(func(f *OIDC) []byte { return f.current().rsa.N.Bytes() })},
	{Row: Row{ID: "R-38", Name: "RS512", Reason: "alg"},
		Sign: func(f *OIDC, header, claims map[string]any) string {
			header["alg"] = "RS512"
			return signRS512(f.current(), encode(header), encode(claims))
		}},
	{Row: Row{ID: "R-39", Name: "key in the header", Reason: "sig"},
		Sign: signedBy(attackerKey, func(_ *OIDC, h map[string]any) { h["jwk"] = attackerKey().public(); delete(h, "kid") })},
	{Row: Row{ID: "R-39", Name: "key in the header, kid of the upstream", Reason: "sig"},
		Sign: signedBy(attackerKey, func(_ *OIDC, h map[string]any) { h["jwk"] = attackerKey().public() })},
	{Row: Row{ID: "R-39", Name: "the upstream's own key in the header", Reason: "sig"},
		Header: func(f *OIDC, h map[string]any) { h["jwk"] = f.current().public() }},
	{Row: Row{ID: "R-41", Name: "self-signed certificate in the header", Reason: "sig"},
		Sign: signedBy(attackerKey, func(_ *OIDC, h map[string]any) { h["x5c"] = []string{certificate(attackerKey())} })},
	{Row: Row{ID: "R-41", Name: "address of a key in the header", Reason: "sig"},
		Sign: signedBy(attackerKey, func(f *OIDC, h map[string]any) { h["jku"], h["kid"] = f.Issuer+"/evil-jwks", attackerKey().id })},
	{Row: Row{ID: "R-42", Name: "kid a path", Reason: "sig"}, Header: setHeader("kid", "../../../../dev/null")},
	{Row: Row{ID: "R-42", Name: "kid SQL", Reason: "sig"}, Header: setHeader("kid", "x' OR '1'='1")},
	{Row: Row{ID: "R-42", Name: "kid of 64 KB", Reason: "malformed"}, Header: setHeader("kid", long(64<<10))},
	{Row: Row{ID: "R-42", Name: "kid a number", Reason: "malformed"}, Header: setHeader("kid", 1)},
	{Row: Row{ID: "R-43", Name: "no kid, several keys", Reason: "sig"},
		Header: func(_ *OIDC, h map[string]any) { delete(h, "kid") }, JWKS: addKey(func() map[string]any { return attackerKey().public() })},
	{Row: Row{ID: "R-43", Name: "no kid, one key", Control: true},
		Header: func(_ *OIDC, h map[string]any) { delete(h, "kid") }},
	{Row: Row{ID: "R-44", Name: "crit that nobody knows", Reason: "malformed"},
		Header: func(_ *OIDC, h map[string]any) { h["crit"], h["exotic"] = []string{"exotic"}, true }},
	{Row: Row{ID: "R-46", Name: "logout token", Reason: "typ"}, Header: setHeader("typ", "logout+jwt")},
	{Row: Row{ID: "R-46", Name: "access token", Reason: "typ"}, Header: setHeader("typ", "at+jwt")},
	{Row: Row{ID: "R-46", Name: "typ a list", Reason: "typ"}, Header: setHeader("typ", []string{"JWT"})},
	{Row: Row{ID: "R-46", Name: "no typ", Control: true}, Header: func(_ *OIDC, h map[string]any) { delete(h, "typ") }},
	{Row: Row{ID: "R-47", Name: "JSON serialisation", Reason: "malformed"},
		Sign: func(f *OIDC, header, claims map[string]any) string {
			h, p, s := parts(f.honest(header, claims))
			doc, _ := json.Marshal(map[string]string{"protected": h, "payload": p, "signature": s})
			return string(doc)
		}},
	{Row: Row{ID: "R-47", Name: "compact with a line break", Reason: "malformed"},
		Sign: func(f *OIDC, header, claims map[string]any) string { return f.honest(header, claims) + "\n" }},
	{Row: Row{ID: "R-48", Name: "sub twice", Reason: "malformed"},
		Sign: func(f *OIDC, header, claims map[string]any) string {
			raw, _ := json.Marshal(claims)
			twice := `{"sub":"victim",` + string(raw[1:])
			return signRS256(f.current(), encode(header), encodeRaw([]byte(twice)))
		}},
	{Row: Row{ID: "R-48", Name: "sub with bytes that are no UTF-8", Reason: "malformed"},
		Sign: func(f *OIDC, header, claims map[string]any) string {
			claims["sub"] = "SUBJECT"
			raw, _ := json.Marshal(claims)
			return signRS256(f.current(), encode(header), encodeRaw([]byte(strings.Replace(string(raw), "SUBJECT", "ann\xff", 1))))
		}},
	{Row: Row{ID: "R-48", Name: "claims that are a list", Reason: "malformed"},
		Sign: func(f *OIDC, header, claims map[string]any) string {
			return signRS256(f.current(), encode(header), encode([]any{claims}))
		}},
	{Row: Row{ID: "R-51", Name: "key that is no longer published", Reason: "sig"},
		Sign: signedBy(attackerKey, func(_ *OIDC, h map[string]any) { h["kid"] = attackerKey().id })},
	{Row: Row{ID: "R-51", Name: "other key under a published kid", Reason: "sig"}, Sign: signedBy(attackerKey, nil)},
	{Row: Row{ID: "R-51", Name: "claims changed after signing", Reason: "sig"},
		Sign: func(f *OIDC, header, claims map[string]any) string {
			h, _, s := parts(f.honest(header, claims))
			claims["sub"] = "victim"
			return h + "." + encode(claims) + "." + s
		}},
	{Row: Row{ID: "R-52", Name: "encrypted and not signed", Reason: "malformed"},
		Sign: func(f *OIDC, _, claims map[string]any) string {
			key := sha256.Sum256([]byte(f.ClientSecret()))
			enc, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: key[:]}, nil)
			if err != nil {
				panic(err) // the key does not fit the algorithm
			}
			raw, _ := json.Marshal(claims)
			jwe, err := enc.Encrypt(raw)
			if err != nil {
				panic(err)
			}
			token, _ := jwe.CompactSerialize()
			return token
		}},
	{Row: Row{ID: "R-57", Name: "ID token of 1 MB", Reason: "malformed"}, Claims: padded(700_000)},
}
