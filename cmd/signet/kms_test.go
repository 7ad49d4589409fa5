package main

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/internal/kmstest"
)

const kmsRegion = "eu-central-1"

// newKMSWorld is a world whose keys of RS256 and ES256 are in a KMS.
func newKMSWorld(t *testing.T) (*world, *kmstest.Server) {
	t.Helper()
	kms := kmstest.Start(t)
	rs, es := kms.NewRSA(t, kmsRegion), kms.NewEC(t, kmsRegion)
	return newWorld(t, func(c string) string {
		return c + "keys:\n  kms:\n    endpoint: " + kms.URL + "\n    RS256:\n      - " + rs + "\n    ES256: [" + es + "]\n"
	}), kms
}

// nextKey names another key behind that of RS256.
func (w *world) nextKey(arn string) {
	w.t.Helper()
	w.config = strings.Replace(w.config, "    ES256: [", "      - "+arn+"\n    ES256: [", 1)
	if err := os.WriteFile(w.configFile(), []byte(w.config), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func TestTokensAreSignedInKMS(t *testing.T) {
	w, kms := newKMSWorld(t)
	for _, app := range []string{webApp, otherApp} { // RS256 and ES256
		before := kms.Count("Sign")
		a := w.tokens(app, "globex", "ann")
		if n := kms.Count("Sign") - before; n != 2 {
			t.Errorf("%s: %d signatures in KMS for an access and an ID token", app, n)
		}
		if p := w.userinfo(a.Access); p.status != http.StatusOK {
			t.Errorf("%s: userinfo = %d", app, p.status)
		}
		provider, err := oidc.NewProvider(t.Context(), w.URL)
		if err == nil {
			_, err = provider.Verifier(&oidc.Config{ClientID: app, SupportedSigningAlgs: []string{"RS256", "ES256"}}).Verify(t.Context(), a.ID)
		}
		if err != nil {
			t.Errorf("%s: %v", app, err)
		}
	}
	before := kms.Count("Sign")
	w.tokens(publicApp, "globex", "ann") // EdDSA, which is kept here
	if kms.Count("Sign") != before {
		t.Error("EdDSA is signed in KMS")
	}
}

// TestStrangersCannotUseKMSUp: anybody can be refused, and an app may want that signed.
func TestStrangersCannotUseKMSUp(t *testing.T) {
	w, kms := newKMSWorld(t)
	refused := func() *page {
		return w.browser().authorize(otherApp, url.Values{"response_mode": {"jwt"}, "response_type": {"token"}})
	}
	before := kms.Count("Sign")
	for range 1000 {
		if p := refused(); p.status != http.StatusSeeOther {
			t.Fatalf("refusal = %v", p)
		}
	}
	if p := refused(); p.status != http.StatusTooManyRequests {
		t.Errorf("one refusal more = %v", p)
	}
	if n := kms.Count("Sign") - before; n != 1000 {
		t.Errorf("%d signatures in KMS", n)
	}
	if got := w.browser().signIn(otherApp, "globex", "ann"); got.Get("code") == "" {
		t.Errorf("sign-in = %v", got)
	}
	w.pass(time.Minute)
	if p := refused(); p.status != http.StatusSeeOther {
		t.Errorf("a minute later = %v", p)
	}
}

// TestKMSOutageBurnsNothing: what an app brought while KMS was away is good afterwards, and all that needs no
// signature goes on.
func TestKMSOutageBurnsNothing(t *testing.T) {
	w, kms := newKMSWorld(t)
	has := w.tokens(webApp, "globex", "ann")
	code := w.browser().signIn(webApp, "globex", "ann").Get("code")
	for name, fault := range map[string]func(){
		"denied": func() { kms.Fail(http.StatusBadRequest, "AccessDeniedException") },
		"down":   func() { kms.Fail(http.StatusInternalServerError, "KMSInternalException") },
		"busy":   func() { kms.Fail(http.StatusBadRequest, "ThrottlingException") },
		"gone":   kms.Drop,
		"silent": kms.Hang,
	} {
		fault()
		for what, a := range map[string]tokenAnswer{"code": w.redeem(webApp, code, nil), "refresh": w.refresh(webApp, has.Refresh)} {
			if a.status != http.StatusServiceUnavailable || a.Error != "temporarily_unavailable" || a.header.Get("Retry-After") == "" || strings.Contains(a.body, "arn:") {
				t.Errorf("%s: %s = %d %s (Retry-After %q)", name, what, a.status, a.body, a.header.Get("Retry-After"))
			}
		}
		for _, path := range []string{"/.well-known/openid-configuration", "/jwks"} {
			if p := w.browser().get(path); p.status != http.StatusOK {
				t.Errorf("%s: %s = %d", name, path, p.status)
			}
		}
		if p := w.userinfo(has.Access); p.status != http.StatusOK {
			t.Errorf("%s: userinfo = %d", name, p.status)
		}
	}
	w.restart()
	if p := w.browser().get("/jwks"); strings.Count(p.body, `"RS256"`) != 1 {
		t.Errorf("after a start without KMS: %s", p.body)
	}
	kms.Fail(0, "")
	if a := w.redeem(webApp, code, nil); a.status != http.StatusOK {
		t.Errorf("the code, afterwards = %d %s", a.status, a.body)
	}
	if a := w.refresh(webApp, has.Refresh); a.status != http.StatusOK {
		t.Errorf("the refresh token, afterwards = %d %s", a.status, a.body)
	}
}

func TestKeysCommandKnowsKMS(t *testing.T) {
	w, kms := newKMSWorld(t)
	if out, code := w.command("keys", "rotate"); code != 1 || !strings.Contains(out, "keys.kms.") || !strings.Contains(out, "no next one is named") {
		t.Errorf("rotate without a next key = exit %d: %s", code, out)
	}
	next := kms.NewRSA(t, kmsRegion)
	w.nextKey(next)
	if out, _ := w.command("keys", "rotate"); !strings.Contains(out, "apps may not have seen them") {
		t.Errorf("rotate to a key that is not published yet = %s", out)
	}
	list := w.mustRun("keys", "list")
	line := func() string {
		for l := range strings.Lines(list) {
			if strings.Contains(l, next) {
				return l
			}
		}
		return ""
	}
	if !strings.Contains(line(), "next") {
		t.Errorf("list = %s", list)
	}
	w.restart()
	if p := w.browser().get("/jwks"); strings.Count(p.body, `"RS256"`) != 2 {
		t.Errorf("the next key is not published: %s", p.body)
	}
	has := w.tokens(webApp, "globex", "ann")
	w.pass(4 * time.Hour)
	if err := w.signet.ring.Verify(t.Context(), has.Access, keys.TypeAccess, &map[string]any{}); err != nil {
		t.Error(err)
	}
	signed, err := jwt.ParseSigned(w.refresh(webApp, has.Refresh).Access, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	if kid := signed.Headers[0].KeyID; !strings.Contains(line(), kid) {
		t.Errorf("signed with %s four hours later, want %s", kid, line())
	}
}

func TestCheckTellsFaultsOfKMS(t *testing.T) {
	w, kms := newKMSWorld(t)
	if out := w.mustRun("check"); !strings.Contains(out, "RS256 ") || !strings.Contains(out, "arn:aws:kms:") || !strings.Contains(out, "keys.kms names no key for EdDSA") {
		t.Errorf("check = %s", out)
	}
	w.nextKey(kms.NewEC(t, kmsRegion))
	if out, code := w.command("check"); code != 1 || !strings.Contains(out, "keys.kms.RS256.1: ") || !strings.Contains(out, "the key is none for RS256") {
		t.Errorf("a key on a curve for RS256: exit %d: %s", code, out)
	}
	kms.Fail(http.StatusBadRequest, "DisabledException")
	out, code := w.command("check")
	if code != 1 || strings.Count(out, "is disabled") != 3 || !strings.Contains(out, "signet.yaml:") {
		t.Errorf("disabled keys: exit %d: %s", code, out)
	}
	if out := w.mustRun("check", "--offline"); !strings.Contains(out, "is right") {
		t.Errorf("check --offline = %s", out)
	}
}

// TestAnswersNeedKMSToo: a signed answer that cannot be made is a page that says so, and nothing is left behind.
func TestAnswersNeedKMSToo(t *testing.T) {
	w, kms := newKMSWorld(t)
	b := w.browser()
	b.signIn(webApp, "globex", "ann")
	kms.Fail(http.StatusBadRequest, "AccessDeniedException")
	p := b.authorize(webApp, url.Values{"response_mode": {"jwt"}})
	if p.status != http.StatusServiceUnavailable || p.header.Get("Retry-After") == "" || strings.Contains(p.body, "arn:") {
		t.Errorf("a signed answer = %v", p)
	}
	kms.Fail(0, "")
	if p := b.authorize(webApp, url.Values{"response_mode": {"jwt"}}); p.location == nil || p.location.Query().Get("response") == "" {
		t.Errorf("afterwards = %v", p)
	}
}
