package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-broker/signet/internal/idptest"
)

// oauth2Rows are what upstreams without OpenID Connect send, and what is special about the well known ones.
func oauth2Rows() []row {
	return slices.Concat(ownRows(), githubRows(), facebookRows(), slackRows(), verifiedRows())
}

// fakeOf is the fake behind a provider of kind oauth2 or over it.
func (w *world) fakeOf(provider string) *idptest.OAuth2 {
	if provider == "own" {
		return w.socialNet().own
	}
	kind, _, _ := strings.Cut(provider, "-")
	return w.socialNet().plain[kind]
}

// atSocial signs somebody in at a provider that misbehaves.
func (w *trial) atSocial(provider, person string, o idptest.OAuth2Row) *page {
	w.t.Helper()
	f := w.fakeOf(provider)
	f.Misbehave(o)
	defer f.Honest()
	b := w.browser()
	return b.get(b.toSocial(provider, person).String())
}

func socialRefusal(id, name, provider, person string, status int, reason string, o idptest.OAuth2Row) row {
	return refusal(id, name, status, reason, func(w *trial) *page { return w.noted(w.atSocial(provider, person, o)) })
}

// socialControl is a login that must work and give these claims; nil: not that one.
func socialControl(id, name, provider, person, subject string, want map[string]any, o idptest.OAuth2Row) row {
	return row{id: id, name: name, control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
		p := w.welcome(w.atSocial(provider, person, o))
		w.wantPerson(p, subject, want)
		return p
	}}
}

// answers changes what an API says at a path: fields of an object, nil takes one out.
func answers(path string, change map[string]any) idptest.OAuth2Row {
	return replaced(path, func(doc any) any {
		object := doc.(map[string]any)
		for name, value := range change {
			if object[name] = value; value == nil {
				delete(object, name)
			}
		}
		return object
	})
}

func replaced(path string, change func(doc any) any) idptest.OAuth2Row {
	return idptest.OAuth2Row{Answer: func(at string, doc any) any {
		if at == path {
			return change(doc)
		}
		return doc
	}}
}

// serves answers a path with a status and a body.
func serves(path string, status int, media, body string) idptest.OAuth2Row {
	return idptest.OAuth2Row{Serve: map[string]http.HandlerFunc{path: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.Header().Set("Location", "https://evil.example/")
		w.WriteHeader(status)
		w.Write([]byte(body))
	}}}
}

func callback(change url.Values) idptest.OAuth2Row {
	return idptest.OAuth2Row{Callback: func(v url.Values) {
		for name, values := range change {
			if v[name] = values; values == nil {
				v.Del(name)
			}
		}
	}}
}

const (
	bad       = http.StatusBadRequest
	forbidden = http.StatusForbidden
	broken    = http.StatusBadGateway
)

// ownRows are of the kind oauth2.
func ownRows() []row {
	const js = "application/json"
	at := func(id, name string, status int, reason string, o idptest.OAuth2Row) row {
		return socialRefusal(id, "oauth2: "+name, "own", "ann", status, reason, o)
	}
	return []row{
		at("R-11", "two codes", bad, "malformed", idptest.OAuth2Row{Callback: func(v url.Values) { v.Add("code", "x") }}),
		at("R-13", "an error with a script", bad, "idp_error", callback(url.Values{"code": nil, "error": {"access_denied"}, "error_description": {"<script>alert(1)</script>"}})),
		at("R-8", "another upstream's code", bad, "token_refused", callback(url.Values{"code": {"of-another"}})),
		refusal("R-14", "oauth2: a code of another attempt", bad, "token_refused", func(w *trial) *page {
			code := w.browser().toSocial("own", "ann").Query().Get("code")
			return w.noted(w.atSocial("own", "bob", callback(url.Values{"code": {code}})))
		}),
		refusal("R-12", "oauth2: a posted callback", bad, "malformed", func(w *trial) *page {
			b := w.browser()
			return w.noted(w.posted(b, "own", b.toSocial("own", "ann").Query()))
		}),
		at("R-82", "token as a form", bad, "malformed", serves("/token", 200, "application/x-www-form-urlencoded", "access_token=SECRET&token_type=bearer")),
		at("R-83", "token endpoint redirects", broken, "upstream_broken", serves("/token", 307, js, "")),
		at("R-81", "token of 3 MB", broken, "upstream_broken", serves("/token", 200, js, strings.Repeat(" ", 3<<20))),
		at("R-84", "the secret is wrong", broken, "token_refused", serves("/token", 401, js, `{"error":"invalid_client","error_description":"SECRET"}`)),
		at("R-99", "profile answers 500 with a secret", broken, "upstream_broken", serves("/me", 500, js, "SECRET")),
		at("R-21", "no id", bad, "sub", answers("/me", map[string]any{"data": map[string]any{}})),
		at("R-22", "id of another type", bad, "sub", answers("/me", map[string]any{"data": map[string]any{"user": map[string]any{"id": true}}})),
		at("R-22", "profile of another type", bad, "malformed", replaced("/me", func(doc any) any { return []any{doc} })),
		at("R-48", "id comes twice", bad, "malformed", serves("/me", 200, js, `{"data":{"user":{"id":1,"id":2}}}`)),
		at("R-49", "a look-alike of id", bad, "sub", serves("/me", 200, js, `{"data":{"user":{"ID":1,"ıd":2}}}`)),
		{id: "R-96", name: "oauth2: endpoints without TLS", do: func(w *trial) *page {
			own := w.socialNet().own.URL
			for key, path := range map[string]string{"authorization_url": "/authorize", "token_url": "/token", "userinfo_url": "/me"} {
				text := strings.Replace(w.config, `"`+own+path+`"`, `"http://upstream.example`+path+`"`, 1)
				if !faultyProvider(w.t, text, "providers.4."+key) {
					w.t.Errorf("%s may be http", key)
				}
			}
			return nil
		}},
	}
}

// posted brings an answer as a form that another site submits.
func (w *trial) posted(b *browser, provider string, form url.Values) *page {
	b.header = http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}
	return b.post("/callback/"+provider, form)
}

func githubRows() []row {
	const emails, member = "/user/emails", "/user/memberships/orgs/acme"
	email := func(address string, primary, verified bool) map[string]any {
		return map[string]any{"email": address, "primary": primary, "verified": verified}
	}
	listed := func(list ...any) idptest.OAuth2Row { return replaced(emails, func(any) any { return list }) }
	const ann = "9007199254740991"
	none := map[string]any{"email": nil, "email_verified": nil}
	outside := func(name, person string, o idptest.OAuth2Row) row {
		return socialRefusal("R-76", "github: "+name, "github-acme", person, forbidden, "not_member", o)
	}
	return []row{
		socialControl("R-76", "github: the primary address is not verified", "github", "ann", ann, none, listed(email("ann@globex.example", true, false), email("x@globex.example", false, true))),
		socialControl("R-76", "github: no address is primary", "github", "ann", ann, none, listed(email("x@globex.example", false, true))),
		socialControl("R-76", "github: addresses may not be read", "github", "ann", ann, none, serves(emails, 404, "application/json", `{"message":"Not Found"}`)),
		socialControl("R-76", "github: the profile says that its address is verified", "github", "ann", ann, none,
			idptest.OAuth2Row{Answer: func(path string, doc any) any {
				switch path {
				case emails:
					return []any{}
				case "/user":
					doc.(map[string]any)["email_verified"] = true
				}
				return doc
			}}),
		outside("an invitation that is pending", "bob", idptest.OAuth2Row{}),
		outside("member of another organization", "eve", idptest.OAuth2Row{}),
		outside("membership of somebody else", "ann", answers(member, map[string]any{"user": map[string]any{"id": 7}})),
		outside("membership in another organization", "ann", answers(member, map[string]any{"organization": map[string]any{"login": "other"}})),
		outside("memberships may not be read", "ann", serves(member, 403, "application/json", `{"message":"SECRET"}`)),
		refusal("R-76", "github: a member at an earlier login", forbidden, "not_member", func(w *trial) *page {
			w.welcome(w.atSocial("github-acme", "ann", idptest.OAuth2Row{}))
			w.ready()
			return w.noted(w.atSocial("github-acme", "ann", replaced(member, func(any) any { return nil })))
		}),
		socialRefusal("R-21", "github: no id", "github", "ann", bad, "sub", answers("/user", map[string]any{"id": nil})),
		socialRefusal("R-22", "github: id is a login", "github", "ann", bad, "sub", answers("/user", map[string]any{"id": "ann"})),
		socialRefusal("R-22", "github: profile of an organization", "github", "ann", bad, "sub", answers("/user", map[string]any{"type": "Organization"})),
		socialRefusal("R-8", "github: a code that is no good, said with 200", "github", "ann", bad, "token_refused", callback(url.Values{"code": {"x"}})),
		socialControl("R-68", "github: a login that somebody else has now", "github", "eve", "9007199254740993", nil, answers("/user", map[string]any{"login": "ann"})),
	}
}

func facebookRows() []row {
	const me = "/v23.0/me"
	return []row{
		socialRefusal("R-13", "facebook: the person cancels", "facebook", "ann", bad, "idp_error", callback(url.Values{
			"code": nil, "error": {"access_denied"}, "error_code": {"200"}, "error_reason": {"user_denied"}, "error_description": {"<script>alert(1)</script>"},
		})),
		socialRefusal("R-8", "facebook: a code that is no good, in an error object", "facebook", "ann", bad, "token_refused", callback(url.Values{"code": {"x"}})),
		socialRefusal("R-21", "facebook: no id", "facebook", "ann", bad, "sub", answers(me, map[string]any{"id": nil})),
		socialRefusal("R-22", "facebook: id is a number", "facebook", "ann", bad, "sub", answers(me, map[string]any{"id": 7})),
		socialRefusal("R-99", "facebook: an error object instead of a profile", "facebook", "ann", broken, "upstream_broken",
			serves(me, 400, "application/json", `{"error":{"message":"SECRET","type":"OAuthException","code":190}}`)),
		socialControl("R-76", "facebook: an address is never verified", "facebook", "ann", "9007199254740991",
			map[string]any{"email": "ann@globex.example", "email_verified": false}, answers(me, map[string]any{"verified": true, "email_verified": true})),
	}
}

// verifiedRows are addresses that their upstream does not vouch for, and profiles that are of another kind.
func verifiedRows() []row {
	return []row{
		socialControl("R-76", "discord: an address that is not verified", "discord", "eve", "9007199254740993",
			map[string]any{"email": "eve@globex.example", "email_verified": false}, idptest.OAuth2Row{}),
		socialControl("R-76", "linkedin: an address that is not verified", "linkedin", "eve", "li-eve",
			map[string]any{"email": "eve@globex.example", "email_verified": false}, idptest.OAuth2Row{}),
		socialControl("R-76", "amazon: an address is never verified", "amazon", "ann", "amzn1.account.ANN",
			map[string]any{"email": "ann@globex.example", "email_verified": false}, answers("/user/profile", map[string]any{"email_verified": true})),
		socialRefusal("R-21", "amazon: no user_id", "amazon", "ann", bad, "sub", answers("/user/profile", map[string]any{"user_id": nil, "id": "x"})),
		socialRefusal("R-21", "discord: a profile of a guild", "discord", "ann", bad, "malformed", replaced("/api/v10/users/@me", func(any) any { return []any{} })),
		socialRefusal("R-21", "linkedin: no sub", "linkedin", "ann", bad, "sub", answers("/v2/userinfo", map[string]any{"sub": nil})),
	}
}

func slackRows() []row {
	at := func(w *trial, provider, person string, change map[string]any) *page {
		f := w.socialNet().openID["slack"]
		f.Misbehave(with(change))
		defer f.Honest()
		b := w.browser()
		return b.get(b.toSocial(provider, person).String())
	}
	refused := func(name, provider, person string, status int, reason string, change map[string]any) row {
		return refusal("R-63", "slack: "+name, status, reason, func(w *trial) *page { return w.noted(at(w, provider, person, change)) })
	}
	accepted := func(name, provider, subject string, change, want map[string]any) row {
		return row{id: "R-63", name: "slack: " + name, control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			p := w.welcome(at(w, provider, "ann", change))
			w.wantPerson(p, subject, want)
			return p
		}}
	}
	const team = "https://slack.com/team_id"
	return []row{
		refused("another workspace", "slack-globex", "eve", forbidden, "not_member", nil),
		refused("no workspace", "slack-globex", "ann", bad, "sub", map[string]any{team: nil}),
		refused("no workspace, where all may sign in", "slack", "ann", bad, "sub", map[string]any{team: nil}),
		refused("a workspace that is no text", "slack", "ann", bad, "sub", map[string]any{team: []any{idptest.SlackGlobex}}),
		refused("another nonce", "slack", "ann", bad, "nonce", map[string]any{"nonce": "x"}),
		accepted("the same user id in another workspace", "slack", idptest.SlackOther+"/ann", map[string]any{team: idptest.SlackOther}, nil),
		accepted("whoever runs a workspace vouches for its addresses", "slack", idptest.SlackGlobex+"/ann", nil,
			map[string]any{"email": "ann@globex.example", "email_verified": false}),
	}
}
