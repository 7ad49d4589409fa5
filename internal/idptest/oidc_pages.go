package idptest

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed oidc.html
var oidcHTML string

var oidcPage = template.Must(template.New("oidc").Parse(oidcHTML))

// authorize is the authorization endpoint and its page.
func (f *OIDC) authorize(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if err := r.ParseForm(); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	back, err := url.Parse(r.Form.Get("redirect_uri"))
	if err != nil || !back.IsAbs() || r.Form.Get("client_id") != f.options.ClientID ||
		len(f.options.RedirectURIs) > 0 && !slices.Contains(f.options.RedirectURIs, r.Form.Get("redirect_uri")) {
		http.Error(w, "unknown client or redirect_uri", http.StatusBadRequest)
		return
	}
	prompt := strings.Fields(r.Form.Get("prompt"))
	switch chosen, known := f.person(r.PostForm.Get("person")); {
	case r.Form.Get("response_type") != "code" || !slices.Contains(strings.Fields(r.Form.Get("scope")), "openid"):
		f.sendBack(w, r, back, url.Values{"error": {"invalid_request"}})
	case r.PostForm.Has("cancel"):
		f.sendBack(w, r, back, url.Values{"error": {"access_denied"}, "error_description": {"cancelled by the person"}})
	case known:
		f.setSession(w, chosen)
		f.approve(w, r, back, chosen, f.options.Now())
	case f.options.AutoSignIn != "":
		chosen, _ = f.person(f.options.AutoSignIn)
		f.approve(w, r, back, chosen, f.options.Now())
	default:
		if p, since, ok := f.session(r); ok && f.suffices(r, prompt, since) {
			f.approve(w, r, back, p, since)
			return
		}
		if slices.Contains(prompt, "none") {
			f.sendBack(w, r, back, url.Values{"error": {"login_required"}})
			return
		}
		f.show(w, r)
	}
}

// suffices tells whether a session answers this request.
func (f *OIDC) suffices(r *http.Request, prompt []string, since time.Time) bool {
	if slices.Contains(prompt, "login") || slices.Contains(prompt, "select_account") {
		return false
	}
	if age, err := strconv.Atoi(r.Form.Get("max_age")); err == nil {
		return f.options.Now().Sub(since) <= time.Duration(age)*time.Second
	}
	return true
}

// approve sends the browser back with a code.
func (f *OIDC) approve(w http.ResponseWriter, r *http.Request, back *url.URL, p Person, since time.Time) {
	code := rand.Text()
	f.mu.Lock()
	f.codes[code] = grant{
		person: p, redirectURI: r.Form.Get("redirect_uri"), nonce: r.Form.Get("nonce"),
		challenge: r.Form.Get("code_challenge"), authTime: since,
	}
	f.mu.Unlock()
	v := url.Values{"code": {code}}
	if f.first != nil {
		f.mu.Lock()
		if !f.known[p.Username] {
			v = f.first(p)
			v.Set("code", code)
		}
		f.known[p.Username] = true
		f.mu.Unlock()
	}
	f.sendBack(w, r, back, v)
}

func (f *OIDC) sendBack(w http.ResponseWriter, r *http.Request, back *url.URL, v url.Values) {
	v.Set("state", r.Form.Get("state"))
	v.Set("iss", f.Issuer)
	if alter := f.now().Callback; alter != nil {
		alter(f, v)
	}
	if r.Form.Get("response_mode") == "form_post" {
		postBack(w, back, v)
		return
	}
	to := *back
	query := to.Query()
	for name, values := range v {
		query[name] = values
	}
	to.RawQuery = query.Encode()
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

var formPost = template.Must(template.New("form_post").Parse(
	`<!doctype html><title>Continue</title><form method="post" action="{{.Action}}">` +
		`{{range $name, $values := .Fields}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">{{end}}{{end}}` +
		`<button>Continue</button></form>`))

// postBack is OAuth 2.0 Form Post Response Mode.
func postBack(w http.ResponseWriter, back *url.URL, v url.Values) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	formPost.Execute(w, struct {
		Action string
		Fields url.Values
	}{back.String(), v})
}

// show asks who is there.
func (f *OIDC) show(w http.ResponseWriter, r *http.Request) {
	hint, _ := f.person(r.Form.Get("login_hint"))
	r.Form.Del("person")
	r.Form.Del("cancel")
	var page bytes.Buffer
	err := oidcPage.Execute(&page, struct {
		Name   string
		People []Person
		Hint   string
		Params url.Values
	}{f.options.Name, f.options.People, hint.Username, r.Form})
	if err != nil {
		http.Error(w, "page", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	page.WriteTo(w)
}

// A session is a cookie of the fake's own port: browsers share cookies among the ports of a host.
func (f *OIDC) cookieName() string {
	return "idp" + f.addr[strings.LastIndex(f.addr, ":")+1:]
}

func (f *OIDC) setSession(w http.ResponseWriter, p Person) {
	value := url.QueryEscape(p.Username) + "." + strconv.FormatInt(f.options.Now().Unix(), 10)
	http.SetCookie(w, &http.Cookie{Name: f.cookieName(), Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (f *OIDC) session(r *http.Request) (Person, time.Time, bool) {
	cookie, err := r.Cookie(f.cookieName())
	if err != nil {
		return Person{}, time.Time{}, false
	}
	i := strings.LastIndex(cookie.Value, ".")
	if i < 0 {
		return Person{}, time.Time{}, false
	}
	name, _ := url.QueryUnescape(cookie.Value[:i])
	since, err := strconv.ParseInt(cookie.Value[i+1:], 10, 64)
	p, ok := f.person(name)
	return p, time.Unix(since, 0), ok && err == nil
}

// endSession signs out here (OpenID Connect RP-Initiated Logout 1.0).
func (f *OIDC) endSession(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: f.cookieName(), Path: "/", MaxAge: -1})
	back, err := url.Parse(r.FormValue("post_logout_redirect_uri"))
	if err != nil || !back.IsAbs() {
		w.Write([]byte("Signed out.\n"))
		return
	}
	query := back.Query()
	if state := r.FormValue("state"); state != "" {
		query.Set("state", state)
	}
	back.RawQuery = query.Encode()
	http.Redirect(w, r, back.String(), http.StatusSeeOther)
}
