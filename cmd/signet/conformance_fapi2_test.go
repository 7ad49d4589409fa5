package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The apps of the FAPI 2.0 Security Profile plan: private_key_jwt, DPoP, PAR, OpenID Connect.
const (
	fapiApp    = "fapi"
	fapiTwo    = "fapi-two" // has another key
	fapiPrefix = "fapi2-security-profile-final-"
)

// variant is how the plans' apps prove themselves, how their tokens are bound, and what of their messages is signed.
type variant struct {
	auth, bound   string // byKey or byCertificate
	signs, signed bool   // their requests (JAR), the answers to them (JARM)
}

const (
	byKey         = "key" // private_key_jwt, DPoP
	byCertificate = "mtls"
)

// config adds the plan's apps. folder is where their certificates are.
func (v variant) config(folder string) func(string) string {
	app := func(id, keys string) string {
		line := "  - {id: " + id + ", assertion_algs: [PS256, ES256], require_par: true, redirect_uris: [" + callbackURI + "], providers: [globex], tokens: {signing: ES256}, jwks: " + keys
		if v.auth == byKey {
			line += ", auth: private_key_jwt"
		} else {
			line += ", auth: self_signed_tls_client_auth, certificate_files: ['" + folder + "/" + id + ".pem']"
		}
		if v.bound == byKey {
			line += ", dpop: required"
		} else {
			line += ", certificate_bound: true"
		}
		return line + map[bool]string{true: ", require_signed_request: true"}[v.signs] + "}\n"
	}
	apps := "apps:\n" + app(fapiApp, publicKeys("es", "rs")) + app(fapiTwo, publicKeys("unknown"))
	if v.auth == byCertificate || v.bound == byCertificate {
		apps = "trusted_proxies: [127.0.0.1]\nclient_certificate_header: X-Cert\n" + apps
	}
	return func(text string) string {
		text = strings.Replace(text, "{id: globex, ", "{id: globex, map: {"+everyClaim()+"}, ", 1)
		return strings.Replace(text, "apps:\n", apps, 1)
	}
}

// fapiKeys are those that proofs are made by.
var fapiKeys = sync.OnceValue(func() map[string]prover {
	keys := map[string]prover{"RS256": {"RS256", appKeys()["rs"].key.(*rsa.PrivateKey)}}
	for _, name := range []string{"app", "other"} {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		keys[name] = prover{"ES256", k}
	}
	return keys
})

// fapi is a module of that plan.
type fapi struct {
	*module
	variant
	key     prover            // whose proofs the app makes
	parties map[string]*party // the certificates of the apps
	bare    bool              // the app shows no certificate
}

// TestConformanceFAPI2 is the plan fapi2-security-profile-final-test-plan with private_key_jwt and DPoP.
func TestConformanceFAPI2(t *testing.T) { runFAPI(t, variant{auth: byKey, bound: byKey}) }

// TestConformanceFAPI2MTLS is the same plan with certificates: for the tokens, for the apps, and for both.
func TestConformanceFAPI2MTLS(t *testing.T) {
	for name, v := range map[string]variant{
		"private_key_jwt+mtls": {auth: byKey, bound: byCertificate}, "mtls+dpop": {auth: byCertificate, bound: byKey}, "mtls+mtls": {auth: byCertificate, bound: byCertificate},
	} {
		t.Run(name, func(t *testing.T) { runFAPI(t, v) })
	}
}

// TestConformanceFAPI2MessageSigning is the plan fapi2-message-signing-final-test-plan with private_key_jwt and DPoP.
func TestConformanceFAPI2MessageSigning(t *testing.T) {
	for name, v := range map[string]variant{"JAR": {signs: true}, "JARM": {signed: true}, "JAR+JARM": {signs: true, signed: true}} {
		v.auth, v.bound = byKey, byKey
		t.Run(name, func(t *testing.T) { runFAPI(t, v) })
	}
}

// modules are those of the plan that a variant has.
func (v variant) modules() []map[string]func(*fapi) {
	all := []map[string]func(*fapi){fapiFlows(), fapiRequests(), fapiPushed(), fapiCodes()}
	if v.auth == byKey {
		all = append(all, fapiAssertions())
	} else {
		all = append(all, fapiCertificates())
	}
	if v.bound == byKey {
		all = append(all, fapiProofs())
	}
	if v.signs {
		all = append(all, fapiObjects())
	}
	return all
}

func runFAPI(t *testing.T, v variant) {
	folder, parties := t.TempDir(), map[string]*party{}
	for _, app := range []string{fapiApp, fapiTwo} {
		parties[app] = certify(t, app, nil, nil)
		if err := os.WriteFile(filepath.Join(folder, app+".pem"), []byte(parties[app].pem()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newSuite(t, v.config(folder))
	var modules []testModule
	for _, more := range v.modules() {
		for name, do := range more {
			modules = append(modules, testModule{fapiPrefix + name, func(m *module) {
				m.app = fapiApp
				do(&fapi{m, v, fapiKeys()["app"], parties, false})
			}})
		}
	}
	s.run(t, modules)
}

// request is what the app pushes.
func (f *fapi) request(with url.Values) url.Values {
	q := url.Values{"code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"}}
	if f.signed {
		q.Set("response_mode", "jwt")
	}
	maps.Copy(q, with)
	return f.module.request(q)
}

// kind is the type of the app's tokens.
func (f *fapi) kind() string {
	return map[string]string{byKey: "DPoP", byCertificate: "Bearer"}[f.bound]
}

// fromApp is a form from the app, with its certificate if it has one.
func (f *fapi) fromApp(path string, form url.Values) *http.Request {
	f.t.Helper()
	req := f.module.fromApp(path, form)
	if (f.auth == byCertificate || f.bound == byCertificate) && !f.bare {
		req.Header.Set("X-Cert", url.PathEscape(f.parties[f.app].pem()))
	}
	return req
}

// proven adds to a form what proves the app.
func (f *fapi) proven(form url.Values, assertion string) url.Values {
	if f.auth == byCertificate {
		form.Set("client_id", f.app)
	} else if assertion != "" {
		form = asserted(form, assertion)
	}
	return form
}

// assertion is the app's, changed.
func (f *fapi) assertion(changes ...func(*draft)) string {
	d := f.draft(f.app)
	if f.app == fapiTwo {
		d.appKey = appKeys()["unknown"]
	}
	for _, change := range changes {
		change(d)
	}
	return d.sign()
}

// push posts a request, with an assertion and perhaps a proof.
func (f *fapi) push(q url.Values, assertion string, proofs ...string) tokenAnswer {
	f.t.Helper()
	form := maps.Clone(q)
	if f.signs {
		form = url.Values{"request": {f.object(q).sign()}}
	}
	req := f.fromApp("/par", f.proven(form, assertion))
	req.Header["Dpop"] = slices.DeleteFunc(proofs, func(s string) bool { return s == "" })
	return f.send(req)
}

// pushed is the name of an honest request.
func (f *fapi) pushed(q url.Values, proofs ...string) string {
	f.t.Helper()
	a := f.push(q, f.assertion(), proofs...)
	return f.uriOf(&page{status: a.status, body: a.body, url: &url.URL{Path: "/par"}})
}

// arrive opens the authorization endpoint with a pushed request, and goes on from there.
func (f *fapi) arrive(uri string, beside url.Values) *page {
	f.t.Helper()
	return f.follow(f.browser.byURI(f.app, uri, beside))
}

// tokenProof is one for the token endpoint; "" where the tokens are bound to a certificate.
func (f *fapi) tokenProof(spoils ...spoil) string {
	if f.bound == byCertificate {
		return ""
	}
	return f.proof(f.key, http.MethodPost, "/token", "", spoils...)
}

// code is one that the app has got.
func (f *fapi) code(with url.Values) string {
	f.t.Helper()
	q := f.request(with)
	return f.answer(q, f.arrive(f.pushed(q), nil), "code").Get("code")
}

// redeem sends a code with an assertion and proofs.
func (f *fapi) redeem(code, assertion string, with url.Values, proofs ...string) tokenAnswer {
	f.t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}
	maps.Copy(form, with)
	return f.asks(form, assertion, proofs...)
}

// asks posts to the token endpoint.
func (f *fapi) asks(form url.Values, assertion string, proofs ...string) tokenAnswer {
	f.t.Helper()
	form = f.proven(form, assertion)
	for name, v := range form {
		if v[0] == "" {
			form.Del(name)
		}
	}
	req := f.fromApp("/token", form)
	req.Header["Dpop"] = slices.DeleteFunc(proofs, func(s string) bool { return s == "" })
	return f.send(req)
}

// flow is a whole login.
func (f *fapi) flow(with url.Values) result {
	f.t.Helper()
	q := f.request(with)
	return f.finish(q, f.arrive(f.pushed(q), nil))
}

// finish redeems the code of an answer, and checks what comes of it.
func (f *fapi) finish(q url.Values, p *page, spoils ...spoil) result {
	f.t.Helper()
	r := result{code: f.answer(q, p, "code").Get("code")}
	r.tokens = f.redeem(r.code, f.assertion(), nil, f.tokenProof(spoils...))
	f.good(r.tokens, f.kind())
	f.identify(&r, q.Get("nonce"), "ES256")
	f.userinfoOf(f.resource(f.kind(), r.tokens.Access, spoils...), r.id.Subject)
	return r
}

// resource is UserInfo with a proof, or with the app's certificate.
func (f *fapi) resource(scheme, access string, spoils ...spoil) *page {
	f.t.Helper()
	if f.bound == byCertificate {
		b := f.world.browser()
		b.header.Set("Authorization", scheme+" "+access)
		b.header.Set("X-Cert", url.PathEscape(f.parties[f.app].pem()))
		return b.get("/userinfo")
	}
	return f.userinfoBy(scheme, access, f.proof(f.key, http.MethodGet, "/userinfo", access, spoils...))
}

// fapiFlows are logins that succeed, or that their person ends.
func fapiFlows() map[string]func(*fapi) {
	with := func(q url.Values) func(*fapi) { return func(f *fapi) { f.flow(q) } }
	return map[string]func(*fapi){
		"discovery-end-point-verification": (*fapi).discoveryVerification,
		"happy-flow": func(f *fapi) {
			f.flow(nil)
			f.app = fapiTwo
			f.flow(nil)
		},
		"user-rejects-authentication":                             (*fapi).userRejects,
		"ensure-authorization-request-without-state-success":      with(url.Values{"state": {""}}),
		"ensure-authorization-request-without-nonce-success":      with(url.Values{"nonce": {""}}),
		"ensure-authorization-request-with-64-char-nonce-success": with(url.Values{"nonce": {strings.Repeat("64charac", 8)}}),
		"ensure-authorization-request-with-long-nonce":            with(url.Values{"nonce": {strings.Repeat("longnonc", 48)}}),
		"ensure-authorization-request-with-long-state":            with(url.Values{"state": {strings.Repeat("longstat", 48)}}),
		"ensure-other-scope-order-succeeds":                       with(url.Values{"scope": {"email profile openid"}}),
		"test-claims-parameter-identity-claims":                   (*fapi).identityClaims,
		"access-token-type-header-case-sensitivity": func(f *fapi) {
			r := f.flow(nil)
			for _, scheme := range []string{strings.ToLower(f.kind()), strings.ToUpper(f.kind()), "d" + f.kind()[1:]} {
				if f.bound == byCertificate && scheme[0] == 'd' {
					scheme = "bEARER"
				}
				f.userinfoOf(f.resource(scheme, r.tokens.Access), r.id.Subject)
			}
		},
		"refresh-token": (*fapi).refreshToken,
	}
}

// identityClaims are asked for one by one, and come where they are asked for.
func (f *fapi) identityClaims() {
	r := f.flow(url.Values{"claims": {`{"userinfo":{"name":null},"id_token":{"given_name":{"essential":true}}}`}})
	f.says(r.claims, "given_name")
	f.says(f.userinfoOf(f.resource(f.kind(), r.tokens.Access), r.id.Subject), "name")
}

func (f *fapi) discoveryVerification() {
	doc := f.discovery()
	f.endpoints(doc, "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "pushed_authorization_request_endpoint")
	for name, want := range map[string][]string{
		"response_types_supported": {"code"}, "grant_types_supported": {"authorization_code", "refresh_token"},
		"token_endpoint_auth_methods_supported": {"private_key_jwt", "tls_client_auth"}, "token_endpoint_auth_signing_alg_values_supported": {"PS256", "ES256", "EdDSA"},
		"code_challenge_methods_supported": {"S256"}, "dpop_signing_alg_values_supported": {"ES256"}, "id_token_signing_alg_values_supported": {"ES256"},
		"claims_supported": {"sub"}, "scopes_supported": {"openid"},
	} {
		if !has(doc, name, want...) {
			f.t.Errorf("%s = %v", name, doc[name])
		}
	}
	if doc["authorization_response_iss_parameter_supported"] != true || has(doc, "code_challenge_methods_supported", "plain") {
		f.t.Errorf("iss %v, challenges %v", doc["authorization_response_iss_parameter_supported"], doc["code_challenge_methods_supported"])
	}
	f.publicKeys()
}

// userRejects: the person says no at their provider, and goes back to the app.
func (f *fapi) userRejects() {
	q := f.request(nil)
	p := f.browser.byURI(f.app, f.pushed(q), nil)
	back := url.Values{"state": {p.location.Query().Get("state")}, "error": {"access_denied"}, "iss": {f.globex.Issuer}}
	action, form := f.browser.get("/callback/globex?" + back.Encode()).form()
	form.Set("cancel", "yes")
	if got := f.refusal(q, f.browser.post(action, form)); got != "access_denied" {
		f.t.Errorf("error = %s", got)
	}
}

// refreshToken: by its app alone, authenticated and with a proof. The token that it has is good for the next time too,
// however late that is (FAPI 2.0 Security Profile §5.3.2.1).
func (f *fapi) refreshToken() {
	offline := url.Values{"scope": {"openid offline_access"}, "prompt": {"consent"}}
	refresh := func(token string) tokenAnswer { return f.asks(refreshForm(token), f.assertion(), f.tokenProof()) }
	first := f.flow(offline)
	next := f.refreshes(first, refresh)
	f.userinfoOf(f.resource(f.kind(), next.tokens.Access), first.id.Subject)
	for range 3 {
		f.pass(40 * time.Second)
		if again := refresh(first.tokens.Refresh); again.status != http.StatusOK || again.Refresh != first.tokens.Refresh || next.tokens.Refresh != first.tokens.Refresh {
			f.t.Errorf("the first refresh token = %d %s", again.status, again.body)
		}
	}
	f.bare = true // without a proof or a certificate, and then without its own authentication
	if f.auth == byKey {
		f.bad(f.asks(refreshForm(next.tokens.Refresh), f.assertion()), http.StatusBadRequest, "invalid_request", "invalid_grant", "invalid_dpop_proof")
	}
	f.bad(f.asks(refreshForm(next.tokens.Refresh), "", f.tokenProof()), http.StatusUnauthorized, "invalid_client")
	f.bare = false
	f.app = fapiTwo
	theirs := f.refreshes(f.flow(offline), refresh)
	f.app = fapiApp
	f.bad(refresh(theirs.tokens.Refresh), http.StatusBadRequest, "invalid_grant")
	f.app = fapiTwo
	f.good(refresh(theirs.tokens.Refresh), f.kind())
}
