package main

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// object is a request as the app signs it (RFC 9101, FAPI 2.0 Message Signing §5.3).
func (f *fapi) object(q url.Values) *draft {
	now := f.now()
	d := &draft{appKeys()["es"], map[jose.HeaderKey]any{jose.HeaderType: "oauth-authz-req+jwt"}, map[string]any{
		"iss": f.app, "aud": f.URL, "nbf": now.Unix(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}}
	if f.app == fapiTwo {
		d.appKey = appKeys()["unknown"]
	}
	for name := range q {
		d.claims[name] = q.Get(name)
	}
	return d
}

// answer is what the app gets; signed, it is verified by a client that nobody here wrote, and nothing stands beside it
// (JWT Secured Authorization Response Mode §4).
func (f *fapi) answer(q url.Values, p *page, want ...string) url.Values {
	f.t.Helper()
	if !f.signed {
		return f.module.answer(q, p, want...)
	}
	if p.location == nil || !strings.HasPrefix(p.location.String(), q.Get("redirect_uri")+"?") || len(p.location.Query()) != 1 {
		f.t.Fatalf("not sent to the app with a signed answer: %v", p)
	}
	t, err := f.rp.Verifier(&oidc.Config{ClientID: f.app, SupportedSigningAlgs: []string{"ES256"}, Now: f.now}).Verify(f.t.Context(), p.location.Query().Get("response"))
	if err != nil {
		f.t.Fatalf("answer: %v", err)
	}
	if life := t.Expiry.Sub(f.now()); life <= 0 || life > 10*time.Minute {
		f.t.Errorf("the answer is good for %v", life)
	}
	var c map[string]any
	if err := t.Claims(&c); err != nil {
		f.t.Fatal(err)
	}
	got := url.Values{}
	for name, v := range c {
		if name != "aud" && name != "exp" {
			got.Set(name, fmt.Sprint(v))
		}
	}
	known := append([]string{"iss", "state"}, want...)
	if got.Get("state") != q.Get("state") || got.Has("state") != q.Has("state") || got.Get("iss") != f.URL ||
		slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(name string) bool { return !slices.Contains(known, name) }) {
		f.t.Errorf("the answer says %v; asked with state %q", got, q.Get("state"))
	}
	for _, name := range want {
		if got.Get(name) == "" {
			f.t.Fatalf("the app got no %s: %v", name, got)
		}
	}
	return got
}

func (f *fapi) refusal(q url.Values, p *page) string {
	f.t.Helper()
	return f.answer(q, p, "error", "error_description").Get("error")
}

// pushObject pushes a request object as it is.
func (f *fapi) pushObject(d *draft) tokenAnswer {
	f.t.Helper()
	return f.send(f.fromApp("/par", f.proven(url.Values{"request": {d.sign()}}, f.assertion())))
}

// fapiObjects are request objects that must not be taken, or must be.
func fapiObjects() map[string]func(*fapi) {
	refused := func(change func(f *fapi, d *draft)) func(*fapi) {
		return func(f *fapi) {
			d := f.object(f.request(nil))
			change(f, d)
			f.bad(f.pushObject(d), http.StatusBadRequest, "invalid_request_object", "invalid_request")
		}
	}
	at := func(name string, after time.Duration) func(*fapi) {
		return refused(func(f *fapi, d *draft) { d.claims[name] = f.now().Add(after).Unix() })
	}
	return map[string]func(*fapi){
		"ensure-request-object-with-multiple-aud-succeeds": func(f *fapi) {
			q := f.request(nil)
			d := f.object(q)
			d.claims["aud"] = []string{"https://other.example", f.URL}
			a := f.pushObject(d)
			f.finish(q, f.arrive(f.uriOf(&page{status: a.status, body: a.body, url: &url.URL{Path: "/par"}}), nil))
		},
		"ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted": func(f *fapi) {
			d := f.object(f.request(nil))
			d.claims["nbf"] = f.now().Add(8 * time.Second).Unix()
			if a := f.pushObject(d); a.status != http.StatusCreated {
				f.t.Errorf("push = %d %s", a.status, a.body)
			}
		},
		"ensure-expired-request-object-fails":                   at("exp", -5*time.Minute),
		"ensure-request-object-with-exp-over-60-fails":          at("exp", 70*time.Minute),
		"ensure-request-object-with-nbf-over-60-fails":          at("nbf", -70*time.Minute),
		"ensure-request-object-without-exp-fails":               refused(func(_ *fapi, d *draft) { delete(d.claims, "exp") }),
		"ensure-request-object-without-nbf-fails":               refused(func(_ *fapi, d *draft) { delete(d.claims, "nbf") }),
		"ensure-request-object-with-bad-aud-fails":              refused(func(_ *fapi, d *draft) { d.claims["aud"] = "https://other.example" }),
		"ensure-signed-request-object-with-RS256-fails":         refused(func(_ *fapi, d *draft) { d.appKey = appKeys()["rs"] }),
		"ensure-request-object-signature-algorithm-is-not-none": refused(func(_ *fapi, d *draft) { d.appKey = appKey{alg: "none"} }),
		"ensure-matching-key-in-authorization-request":          refused(func(_ *fapi, d *draft) { d.appKey = appKeys()["unknown"] }),
		"ensure-request-object-with-invalid-signature-fails": func(f *fapi) {
			one, other := f.object(f.request(nil)).sign(), f.object(f.request(nil)).sign()
			mixed := other[:strings.LastIndex(other, ".")] + one[strings.LastIndex(one, "."):]
			a := f.send(f.fromApp("/par", f.proven(url.Values{"request": {mixed}}, f.assertion())))
			f.bad(a, http.StatusBadRequest, "invalid_request_object")
		},
		"par-authorization-request-containing-request_uri": refused(func(f *fapi, d *draft) {
			d.claims["request_uri"] = "urn:ietf:params:oauth:request_uri:" + rand.Text()
		}),
		"ensure-unsigned-request-at-par-endpoint-fails": func(f *fapi) {
			a := f.send(f.fromApp("/par", f.proven(f.request(nil), f.assertion())))
			f.bad(a, http.StatusBadRequest, "invalid_request", "invalid_request_object")
		},
	}
}
