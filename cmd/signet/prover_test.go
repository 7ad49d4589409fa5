package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

const (
	strictApp = "strict" // must prove a key
	freshApp  = "fresh"  // must use our nonces
)

// prover has a key and makes proofs of it, as wrong as is wanted.
type prover struct {
	alg string
	key crypto.Signer
}

// provers are made once: RSA keys take their time.
var provers = sync.OnceValue(func() map[string]prover {
	must := func(k crypto.Signer, err error) crypto.Signer {
		if err != nil {
			panic(err)
		}
		return k
	}
	all := map[string]prover{}
	for _, name := range []string{"ES256", "other"} {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		all[name] = prover{"ES256", must(k, err)}
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	all["P-384"] = prover{"ES256", must(p384, err)}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	all["EdDSA"] = prover{"EdDSA", must(ed, err)}
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	all["PS256"], all["RS256"] = prover{"PS256", must(rsa2048, err)}, prover{"RS256", must(rsa2048, err)}
	rsa1024, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // too small on purpose
	all["RSA-1024"] = prover{"PS256", must(rsa1024, err)}
	// Too large on purpose, and kept in a file: making one takes up to a minute. It guards nothing.
	text, err := os.ReadFile("testdata/rsa4160.pem")
	if err != nil {
		panic(err)
	}
	block, _ := pem.Decode(text)
	rsa4160, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	all["RSA-4160"] = prover{"PS256", must(rsa4160, err)}
	return all
})

// jwk is a key as a proof's header shows it.
func jwk(key any) map[string]any {
	raw, err := jose.JSONWebKey{Key: key}.MarshalJSON()
	if err != nil {
		panic(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		panic(err)
	}
	return m
}

func (p prover) thumbprint() string {
	sum, err := (&jose.JSONWebKey{Key: p.key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// parts of a proof, before it is signed. nil takes a member out.
type parts struct{ header, claims map[string]any }

// spoil is what a row changes.
type spoil func(*parts)

func header(name string, v any) spoil { return func(p *parts) { p.header[name] = v } }
func claim(name string, v any) spoil  { return func(p *parts) { p.claims[name] = v } }

// proof makes a proof for a request, and for an access token where there is one.
func (w *world) proof(p prover, method, path, access string, spoils ...spoil) string {
	w.t.Helper()
	x := &parts{
		map[string]any{"typ": "dpop+jwt", "alg": p.alg, "jwk": jwk(p.key.Public())},
		map[string]any{"jti": rand.Text(), "htm": method, "htu": w.URL + path, "iat": w.now().Unix()},
	}
	if access != "" {
		sum := sha256.Sum256([]byte(access))
		x.claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	for _, s := range spoils {
		s(x)
	}
	for _, m := range []map[string]any{x.header, x.claims} {
		for k, v := range m {
			if v == nil {
				delete(m, k)
			}
		}
	}
	return p.sign(x)
}

func (p prover) sign(x *parts) string {
	part := func(m map[string]any) string {
		raw, err := json.Marshal(m)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	input := part(x.header) + "." + part(x.claims)
	alg, _ := x.header["alg"].(string)
	return input + "." + base64.RawURLEncoding.EncodeToString(p.signature(alg, []byte(input)))
}

func (p prover) signature(alg string, input []byte) []byte {
	sum := sha256.Sum256(input)
	var out []byte
	var err error
	switch k := p.key.(type) {
	case *ecdsa.PrivateKey:
		switch alg {
		case "none":
			return nil
		case "HS256":
			mac := hmac.New(sha256.New, []byte("secret"))
			mac.Write(input)
			return mac.Sum(nil)
		}
		var r, s *big.Int
		r, s, err = ecdsa.Sign(rand.Reader, k, sum[:])
		size := (k.Params().BitSize + 7) / 8
		out = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case ed25519.PrivateKey:
		out = ed25519.Sign(k, input)
	case *rsa.PrivateKey:
		if alg == "RS256" {
			out, err = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:])
		} else {
			out, err = rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
	}
	if err != nil {
		panic(err)
	}
	return out
}

// bound posts to the token endpoint with proofs.
func (w *world) bound(app string, form url.Values, proofs ...string) tokenAnswer {
	w.t.Helper()
	b := w.browser()
	req := b.request(http.MethodPost, "/token", form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if app == publicApp {
		form.Set("client_id", app)
		req = b.request(http.MethodPost, "/token", form.Encode())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		req.SetBasicAuth(app, appSecret)
	}
	req.Header["Dpop"] = proofs
	return w.send(req)
}

// codeForm is an honest redemption.
func (w *trial) codeForm(app string, with url.Values) url.Values {
	w.t.Helper()
	return url.Values{"grant_type": {"authorization_code"}, "code": {w.code(app, with)}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

// boundTo signs ann in with a proof of a key.
func (w *trial) boundTo(p prover, app string) tokenAnswer {
	w.t.Helper()
	a := w.bound(app, w.codeForm(app, nil), w.proof(p, http.MethodPost, "/token", ""))
	if a.status != http.StatusOK || a.Type != "DPoP" {
		w.t.Fatalf("token = %d %s", a.status, a.body)
	}
	w.ready()
	return a
}

// userinfoBy presents a token with proofs, by a scheme.
func (w *world) userinfoBy(scheme, access string, proofs ...string) *page {
	w.t.Helper()
	b := w.browser()
	req := b.request(http.MethodGet, "/userinfo", "")
	req.Header.Set("Authorization", scheme+" "+access)
	req.Header["Dpop"] = proofs
	return b.do(req)
}
