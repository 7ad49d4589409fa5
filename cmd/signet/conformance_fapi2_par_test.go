package main

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// fapiRequests are requests with something about them that is wrong, or that counts for nothing.
func fapiRequests() map[string]func(*fapi) {
	refused := func(with url.Values, codes ...string) func(*fapi) {
		return func(f *fapi) { f.bad(f.push(f.request(with), f.assertion()), http.StatusBadRequest, codes...) }
	}
	// beside stands outside of what was pushed.
	beside := func(inside, outside url.Values) func(*fapi) {
		return func(f *fapi) {
			q := f.request(inside)
			f.finish(q, f.arrive(f.pushed(q), outside))
		}
	}
	return map[string]func(*fapi){
		"ensure-different-nonce-inside-and-outside-request-object": beside(nil, url.Values{"nonce": {"outside"}}),
		"ensure-different-state-inside-and-outside-request-object": beside(nil, url.Values{"state": {"outside"}}),
		"state-only-outside-request-object-not-used":               beside(url.Values{"state": {""}}, url.Values{"state": {"outside"}}),
		"par-without-duplicate-parameters":                         beside(nil, nil),
		"ensure-request-object-without-redirect-uri-fails":         refused(url.Values{"redirect_uri": {""}}, "invalid_request"),
		"ensure-redirect-uri-in-authorization-request":             refused(url.Values{"redirect_uri": {""}}, "invalid_request"),
		"plain-fapi-tolerate-unregistered-redirect-uri":            refused(url.Values{"redirect_uri": {callbackURI + "/NKZLWAGBPQ"}}, "invalid_request"),
		"ensure-response-type-code-idtoken-fails":                  refused(url.Values{"response_type": {"code id_token"}}, "unsupported_response_type", "invalid_request"),
		"ensure-response-type-token-fails":                         refused(url.Values{"response_type": {"token"}}, "unsupported_response_type", "invalid_request"),
		"par-ensure-pkce-required":                                 refused(url.Values{"code_challenge": {""}, "code_challenge_method": {""}}, "invalid_request"),
		"par-plain-pkce-rejected":                                  refused(url.Values{"code_challenge": {verifier}, "code_challenge_method": {"plain"}}, "invalid_request"),
		"ensure-unsigned-authorization-request-without-using-par-fails": func(f *fapi) {
			q := f.request(nil)
			if got := f.refusal(q, f.open(q)); got != "invalid_request" {
				f.t.Errorf("error = %s", got)
			}
		},
		"par-authorization-request-containing-request_uri-form-param": func(f *fapi) {
			f.bad(f.push(f.request(url.Values{"request_uri": {f.pushed(f.request(nil))}}), f.assertion()), http.StatusBadRequest, "invalid_request", "invalid_request_object")
		},
		"par-attempt-invalid-http-method": func(f *fapi) {
			for _, method := range []string{http.MethodGet, http.MethodPut} {
				req := f.fromApp("/par", f.proven(f.request(nil), f.assertion()))
				req.Method = method
				if a := f.send(req); a.status != http.StatusMethodNotAllowed {
					f.t.Errorf("%s = %d %s", method, a.status, a.body)
				}
			}
		},
	}
}

// fapiPushed are names of pushed requests: for one login of one app, and not for long.
func fapiPushed() map[string]func(*fapi) {
	return map[string]func(*fapi){
		"par-ensure-reused-request-uri-prior-to-auth-completion-succeeds": func(f *fapi) {
			q := f.request(nil)
			uri := f.pushed(q)
			if p := f.browser.byURI(f.app, uri, nil); p.location == nil || !strings.HasPrefix(p.location.String(), f.globex.Issuer) {
				f.t.Fatalf("the first time: %v", p)
			}
			f.finish(q, f.arrive(uri, nil))
		},
		"par-attempt-reuse-request_uri": func(f *fapi) {
			q := f.request(nil)
			uri := f.pushed(q)
			f.finish(q, f.arrive(uri, nil))
			f.shown(f.arrive(uri, nil))
		},
		"par-attempt-to-use-expired-request_uri": func(f *fapi) {
			uri := f.pushed(f.request(nil))
			f.pass(2 * time.Minute)
			f.shown(f.arrive(uri, nil))
		},
		"par-attempt-to-use-request_uri-for-different-client": func(f *fapi) {
			uri := f.pushed(f.request(nil))
			f.app = fapiTwo
			f.shown(f.arrive(uri, nil))
		},
	}
}

// fapiAssertions are assertions of the app that must not be taken, or must be.
func fapiAssertions() map[string]func(*fapi) {
	is := func(name string, v func(f *fapi) any) func(*fapi) func(*draft) {
		return func(f *fapi) func(*draft) {
			return func(d *draft) {
				if d.claims[name] = v(f); d.claims[name] == nil {
					delete(d.claims, name)
				}
			}
		}
	}
	at := func(name string, d time.Duration) func(*fapi) func(*draft) {
		return is(name, func(f *fapi) any { return f.now().Add(d).Unix() })
	}
	push := func(change func(*fapi) func(*draft)) func(*fapi) {
		return func(f *fapi) {
			f.bad(f.push(f.request(nil), f.assertion(change(f))), http.StatusUnauthorized, "invalid_client")
		}
	}
	redeem := func(change func(*fapi) func(*draft)) func(*fapi) {
		return func(f *fapi) {
			code := f.code(nil)
			f.bad(f.redeem(code, f.assertion(change(f)), nil, f.tokenProof()), http.StatusUnauthorized, "invalid_client")
			f.good(f.redeem(code, f.assertion(), nil, f.tokenProof()), f.kind())
		}
	}
	byRS256 := func(*fapi) func(*draft) { return func(d *draft) { d.appKey = appKeys()["rs"] } }
	return map[string]func(*fapi){
		"ensure-signed-client-assertion-with-RS256-fails":                          redeem(byRS256),
		"ensure-client-assertion-with-exp-is-5-minutes-in-past-fails":              redeem(at("exp", -5*time.Minute)),
		"ensure-client-assertion-with-wrong-aud-fails":                             redeem(is("aud", func(*fapi) any { return "https://other.example" })),
		"ensure-client-assertion-with-no-sub-fails":                                redeem(is("sub", func(*fapi) any { return nil })),
		"par-test-array-as-audience-fails":                                         push(is("aud", func(f *fapi) any { return []string{f.URL} })),
		"par-test-par-endpoint-url-as-audience-fails":                              push(is("aud", func(f *fapi) any { return f.URL + "/par" })),
		"par-test-token-endpoint-url-as-audience-fails":                            push(is("aud", func(f *fapi) any { return f.URL + "/token" })),
		"par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails": push(at("nbf", 61*time.Second)),
		"par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted": func(f *fapi) {
			if a := f.push(f.request(nil), f.assertion(at("nbf", 8*time.Second)(f))); a.status != http.StatusCreated {
				f.t.Errorf("push = %d %s", a.status, a.body)
			}
		},
		"ensure-client-assertion-in-token-endpoint": func(f *fapi) {
			code := f.code(nil)
			f.bad(f.redeem(code, "", url.Values{"client_id": {f.app}}, f.tokenProof()), http.StatusUnauthorized, "invalid_client")
			f.bad(f.redeem(code, "", nil, f.tokenProof()), http.StatusUnauthorized, "invalid_client")
			f.good(f.redeem(code, f.assertion(), nil, f.tokenProof()), f.kind())
		},
		"ensure-client-id-in-token-endpoint": func(f *fapi) {
			code := f.code(nil)
			two := f.assertion(func(d *draft) { d.claims["iss"], d.claims["sub"] = fapiTwo, fapiTwo })
			f.bad(f.redeem(code, two, url.Values{"client_id": {fapiTwo}}, f.tokenProof()), http.StatusUnauthorized, "invalid_client")
			f.bad(f.redeem(code, f.assertion(), url.Values{"client_id": {fapiTwo}}, f.tokenProof()), http.StatusUnauthorized, "invalid_client")
			f.good(f.redeem(code, f.assertion(), url.Values{"client_id": {fapiApp}}, f.tokenProof()), f.kind())
		},
	}
}

// fapiCertificates are apps that prove themselves by certificates that are not theirs.
func fapiCertificates() map[string]func(*fapi) {
	return map[string]func(*fapi){
		"ensure-client-id-in-token-endpoint": func(f *fapi) {
			code, own := f.code(nil), f.parties[fapiTwo]
			f.app, f.parties[fapiTwo] = fapiTwo, f.parties[fapiApp]
			f.bad(f.redeem(code, "", nil, f.tokenProof()), http.StatusUnauthorized, "invalid_client")
			f.app, f.parties[fapiTwo] = fapiApp, own
			f.good(f.redeem(code, "", nil, f.tokenProof()), f.kind())
		},
	}
}

// fapiCodes are codes that come by another app, a second time, late, or without their verifier.
func fapiCodes() map[string]func(*fapi) {
	wrong := func(with url.Values) func(*fapi) {
		return func(f *fapi) {
			f.bad(f.redeem(f.code(nil), f.assertion(), with, f.tokenProof()), http.StatusBadRequest, "invalid_grant")
		}
	}
	return map[string]func(*fapi){
		"ensure-pkce-code-verifier-required":    wrong(url.Values{"code_verifier": {""}}),
		"incorrect-pkce-code-verifier-rejected": wrong(url.Values{"code_verifier": {strings.Repeat("w", 43)}}),
		"ensure-authorization-code-is-bound-to-client": func(f *fapi) {
			code := f.code(nil)
			f.app = fapiTwo
			f.bad(f.redeem(code, f.assertion(), nil, f.tokenProof()), http.StatusBadRequest, "invalid_grant")
		},
		"attempt-reuse-authorization-code-after-one-second": func(f *fapi) {
			r := f.flow(nil)
			f.pass(time.Second)
			f.bad(f.redeem(r.code, f.assertion(), nil, f.tokenProof()), http.StatusBadRequest, "invalid_grant")
			if p := f.resource(f.kind(), r.tokens.Access); p.status != http.StatusUnauthorized {
				f.t.Errorf("userinfo afterwards = %v", p)
			}
		},
		"ensure-token-endpoint-fails-with-expired-auth-code": func(f *fapi) {
			code := f.code(nil)
			f.pass(61 * time.Second)
			f.bad(f.redeem(code, f.assertion(), nil, f.tokenProof()), http.StatusBadRequest, "invalid_grant")
		},
		"ensure-holder-of-key-required": func(f *fapi) {
			code := f.code(nil)
			if f.bare = true; f.auth == byCertificate {
				f.bad(f.redeem(code, "", nil), http.StatusUnauthorized, "invalid_client")
				return
			}
			f.bad(f.redeem(code, f.assertion(), nil), http.StatusBadRequest, "invalid_request", "invalid_grant", "invalid_dpop_proof")
		},
	}
}
