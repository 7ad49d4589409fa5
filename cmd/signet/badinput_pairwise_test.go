package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/signet-broker/signet/broker/keys"
)

const (
	mineApp  = "mine"  // in the sector acme.example
	oursApp  = "ours"  // in the same
	rivalApp = "rival" // in a sector of its own
)

func withPairwise(text string) string {
	const has = "secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], post_logout_redirect_uris: [https://app.example.com/bye], subject_type: pairwise"
	text = strings.Replace(withAPIs(text), "signing: ES256, scopes", "signing: PS256, scopes", 1)
	return strings.Replace(text, "apps:\n", `apps:
  - {id: mine, `+has+`, sector_identifier: acme.example, frontchannel_logout_uri: https://app.example.com/frame, tokens: {signing: PS256}}
  - {id: ours, `+has+`, sector_identifier: acme.example, tokens: {signing: ES256}}
  - {id: rival, `+has+`, frontchannel_logout_uri: https://app.example.com/frame}
`, 1)
}

// known is what an app has of somebody: every place in which a sub or a sid stands.
type known struct {
	tokens   tokenAnswer
	sub, sid string
	claims   map[string]map[string]any // by where they come from
}

// relies has an app that nobody here wrote sign in whoever a browser is, and take what it gets only if that is
// signed by alg.
func (w *trial) relies(b *browser, app, alg string) known {
	w.t.Helper()
	provider, err := oidc.NewProvider(w.t.Context(), w.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	conf := oauth2.Config{ClientID: app, ClientSecret: appSecret, Endpoint: provider.Endpoint(), RedirectURL: callbackURI}
	p := b.authorize(app, url.Values{"provider": {"globex"}})
	if p.location != nil && !strings.HasPrefix(p.location.String(), callbackURI) {
		p = b.atGlobex(p, w.globex, "ann")
	}
	got, err := conf.Exchange(w.t.Context(), b.atApp(p).Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		w.t.Fatalf("%s: %v", app, err)
	}
	k := known{claims: map[string]map[string]any{}}
	k.tokens.Access, k.tokens.Refresh = got.AccessToken, got.RefreshToken
	k.tokens.ID, _ = got.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: app, SupportedSigningAlgs: []string{alg}, Now: w.now}).Verify(w.t.Context(), k.tokens.ID)
	if err == nil {
		err = id.VerifyAccessToken(got.AccessToken)
	}
	if err != nil || id.Nonce != "n-"+app {
		w.t.Fatalf("%s: nonce %q, %v", app, id.Nonce, err)
	}
	k.note(w, "ID token", id.Claims)
	k.sub, k.sid = id.Subject, k.claims["ID token"]["sid"].(string)
	k.note(w, "access token", func(into any) error { decodeClaims(w.t, got.AccessToken, into); return nil })
	info, err := provider.UserInfo(w.t.Context(), oauth2.StaticTokenSource(got))
	if err != nil {
		w.t.Fatal(err)
	}
	k.note(w, "userinfo", info.Claims)
	for where, token := range map[string]string{"access token, introspected": got.AccessToken, "refresh token, introspected": got.RefreshToken} {
		p := w.inspect(app, token)
		k.note(w, where, func(into any) error { return json.Unmarshal([]byte(p.body), into) })
	}
	return k
}

func (k *known) note(w *trial, where string, read func(any) error) {
	w.t.Helper()
	var c map[string]any
	if err := read(&c); err != nil {
		w.t.Fatalf("%s: %v", where, err)
	}
	k.claims[where] = c
}

// agrees checks that the person and the session have one name wherever they are named.
func (k *known) agrees(w *trial) {
	w.t.Helper()
	for where, c := range k.claims {
		if c["sub"] != k.sub || c["sid"] != nil && c["sid"] != k.sid || c["sid"] == nil && where != "userinfo" {
			w.t.Errorf("%s: sub %v and sid %v, want %s and %s", where, c["sub"], c["sid"], k.sub, k.sid)
		}
	}
}

// texts are all texts of the claims that are long enough to be somebody's alone, by where they stand.
func (k *known) texts() map[string]string {
	all := map[string]string{}
	for where, c := range k.claims {
		for name, v := range c {
			s, _ := v.(string)
			for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == '.' || r == ' ' }) {
				if name != "iss" && name != "aud" && name != "acr" && len(part) >= 16 {
					all[part] = name + " of the " + where
				}
			}
		}
	}
	return all
}

// userOf is who somebody is here, and their session.
func (w *trial) userOf(app string) (user, session string) {
	w.t.Helper()
	if err := w.db().QueryRow("SELECT user_id, session FROM families WHERE app = $1 ORDER BY created DESC LIMIT 1", app).Scan(&user, &session); err != nil {
		w.t.Fatal(err)
	}
	return user, session
}

func pairwiseRows() []row {
	rows := []row{
		{id: "P-108", name: "one person at apps of two sectors", control: true, do: twoSectors},
		{id: "P-108", name: "sub of the family's user by their own id", status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			k := w.relies(w.browser(), mineApp, "PS256")
			user, _ := w.userOf(mineApp)
			w.ready()
			for _, sub := range []string{"", k.sub + "A"} {
				if p := w.userinfo(signedAnew("PS256", keys.TypeAccess, map[string]any{"sub": sub})(w, k.tokens)); p.status != http.StatusUnauthorized {
					w.t.Errorf("sub %q = %d", sub, p.status)
				}
			}
			if p := w.userinfo(signedAnew("PS256", keys.TypeAccess, nil)(w, k.tokens)); p.status != http.StatusOK {
				w.t.Errorf("unchanged = %d", p.status)
			}
			return w.userinfo(signedAnew("PS256", keys.TypeAccess, map[string]any{"sub": user})(w, k.tokens))
		}},
		restored(row{id: "P-108", name: "token of before the app was made pairwise", status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.reconfigure("{id: web,", "{id: web, subject_type: pairwise,")
			if again := w.refresh(webApp, a.Refresh); again.status != http.StatusOK {
				w.t.Errorf("refresh = %d %s", again.status, again.body)
			}
			w.ready()
			return w.userinfo(a.Access)
		}}),
		{id: "P-108", name: "sectors that may not be configured", do: func(w *trial) *page {
			for _, is := range []string{
				"subject_type: pairwise, redirect_uris: [https://evil.example/cb, ", "subject_type: secret, redirect_uris: [",
				"sector_identifier: acme.example, redirect_uris: [", "subject_type: pairwise, sector_identifier: 'https://acme.example', redirect_uris: [",
			} {
				if text := strings.Replace(w.config, "{id: web, name: Acme Web, secret: a-secret-of-32-characters-or-more, redirect_uris: [", "{id: web, "+is, 1); text == w.config || !faulty(w.t, text, "apps.") {
					w.t.Errorf("%s may be configured", is)
				}
			}
			return nil
		}},
		{id: "P-99", name: "API's tokens without a signature", do: func(w *trial) *page {
			for _, alg := range []string{"none", "HS256", "PS512", "PS256 "} {
				if !faulty(w.t, strings.Replace(w.config, "signing: PS256, scopes", "signing: '"+alg+"', scopes", 1), "apis.0.signing") {
					w.t.Errorf("signing: %s may be configured", alg)
				}
			}
			return nil
		}},
		{id: "P-99", name: "PS256 of an API, about somebody whom the app alone knows", control: true, do: func(w *trial) *page {
			a := w.redeem(mineApp, w.code(mineApp, url.Values{"resource": {ordersAPI}, "scope": {"openid orders:read"}}), nil)
			set := oidc.NewRemoteKeySet(w.t.Context(), w.URL+"/jwks")
			if _, err := set.VerifySignature(w.t.Context(), a.Access); err != nil {
				w.t.Error(err)
			}
			if header, _ := base64.RawURLEncoding.DecodeString(strings.Split(a.Access, ".")[0]); !strings.Contains(string(header), `"PS256"`) {
				w.t.Errorf("header %s", header)
			}
			if want, got := subjectOf(w, a.ID), w.active(w.inspect(ordersAPI, a.Access))["sub"]; got != want || want == nil {
				w.t.Errorf("the API is told of %v, the app of %v", got, want)
			}
			return nil
		}},
		{id: "P-101", name: "what the key set tells of PS256 and of what names people", status: http.StatusOK, do: func(w *trial) *page {
			p := keySet(w)
			n := map[string]int{}
			for _, k := range w.signet.ring.List() {
				if n[k.Alg]++; (k.Use == "sig") != strings.Contains(p.body, `"`+k.ID+`"`) {
					w.t.Errorf("%s %s %s is published: %v", k.Use, k.Alg, k.ID, k.Use != "sig")
				}
			}
			if n["PS256"] < 2 || n["HS256"] != 1 {
				w.t.Errorf("keys = %v", n)
			}
			return p
		}},
	}
	return append(rows, expectedRows()...)
}

// twoSectors signs ann in to four apps in one browser, and compares what they have got.
func twoSectors(w *trial) *page {
	b := w.browser()
	mine, ours, rival, public := w.relies(b, mineApp, "PS256"), w.relies(b, oursApp, "ES256"), w.relies(b, rivalApp, "RS256"), w.relies(b, webApp, "RS256")
	user, session := w.userOf(webApp)
	for _, k := range []known{mine, ours, rival, public} {
		k.agrees(w)
	}
	if mine.sub != ours.sub || mine.sid != ours.sid {
		w.t.Error("one sector has two names for a person")
	}
	if public.sub != user || public.sid != session {
		w.t.Errorf("a public app has %s and %s, want %s and %s", public.sub, public.sid, user, session)
	}
	for name, pair := range map[string][2]known{"two sectors": {mine, rival}, "a sector and a public app": {mine, public}} {
		theirs := pair[1].texts()
		for text, where := range pair[0].texts() {
			if at, both := theirs[text]; both && !strings.Contains(text, "@") {
				w.t.Errorf("%s: %s is %s and %s", name, text, where, at)
			}
		}
	}
	for text, where := range mine.texts() {
		if text == user || text == session {
			w.t.Errorf("%s is what Signet calls them", where)
		}
	}
	p := b.get("/logout?" + url.Values{"id_token_hint": {mine.tokens.ID}}.Encode())
	for app, sid := range map[string]string{mineApp: mine.sid, rivalApp: rival.sid} {
		if !strings.Contains(p.body, "sid="+url.QueryEscape(sid)) {
			w.t.Errorf("the frame of %s has not its sid: %v", app, p)
		}
	}
	if strings.Contains(p.body, session) {
		w.t.Error("a frame has the session's own id")
	}
	return nil
}

// expectedRows are apps that say whom they expect: by a token, or by a sub in claims (OpenID Connect Core §3.1.2.2).
func expectedRows() []row {
	claims := func(member, sub string) string { return `{"` + member + `":{"sub":` + sub + `}}` }
	value := func(sub string) string { return `{"value":"` + sub + `"}` }
	// asked has ann's browser asked without a page, with what the apps have of her.
	asked := func(name, app, reason string, with func(w *trial, mine, rival, web known) url.Values) row {
		return row{id: "P-26", name: name, control: reason == "", status: http.StatusSeeOther, reason: reason, do: func(w *trial) *page {
			b := w.browser()
			mine, rival, web := w.relies(b, mineApp, "PS256"), w.relies(b, rivalApp, "RS256"), w.relies(b, webApp, "RS256")
			w.ready()
			q := with(w, mine, rival, web)
			q.Set("prompt", "none")
			p := b.authorize(app, q)
			if got := p.location.Query(); (got.Get("code") != "") != (reason == "") {
				w.t.Errorf("%v", got)
			}
			return p
		}}
	}
	bob := func(w *trial, app string) known {
		a := w.tokens(app, "globex", "bob")
		w.ready()
		return known{tokens: a, sub: subjectOf(w, a.ID).(string)}
	}
	return []row{
		asked("its own ID token", mineApp, "", func(_ *trial, mine, _, _ known) url.Values { return url.Values{"id_token_hint": {mine.tokens.ID}} }),
		asked("its own ID token of a public app", webApp, "", func(_ *trial, _, _, web known) url.Values { return url.Values{"id_token_hint": {web.tokens.ID}} }),
		asked("ID token of another app of the sector", oursApp, "invalid_request", func(_ *trial, mine, _, _ known) url.Values { return url.Values{"id_token_hint": {mine.tokens.ID}} }),
		asked("ID token of somebody else", mineApp, "login_required", func(w *trial, _, _, _ known) url.Values {
			return url.Values{"id_token_hint": {bob(w, mineApp).tokens.ID}}
		}),
		asked("sub that the app knows", mineApp, "", func(_ *trial, mine, _, _ known) url.Values {
			return url.Values{"claims": {claims("id_token", value(mine.sub))}}
		}),
		asked("sub that the sector knows, in userinfo", oursApp, "", func(_ *trial, mine, _, _ known) url.Values {
			return url.Values{"claims": {claims("userinfo", value(mine.sub))}}
		}),
		asked("sub of a public app", webApp, "", func(_ *trial, _, _, web known) url.Values {
			return url.Values{"claims": {claims("id_token", value(web.sub))}}
		}),
		asked("sub without a value", mineApp, "", func(*trial, known, known, known) url.Values {
			return url.Values{"claims": {claims("id_token", "null")}}
		}),
		asked("sub in another sector", mineApp, "login_required", func(_ *trial, _, rival, _ known) url.Values {
			return url.Values{"claims": {claims("id_token", value(rival.sub))}}
		}),
		asked("sub of a public app, at one with a sector", mineApp, "login_required", func(_ *trial, _, _, web known) url.Values {
			return url.Values{"claims": {claims("id_token", value(web.sub))}}
		}),
		asked("sub of an app with a sector, at a public one", webApp, "login_required", func(_ *trial, mine, _, _ known) url.Values {
			return url.Values{"claims": {claims("id_token", value(mine.sub))}}
		}),
		asked("sub of somebody else, in userinfo", mineApp, "login_required", func(w *trial, _, _, _ known) url.Values {
			return url.Values{"claims": {claims("userinfo", value(bob(w, mineApp).sub))}}
		}),
		asked("sub of somebody else beside the own", mineApp, "invalid_request", func(_ *trial, mine, rival, _ known) url.Values {
			return url.Values{"claims": {claims("id_token", `{"values":["`+mine.sub+`","`+rival.sub+`"]}`)}}
		}),
		asked("sub that is no text", mineApp, "invalid_request", func(*trial, known, known, known) url.Values {
			return url.Values{"claims": {claims("id_token", `{"value":7}`)}}
		}),
		asked("sub that is empty", mineApp, "invalid_request", func(*trial, known, known, known) url.Values {
			return url.Values{"claims": {claims("id_token", value(""))}}
		}),
		asked("ID token of one and sub of another", mineApp, "invalid_request", func(w *trial, mine, _, _ known) url.Values {
			return url.Values{"id_token_hint": {mine.tokens.ID}, "claims": {claims("id_token", value(bob(w, mineApp).sub))}}
		}),
		{id: "P-26", name: "another user signs in than claims says", status: http.StatusSeeOther, reason: "login_required", event: "login_required", do: func(w *trial) *page {
			ann := w.relies(w.browser(), mineApp, "PS256")
			bob(w, mineApp)
			b := w.browser()
			return b.atGlobex(b.authorize(mineApp, url.Values{"provider": {"globex"}, "claims": {claims("id_token", value(ann.sub))}}), w.globex, "bob")
		}},
		{id: "P-108", name: "sign-out by another app's ID token of the session", status: http.StatusOK, do: func(w *trial) *page {
			b := w.browser()
			mine := w.relies(b, mineApp, "PS256")
			// The same claims for another app: its sub and sid are not those.
			var c map[string]any
			decodeClaims(w.t, mine.tokens.ID, &c)
			c["aud"], c["exp"], c["iat"] = rivalApp, int64(c["exp"].(float64)), int64(c["iat"].(float64))
			hint, err := w.signet.ring.Sign(w.t.Context(), "RS256", keys.TypeID, c)
			if err != nil {
				w.t.Fatal(err)
			}
			w.ready()
			p := b.get("/logout?" + url.Values{"id_token_hint": {hint}}.Encode())
			if !b.alive() {
				w.t.Error("the session is over")
			}
			w.ready()
			return p
		}},
	}
}
