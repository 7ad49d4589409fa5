package idptest

import (
	"net/http"
	"net/url"
)

// GitHub puts github.com and api.github.com on n. ann is an active member of Acme and of its team platform,
// bob has been invited there, eve is of another organization.
func (n *Internet) GitHub() *OAuth2 {
	f := newOAuth2(pkceKnown)
	f.browser = n.Client()
	// What is wrong with a token request is said with 200, and in a form unless JSON is asked for.
	f.tokens = githubAnswer
	f.errors = func(w http.ResponseWriter, r *http.Request, code string) {
		if names := map[string]string{"invalid_grant": "bad_verification_code", "invalid_client": "incorrect_client_credentials"}; names[code] != "" {
			code = names[code]
		}
		githubAnswer(w, r, map[string]any{"error": code, "error_description": "SECRET"})
	}
	web := http.NewServeMux()
	web.HandleFunc("/login/oauth/authorize", f.authorize)
	web.HandleFunc("POST /login/oauth/access_token", f.token)
	api := http.NewServeMux()
	api.HandleFunc("GET /user", f.api(githubUser))
	api.HandleFunc("GET /user/emails", f.api(githubEmails))
	api.HandleFunc("GET /user/memberships/orgs/{org}", f.api(githubMembership))
	api.HandleFunc("GET /user/teams", f.api(githubTeams))
	n.Serve("github.com", f.counted(web))
	n.Serve("api.github.com", f.counted(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() == "" || r.UserAgent() == "Go-http-client/1.1" || r.UserAgent() == "Go-http-client/2.0" {
			http.Error(w, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header", http.StatusForbidden)
			return
		}
		api.ServeHTTP(w, r)
	})))
	return f
}

func githubAnswer(w http.ResponseWriter, r *http.Request, doc map[string]any) {
	if r.Header.Get("Accept") == "application/json" {
		writeJSON(w, http.StatusOK, doc)
		return
	}
	form := url.Values{}
	for name, value := range doc {
		if s, ok := value.(string); ok {
			form.Set(name, s)
		}
	}
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w.Write([]byte(form.Encode()))
}

func githubUser(person string, _ *http.Request) any {
	return map[string]any{
		"login": person, "id": number(person), "type": "User", "name": person, "avatar_url": "https://avatars.githubusercontent.com/" + person,
		"email": "public-" + person + "@elsewhere.example",
	}
}

func githubEmails(person string, _ *http.Request) any {
	return []any{
		map[string]any{"email": "old-" + person + "@globex.example", "primary": false, "verified": true, "visibility": nil},
		map[string]any{"email": person + "@globex.example", "primary": true, "verified": person != "eve", "visibility": "private"},
	}
}

func githubMembership(person string, r *http.Request) any {
	org := map[string]string{"ann": "Acme", "bob": "Acme", "eve": "other"}[person]
	if asked := r.PathValue("org"); asked != org && (asked != "acme" || org != "Acme") {
		return nil
	}
	state := "active"
	if person == "bob" {
		state = "pending"
	}
	return map[string]any{
		"state": state, "role": "member", "organization": map[string]any{"login": org}, "user": map[string]any{"login": person, "id": number(person)},
	}
}

func githubTeams(person string, r *http.Request) any {
	if person != "ann" || r.FormValue("page") != "1" {
		return []any{}
	}
	return []any{
		map[string]any{"slug": "platform", "name": "Platform", "organization": map[string]any{"login": "Acme"}},
		map[string]any{"slug": "owners", "name": "Owners", "organization": map[string]any{"login": "elsewhere"}},
	}
}
