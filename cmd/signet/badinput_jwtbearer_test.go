package main

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	bearerType = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	deployApp  = "deploy" // brings assertions of every trusted issuer
	idleApp    = "idle"   // has the grant, and no issuer

	buildIssuer   = "https://build.example"   // of services
	partnerIssuer = "https://partner.example" // of globex' people
	farIssuer     = "https://far.example"     // publishes its keys
	openIssuer    = "https://open.example"    // of globex' people, who become users
)

func issuerApps(has string) string {
	return "  - {id: deploy, " + has + `, grants: ["` + bearerType + `"]}
  - {id: idle, ` + has + `, grants: ["` + bearerType + `"]}
  - {id: corponly, ` + has + `, providers: [hooli], grants: ["` + bearerType + `"]}
`
}

// withIssuers adds issuers whose assertions are taken.
func withIssuers(text string) string {
	return text + `
trusted_issuers:
  - {id: build, issuer: "https://build.example", apps: [deploy], subjects: ["repo:acme/*", "nightly"], jwks: ` + publicKeys("es", "rs") + `}
  - {id: partner, issuer: "https://partner.example", apps: [deploy, corponly], provider: globex, algs: [ES256], jwks: ` + publicKeys("es", "rs") + `}
  - {id: far, issuer: "https://far.example", apps: [deploy], subjects: ["*"], jwks_uri: "` + farKeys().URL + `/keys"}
  - {id: open, issuer: "https://open.example", apps: [deploy], provider: globex, create: true, jwks: ` + publicKeys("es") + `}
`
}

// says is an honest assertion of a trusted issuer.
func (w *world) says(issuer, sub string) *draft {
	d := w.draft(issuer)
	d.claims["sub"] = sub
	return d
}

func (w *world) bring(app, assertion string, with url.Values) tokenAnswer {
	w.t.Helper()
	f := url.Values{"grant_type": {bearerType}, "assertion": {assertion}, "resource": {ordersAPI}}
	for k, v := range with {
		f[k] = v
	}
	return w.app(app, "/token", f)
}

// brings is a row of an assertion about ann, who is globex', that change has spoiled.
func brings(id, name string, change func(w *trial, d *draft)) row {
	return row{id: id, name: "jwt-bearer: an assertion " + name, status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
		w.tokens(webApp, "globex", "ann")
		d := w.says(partnerIssuer, "ann")
		change(w, d)
		w.ready()
		return w.bring(deployApp, d.sign(), nil).page(w, "/token")
	}}
}

// builds is a row of an assertion about a service.
func builds(name, app, sub, reason string, with url.Values) row {
	r := row{id: "P-69", name: "jwt-bearer: a service " + name, status: http.StatusBadRequest, reason: reason}
	if reason == "" {
		r.control, r.status = true, http.StatusOK
	}
	r.do = func(w *trial) *page { return w.bring(app, w.says(buildIssuer, sub).sign(), with).page(w, "/token") }
	return r
}

func bearerGrantRows() []row {
	rows := append(bearerClaimRows(), bearerUseRows()...)
	return append(rows,
		builds("of a subject that is not taken", deployApp, "repo:evil/x", "invalid_grant", nil),
		builds("whose subject only begins as one that is taken", deployApp, "nightly2", "invalid_grant", nil),
		builds("that another app brings", idleApp, "nightly", "invalid_grant", nil),
		builds("that an app without the grant brings", webApp, "nightly", "unauthorized_client", nil),
		builds("at another app's API", deployApp, "nightly", "invalid_target", url.Values{"resource": {payrollAPI}}),
		builds("with another app's scope", deployApp, "nightly", "invalid_scope", url.Values{"scope": {"payroll:run"}}),
		builds("with two scopes", deployApp, "nightly", "invalid_request", url.Values{"scope": {"orders:read", "orders:write"}}),
		builds("and no assertion", deployApp, "nightly", "invalid_request", url.Values{"assertion": {""}}),
		builds("named in full", deployApp, "nightly", "", nil),
		builds("named by its beginning", deployApp, "repo:acme/shop", "", nil),
	)
}

func bearerClaimRows() []row {
	is := func(name string, v any) func(*trial, *draft) {
		return func(_ *trial, d *draft) { d.claims[name] = v }
	}
	without := func(name string) func(*trial, *draft) { return func(_ *trial, d *draft) { delete(d.claims, name) } }
	at := func(name string, after time.Duration) func(*trial, *draft) {
		return func(w *trial, d *draft) { d.claims[name] = w.now().Add(after).Unix() }
	}
	key := func(name string) func(*trial, *draft) { return func(_ *trial, d *draft) { d.appKey = appKeys()[name] } }
	return []row{
		brings("P-69", "of an issuer of nobody", is("iss", "https://evil.example")),
		brings("P-69", "of an issuer with a slash more", is("iss", partnerIssuer+"/")),
		brings("P-69", "without iss", without("iss")),
		brings("P-69", "about nobody", is("sub", "")),
		brings("P-69", "without sub", without("sub")),
		brings("P-69", "about somebody with a line feed", is("sub", "ann\n")),
		brings("P-69", "about somebody who has never been here", is("sub", "carol")),
		brings("P-69", "about somebody of 300 bytes", is("sub", strings.Repeat("a", 300))),
		brings("P-69", "for a list", func(w *trial, d *draft) { d.claims["aud"] = []string{w.URL} }),
		brings("P-69", "for the token endpoint", func(w *trial, d *draft) { d.claims["aud"] = w.URL + "/token" }),
		brings("P-69", "for another server", is("aud", "https://other.example")),
		brings("P-69", "for nobody", without("aud")),
		brings("P-68", "without exp", without("exp")),
		brings("P-68", "that expired", at("exp", -time.Second)),
		brings("P-68", "good for six minutes", at("exp", 6*time.Minute)),
		brings("P-68", "not good for another minute", at("nbf", 61*time.Second)),
		brings("P-68", "issued a minute from now", at("iat", 61*time.Second)),
		brings("P-71", "without jti", without("jti")),
		brings("P-71", "with a jti of 300 bytes", is("jti", strings.Repeat("a", 300))),
		brings("P-72", "by a stranger's key", key("stranger")),
		brings("P-72", "by a key that is not there", key("unknown")),
		brings("P-72", "by an algorithm that it may not use", key("rs")),
		brings("P-72", "unsigned", func(_ *trial, d *draft) { d.alg = "none" }),
		brings("P-72", "signed by a secret", func(_ *trial, d *draft) { d.appKey = secretKey(publicKeys("es")) }),
		brings("P-73", "that is an access token", func(_ *trial, d *draft) { d.header[jose.HeaderType] = "at+jwt" }),
		brings("P-73", "that is a client assertion", func(_ *trial, d *draft) { d.header[jose.HeaderType] = "client-authentication+jwt" }),
	}
}

// bearerUseRows are what becomes of good assertions.
func bearerUseRows() []row {
	return []row{
		{id: "P-71", name: "jwt-bearer: an assertion that comes again", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			w.tokens(webApp, "globex", "ann")
			raw := w.says(partnerIssuer, "ann").sign()
			if a := w.bring(deployApp, raw, nil); a.status != http.StatusOK {
				w.t.Errorf("the first time: %s", a.body)
			}
			w.ready()
			return w.bring(deployApp, raw, nil).page(w, "/token")
		}},
		{id: "P-71", name: "jwt-bearer: one assertion, eight times at once", do: func(w *trial) *page {
			raw, good := w.says(buildIssuer, "nightly").sign(), make(chan bool, 8)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() { good <- w.bring(deployApp, raw, nil).status == http.StatusOK })
			}
			all.Wait()
			n := 0
			for range 8 {
				if <-good {
					n++
				}
			}
			if n != 1 {
				w.t.Errorf("%d were taken", n)
			}
			return nil
		}},
		{id: "P-136", name: "jwt-bearer: a person whose provider the app may not use", status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			w.tokens(webApp, "globex", "ann")
			w.ready()
			return w.bring("corponly", w.says(partnerIssuer, "ann").sign(), nil).page(w, "/token")
		}},
		{id: "P-69", name: "jwt-bearer: a person", control: true, status: http.StatusOK, do: func(w *trial) *page {
			var user struct{ Sub string }
			decodeClaims(w.t, w.tokens(webApp, "globex", "ann").ID, &user)
			a := w.bring(deployApp, w.says(partnerIssuer, "ann").sign(), url.Values{"scope": {"openid orders:read offline_access"}})
			w.claimsAre(a.Access, map[string]any{"sub": user.Sub, "aud": ordersAPI, "client_id": deployApp, "scope": "orders:read", "auth_time": "", "amr": ""})
			w.active(w.inspect(ordersAPI, a.Access))
			if a.Refresh != "" || a.ID != "" || strings.Contains(a.body, "issued_token_type") {
				w.t.Errorf("%s", a.body)
			}
			return a.page(w, "/token")
		}},
		{id: "P-69", name: "jwt-bearer: a person who is made a user", control: true, status: http.StatusOK, do: func(w *trial) *page {
			d := w.says(openIssuer, "dora")
			d.claims["email"] = "dora@globex.example"
			a := w.bring(deployApp, d.sign(), url.Values{"resource": {w.URL}, "scope": {"openid email"}})
			if p := w.userinfo(a.Access); !strings.Contains(p.body, `"email":"dora@globex.example"`) {
				w.t.Errorf("userinfo = %s", p.body)
			}
			return a.page(w, "/token")
		}},
		{id: "P-69", name: "jwt-bearer: a service whose issuer publishes its keys", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.bring(deployApp, w.says(farIssuer, "x").sign(), nil)
			w.claimsAre(a.Access, map[string]any{"sub": "far:x", "aud": ordersAPI, "client_id": deployApp, "scope": "orders:read orders:write", "sid": "", "auth_time": ""})
			w.active(w.inspect(ordersAPI, a.Access))
			w.active(w.inspect(deployApp, a.Access))
			return a.page(w, "/token")
		}},
		{id: "P-93", name: "jwt-bearer: the token of a service at userinfo", status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			return w.userinfo(w.bring(deployApp, w.says(buildIssuer, "nightly").sign(), url.Values{"resource": {w.URL}, "scope": {"openid"}}).Access)
		}},
		{id: "P-133", name: "exchange of the token of a service", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			return w.swap(swapApp, w.bring(deployApp, w.says(buildIssuer, "nightly").sign(), nil).Access, nil).page(w, "/token")
		}},
		nameless("without a name", ""),
		nameless("with a line feed in its name", "a\nb"),
		nameless("with a name of 300 bytes", strings.Repeat("a", 300)),
		distrusted("whose issuer takes it no more", `"nightly"]`, `"weekly"]`),
		distrusted("whose app may not bring it any more", `apps: [deploy], subjects: ["repo`, `apps: [idle], subjects: ["repo`),
		distrusted("whose app has not got the grant any more", `grants: ["`+bearerType+`"]`, `grants: [authorization_code]`),
	}
}

// nameless is a row of a service that nobody can be called like, of an issuer all of whose subjects are taken.
func nameless(name, sub string) row {
	return row{id: "P-69", name: "jwt-bearer: a service " + name, status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
		return w.bring(deployApp, w.says(farIssuer, sub).sign(), nil).page(w, "/token")
	}}
}

// distrusted is a token of a service that would not be issued any more.
func distrusted(name, was, is string) row {
	return row{id: "P-96", name: "inactive at once: of a service " + name, fresh: true, status: http.StatusOK, do: func(w *trial) *page {
		a := w.bring(deployApp, w.says(buildIssuer, "nightly").sign(), nil)
		w.active(w.inspect(ordersAPI, a.Access))
		w.reconfigure(was, is)
		w.ready()
		return w.inactive(w.inspect(ordersAPI, a.Access))
	}}
}
