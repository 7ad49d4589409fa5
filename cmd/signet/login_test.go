package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/net/html"
	"golang.org/x/oauth2"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/internal/idptest"
)

// verifier is the PKCE verifier of every login here.
var verifier = strings.Repeat("v", 43)

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorizeQuery is an honest authentication request; with overrides some of it ("" takes one out).
func authorizeQuery(app string, with url.Values) url.Values {
	q := url.Values{
		"client_id": {app}, "redirect_uri": {callbackURI}, "response_type": {"code"}, "scope": {"openid profile email groups offline_access"},
		"state": {"st-" + app}, "nonce": {"n-" + app}, "code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"},
	}
	maps.Copy(q, with)
	for k, v := range q {
		if len(v) == 1 && v[0] == "" {
			q.Del(k)
		}
	}
	return q
}

func (b *browser) authorize(app string, with url.Values) *page {
	b.w.t.Helper()
	return b.get("/authorize?" + authorizeQuery(app, with).Encode())
}

// atGlobex signs somebody in at the OIDC upstream that a page sends the browser to, and comes back.
func (b *browser) atGlobex(p *page, f *idptest.OIDC, person string) *page {
	b.w.t.Helper()
	return b.get(b.backFrom(p, f, person).String())
}

// backFrom is the way back from the upstream, not yet gone.
func (b *browser) backFrom(p *page, f *idptest.OIDC, person string) *url.URL {
	b.w.t.Helper()
	if p.status != http.StatusSeeOther || p.location == nil {
		b.w.t.Fatalf("not sent to the upstream: %v", p)
	}
	back, err := f.SignIn(b.w.t.Context(), p.location.String(), person)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return back
}

// atInitech has the SAML upstream answer the request that a page sends the browser with, and posts the
// answer as a browser does across sites: without our Lax cookies. It returns what our ACS says.
func (b *browser) atInitech(p *page, row *idptest.SAMLRow) *page {
	b.w.t.Helper()
	form, err := b.w.initech.AnswerURL(p.location.String(), row)
	if err != nil {
		b.w.t.Fatal(err)
	}
	stranger := b.w.browser() // no cookies
	stranger.header = http.Header{"Origin": {b.w.initech.URL}, "Sec-Fetch-Site": {"cross-site"}}
	return stranger.post("/saml/initech/acs", form)
}

// signIn goes through a whole login and returns the parameters that the app gets.
func (b *browser) signIn(app, provider, person string) url.Values {
	b.w.t.Helper()
	p := b.authorize(app, url.Values{"provider": {provider}})
	switch provider {
	case "globex":
		p = b.atGlobex(p, b.w.globex, person)
	case "hooli":
		p = b.atGlobex(p, b.w.hooli, person)
	case "initech":
		p = b.get(b.atInitech(p, nil).location.String())
	case "local":
		p = b.password(b.get(p.location.String()), person, "correct horse battery")
	}
	return b.atApp(p)
}

// atApp is what the app gets.
func (b *browser) atApp(p *page) url.Values {
	b.w.t.Helper()
	if p.location == nil || !strings.HasPrefix(p.location.String(), callbackURI+"?") {
		b.w.t.Fatalf("not sent to the app: %v\n%s", p, b.w.log)
	}
	return p.location.Query()
}

// password fills the password page in.
func (b *browser) password(p *page, username, word string) *page {
	b.w.t.Helper()
	if !p.has("password") {
		b.w.t.Fatalf("no password page: %v", p)
	}
	action, form := p.form()
	form.Set("username", username)
	form.Set("password", word)
	return b.post(action, form)
}

// addAccount makes a local account with the password of signIn.
func (w *world) addAccount(username, email string) {
	w.t.Helper()
	c := userAdd{Email: email, Name: strings.ToUpper(username[:1]) + username[1:], EmailVerified: true}
	c.Config, c.Username = w.configFile(), username
	if err := c.with(w.t.Context(), "correct horse battery", func(s *signet, a newAccount) error { return c.create(w.t.Context(), s, a) }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) redeem(app string, code string, with url.Values) tokenAnswer {
	w.t.Helper()
	f := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}
	if app == publicApp {
		f.Set("client_id", app)
	}
	maps.Copy(f, with)
	return w.app(app, "/token", f)
}

func (w *world) refresh(app, token string) tokenAnswer {
	w.t.Helper()
	f := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	if app == publicApp {
		f.Set("client_id", app)
	}
	return w.app(app, "/token", f)
}

// tokens signs somebody in and redeems the code.
func (w *world) tokens(app, provider, person string) tokenAnswer {
	w.t.Helper()
	got := w.browser().signIn(app, provider, person)
	a := w.redeem(app, got.Get("code"), nil)
	if a.status != http.StatusOK {
		w.t.Fatalf("token = %d %s\n%s", a.status, a.body, w.log)
	}
	return a
}

func (w *world) userinfo(access string) *page {
	w.t.Helper()
	b := w.browser()
	b.header.Set("Authorization", "Bearer "+access)
	return b.get("/userinfo")
}

// lastEvent is the newest event of a type.
func (w *world) lastEvent(kind string) broker.Event {
	w.t.Helper()
	rows := w.db().QueryRow("SELECT type, reason, app, provider, request_id FROM events WHERE type = ? ORDER BY time DESC, rowid DESC LIMIT 1", kind)
	var e broker.Event
	if err := rows.Scan(&e.Type, &e.Reason, &e.App, &e.Provider, &e.RequestID); err != nil {
		w.t.Fatalf("event %s: %v", kind, err)
	}
	return e
}

// TestEveryKindOfSignInEndsInTheApp is the whole way, checked by a client that nobody here wrote.
func TestEveryKindOfSignInEndsInTheApp(t *testing.T) {
	w := newWorld(t)
	w.addAccount("ann", "ann@acme.example")
	for app, alg := range map[string]string{webApp: "RS256", otherApp: "ES256", publicApp: "EdDSA"} {
		client, err := oidc.NewProvider(t.Context(), w.URL)
		if err != nil {
			t.Fatal(err)
		}
		for provider, person := range map[string]string{"globex": "ann", "initech": "peter", "local": "ann"} {
			got := w.browser().signIn(app, provider, person)
			if got.Get("iss") != w.URL || got.Get("state") != "st-"+app {
				t.Errorf("%s at %s: the app got %v", app, provider, got)
			}
			conf := oauth2.Config{ClientID: app, Endpoint: client.Endpoint(), RedirectURL: callbackURI}
			conf.Endpoint.AuthStyle = oauth2.AuthStyleInParams
			if app != publicApp {
				conf.ClientSecret, conf.Endpoint.AuthStyle = appSecret, oauth2.AuthStyleInHeader
			}
			set, err := conf.Exchange(t.Context(), got.Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatalf("%s at %s: exchange: %v", app, provider, err)
			}
			raw, _ := set.Extra("id_token").(string)
			id, err := client.Verifier(&oidc.Config{ClientID: app, SupportedSigningAlgs: []string{alg}}).Verify(t.Context(), raw)
			if err != nil {
				t.Fatalf("%s at %s: ID token: %v", app, provider, err)
			}
			if err := id.VerifyAccessToken(set.AccessToken); err != nil || id.Nonce != "n-"+app {
				t.Errorf("%s at %s: nonce %q, at_hash: %v", app, provider, id.Nonce, err)
			}
			info, err := client.UserInfo(t.Context(), oauth2.StaticTokenSource(set))
			if err != nil || info.Subject != id.Subject || info.Email == "" {
				t.Errorf("%s at %s: userinfo = %+v, %v", app, provider, info, err)
			}
			again := w.refresh(app, set.RefreshToken)
			if again.status != http.StatusOK || again.Refresh == set.RefreshToken || again.ID == "" {
				t.Errorf("%s at %s: refresh = %d %s", app, provider, again.status, again.Error)
			}
		}
	}
}

func TestSameIdentityIsTheSameUser(t *testing.T) {
	w := newWorld(t)
	subject := func(provider, person string) string {
		var c struct {
			Sub string `json:"sub"`
		}
		decodeClaims(t, w.tokens(webApp, provider, person).ID, &c)
		return c.Sub
	}
	first, again, elsewhere := subject("globex", "ann"), subject("globex", "ann"), subject("hooli", "ann")
	if first != again {
		t.Errorf("one person is two users: %s and %s", first, again)
	}
	if first == elsewhere {
		t.Error("the same subject of two providers is one user")
	}
}

func TestSingleSignOn(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn(webApp, "globex", "ann")
	requests := w.globex.Requests("/authorize")
	p := b.authorize(otherApp, nil)
	if got := b.atApp(p); got.Get("code") == "" {
		t.Errorf("second app got %v", got)
	}
	if w.globex.Requests("/authorize") != requests {
		t.Error("the second app's login went upstream")
	}
	if n := w.counts()["sessions"]; n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}

func TestRefreshRotatesWithGraceAndFindsReuse(t *testing.T) {
	w := newWorld(t)
	first := w.tokens(webApp, "globex", "ann")
	second := w.refresh(webApp, first.Refresh)
	lost := w.refresh(webApp, first.Refresh)
	if second.status != 200 || lost.status != 200 || lost.Refresh != second.Refresh {
		t.Fatalf("a repeat within the grace gives another successor: %d %d", second.status, lost.status)
	}
	third := w.refresh(webApp, second.Refresh)
	if third.status != 200 {
		t.Fatalf("the successor is refused: %s", third.body)
	}
	w.restart()
	if a := w.refresh(webApp, first.Refresh); a.status != 400 || a.Error != "invalid_grant" {
		t.Errorf("reuse after rotation = %d %s", a.status, a.Error)
	}
	if a := w.refresh(webApp, third.Refresh); a.status != 400 {
		t.Errorf("the family lives on after reuse: %d", a.status)
	}
	if p := w.userinfo(third.Access); p.status != http.StatusUnauthorized {
		t.Errorf("userinfo after reuse = %d", p.status)
	}
	w.lastEvent(broker.RefreshReplayed)

	late := w.tokens(webApp, "globex", "ann")
	w.refresh(webApp, late.Refresh)
	w.pass(31 * time.Second)
	if a := w.refresh(webApp, late.Refresh); a.status != 400 {
		t.Errorf("reuse after the grace = %d", a.status)
	}
}

func TestLogout(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	a := w.redeem(webApp, b.signIn(webApp, "globex", "ann").Get("code"), nil)
	p := b.get("/logout?" + url.Values{"id_token_hint": {a.ID}, "post_logout_redirect_uri": {afterLogout}, "state": {"x&y"}}.Encode())
	if p.location == nil || p.location.String() != afterLogout+"?state=x%26y" {
		t.Fatalf("logout = %v", p)
	}
	if n := w.counts()["sessions"]; n != 0 {
		t.Errorf("%d sessions after logout", n)
	}
	if p := b.authorize(webApp, url.Values{"prompt": {"none"}}); b.atApp(p).Get("error") != "login_required" {
		t.Errorf("prompt=none after logout = %v", p)
	}

	b.signIn(webApp, "globex", "ann")
	p = b.get("/logout")
	if p.status != 200 || !p.has("confirm") || w.counts()["sessions"] != 1 {
		t.Fatalf("logout without a hint = %v, %d sessions", p, w.counts()["sessions"])
	}
	action, form := p.form()
	form.Set("confirm", "yes")
	if p = b.post(action, form); p.status != 200 || w.counts()["sessions"] != 0 {
		t.Errorf("confirmed logout = %v, %d sessions", p, w.counts()["sessions"])
	}
}

func TestLoginBelongsToItsBrowser(t *testing.T) {
	w := newWorld(t)
	mine, theirs := w.browser(), w.browser()
	theirs.authorize(webApp, url.Values{"provider": {"globex"}}) // has a cookie of its own
	back := mine.backFrom(mine.authorize(webApp, url.Values{"provider": {"globex"}}), w.globex, "ann")
	before := w.counts()
	for name, b := range map[string]*browser{"another": theirs, "a fresh": w.browser()} {
		if p := b.get(back.String()); p.status != 400 || p.header.Get("Set-Cookie") != "" {
			t.Errorf("%s browser finished the login: %v", name, p)
		}
	}
	if after := w.counts(); !maps.Equal(before, after) {
		t.Errorf("rows %v, were %v", after, before)
	}
	if got := mine.atApp(mine.get(back.String())); got.Get("code") == "" {
		t.Error("its own browser could not finish it afterwards")
	}

	p := mine.authorize(otherApp, url.Values{"provider": {"initech"}, "prompt": {"login"}})
	parked := mine.atInitech(p, nil)
	if parked.status != http.StatusSeeOther || parked.header.Get("Set-Cookie") != "" {
		t.Fatalf("ACS = %v, cookies %q", parked, parked.header.Get("Set-Cookie"))
	}
	if p := theirs.get(parked.location.String()); p.status != 400 {
		t.Errorf("another browser took over a parked identity: %v", p)
	}
	if got := mine.atApp(mine.get(parked.location.String())); got.Get("code") == "" {
		t.Error("its own browser could not go on")
	}
}

func decodeClaims(t testing.TB, token string, into any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %.40s", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

func TestSessionEndsByItself(t *testing.T) {
	short := func(c string) string { return c + "\nsessions: {idle: 1h, absolute: 3h}\n" }
	w := newWorld(t, short)
	b := w.browser()
	b.signIn(webApp, "globex", "ann")
	lives := func() bool {
		t.Helper()
		return b.atApp(b.authorize(webApp, url.Values{"prompt": {"none"}})).Get("code") != ""
	}
	for passed := time.Duration(0); passed < 165*time.Minute; passed += 55 * time.Minute {
		if !lives() {
			t.Fatalf("a session that is used ends after %v", passed)
		}
		w.pass(55 * time.Minute)
	}
	w.pass(20 * time.Minute)
	if lives() {
		t.Error("a session outlives its absolute end")
	}
	w = newWorld(t, short)
	b = w.browser()
	b.signIn(webApp, "globex", "ann")
	w.pass(61 * time.Minute)
	if lives() {
		t.Error("a session that is not used outlives its idle end")
	}
}

func TestIssuerMayHaveAPath(t *testing.T) {
	w := newWorld(t, func(c string) string { return strings.Replace(c, "\nadmin_listen", "/auth/eu\nadmin_listen", 1) })
	w.URL += "/auth/eu"
	client, err := oidc.NewProvider(t.Context(), w.URL)
	if err != nil {
		t.Fatal(err)
	}
	if want := w.URL + "/authorize"; client.Endpoint().AuthURL != want {
		t.Errorf("authorization endpoint = %s, want %s", client.Endpoint().AuthURL, want)
	}
	b := w.browser()
	p := b.authorize(webApp, nil)
	choose := b.get(p.location.String())
	link := choose.find(func(n *html.Node) bool { return n.Data == "link" && attribute(n, "rel") == "stylesheet" })
	if link == nil || b.get(strings.TrimSuffix(w.URL, "/auth/eu")+attribute(link, "href")).status != http.StatusOK {
		t.Error("the page's style is not found")
	}
	if got := b.signIn(webApp, "initech", "peter"); got.Get("iss") != w.URL || got.Get("code") == "" {
		t.Errorf("the app got %v", got)
	}
	if got := w.browser().signIn(webApp, "globex", "ann"); got.Get("code") == "" {
		t.Errorf("the app got %v", got)
	}
}

// TestAFinishedLoginForgetsWhatWasAsked: its row stays for an hour, to tell its browser that it is over.
func TestAFinishedLoginForgetsWhatWasAsked(t *testing.T) {
	w := newWorld(t)
	w.browser().signIn(webApp, "globex", "ann")
	var data string
	if err := w.db().QueryRow("SELECT data FROM logins").Scan(&data); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{callbackURI, "challenge", "nonce", "identity"} {
		if strings.Contains(data, gone) {
			t.Errorf("a finished login keeps %s: %s", gone, data)
		}
	}
	if !strings.Contains(data, webApp) {
		t.Errorf("a finished login knows no way back to its app: %s", data)
	}
}
