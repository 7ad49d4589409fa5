package idptest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
)

// Facebook puts www.facebook.com and graph.facebook.com on n.
func (n *Internet) Facebook() *OAuth2 {
	f := newOAuth2(pkceIgnored)
	f.browser = n.Client()
	refuse := func(w http.ResponseWriter, code int) {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": map[string]any{
			"message": "SECRET", "type": "OAuthException", "code": code, "fbtrace_id": "A1",
		}})
	}
	f.errors = func(w http.ResponseWriter, _ *http.Request, code string) {
		refuse(w, map[string]int{"invalid_grant": 100, "invalid_client": 1}[code])
	}
	web, graph := http.NewServeMux(), http.NewServeMux()
	web.HandleFunc("/{version}/dialog/oauth", f.authorize)
	graph.HandleFunc("POST /{version}/oauth/access_token", f.token)
	me := f.api(func(person string, r *http.Request) any {
		doc := map[string]any{"id": string(number(person))} // what is not in fields is not told
		all := map[string]string{"name": person, "email": person + "@globex.example", "first_name": person, "last_name": "Archer"}
		for field := range strings.SplitSeq(r.FormValue("fields"), ",") {
			if value, ok := all[field]; ok {
				doc[field] = value
			}
		}
		return doc
	})
	graph.HandleFunc("GET /{version}/me", func(w http.ResponseWriter, r *http.Request) {
		mac := hmac.New(sha256.New, []byte(f.ClientSecret))
		mac.Write([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
		if r.FormValue("appsecret_proof") != hex.EncodeToString(mac.Sum(nil)) {
			refuse(w, 100) // "API calls from the server require an appsecret_proof argument", where that is switched on
			return
		}
		me(w, r)
	})
	n.Serve("www.facebook.com", f.counted(web))
	n.Serve("graph.facebook.com", f.counted(graph))
	return f
}

// LinkedIn puts www.linkedin.com and api.linkedin.com on n. It fails over a code_verifier.
func (n *Internet) LinkedIn() *OAuth2 {
	f := newOAuth2(pkceRefused)
	f.browser = n.Client()
	f.errors = func(w http.ResponseWriter, _ *http.Request, code string) {
		if code == "invalid_grant" { // LinkedIn says this of a bad code
			code = "invalid_request"
		}
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": code, "error_description": "SECRET"})
	}
	web, api := http.NewServeMux(), http.NewServeMux()
	web.HandleFunc("/oauth/v2/authorization", f.authorize)
	web.HandleFunc("POST /oauth/v2/accessToken", f.token)
	api.HandleFunc("GET /v2/userinfo", f.api(func(person string, _ *http.Request) any {
		return map[string]any{
			"sub": "li-" + person, "name": person, "given_name": person, "family_name": "Archer", "email": person + "@globex.example",
			"email_verified": person != "eve", "locale": map[string]any{"country": "US", "language": "en"},
		}
	}))
	n.Serve("www.linkedin.com", f.counted(web))
	n.Serve("api.linkedin.com", f.counted(api))
	return f
}

// Amazon puts www.amazon.com and api.amazon.com on n.
func (n *Internet) Amazon() *OAuth2 {
	f := newOAuth2(pkceKnown)
	f.browser = n.Client()
	web, api := http.NewServeMux(), http.NewServeMux()
	web.HandleFunc("/ap/oa", f.authorize)
	api.HandleFunc("POST /auth/o2/token", f.token)
	api.HandleFunc("GET /user/profile", f.api(func(person string, _ *http.Request) any {
		return map[string]any{"user_id": "amzn1.account." + strings.ToUpper(person), "name": person, "email": person + "@globex.example"}
	}))
	n.Serve("www.amazon.com", f.counted(web))
	n.Serve("api.amazon.com", f.counted(api))
	return f
}

// Discord puts discord.com on n. It answers only to who says what they are.
func (n *Internet) Discord() *OAuth2 {
	f := newOAuth2(pkceKnown)
	f.browser = n.Client()
	web := http.NewServeMux()
	web.HandleFunc("/oauth2/authorize", f.authorize)
	named := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.UserAgent(), "DiscordBot (http") {
				http.Error(w, "error code: 1010", http.StatusForbidden)
				return
			}
			h(w, r)
		}
	}
	web.HandleFunc("POST /api/v10/oauth2/token", named(f.token))
	web.HandleFunc("GET /api/v10/users/@me", named(f.api(func(person string, _ *http.Request) any {
		return map[string]any{
			"id": string(number(person)), "username": person, "discriminator": "0", "global_name": nil,
			"email": person + "@globex.example", "verified": person != "eve",
		}
	})))
	n.Serve("discord.com", f.counted(web))
	return f
}

// GitLab puts gitlab.com on n.
func (n *Internet) GitLab(opts OIDCOptions) *OIDC {
	f := n.on("https://gitlab.com", opts)
	f.manner = OIDCRow{
		Discovery: func(_ *OIDC, doc map[string]any) {
			for _, name := range []string{"end_session_endpoint", "authorization_response_iss_parameter_supported"} {
				delete(doc, name)
			}
		},
		Claims: func(_ *OIDC, c map[string]any) {
			if groups := c["groups"]; groups != nil { // all of them are told by userinfo alone
				c["groups_direct"] = groups
			}
			for _, name := range []string{"sid", "acr", "amr", "groups", "at_hash"} {
				delete(c, name)
			}
		},
		Callback: func(_ *OIDC, v url.Values) { v.Del("iss") },
	}
	n.Serve(host(f.Issuer), f.handler())
	return f
}

// Workspaces of the fake Slack.
const (
	SlackGlobex = "T0GLOBEX1"
	SlackOther  = "T0OTHER22"
)

// Slack puts slack.com on n: whoever has an address at globex.example is of SlackGlobex, everybody else of
// SlackOther. It says what is wrong with 200, and fails over a code_verifier.
func (n *Internet) Slack(opts OIDCOptions) *OIDC {
	f := n.on("https://slack.com", opts)
	f.noPKCE = true
	f.manner = OIDCRow{
		Discovery: func(_ *OIDC, doc map[string]any) {
			doc["token_endpoint_auth_methods_supported"] = []string{"client_secret_post", "client_secret_basic"}
			for _, name := range []string{"end_session_endpoint", "authorization_response_iss_parameter_supported", "code_challenge_methods_supported"} {
				delete(doc, name)
			}
		},
		Claims: func(_ *OIDC, c map[string]any) {
			for _, name := range []string{"sid", "acr", "amr", "groups", "preferred_username"} {
				delete(c, name)
			}
			team := SlackOther
			if email, _ := c["email"].(string); strings.HasSuffix(email, "@globex.example") {
				team = SlackGlobex
			}
			c["https://slack.com/team_id"], c["https://slack.com/user_id"] = team, c["sub"]
		},
		Callback: func(_ *OIDC, v url.Values) { v.Del("iss") },
	}
	honest := f.handler()
	n.Serve(host(f.Issuer), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == tokenPath && r.PostFormValue("code_verifier") != "" {
			writeJSON(w, http.StatusOK, map[string]any{"ok": false, "error": "internal_error"})
			return
		}
		honest.ServeHTTP(slackWriter{w, r.URL.Path == tokenPath}, r)
	}))
	return f
}

// slackWriter says errors of the token endpoint in Slack's way.
type slackWriter struct {
	http.ResponseWriter
	token bool
}

func (w slackWriter) WriteHeader(status int) {
	if w.token && status >= 400 && status < 500 {
		status = http.StatusOK
	}
	w.ResponseWriter.WriteHeader(status)
}
