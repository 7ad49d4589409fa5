package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/internal/idptest"
)

// bearerRows are what is presented as an access token, and the keys behind it.
func bearerRows() []row {
	rows := []row{
		presents("P-92", "ID token", func(_ *trial, a tokenAnswer) string { return a.ID }),
		presents("P-94", "refresh token", func(_ *trial, a tokenAnswer) string { return a.Refresh }),
		presents("P-93", "for another audience", signedAnew("RS256", keys.TypeAccess, map[string]any{"aud": "https://api.example.com"})),
		presents("P-93", "for several audiences", signedAnew("RS256", keys.TypeAccess, map[string]any{"aud": []string{"https://api.example.com", "https://app.example.com"}})),
		presents("P-93", "from another issuer", signedAnew("RS256", keys.TypeAccess, map[string]any{"iss": "https://evil.example"})),
		presents("P-93", "of another app", signedAnew("RS256", keys.TypeAccess, map[string]any{"client_id": otherApp})),
		presents("P-93", "of another user", signedAnew("RS256", keys.TypeAccess, map[string]any{"sub": "AAAAAAAAAAAAAAAAAAAAAAAAAA"})),
		presents("P-93", "of a family of nobody", signedAnew("RS256", keys.TypeAccess, map[string]any{"jti": "AAAAAAAAAAAAAAAAAAAAAAAAAA.B"})),
		presents("P-93", "without a family", signedAnew("RS256", keys.TypeAccess, map[string]any{"jti": ""})),
		presents("P-96", "expired", func(w *trial, a tokenAnswer) string { w.pass(16 * time.Minute); return a.Access }),
		presents("P-96", "without exp", signedAnew("RS256", keys.TypeAccess, map[string]any{"exp": nil})),
		presents("P-96", "truncated", func(_ *trial, a tokenAnswer) string { return a.Access[:len(a.Access)-1] }),
		presents("P-96", "with a bit changed", func(_ *trial, a tokenAnswer) string { return flipped(a.Access) }),
		presents("P-96", "with a claim changed", func(_ *trial, a tokenAnswer) string {
			part := strings.Split(a.Access, ".")
			raw, _ := base64.RawURLEncoding.DecodeString(part[1])
			part[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(raw), `"openid `, `"openid admin `, 1)))
			return strings.Join(part, ".")
		}),
		presents("P-96", "without a signature", func(_ *trial, a tokenAnswer) string { return unsigned(a.Access) }),
		presents("P-96", "revoked", func(w *trial, a tokenAnswer) string { w.revoke(webApp, a.Access); return a.Access }),
		presents("P-96", "nothing", func(*trial, tokenAnswer) string { return "" }),
		presents("P-96", "garbage", func(*trial, tokenAnswer) string { return "garbage" }),
		presents("P-97", "signed by another key of the same name", func(w *trial, a tokenAnswer) string { return w.forged(a.Access, jose.RS256, nil) }),
		presents("P-97", "signed by a key that it brings", func(w *trial, a tokenAnswer) string {
			return w.forged(a.Access, jose.RS256, map[jose.HeaderKey]any{"jku": "https://evil.example/jwks"})
		}),
		presents("P-97", "signed with the public key as a secret", func(w *trial, a tokenAnswer) string { return w.forged(a.Access, jose.HS256, nil) }),
		presents("P-98", "of type JWT", signedAnew("RS256", keys.TypeID, nil)),
		{id: "P-97", name: "key is gone", fresh: true, status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			token := signedAnew("RS256", keys.TypeAccess, map[string]any{"exp": w.now().Add(20 * 24 * time.Hour).Unix()})(w, a)
			if p := w.userinfo(token); p.status != http.StatusOK {
				w.t.Fatalf("before = %d", p.status)
			}
			w.rotate()
			w.pass(26 * time.Hour)
			w.restart()
			w.ready()
			return w.userinfo(token)
		}},
		{id: "P-99", name: "tokens without a signature", do: func(w *trial) *page {
			for _, alg := range []string{"none", "HS256", "RS512"} {
				if !faulty(w.t, strings.Replace(w.config, "signing: ES256", "signing: "+alg, 1), "signing") {
					w.t.Errorf("signing: %s may be configured", alg)
				}
			}
			return nil
		}},
		{id: "P-100", name: "keys rotate under load", fresh: true, control: true, do: rotation},
		{id: "P-101", name: "what the key set tells", status: http.StatusOK, do: keySet},
		{id: "P-102", name: "token in header and form", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.ready()
			b := w.browser()
			b.header.Set("Authorization", "Bearer "+a.Access)
			return b.post("/userinfo", url.Values{"access_token": {a.Access}})
		}},
		{id: "P-102", name: "two tokens in the header", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.ready()
			b := w.browser()
			b.header["Authorization"] = []string{"Bearer " + a.Access, "Bearer " + a.Access}
			return b.get("/userinfo")
		}},
		{id: "P-102", name: "token in the address", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.ready()
			return w.browser().get("/userinfo?access_token=" + a.Access)
		}},
		{id: "P-102", name: "no token", status: http.StatusUnauthorized, do: func(w *trial) *page {
			p := w.browser().get("/userinfo")
			if strings.Contains(p.header.Get("WWW-Authenticate"), "error") {
				w.t.Errorf("WWW-Authenticate: %s", p.header.Get("WWW-Authenticate"))
			}
			return p
		}},
		{id: "P-102", name: "token in the form alone", control: true, status: http.StatusOK, do: func(w *trial) *page {
			return w.browser().post("/userinfo", url.Values{"access_token": {w.tokens(webApp, "globex", "ann").Access}})
		}},
		{id: "P-109", name: "e-mail address of which the upstream does not say whether it is verified", do: func(w *trial) *page {
			w.globex.Misbehave(&idptest.OIDCRow{Claims: func(_ *idptest.OIDC, c map[string]any) { delete(c, "email_verified") }})
			defer w.globex.Honest()
			var c map[string]any
			if decodeClaims(w.t, w.tokens(webApp, "globex", "bob").ID, &c); c["email"] == nil || c["email_verified"] != false {
				w.t.Errorf("email_verified = %v of %v", c["email_verified"], c["email"])
			}
			w.ready()
			return nil
		}},
		{id: "P-109", name: "e-mail address that the upstream has not verified", status: http.StatusOK, do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "eve")
			w.ready()
			var c map[string]any
			if decodeClaims(w.t, a.ID, &c); c["email"] == nil || c["email_verified"] != false {
				w.t.Errorf("ID token: email_verified = %v of %v", c["email_verified"], c["email"])
			}
			p := w.userinfo(a.Access)
			if !strings.Contains(p.body, `"email_verified":false`) {
				w.t.Errorf("userinfo: %s", p.body)
			}
			return p
		}},
	}
	return rows
}

// presents is a row that presents something at userinfo that is not web's good access token.
func presents(id, name string, token func(*trial, tokenAnswer) string) row {
	return row{id: id, name: "access token " + name, status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
		a := w.tokens(webApp, "globex", "ann")
		if p := w.userinfo(a.Access); p.status != http.StatusOK {
			w.t.Errorf("the good one = %d", p.status)
		}
		w.ready()
		p := w.userinfo(token(w, a))
		if !strings.Contains(p.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			w.t.Errorf("WWW-Authenticate: %s", p.header.Get("WWW-Authenticate"))
		}
		return p
	}}
}

// signedAnew signs the claims of an access token again, with our own key and some of them changed; nil
// takes one out.
func signedAnew(alg, typ string, with map[string]any) func(*trial, tokenAnswer) string {
	return func(w *trial, a tokenAnswer) string {
		var c map[string]any
		decodeClaims(w.t, a.Access, &c)
		c["exp"], c["iat"] = int64(c["exp"].(float64)), int64(c["iat"].(float64))
		maps.Copy(c, with)
		maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
		token, err := w.signet.ring.Sign(w.t.Context(), alg, typ, c)
		if err != nil {
			w.t.Fatal(err)
		}
		return token
	}
}

// forged signs a token's claims with a key of ours that is not ours: the attacker's RSA key under the same
// name, or the published key taken for a shared secret.
func (w *trial) forged(token string, alg jose.SignatureAlgorithm, header map[jose.HeaderKey]any) string {
	w.t.Helper()
	var h struct{ Kid string }
	raw, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err := json.Unmarshal(raw, &h); err != nil || h.Kid == "" {
		w.t.Fatalf("kid of %s: %v", raw, err)
	}
	var key any
	if alg == jose.HS256 {
		key = w.signet.ring.JWKS()
	} else {
		own, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			w.t.Fatal(err)
		}
		key = own
	}
	opts := (&jose.SignerOptions{EmbedJWK: header != nil, ExtraHeaders: header}).WithType(keys.TypeAccess)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: h.Kid}}, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	var c map[string]any
	decodeClaims(w.t, token, &c)
	out, err := jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *trial) rotate() {
	w.t.Helper()
	if _, err := w.signet.ring.Rotate(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// rotation changes the keys while tokens are being used.
func rotation(w *trial) *page {
	a := w.tokens(webApp, "globex", "ann")
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for range 10 {
				if p := w.userinfo(a.Access); p.status != http.StatusOK {
					w.t.Errorf("userinfo while keys rotate = %d", p.status)
				}
			}
		})
	}
	old := string(w.signet.ring.JWKS())
	w.rotate()
	load.Wait()
	b := w.refresh(webApp, a.Refresh)
	if b.status != http.StatusOK || w.userinfo(b.Access).status != http.StatusOK {
		w.t.Errorf("after the rotation = %d %s", b.status, b.Error)
	}
	var was, is jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(old), &was); err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(w.browser().get("/jwks").body), &is); err != nil {
		w.t.Fatal(err)
	}
	for _, k := range was.Keys {
		if len(is.Key(k.KeyID)) != 1 {
			w.t.Errorf("key %s is not published any more", k.KeyID)
		}
	}
	for _, token := range []string{a.ID, b.ID} {
		t, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(is.Key(t.Headers[0].KeyID)) != 1 || (t.Headers[0].KeyID == is.Keys[0].KeyID) != (token == a.ID) {
			w.t.Errorf("signed by %s", t.Headers[0].KeyID)
		}
	}
	return nil
}

// keySet looks for private members in what is published.
func keySet(w *trial) *page {
	p := w.browser().get("/jwks")
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(p.body), &set); err != nil || len(set.Keys) < 3 {
		w.t.Errorf("%d keys: %v", len(set.Keys), err)
	}
	for _, k := range set.Keys {
		for name := range k {
			if !strings.Contains(" kty use alg kid n e crv x y ", " "+name+" ") || k["kty"] == "oct" {
				w.t.Errorf("a %v key tells %s", k["kty"], name)
			}
		}
	}
	return p
}
