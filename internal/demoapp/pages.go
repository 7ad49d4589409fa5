package demoapp

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

//go:embed pages
var files embed.FS

var pages = template.Must(template.ParseFS(files, "pages/*.html"))

func style(w http.ResponseWriter, _ *http.Request) {
	css, err := files.ReadFile("pages/app.css")
	if err != nil {
		http.Error(w, http.StatusText(http.StatusNotFound), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.Write(css)
}

// view is what every page gets.
type view struct {
	Options
	Data any
}

func (a *App) show(w http.ResponseWriter, status int, name string, data any) error {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name+".html", view{a.opts, data}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(page.Bytes())
	return nil
}

// person is the signed-in page.
type person struct {
	Monogram, Name, Email string
	Verified              bool
	Groups                []string
	Issuer                string
	ID, Access            token
	Refresh               string
	Refreshed             *refreshed
}

// token is one of the tokens that say something.
type token struct {
	Raw        string
	Claims     []claim
	Total      int64 // seconds from iat to exp
	Left       int64
	Lives      string // for how long in all
	Until      string
	Expired    bool
	Unreadable bool
}

// refreshed is the notice after a refresh.
type refreshed struct {
	At           string
	ID, Access   []string // names of the claims that changed
	Rotated      bool
	Before, Then string // the refresh token, shortened
}

func (a *App) home(w http.ResponseWriter, r *http.Request) error {
	s := a.sessions.find(r, a.cookie)
	if s == nil {
		return a.show(w, http.StatusOK, "home", false)
	}
	s.mu.Lock()
	t, c, ended := s.tokens, s.changes, s.ended
	s.mu.Unlock()
	if t == nil {
		return a.show(w, http.StatusOK, "home", ended)
	}
	return a.show(w, http.StatusOK, "person", describe(t, c, a.opts.Issuer, a.opts.Now()))
}

func describe(t *tokens, c *changes, issuer string, now time.Time) person {
	text := func(name string) string { s, _ := t.idClaims[name].(string); return s }
	p := person{Name: text("name"), Email: text("email"), Issuer: issuer, Refresh: t.refresh}
	if p.Name == "" {
		p.Name = first(text("preferred_username"), p.Email, text("sub"))
	}
	p.Monogram = monogram(p.Name)
	p.Verified, _ = t.idClaims["email_verified"].(bool)
	groups, _ := t.idClaims["groups"].([]any)
	for _, g := range groups {
		if name, ok := g.(string); ok {
			p.Groups = append(p.Groups, name)
		}
	}
	var before tokens
	if c != nil {
		before = *c.before
	}
	p.ID, p.Access = readToken(t.id, t.idClaims, before.idClaims, now), readToken(t.access, t.accessClaims, before.accessClaims, now)
	if c != nil {
		p.Refreshed = &refreshed{
			At: clock(c.at, now), ID: changed(p.ID.Claims), Access: changed(p.Access.Claims),
			Rotated: c.rotated, Before: shorten(before.refresh), Then: shorten(t.refresh),
		}
	}
	return p
}

func readToken(raw string, claims, before map[string]any, now time.Time) token {
	t := token{Raw: raw, Claims: rows(claims, before, now), Unreadable: claims == nil}
	iat, ok := instant(claims["iat"])
	exp, until := instant(claims["exp"])
	if !ok || !until {
		return t
	}
	t.Total, t.Left = int64(exp.Sub(iat).Seconds()), max(0, int64(exp.Sub(now).Seconds()))
	t.Lives, t.Until, t.Expired = span(exp.Sub(iat)), clock(exp, now), !exp.After(now)
	return t
}

// LeftText says how long the token is good yet.
func (t token) LeftText() string { return span(time.Duration(t.Left) * time.Second) }

func changed(claims []claim) []string {
	var names []string
	for _, c := range claims {
		if c.Changed {
			names = append(names, c.Name)
		}
	}
	return names
}

// monogram is the first letters of the first and the last word.
func monogram(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	if len(words) == 0 {
		return "?"
	}
	letters := initial(words[0])
	if last := words[len(words)-1]; len(words) > 1 {
		letters += initial(last)
	}
	return strings.ToUpper(letters)
}

func initial(word string) string {
	r, _ := utf8.DecodeRuneInString(word)
	return string(r)
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// shorten shows the end of a token: refresh tokens of one key begin alike.
func shorten(token string) string {
	if len(token) <= 12 {
		return token
	}
	return "…" + token[len(token)-12:]
}
