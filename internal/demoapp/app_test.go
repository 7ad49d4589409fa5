package demoapp

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func newVisitor(t *testing.T, o *op) *visitor {
	t.Helper()
	app, err := New(Options{
		URL: "http://127.0.0.1:5555", Issuer: o.URL, ClientID: clientID, ClientSecret: clientSecret,
		Ways: []Way{{ID: "globex", Name: "Globex"}}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t: t, app: app, jar: map[string]string{}}
}

func containsID(body, id string) bool { return strings.Contains(body, `id="`+id+`"`) }

// refusedWith checks that a page tells an error, keeps nobody signed in, and has a way on.
func (v *visitor) refusedWith(p page, code string) {
	v.t.Helper()
	if p.status != http.StatusBadRequest || !strings.Contains(p.body, `id="error-code">`+code+`<`) {
		v.t.Errorf("answer = %d, want 400 with %s\n%s", p.status, code, p.body)
	}
	if !containsID(p.body, "sign-in") {
		v.t.Error("the page has no way on")
	}
	if v.signedIn() {
		v.t.Error("somebody is signed in")
	}
}

func TestSignInAsksAsItShould(t *testing.T) {
	o := newOP(t)
	v := newVisitor(t, o)
	q := v.begin(o)
	for name, want := range map[string]string{
		"response_type": "code", "client_id": clientID, "redirect_uri": "http://127.0.0.1:5555/callback",
		"scope": "openid profile email groups offline_access", "code_challenge_method": "S256", "provider": "",
	} {
		if got := q.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	again := v.begin(o)
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) < 26 || q.Get(name) == again.Get(name) {
			t.Errorf("%s = %q, then %q, want something long and new", name, q.Get(name), again.Get(name))
		}
	}
	if got := v.get("/login?provider=globex").location.Query().Get("provider"); got != "globex" {
		t.Errorf("provider = %q, want globex", got)
	}
	if got := v.get("/login?provider=else&prompt=none").location.Query(); got.Has("provider") || got.Has("prompt") {
		t.Errorf("%v hands on what the app does not know", got)
	}
	if p := v.get("/login?iss=https://evil.example"); p.status != http.StatusBadRequest || p.location.Host != "" {
		t.Errorf("a link for another issuer = %d to %q", p.status, p.location)
	}
}

func TestSignInRedeemsTheCodeOnceWithItsVerifier(t *testing.T) {
	o := newOP(t)
	v := newVisitor(t, o)
	v.signIn(o)
	if len(o.asked) != 1 {
		t.Fatalf("the code was sent %d times", len(o.asked))
	}
	sum := sha256.Sum256([]byte(o.asked[0].Get("code_verifier")))
	if got := base64.RawURLEncoding.EncodeToString(sum[:]); got != o.challenge {
		t.Errorf("the verifier belongs to challenge %s, want %s", got, o.challenge)
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(clientID)+":"+url.QueryEscape(clientSecret)))
	if o.basic != want || o.asked[0].Has("client_secret") {
		t.Errorf("Authorization = %q, want %q alone", o.basic, want)
	}
}

func TestAnswersThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(back url.Values)
		code  string
	}{
		{"another state", func(b url.Values) { b.Set("state", rand.Text()) }, "wrong_state"},
		{"no state", func(b url.Values) { b.Del("state") }, "wrong_state"},
		{"another issuer", func(b url.Values) { b.Set("iss", "https://evil.example") }, "wrong_issuer"},
		{"no issuer", func(b url.Values) { b.Del("iss") }, "wrong_issuer"},
		{"two issuers", func(b url.Values) { b.Add("iss", "https://evil.example") }, "wrong_issuer"},
		{"an error of another issuer", func(b url.Values) { b.Set("iss", "https://evil.example"); b.Set("error", "access_denied") }, "wrong_issuer"},
		{"no code", func(b url.Values) { b.Del("code") }, "no_code"},
		{"two codes", func(b url.Values) { b.Add("code", "c2") }, "no_code"},
		{"an error", func(b url.Values) { b.Set("error", "access_denied"); b.Del("code") }, "access_denied"},
		{"an error with a code", func(b url.Values) { b.Set("error", "login_required") }, "login_required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOP(t)
			v := newVisitor(t, o)
			back := o.back(v.begin(o))
			c.alter(back)
			v.refusedWith(v.get("/callback?"+back.Encode()), c.code)
			if len(o.asked) > 0 {
				t.Error("the code was sent to the token endpoint")
			}
		})
	}
}

func TestAnAnswerIsTakenOnce(t *testing.T) {
	o := newOP(t)
	v := newVisitor(t, o)
	back := "/callback?" + o.back(v.begin(o)).Encode()
	v.get(back)
	if p := v.get(back); p.status != http.StatusBadRequest {
		t.Errorf("the same answer again = %d, want 400", p.status)
	}
	if len(o.asked) != 1 {
		t.Errorf("the code was sent %d times", len(o.asked))
	}
}

// Login CSRF: somebody's own answer, given to another person's browser.
func TestAnAnswerBelongsToItsBrowser(t *testing.T) {
	o := newOP(t)
	attacker := newVisitor(t, o)
	back := "/callback?" + o.back(attacker.begin(o)).Encode()
	for _, jar := range []map[string]string{{}, {"demoapp-5555": rand.Text()}} {
		victim := &visitor{t: t, app: attacker.app, jar: jar}
		victim.refusedWith(victim.get(back), "wrong_state")
	}
	victim := &visitor{t: t, app: attacker.app, jar: map[string]string{}}
	victim.begin(o)
	victim.refusedWith(victim.get(back), "wrong_state")
}

func TestIDTokensThatAreRefused(t *testing.T) {
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string, value any) func(*op) {
		return func(o *op) { o.alter = func(c map[string]any) { c[name] = value } }
	}
	without := func(name string) func(*op) {
		return func(o *op) { o.alter = func(c map[string]any) { delete(c, name) } }
	}
	for _, c := range []struct {
		name  string
		alter func(*op)
		code  string
	}{
		{"another nonce", claim("nonce", rand.Text()), "wrong_nonce"},
		{"no nonce", without("nonce"), "wrong_nonce"},
		{"another issuer", claim("iss", "https://evil.example"), "bad_id_token"},
		{"another audience", claim("aud", "other"), "bad_id_token"},
		{"two audiences without azp", func(o *op) {
			o.alter = func(c map[string]any) { c["aud"] = []string{clientID, "other"}; delete(c, "azp") }
		}, "bad_id_token"},
		{"made for another app", claim("azp", "other"), "bad_id_token"},
		{"expired", claim("exp", time.Now().Add(-time.Minute).Unix()), "bad_id_token"},
		{"no sub", without("sub"), "bad_id_token"},
		{"no iat", without("iat"), "bad_id_token"},
		{"hash of another access token", claim("at_hash", halfHash("other")), "bad_id_token"},
		{"signed by a stranger", func(o *op) {
			o.sign = func(c map[string]any) string { return signed(o.t, stranger, c) }
		}, "bad_id_token"},
		{"not signed", func(o *op) {
			o.sign = func(c map[string]any) string {
				return part(o.t, map[string]any{"alg": "none"}) + "." + part(o.t, c) + "."
			}
		}, "bad_id_token"},
		{"absent", func(o *op) { o.answer = func(d map[string]any) { delete(d, "id_token") } }, "no_id_token"},
		{"code refused", func(o *op) { o.status = 400 }, "invalid_grant"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOP(t)
			v := newVisitor(t, o)
			back := o.back(v.begin(o))
			c.alter(o)
			v.refusedWith(v.get("/callback?"+back.Encode()), c.code)
			if len(o.asked) != 1 {
				t.Errorf("the code was sent %d times", len(o.asked))
			}
		})
	}
}

func TestSignInRenamesTheSession(t *testing.T) {
	o := newOP(t)
	v := newVisitor(t, o)
	back := o.back(v.begin(o))
	planted := v.jar["demoapp-5555"]
	p := v.get("/callback?" + back.Encode())
	if len(p.cookies) != 1 || p.cookies[0].Value == planted || !p.cookies[0].HttpOnly || p.cookies[0].SameSite != http.SameSiteLaxMode {
		t.Errorf("cookies after the sign-in = %v, want one that is new, HttpOnly and Lax", p.cookies)
	}
	if (&visitor{t: t, app: v.app, jar: map[string]string{"demoapp-5555": planted}}).signedIn() {
		t.Error("the session is still known by the name from before the sign-in")
	}
}

func TestErrorPageEscapes(t *testing.T) {
	o := newOP(t)
	v := newVisitor(t, o)
	back := o.back(v.begin(o))
	back.Set("error", "access_denied")
	back.Set("error_description", "<script>alert(1)</script>")
	if p := v.get("/callback?" + back.Encode()); strings.Contains(p.body, "<script") || !strings.Contains(p.body, "alert(1)") {
		t.Errorf("error_description is not shown as text:\n%s", p.body)
	}
}

func TestRefreshShowsWhatChanged(t *testing.T) {
	o := newOP(t)
	v := newVisitor(t, o)
	v.signIn(o)
	if p := v.post("/refresh"); p.status != http.StatusSeeOther {
		t.Fatalf("refresh = %d\n%s", p.status, p.body)
	}
	if got := o.asked[1]; got.Get("grant_type") != "refresh_token" || got.Get("refresh_token") == "" {
		t.Errorf("the token endpoint got %v", got)
	}
	body := v.get("/").body
	if !containsID(body, "refreshed") || strings.Count(body, `class="claim changed"`) < 3 {
		t.Errorf("the page does not show what changed:\n%s", body)
	}
}

func TestRefreshesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(o *op)
		code  string
	}{
		{"somebody else", func(o *op) { o.alter = func(c map[string]any) { c["sub"] = "u2" } }, "other_user"},
		{"another sign-in", func(o *op) { o.alter = func(c map[string]any) { c["auth_time"] = 1800000000 } }, "other_user"},
		{"another nonce", func(o *op) { o.alter = func(c map[string]any) { c["nonce"] = "other" } }, "other_user"},
		{"another audience", func(o *op) { o.alter = func(c map[string]any) { c["aud"] = "other" } }, "bad_id_token"},
		{"no ID token", func(o *op) { o.answer = func(d map[string]any) { delete(d, "id_token") } }, "no_id_token"},
		{"revoked", func(o *op) { o.status = 400 }, "invalid_grant"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOP(t)
			v := newVisitor(t, o)
			v.signIn(o)
			c.alter(o)
			v.refusedWith(v.post("/refresh"), c.code)
		})
	}
}

func TestRefreshSurvivesAnOutage(t *testing.T) {
	o := newOP(t)
	v := newVisitor(t, o)
	v.signIn(o)
	o.status = 503
	if p := v.post("/refresh"); p.status == http.StatusSeeOther {
		t.Errorf("refresh = %d", p.status)
	}
	o.status = 0
	if p := v.post("/refresh"); p.status != http.StatusSeeOther {
		t.Errorf("refresh after the outage = %d, want 303: the tokens must be kept\n%s", p.status, p.body)
	}
}

func TestSignOutEndsBothSessions(t *testing.T) {
	o := newOP(t)
	v := newVisitor(t, o)
	v.signIn(o)
	p := v.post("/logout")
	q := p.location.Query()
	if p.location.Path != "/logout" || q.Get("id_token_hint") == "" || q.Get("post_logout_redirect_uri") != "http://127.0.0.1:5555/signed-out" {
		t.Fatalf("sign-out = %d to %q", p.status, p.location)
	}
	if v.signedIn() {
		t.Error("somebody is signed in after the sign-out")
	}
	if len(o.revoked) != 1 || o.revoked[0].Get("token") == "" {
		t.Errorf("revoked = %v, want the refresh token", o.revoked)
	}
	if p := v.get("/signed-out?state=other"); p.status != http.StatusSeeOther {
		t.Errorf("the end of somebody else's sign-out = %d, want 303", p.status)
	}
	if p := v.post("/logout"); p.location.Path != "/" {
		t.Errorf("sign-out of nobody = %d to %q", p.status, p.location)
	}
}

func TestOtherPagesPressNoButton(t *testing.T) {
	o := newOP(t)
	v := newVisitor(t, o)
	v.signIn(o)
	for _, header := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"http://127.0.0.1:5558"}}} {
		for _, path := range []string{"/refresh", "/logout"} {
			if p := v.do(http.MethodPost, path, header); p.status != http.StatusForbidden {
				t.Errorf("POST %s with %v = %d, want 403", path, header, p.status)
			}
		}
	}
	if len(o.asked) != 1 || !v.signedIn() {
		t.Error("another page has pressed a button")
	}
}

func TestAProviderThatIsAwayIsAskedAgain(t *testing.T) {
	o := newOP(t)
	v := newVisitor(t, o)
	v.app.opts.Issuer = "http://127.0.0.1:1"
	if p := v.get("/login"); p.status != http.StatusBadGateway || !containsID(p.body, "sign-in") {
		t.Errorf("sign-in at nobody = %d\n%s", p.status, p.body)
	}
	v.app.opts.Issuer = o.URL
	v.signIn(o)
}

func TestPagesAreLockedDown(t *testing.T) {
	o := newOP(t)
	v := newVisitor(t, o)
	w := httptest.NewRecorder()
	v.app.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script-src") {
		t.Errorf("Content-Security-Policy = %q", csp)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q", got)
	}
	if p := v.get("/elsewhere"); p.status != http.StatusNotFound {
		t.Errorf("an unknown address = %d", p.status)
	}
}

func TestPendingSignInsAreBounded(t *testing.T) {
	o := newOP(t)
	v := newVisitor(t, o)
	first := o.back(v.begin(o))
	for range maxPending {
		v.begin(o)
	}
	v.refusedWith(v.get("/callback?"+first.Encode()), "wrong_state")
	for range maxSessions + 5 {
		v.app.sessions.name(httptest.NewRecorder(), "c", &session{})
	}
	if got := len(v.app.sessions.byID); got > maxSessions {
		t.Errorf("%d sessions are kept, want at most %d", got, maxSessions)
	}
}
