package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
)

// withRegistration lets who has an initial access token register apps.
func withRegistration(config string) string {
	return registering(config, "mode: token, pkce: optional, scopes: [openid, profile, email, phone, address, offline_access], certificates: true")
}

// withOpenRegistration lets anybody register apps, within bounds.
func withOpenRegistration(config string) string {
	return registering(config, "mode: open, redirect_hosts: [app.example.com, \"*.apps.example\", loopback, \"com.example.app:\"], per_hour: 50, most: 1000")
}

func registering(config, block string) string {
	return strings.Replace(config, "database:", "trusted_proxies: [127.0.0.0/8]\nclient_certificate_header: X-Client-Cert\nregistration: {"+block+"}\ndatabase:", 1)
}

// metadata is what most registrations begin with.
func metadata(with map[string]any) map[string]any {
	m := map[string]any{"redirect_uris": []string{callbackURI}, "client_name": "Calendar"}
	maps.Copy(m, with)
	for name, v := range m {
		if v == nil {
			delete(m, name)
		}
	}
	return m
}

// registrant is an app as the program knows it that has registered it.
type registrant struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
	URI    string `json:"registration_client_uri"`
	Token  string `json:"registration_access_token"`
	all    map[string]any
}

// initialToken is a new initial access token, for one app.
func (w *world) initialToken() string {
	w.t.Helper()
	token := rand.Text() + rand.Text()
	hash := sha256.Sum256([]byte(token))
	t := broker.InitialToken{ID: rand.Text(), Hash: hash[:], Most: 1, Created: w.now(), Expires: w.now().Add(time.Hour)}
	if err := w.signet.db.AddInitialToken(w.t.Context(), t, broker.Event{}); err != nil {
		w.t.Fatal(err)
	}
	return token
}

// addToken is one that the command makes.
func (w *world) addToken(args ...string) string {
	w.t.Helper()
	var out struct{ Token string }
	text := w.mustRun(append([]string{"app", "token", "add", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(text), &out); err != nil || out.Token == "" {
		w.t.Fatalf("app token add: %v: %s", err, text)
	}
	return out.Token
}

// jsonTo sends JSON to an endpoint with a bearer token; "" for none.
func (w *world) jsonTo(method, address, token string, body any) *page {
	w.t.Helper()
	text, raw := body.(string)
	if !raw {
		b, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		text = string(b)
	}
	b := w.browser()
	req := b.request(method, address, text)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return b.do(req)
}

// registered registers an app.
func (w *world) registered(token string, m map[string]any) registrant {
	w.t.Helper()
	p := w.jsonTo(http.MethodPost, "/register", token, m)
	if p.status != http.StatusCreated || p.header.Get("Cache-Control") != "no-store" {
		w.t.Fatalf("register = %v: %s", p, p.body)
	}
	return w.told(p)
}

// told reads what is registered.
func (w *world) told(p *page) (r registrant) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(p.body), &r); err != nil {
		w.t.Fatalf("%v: %v: %s", p, err, p.body)
	}
	if err := json.Unmarshal([]byte(p.body), &r.all); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// allow goes on from a page of Signet's, says yes where it is asked for consent, and returns what the app gets.
func (b *browser) allow(p *page) url.Values {
	b.w.t.Helper()
	for p.location != nil && strings.HasPrefix(p.location.String(), b.w.URL) {
		p = b.get(p.location.String())
	}
	action, form := p.form()
	if !strings.Contains(p.body, `id="allow"`) {
		b.w.t.Fatalf("nobody is asked for consent: %v", p)
	}
	form.Set("decision", "allow")
	return b.atApp(b.post(action, form))
}

// signInAs signs ann in at globex for a registered app.
func (b *browser) signInAs(r registrant, with url.Values) url.Values {
	b.w.t.Helper()
	return b.allow(b.atGlobex(b.authorize(r.ID, merged(url.Values{"provider": {"globex"}}, with)), b.w.globex, "ann"))
}

func merged(a, b url.Values) url.Values {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// redeemAs redeems a code by the app's own secret.
func (w *world) redeemAs(r registrant, code string) tokenAnswer {
	w.t.Helper()
	return w.tokenAs(r, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}})
}

func (w *world) tokenAs(r registrant, form url.Values) tokenAnswer {
	w.t.Helper()
	req := w.browser().request(http.MethodPost, "/token", form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(r.ID, r.Secret)
	return w.send(req)
}

// What a registered app does from the first to the last.
func TestRegisteredAppSignsPeopleIn(t *testing.T) {
	w := newWorld(t, withRegistration)
	r := w.registered(w.initialToken(), metadata(map[string]any{
		"scope": "openid email offline_access unknown", "grant_types": []string{"authorization_code", "refresh_token"}, "client_name#de": "Kalender",
		"policy_uri": "https://app.example.com/privacy", "contacts": []string{"ops@app.example.com"}, "nobody": "knows this",
	}))
	if r.ID == "" || r.Secret == "" || r.URI != w.URL+"/register/"+r.ID || r.all["client_secret_expires_at"] != 0.0 ||
		r.all["token_endpoint_auth_method"] != "client_secret_basic" || r.all["scope"] != "openid email offline_access" || r.all["nobody"] != nil || r.all["client_name#de"] != "Kalender" {
		t.Fatalf("registered: %v", r.all)
	}
	if all := w.rowsAsText("apps"); strings.Contains(all, r.Secret) || strings.Contains(all, r.Token) {
		t.Error("a secret is kept as it is")
	}
	b := w.browser()
	b.header.Set("Accept-Language", "de")
	p := b.atGlobex(b.authorize(r.ID, url.Values{"provider": {"globex"}, "scope": {"openid email profile offline_access"}}), w.globex, "ann")
	p = b.get(p.location.String())
	if !p.has("consent") || !strings.Contains(p.text("unknown"), "Kalender") || !strings.Contains(p.text("unknown"), "app.example.com") || !p.has("app-policy") || p.has("app-logo") {
		t.Errorf("the consent page: %v %s", p, p.body)
	}
	a := w.redeemAs(r, b.allow(p).Get("code"))
	if a.status != http.StatusOK || a.Refresh == "" || a.Scope != "openid email offline_access" {
		t.Fatalf("token = %d %s", a.status, a.body)
	}
	// It is known after a restart, and its management address still works.
	w.restart()
	if a = w.tokenAs(r, refreshForm(a.Refresh)); a.status != http.StatusOK {
		t.Fatalf("refresh after a restart = %d %s", a.status, a.body)
	}
	read := w.told(w.jsonTo(http.MethodGet, r.URI, r.Token, nil))
	if read.ID != r.ID || read.Token != r.Token || read.Secret != "" || read.all["policy_uri"] != "https://app.example.com/privacy" {
		t.Errorf("read: %v", read.all)
	}
	pending := b.atApp(b.authorize(r.ID, url.Values{"scope": {"openid"}})).Get("code")
	if p := w.jsonTo(http.MethodDelete, r.URI, r.Token, nil); p.status != http.StatusNoContent {
		t.Fatalf("delete = %v", p)
	}
	for name, got := range map[string]int{
		"refresh": w.tokenAs(r, refreshForm(a.Refresh)).status, "code": w.redeemAs(r, pending).status, "userinfo": w.userinfo(a.Access).status,
		"read": w.jsonTo(http.MethodGet, r.URI, r.Token, nil).status, "delete again": w.jsonTo(http.MethodDelete, r.URI, r.Token, nil).status,
	} {
		if got != http.StatusUnauthorized {
			t.Errorf("%s of an app that is gone = %d", name, got)
		}
	}
	if p := b.authorize(r.ID, nil); p.status != http.StatusBadRequest {
		t.Errorf("authorize of an app that is gone = %v", p)
	}
}

// rowsAsText is all of a table.
func (w *world) rowsAsText(table string) string {
	w.t.Helper()
	rows, err := w.db().Query("SELECT * FROM " + table)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	var all strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			w.t.Fatal(err)
		}
		for _, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			all.WriteString(strings.TrimSpace(jsonText(v)) + " ")
		}
	}
	return all.String()
}

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestAnotherNodeKnowsAnAppAtOnce: of two nodes on one database, what one registers the other takes; what one
// changes or removes the other knows when it has looked.
func TestAnotherNodeKnowsAnAppAtOnce(t *testing.T) {
	w := newWorld(t, withRegistration)
	second := w.beside()
	r := w.registered(w.initialToken(), metadata(nil))
	if second.registry.App(r.ID) == nil {
		t.Fatal("the other node does not know the app")
	}
	p := w.jsonTo(http.MethodPut, r.URI, r.Token, metadata(map[string]any{"client_id": r.ID, "client_name": "Renamed"}))
	if p.status != http.StatusOK {
		t.Fatalf("update = %v %s", p, p.body)
	}
	if got := w.signet.registry.App(r.ID).Name; got != "Renamed" {
		t.Errorf("this node calls it %q", got)
	}
	look := func() {
		if err := second.registry.refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	look()
	if got := second.registry.App(r.ID).Name; got != "Renamed" {
		t.Errorf("the other node calls it %q", got)
	}
	w.mustRun("app", "disable", r.ID)
	look()
	if second.registry.App(r.ID) != nil {
		t.Error("the other node has an app that is disabled")
	}
	w.mustRun("app", "enable", r.ID)
	look()
	if second.registry.App(r.ID) == nil {
		t.Error("the other node has not an app that is enabled")
	}
	w.mustRun("app", "remove", r.ID)
	look()
	if second.registry.App(r.ID) != nil {
		t.Error("the other node has an app that is gone")
	}
	if p := w.jsonTo(http.MethodGet, r.URI, r.Token, nil); p.status != http.StatusUnauthorized {
		t.Errorf("read of an app that is gone = %v", p)
	}
}

// beside is a second node on the database of a world.
func (w *world) beside() *signet {
	w.t.Helper()
	first := w.signet
	w.open()
	second := w.signet
	w.signet = first
	w.t.Cleanup(second.close)
	return second
}

// What is not used as it was meant, or too late, registers nothing.
func TestInitialTokens(t *testing.T) {
	w := newWorld(t, withRegistration)
	once := w.addToken("--most", "1", "--id", "once")
	w.registered(once, metadata(nil))
	short := w.addToken("--expires", "1h", "--id", "short", "--most", "0")
	for range 3 {
		w.registered(short, metadata(nil))
	}
	refused := func(name, token string) {
		t.Helper()
		p := w.jsonTo(http.MethodPost, "/register", token, metadata(nil))
		if p.status != http.StatusUnauthorized || !strings.Contains(p.body, "invalid_token") || !strings.HasPrefix(p.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s = %v %s", name, p, p.body)
		}
	}
	refused("a token that is used up", once)
	out := w.mustRun("app", "token", "list")
	if !strings.Contains(out, "once") || !strings.Contains(out, "short") || strings.Contains(out, short) {
		t.Errorf("app token list = %s", out)
	}
	w.pass(2 * time.Hour)
	refused("a token that has expired", short)
	w.pass(-2 * time.Hour)
	w.mustRun("app", "token", "remove", "short")
	refused("a token that was removed", short)
	if out, code := w.command("app", "token", "remove", "short"); code != exitFailed || !strings.Contains(out, "short") {
		t.Errorf("remove again = %d %s", code, out)
	}
	out = w.mustRun("app", "list")
	if strings.Count(out, "dyn-") != 4 || !strings.Contains(out, "web") {
		t.Errorf("app list = %s", out)
	}
}
