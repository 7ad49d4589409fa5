package main

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// fapiProofs are about proofs, and codes that are bound to their key.
func fapiProofs() map[string]func(*fapi) {
	at := func(d time.Duration) func(*fapi) {
		return func(f *fapi) {
			q := f.request(nil)
			f.finish(q, f.arrive(f.pushed(q), nil), func(p *parts) { p.claims["iat"] = f.now().Add(d).Unix() })
		}
	}
	jkt := func(name string) url.Values { return url.Values{"dpop_jkt": {fapiKeys()[name].thumbprint()}} }
	return map[string]func(*fapi){
		"check-dpop-proof-nbf-exp": func(f *fapi) {
			q := f.request(nil)
			f.finish(q, f.arrive(f.pushed(q), nil), func(p *parts) {
				p.claims["nbf"], p.claims["exp"] = f.now().Unix(), f.now().Add(5*time.Minute).Unix()
			})
		},
		"ensure-dpopproof-with-iat-10seconds-before-succeeds": at(-10 * time.Second),
		"ensure-dpopproof-with-iat-10seconds-after-succeeds":  at(10 * time.Second),
		"ensure-dpop-auth-code-binding-success":               func(f *fapi) { f.flow(jkt("app")) },
		"ensure-dpopproof-at-par-endpoint-binding-success": func(f *fapi) {
			q := f.request(nil)
			once := f.parProof()
			f.finish(q, f.arrive(f.pushed(q, once), nil))
			f.bad(f.push(f.request(nil), f.assertion(), once), http.StatusBadRequest, "invalid_dpop_proof")
		},
		"ensure-mismatched-dpop-jkt-fails": func(f *fapi) {
			f.bad(f.push(f.request(jkt("other")), f.assertion(), f.parProof()), http.StatusBadRequest, "invalid_request", "invalid_dpop_proof")
			if a := f.push(f.request(jkt("app")), f.assertion(), f.parProof()); a.status != http.StatusCreated {
				f.t.Errorf("the same key both ways = %d %s", a.status, a.body)
			}
		},
		"ensure-token-endpoint-fails-with-mismatched-dpop-jkt": func(f *fapi) {
			f.otherKey(f.code(jkt("app")))
		},
		"ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt": func(f *fapi) {
			q := f.request(nil)
			f.otherKey(f.answer(q, f.arrive(f.pushed(q, f.parProof()), nil), "code").Get("code"))
		},
		"dpop-negative-tests": (*fapi).negativeProofs,
	}
}

// parProof is one for a push.
func (f *fapi) parProof() string { return f.proof(f.key, http.MethodPost, "/par", "") }

// otherKey redeems a code with a proof of another key than it is bound to.
func (f *fapi) otherKey(code string) {
	f.t.Helper()
	f.key = fapiKeys()["other"]
	f.bad(f.redeem(code, f.assertion(), nil, f.tokenProof()), http.StatusBadRequest, "invalid_grant", "invalid_dpop_proof", "invalid_request")
}

// negativeProofs presents one bound access token with all sorts of proofs (RFC 9449 §4.3, §7.1).
func (f *fapi) negativeProofs() {
	access := f.flow(nil).tokens.Access
	send := func(name string, want int, scheme string, proofs ...string) {
		if p := f.userinfoBy(scheme, access, proofs...); p.status != want {
			f.t.Errorf("%s = %v %s, want %d", name, p, p.header.Get("WWW-Authenticate"), want)
		}
	}
	good := func(spoils ...spoil) string { return f.proof(f.key, http.MethodGet, "/userinfo", access, spoils...) }
	htu := func(change func(string) string) spoil {
		return func(p *parts) { p.claims["htu"] = change(p.claims["htu"].(string)) }
	}
	iat := func(d time.Duration) spoil { return claim("iat", f.now().Add(d).Unix()) }
	for name, s := range map[string]spoil{
		"no typ": header("typ", nil), "no alg": header("alg", nil), "no jwk": header("jwk", nil), "no jti": claim("jti", nil), "no htm": claim("htm", nil),
		"no htu": claim("htu", nil), "no iat": claim("iat", nil), "no ath": claim("ath", nil), "typ": header("typ", "dpop"), "alg none": header("alg", "none"),
		"private jwk": header("jwk", jwk(f.key.key)), "htm": claim("htm", "PUT"), "htu": claim("htu", "https://other.example/userinfo"),
		"iat in an hour": iat(time.Hour), "iat an hour ago": iat(-time.Hour), "ath": claim("ath", strings.Repeat("A", 43)),
	} {
		send(name, http.StatusUnauthorized, "DPoP", good(s))
	}
	for name, s := range map[string]spoil{
		"htu with a query and a fragment": htu(func(s string) string { return s + "?a=b#c" }),
		"htu in another case":             htu(func(s string) string { return strings.Replace(s, "http://", "HTTP://", 1) }),
		"members that mean nothing":       func(p *parts) { p.header["x"], p.claims["x"] = "y", map[string]any{"y": 1} },
	} {
		send(name, http.StatusOK, "DPoP", good(s))
	}
	once := good()
	send("a proof", http.StatusOK, "DPoP", once)
	send("a proof a second time", http.StatusUnauthorized, "DPoP", once)
	send("two proofs", http.StatusUnauthorized, "DPoP", good(), good())
	send("no JWT", http.StatusUnauthorized, "DPoP", strings.TrimLeft(good(), "e"))
	send("another signature", http.StatusUnauthorized, "DPoP", flipped(good()))
	send("another key", http.StatusUnauthorized, "DPoP", f.proof(fapiKeys()["other"], http.MethodGet, "/userinfo", access))
	send("RS256", http.StatusUnauthorized, "DPoP", f.proof(fapiKeys()["RS256"], http.MethodGet, "/userinfo", access))
	send("no proof", http.StatusUnauthorized, "DPoP")
	send("as Bearer", http.StatusUnauthorized, "Bearer")
	send("as Bearer, with a proof", http.StatusUnauthorized, "Bearer", good())
}
