package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Every method by which a registered app may prove itself, and none by another one.
func TestRegisteredAppsByEveryMethod(t *testing.T) {
	w := newWorld(t, withRegistration, withLoopback)
	header, thumbprint := (&trial{world: w}).certificate()
	form := func(r registrant, code string) url.Values {
		return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}, "client_id": {r.ID}}
	}
	send := func(f url.Values, header ...string) tokenAnswer {
		req := w.browser().request(http.MethodPost, "/token", f.Encode())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if len(header) == 2 {
			req.Header.Set(header[0], header[1])
		}
		return w.send(req)
	}
	keyed := func(key appKey) func(registrant, string) tokenAnswer {
		return func(r registrant, code string) tokenAnswer {
			d := w.draft(r.ID)
			if d.appKey = key; key.key == nil {
				d.appKey = secretKey(r.Secret)
			}
			return send(asserted(form(r, code), d.sign()))
		}
	}
	for method, c := range map[string]struct {
		with map[string]any
		use  func(r registrant, code string) tokenAnswer
	}{
		"client_secret_basic": {nil, w.redeemAs},
		"client_secret_post": {nil, func(r registrant, code string) tokenAnswer {
			f := form(r, code)
			f.Set("client_secret", r.Secret)
			return send(f)
		}},
		"client_secret_jwt": {nil, keyed(appKey{})},
		"private_key_jwt":   {map[string]any{"jwks": json.RawMessage(publicKeys("es"))}, keyed(appKeys()["es"])},
		"none":              {nil, func(r registrant, code string) tokenAnswer { return send(form(r, code)) }},
		"self_signed_tls_client_auth": {map[string]any{"jwks": json.RawMessage(`{"keys":[{"kty":"EC","x5t#S256":"` + thumbprint + `"}]}`)}, func(r registrant, code string) tokenAnswer {
			return send(form(r, code), "X-Client-Cert", header)
		}},
	} {
		t.Run(method, func(t *testing.T) {
			r := w.registered(w.initialToken(), metadata(merge(map[string]any{"token_endpoint_auth_method": method}, c.with)))
			if (r.Secret != "") != strings.HasPrefix(method, "client_secret_") {
				t.Errorf("client_secret %q", r.Secret)
			}
			b := w.browser()
			code := b.signInAs(r, nil).Get("code")
			if a := w.redeemAs(registrant{ID: r.ID, Secret: appSecret}, code); a.status != http.StatusUnauthorized {
				t.Errorf("by a wrong secret = %d %s", a.status, a.body)
			}
			if a := c.use(r, code); a.status != http.StatusOK {
				t.Errorf("token = %d %s", a.status, a.body)
			}
		})
	}
}

// A registered app is told of ended sessions where the operator lets it be told, and nothing inside is reached.
func TestRegisteredAppsAreToldOfEndedSessions(t *testing.T) {
	apps, edit := newReceiver(t)
	w := newWorld(t, edit, withRegistration, withLoopback)
	apps.trust(w)
	r := w.registered(w.initialToken(), metadata(map[string]any{"backchannel_logout_uri": apps.server.URL + "/registered"}))
	client, err := oidc.NewProvider(t.Context(), w.URL)
	if err != nil {
		t.Fatal(err)
	}
	apps.verify["registered"] = client.Verifier(&oidc.Config{ClientID: r.ID})
	b := w.browser()
	if a := w.redeemAs(r, b.signInAs(r, nil).Get("code")); a.status != http.StatusOK {
		t.Fatalf("token = %d %s", a.status, a.body)
	}
	defer w.telling()()
	action, fields := b.get("/logout").form()
	fields.Set("confirm", "yes")
	b.post(action, fields)
	w.until("the app is told", func() bool { return apps.requests("registered") == 1 })

	// The same address, once the operator has taken it from what may be reached.
	strict := newWorld(t, withRegistration)
	resp, err := strict.signet.tell.Public.Get(apps.server.URL + "/registered")
	if err == nil {
		resp.Body.Close()
		t.Errorf("a registered app is told inside: %v", resp.Status)
	}
}

// What a registered app always wants counts where a request does not say.
func TestRegisteredDefaultsOfRequests(t *testing.T) {
	w := newWorld(t, withRegistration)
	r := w.registered(w.initialToken(), metadata(map[string]any{"default_max_age": 60, "require_auth_time": true, "default_acr_values": []string{"gold"}}))
	b := w.browser()
	b.signInAs(r, nil)
	if p := b.authorize(r.ID, url.Values{"prompt": {"none"}}); b.atApp(p).Get("code") == "" {
		t.Errorf("within its age: %v", p)
	}
	w.pass(2 * time.Minute)
	if p := b.authorize(r.ID, url.Values{"prompt": {"none"}}); b.atApp(p).Get("error") != "login_required" {
		t.Errorf("beyond its age: %v", p)
	}
	if p := b.authorize(r.ID, url.Values{"prompt": {"none"}, "max_age": {"3600"}}); b.atApp(p).Get("code") == "" {
		t.Errorf("where the request says another: %v", p)
	}
	w.pass(-2 * time.Minute)
	w.browser().authorize(r.ID, url.Values{"provider": {"globex"}})
	var state string
	if err := w.db().QueryRow(`SELECT data FROM logins ORDER BY expires DESC LIMIT 1`).Scan(&state); err != nil || !strings.Contains(state, "gold") {
		t.Errorf("the upstream is not asked for it: %s, %v", state, err)
	}
}

// A change is a full replacement: the secret stays as long as it is of use, and is another where it was not.
func TestRegisteredAppChangesItsMethod(t *testing.T) {
	w := newWorld(t, withRegistration)
	r := w.registered(w.initialToken(), metadata(nil))
	change := func(with map[string]any) registrant {
		t.Helper()
		p := w.jsonTo(http.MethodPut, r.URI, r.Token, metadata(merge(map[string]any{"client_id": r.ID}, with)))
		if p.status != http.StatusOK {
			t.Fatalf("update = %v %s", p, p.body)
		}
		return w.told(p)
	}
	b := w.browser()
	b.signInAs(r, nil)
	redeem := func(r registrant) int { return w.redeemAs(r, b.atApp(b.authorize(r.ID, nil)).Get("code")).status }
	if now := change(nil); now.Secret != "" || redeem(r) != http.StatusOK {
		t.Errorf("the secret is another: %v", now.all)
	}
	if now := change(map[string]any{"token_endpoint_auth_method": "client_secret_jwt"}); now.Secret == "" || now.Secret == r.Secret {
		t.Errorf("a secret that was not kept: %v", now.all)
	} else if now = change(map[string]any{"client_secret": now.Secret}); redeem(now) != http.StatusOK {
		t.Error("the new secret is not good")
	}
	if now := change(map[string]any{"token_endpoint_auth_method": "none"}); now.Secret != "" || now.all["client_secret_expires_at"] != nil {
		t.Errorf("a public app: %v", now.all)
	}
	if redeem(r) == http.StatusOK {
		t.Error("a public app proves itself by the former secret")
	}
	if now := change(nil); now.Secret == "" || redeem(now) != http.StatusOK {
		t.Errorf("confidential again: %v", now.all)
	}
}

// What the operator takes away counts for those that are registered already.
func TestTermsHoldForRegisteredApps(t *testing.T) {
	w := newWorld(t, withRegistration)
	r := w.registered(w.initialToken(), metadata(nil))
	b := w.browser()
	b.signInAs(r, url.Values{"scope": {"openid email"}})
	w.edit(func(c string) string {
		return strings.Replace(c, "scopes: [openid, profile, email,", "providers: [local], scopes: [openid,", 1)
	})
	if p := b.authorize(r.ID, url.Values{"provider": {"globex"}}); b.atApp(p).Get("error") != "invalid_request" {
		t.Errorf("a provider that it has no more: %v", p)
	}
	if app := w.signet.registry.App(r.ID); app == nil || app.MayAsk("email") || !app.MayAsk("openid") {
		t.Errorf("app %+v", app)
	}
	w.edit(func(c string) string { return strings.Replace(c, "mode: token", "mode: closed", 1) })
	if p := b.authorize(r.ID, nil); p.status != http.StatusBadRequest {
		t.Errorf("registration is closed: %v", p)
	}
}

// edit changes the configuration and starts anew.
func (w *world) edit(change func(string) string) {
	w.t.Helper()
	before := w.config
	if w.config = change(before); w.config == before {
		w.t.Fatal("nothing was changed")
	}
	if err := os.WriteFile(w.configFile(), []byte(w.config), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.restart()
}
