package main

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
)

func dpopRows() []row {
	var rows []row
	for _, s := range []struct {
		id, name string
		spoil    spoil
	}{
		{"P-118", "no typ", header("typ", nil)},
		{"P-118", "typ JWT", header("typ", "JWT")},
		{"P-118", "typ at+jwt", header("typ", "at+jwt")},
		{"P-118", "no alg", header("alg", nil)},
		{"P-118", "no jwk", header("jwk", nil)},
		{"P-118", "no jti", claim("jti", nil)},
		{"P-118", "jti empty", claim("jti", "")},
		{"P-118", "jti of 129 bytes", claim("jti", strings.Repeat("j", 129))},
		{"P-118", "jti a number", claim("jti", 7)},
		{"P-118", "no htm", claim("htm", nil)},
		{"P-118", "no htu", claim("htu", nil)},
		{"P-118", "no iat", claim("iat", nil)},
		{"P-118", "iat a string", claim("iat", "1")},
		{"P-118", "iat negative", claim("iat", -1)},
		{"P-118", "iat beyond all times", claim("iat", 1e300)},
		{"P-118", "crit", header("crit", []string{"exp"})},
		{"P-118", "crit of b64", func(p *parts) { p.header["crit"], p.header["b64"] = []string{"b64"}, true }},
		{"P-119", "alg none", header("alg", "none")},
		{"P-119", "alg HS256", header("alg", "HS256")},
		{"P-119", "alg HS256 with its secret", func(p *parts) {
			p.header["alg"], p.header["jwk"] = "HS256", map[string]any{"kty": "oct", "k": "c2VjcmV0"}
		}},
		{"P-119", "alg of another sort of key", header("alg", "PS256")},
		{"P-119", "alg ES384", header("alg", "ES384")},
		{"P-121", "private key", header("jwk", jwk(provers()["ES256"].key))},
		{"P-121", "another key's jwk", header("jwk", jwk(provers()["other"].key.Public()))},
		{"P-121", "jwk that is no point", func(p *parts) {
			k := p.header["jwk"].(map[string]any)
			k["x"] = k["y"]
		}},
		{"P-121", "jwk a string", header("jwk", "x")},
		{"P-122", "htm of another method", claim("htm", "PATCH")},
		{"P-122", "htm in lower case", func(p *parts) { p.claims["htm"] = strings.ToLower(p.claims["htm"].(string)) }},
		{"P-123", "htu of another path", claim("htu", "/revoke")},
		{"P-123", "htu of another host", func(p *parts) {
			p.claims["htu"] = strings.Replace(p.claims["htu"].(string), "127.0.0.1", "127.0.0.2", 1)
		}},
		{"P-123", "htu by https", func(p *parts) { p.claims["htu"] = strings.Replace(p.claims["htu"].(string), "http:", "https:", 1) }},
		{"P-123", "htu with a slash more", func(p *parts) { p.claims["htu"] = p.claims["htu"].(string) + "/" }},
		{"P-123", "htu with a user", func(p *parts) { p.claims["htu"] = strings.Replace(p.claims["htu"].(string), "//", "//u@", 1) }},
		{"P-123", "htu not a URL", claim("htu", "::")},
		{"P-124", "iat an hour ago", func(p *parts) { p.claims["iat"] = p.claims["iat"].(int64) - 3600 }},
		{"P-124", "iat in an hour", func(p *parts) { p.claims["iat"] = p.claims["iat"].(int64) + 3600 }},
		{"P-124", "iat 63 s ago", func(p *parts) { p.claims["iat"] = p.claims["iat"].(int64) - 63 }},
		{"P-124", "iat in 15 s", func(p *parts) { p.claims["iat"] = p.claims["iat"].(int64) + 15 }},
		{"P-132", "proof of 20 KB", claim("padding", strings.Repeat("x", 20<<10))},
	} {
		rows = append(rows, atToken(s.id, s.name, s.spoil), atUserinfo(s.id, s.name, http.StatusUnauthorized, "invalid_dpop_proof", s.spoil))
	}
	for _, more := range [][]row{oddProofRows(), proofAtUserinfoRows(), nonceRows(), boundRows(), proofControls()} {
		rows = append(rows, more...)
	}
	return rows
}

// atToken is a row with something wrong about the proof of a redemption; the code is good afterwards.
func atToken(id, name string, spoils ...spoil) row {
	return row{id: id, name: name + ", at token", status: http.StatusBadRequest, reason: "invalid_dpop_proof", do: func(w *trial) *page {
		form := w.codeForm(webApp, nil)
		w.ready()
		return w.bound(webApp, form, w.proof(provers()["ES256"], http.MethodPost, "/token", "", spoils...)).page(w, "/token")
	}}
}

// atUserinfo is a row with something wrong about the proof that goes with a bound access token.
func atUserinfo(id, name string, status int, reason string, spoils ...spoil) row {
	return row{id: id, name: name + ", at userinfo", status: status, reason: reason, do: func(w *trial) *page {
		k := provers()["ES256"]
		a := w.boundTo(k, webApp)
		p := w.userinfoBy("DPoP", a.Access, w.proof(k, http.MethodGet, "/userinfo", a.Access, spoils...))
		if got := p.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "DPoP ") || !strings.Contains(got, `error="`+reason+`"`) {
			w.t.Errorf("WWW-Authenticate: %s", got)
		}
		return p
	}}
}

// oddProofRows are what is no proof at all, or comes too often.
func oddProofRows() []row {
	sent := func(id, name string, proofs func(w *trial, good string) []string) row {
		return row{id: id, name: name, status: http.StatusBadRequest, reason: "invalid_dpop_proof", do: func(w *trial) *page {
			form := w.codeForm(webApp, nil)
			w.ready()
			return w.bound(webApp, form, proofs(w, w.proof(provers()["ES256"], http.MethodPost, "/token", ""))...).page(w, "/token")
		}}
	}
	by := func(id, name, app, key string) row {
		return row{id: id, name: name, status: http.StatusBadRequest, reason: "invalid_dpop_proof", do: func(w *trial) *page {
			form := w.codeForm(app, nil)
			w.ready()
			return w.bound(app, form, w.proof(provers()[key], http.MethodPost, "/token", "")).page(w, "/token")
		}}
	}
	return []row{
		sent("P-118", "two headers", func(w *trial, good string) []string {
			return []string{good, w.proof(provers()["ES256"], http.MethodPost, "/token", "")}
		}),
		sent("P-118", "two proofs in a header", func(_ *trial, good string) []string { return []string{good + ", " + good} }),
		sent("P-118", "not a JWT", func(*trial, string) []string { return []string{"garbage"} }),
		sent("P-118", "empty", func(*trial, string) []string { return []string{""} }),
		sent("P-118", "as JSON", func(_ *trial, good string) []string {
			part := strings.Split(good, ".")
			return []string{`{"protected":"` + part[0] + `","payload":"` + part[1] + `","signature":"` + part[2] + `"}`}
		}),
		sent("P-118", "with a bit changed", func(_ *trial, good string) []string { return []string{flipped(good)} }),
		sent("P-118", "used before", func(w *trial, good string) []string {
			if a := w.bound(webApp, w.codeForm(webApp, nil), good); a.status != http.StatusOK {
				w.t.Errorf("the first time = %d %s", a.status, a.body)
			}
			w.ready()
			return []string{good}
		}),
		sent("P-118", "used before a restart", func(w *trial, good string) []string {
			if a := w.bound(webApp, w.codeForm(webApp, nil), good); a.status != http.StatusOK {
				w.t.Errorf("the first time = %d %s", a.status, a.body)
			}
			w.restart()
			w.ready()
			return []string{good}
		}),
		by("P-119", "RS256 of an app that must prove better", strictApp, "RS256"),
		by("P-119", "ES256 by a key of another curve", webApp, "P-384"),
		by("P-132", "RSA key of 1024 bits", webApp, "RSA-1024"),
		by("P-132", "RSA key of 4160 bits", webApp, "RSA-4160"),
		{id: "P-118", name: "none, of an app that must", status: http.StatusBadRequest, reason: "invalid_dpop_proof", do: func(w *trial) *page {
			form := w.codeForm(strictApp, nil)
			w.ready()
			return w.app(strictApp, "/token", form).page(w, "/token")
		}},
		{id: "P-132", name: "proof of 1 MB", status: http.StatusRequestHeaderFieldsTooLarge, harsh: true, do: func(w *trial) *page {
			w.ready()
			a := w.bound(webApp, refreshForm("x"), strings.Repeat("x", 1<<20))
			if a.status == http.StatusRequestHeaderFieldsTooLarge {
				return nil
			}
			return a.page(w, "/token")
		}},
		{id: "P-132", name: "RSA key of 16384 bits", status: http.StatusBadRequest, reason: "invalid_dpop_proof", do: hugeKey},
	}
}

// hugeKey sends a key that takes long to verify with.
func hugeKey(w *trial) *page {
	n := append([]byte{0xc0}, bytes.Repeat([]byte{0x5b}, 2046)...)
	n = append(n, 0x01)
	key := map[string]any{"kty": "RSA", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(n)}
	proof := w.proof(provers()["PS256"], http.MethodPost, "/token", "", header("jwk", key))
	form := w.codeForm(webApp, nil)
	w.ready()
	start := time.Now()
	p := w.bound(webApp, form, proof).page(w, "/token")
	if took := time.Since(start); took > 20*time.Millisecond && !raceEnabled {
		w.t.Errorf("refused after %v", took)
	}
	return p
}

// proofAtUserinfoRows are about an access token and the proof that belongs to it.
func proofAtUserinfoRows() []row {
	by := func(id, name, reason, scheme string, do func(w *trial, a tokenAnswer) []string) row {
		return row{id: id, name: name, status: http.StatusUnauthorized, reason: reason, do: func(w *trial) *page {
			a := w.boundTo(provers()["ES256"], webApp)
			return w.userinfoBy(scheme, a.Access, do(w, a)...)
		}}
	}
	good := func(w *trial, a tokenAnswer) []string {
		return []string{w.proof(provers()["ES256"], http.MethodGet, "/userinfo", a.Access)}
	}
	return []row{
		atUserinfo("P-126", "ath of another token", http.StatusUnauthorized, "invalid_dpop_proof", claim("ath", strings.Repeat("A", 43))),
		atUserinfo("P-126", "no ath", http.StatusUnauthorized, "invalid_dpop_proof", claim("ath", nil)),
		atUserinfo("P-126", "the token itself as ath", http.StatusUnauthorized, "invalid_dpop_proof", claim("ath", "token")),
		by("P-127", "proof by another key", "invalid_token", "DPoP", func(w *trial, a tokenAnswer) []string {
			return []string{w.proof(provers()["other"], http.MethodGet, "/userinfo", a.Access)}
		}),
		by("P-128", "bound token as Bearer", "invalid_token", "Bearer", func(*trial, tokenAnswer) []string { return nil }),
		by("P-128", "bound token as Bearer with a proof", "invalid_token", "Bearer", good),
		by("P-128", "bound token without a proof", "invalid_dpop_proof", "DPoP", func(*trial, tokenAnswer) []string { return nil }),
		by("P-128", "bound token with two proofs", "invalid_dpop_proof", "DPoP", func(w *trial, a tokenAnswer) []string { return append(good(w, a), good(w, a)...) }),
		by("P-128", "proof used before", "invalid_dpop_proof", "DPoP", func(w *trial, a tokenAnswer) []string {
			once := good(w, a)
			if p := w.userinfoBy("DPoP", a.Access, once...); p.status != http.StatusOK {
				w.t.Errorf("the first time = %d %s", p.status, p.body)
			}
			return once
		}),
		{id: "P-128", name: "bound token in the form", status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			return w.browser().post("/userinfo", url.Values{"access_token": {w.boundTo(provers()["ES256"], webApp).Access}})
		}},
		{id: "P-128", name: "anybody's token by a proof", status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.ready()
			return w.userinfoBy("DPoP", a.Access, w.proof(provers()["ES256"], http.MethodGet, "/userinfo", a.Access))
		}},
	}
}

// nonceRows are about nonces of ours.
func nonceRows() []row {
	k := provers()["ES256"]
	// ours asks for one.
	ours := func(w *trial) string {
		a := w.bound(freshApp, refreshForm("x"), w.proof(k, http.MethodPost, "/token", ""))
		n := a.header.Get("DPoP-Nonce")
		if a.Error != "use_dpop_nonce" || n == "" {
			w.t.Fatalf("%d %s, nonce %q", a.status, a.body, n)
		}
		return n
	}
	with := func(name string, nonce func(*trial) any) row {
		return row{id: "P-129", name: name, status: http.StatusBadRequest, reason: "use_dpop_nonce", do: func(w *trial) *page {
			form := w.codeForm(freshApp, nil)
			n := nonce(w)
			w.ready()
			p := w.bound(freshApp, form, w.proof(k, http.MethodPost, "/token", "", claim("nonce", n))).page(w, "/token")
			if p.header.Get("DPoP-Nonce") == "" {
				w.t.Error("no nonce is offered")
			}
			return p
		}}
	}
	return []row{
		with("no nonce", func(*trial) any { return nil }),
		with("nonce of nobody", func(*trial) any { return "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }),
		with("nonce too short", func(*trial) any { return "AA" }),
		with("nonce with a bit changed", func(w *trial) any { return flipped(ours(w)) }),
		with("nonce with another time", func(w *trial) any {
			raw, _ := base64.RawURLEncoding.DecodeString(ours(w))
			raw[7] ^= 1
			return base64.RawURLEncoding.EncodeToString(raw)
		}),
		with("old nonce", func(w *trial) any {
			n := ours(w)
			w.pass(7 * time.Minute)
			return n
		}),
		{id: "P-129", name: "no nonce at userinfo", status: http.StatusUnauthorized, reason: "use_dpop_nonce", do: func(w *trial) *page {
			a := w.bound(freshApp, w.codeForm(freshApp, nil), w.proof(k, http.MethodPost, "/token", "", claim("nonce", ours(w))))
			w.ready()
			p := w.userinfoBy("DPoP", a.Access, w.proof(k, http.MethodGet, "/userinfo", a.Access))
			if n := p.header.Get("DPoP-Nonce"); n == "" || !strings.Contains(p.header.Get("WWW-Authenticate"), "use_dpop_nonce") {
				w.t.Errorf("nonce %q, %s", n, p.header.Get("WWW-Authenticate"))
			}
			return p
		}},
		{id: "P-129", name: "nonce of ours", control: true, status: http.StatusOK, do: func(w *trial) *page {
			n := ours(w)
			w.pass(4 * time.Minute)
			a := w.bound(freshApp, w.codeForm(freshApp, nil), w.proof(k, http.MethodPost, "/token", "", claim("nonce", n)))
			next := a.header.Get("DPoP-Nonce")
			if a.status != http.StatusOK || next == "" || next == n {
				w.t.Errorf("%d %s, next nonce %q", a.status, a.Error, next)
			}
			return w.userinfoBy("DPoP", a.Access, w.proof(k, http.MethodGet, "/userinfo", a.Access, claim("nonce", next)))
		}},
	}
}

// boundRows are grants that are bound to a key.
func boundRows() []row {
	k, other := provers()["ES256"], provers()["other"]
	refreshBy := func(name, app string, proofs func(*trial) []string) row {
		return row{id: "P-131", name: name, status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			a := w.boundTo(k, app)
			p := w.bound(app, refreshForm(a.Refresh), proofs(w)...).page(w, "/token")
			b := w.bound(app, refreshForm(a.Refresh), w.proof(k, http.MethodPost, "/token", ""))
			c := w.bound(app, refreshForm(b.Refresh), proofs(w)...)
			if b.status != http.StatusOK || c.Error != "invalid_grant" {
				w.t.Errorf("its own key = %d %s, another for the successor = %d %s", b.status, b.Error, c.status, c.Error)
			}
			return p
		}}
	}
	codeBy := func(name string, proofs func(*trial) []string) row {
		return row{id: "P-131", name: name, status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			form := w.codeForm(webApp, url.Values{"dpop_jkt": {k.thumbprint()}})
			w.ready()
			return w.bound(webApp, form, proofs(w)...).page(w, "/token")
		}}
	}
	none := func(*trial) []string { return nil }
	another := func(w *trial) []string { return []string{w.proof(other, http.MethodPost, "/token", "")} }
	return []row{
		refreshBy("refresh with another key", publicApp, another),
		refreshBy("refresh without a key", publicApp, none),
		codeBy("code for a key, by another", another),
		codeBy("code for a key, by none", none),
		{id: "P-131", name: "dpop_jkt that is no thumbprint", status: http.StatusSeeOther, reason: "invalid_request", do: func(w *trial) *page {
			return w.browser().authorize(webApp, url.Values{"dpop_jkt": {"x"}})
		}},
		{id: "P-131", name: "two dpop_jkt", status: http.StatusSeeOther, reason: "invalid_request", do: func(w *trial) *page {
			return w.browser().authorize(webApp, url.Values{"dpop_jkt": {k.thumbprint(), other.thumbprint()}})
		}},
		{id: "P-131", name: "code for a key, by it", control: true, status: http.StatusOK, do: func(w *trial) *page {
			form := w.codeForm(webApp, url.Values{"dpop_jkt": {k.thumbprint()}})
			a := w.bound(webApp, form, w.proof(k, http.MethodPost, "/token", ""))
			if a.Type != "DPoP" {
				w.t.Errorf("%d %s", a.status, a.body)
			}
			return a.page(w, "/token")
		}},
		{id: "P-131", name: "refresh of an app with a secret, with another key", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.boundTo(k, webApp)
			b := w.bound(webApp, refreshForm(a.Refresh), w.proof(other, http.MethodPost, "/token", ""))
			return w.userinfoBy("DPoP", b.Access, w.proof(other, http.MethodGet, "/userinfo", b.Access))
		}},
		{id: "P-131", name: "its own token and its proof", control: true, status: http.StatusOK, do: func(w *trial) *page {
			form := url.Values{"grant_type": {"client_credentials"}, "resource": {ordersAPI}}
			a := w.bound(selfApp, form, w.proof(k, http.MethodPost, "/token", ""))
			if c := w.active(w.inspect(ordersAPI, a.Access)); c["token_type"] != "DPoP" || c["cnf"].(map[string]any)["jkt"] != k.thumbprint() {
				w.t.Errorf("introspection: %v", c)
			}
			return a.page(w, "/token")
		}},
	}
}

// proofControls are honest proofs as they really come.
func proofControls() []row {
	var rows []row
	for _, alg := range []string{"ES256", "PS256", "EdDSA", "RS256"} {
		rows = append(rows, row{id: "P-119", name: "honest " + alg, control: true, status: http.StatusOK, do: func(w *trial) *page {
			k := provers()[alg]
			a := w.boundTo(k, webApp)
			var c struct {
				Confirmation map[string]string `json:"cnf"`
			}
			if decodeClaims(w.t, a.Access, &c); c.Confirmation["jkt"] != k.thumbprint() {
				w.t.Errorf("cnf = %v", c.Confirmation)
			}
			return w.userinfoBy("DPoP", a.Access, w.proof(k, http.MethodGet, "/userinfo", a.Access))
		}})
	}
	for name, s := range map[string]spoil{
		"htu with a query and a fragment": func(p *parts) { p.claims["htu"] = p.claims["htu"].(string) + "?a=b#c" },
		"htu with its scheme in capitals": func(p *parts) { p.claims["htu"] = strings.Replace(p.claims["htu"].(string), "http", "HTTP", 1) },
		"iat 50 s ago":                    func(p *parts) { p.claims["iat"] = p.claims["iat"].(int64) - 50 },
		"iat in 8 s, with a fraction":     func(p *parts) { p.claims["iat"] = float64(p.claims["iat"].(int64)) + 8.5 },
		"members of nobody":               func(p *parts) { p.claims["x"], p.header["kid"] = "y", "z" },
	} {
		rows = append(rows, row{id: "P-123", name: name, control: true, status: http.StatusOK, do: func(w *trial) *page {
			k := provers()["ES256"]
			a := w.bound(webApp, w.codeForm(webApp, nil), w.proof(k, http.MethodPost, "/token", "", s))
			if a.Type != "DPoP" {
				w.t.Errorf("%d %s", a.status, a.body)
			}
			return w.userinfoBy("DPoP", a.Access, w.proof(k, http.MethodGet, "/userinfo", a.Access, s))
		}})
	}
	return append(rows, row{id: "P-118", name: "an app that must prove", control: true, status: http.StatusOK, do: func(w *trial) *page {
		return w.bound(strictApp, w.codeForm(strictApp, nil), w.proof(provers()["ES256"], http.MethodPost, "/token", "")).page(w, "/token")
	}})
}
