package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// language is what the html element says.
func (p *page) language() string {
	return attribute(p.find(func(n *html.Node) bool { return n.Data == "html" }), "lang")
}

func TestPagesSpeakTheLanguageThatIsAskedFor(t *testing.T) {
	w := newWorld(t)
	for _, r := range []struct{ locales, accept, want string }{
		{"", "", "en"},
		{"", "de-CH, en;q=0.5", "de"},
		{"de", "en", "de"},
		{"en de", "de", "en"},
		{"ja", "de", "de"},
		{"ja", "", "en"},
		{strings.Repeat("x", 4000), strings.Repeat("de,", 4000), "de"},
	} {
		b := w.browser()
		if r.accept != "" {
			b.header.Set("Accept-Language", r.accept)
		}
		p := b.authorize(webApp, url.Values{"ui_locales": {r.locales}})
		if p.status != http.StatusSeeOther {
			t.Fatalf("authorize = %v", p)
		}
		choose := b.get(p.location.String())
		if got := choose.language(); got != r.want || !choose.has("choose") {
			t.Errorf("ui_locales %.10q, Accept-Language %.10q: %q, want %q", r.locales, r.accept, got, r.want)
		}
		// The failure of a login that belongs to it speaks the same.
		action, form := choose.form()
		form.Set("provider", "nobody")
		if failed := b.post(action, form); failed.language() != r.want || failed.text("reason") == "" {
			t.Errorf("ui_locales %.10q, Accept-Language %.10q: the failure speaks %q", r.locales, r.accept, failed.language())
		}
	}
}

// A page is never a dead end, and the way back to the app tells it what happened.
func TestFailuresHaveAWayOn(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	p := b.authorize(webApp, url.Values{"provider": {"globex"}})
	state := p.location.Query().Get("state")
	failed := b.get("/callback/globex?" + url.Values{"state": {state}, "error": {"access_denied"}, "iss": {w.globex.Issuer}}.Encode())
	if failed.status != http.StatusBadRequest || !failed.has("retry") || failed.text("request-id") != failed.header.Get("X-Request-Id") {
		t.Fatalf("the upstream's refusal = %v\n%s", failed, failed.body)
	}
	retry := failed.find(func(n *html.Node) bool { return attribute(n, "id") == "retry" })
	again := b.get(attribute(retry, "href"))
	if again.location == nil || !strings.HasPrefix(again.location.String(), w.globex.Issuer) {
		t.Fatalf("trying again = %v", again)
	}
	action, form := failed.form()
	form.Set("cancel", "yes")
	if got := b.atApp(b.post(action, form)); got.Get("error") != "access_denied" || got.Get("state") != "st-web" || got.Get("iss") != w.URL {
		t.Errorf("the app is told %v", got)
	}
	over := b.get(attribute(retry, "href"))
	if over.status != http.StatusConflict || !over.has("back") {
		t.Errorf("a login that is over = %v", over)
	}
}

func TestEmailFindsTheProvider(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	p := b.authorize(webApp, url.Values{"login_hint": {"gavin@Hooli.example"}})
	if p.location == nil || !strings.HasPrefix(p.location.String(), w.hooli.Issuer) || p.location.Query().Get("login_hint") != "gavin@Hooli.example" {
		t.Errorf("login_hint leads to %v", p)
	}
	p = b.authorize(webApp, nil)
	choose := b.get(p.location.String())
	if !choose.has("email") {
		t.Fatal("the choose page does not ask for an e-mail address")
	}
	action, form := choose.form()
	form.Set("email", "gavin@hooli.example")
	if p := b.post(action, form); p.location == nil || !strings.HasPrefix(p.location.String(), w.hooli.Issuer) {
		t.Errorf("the e-mail address leads to %v", p)
	}
	form.Set("email", "gavin@elsewhere.example")
	if p := b.post(action, form); p.status != http.StatusOK || !p.has("choose") || !strings.Contains(p.body, "elsewhere.example") {
		t.Errorf("an unknown domain = %v", p)
	}
}

func TestPasswordPage(t *testing.T) {
	w := newWorld(t)
	w.addAccount("ann", "ann@acme.example")
	b := w.browser()
	p := b.get(b.authorize(webApp, url.Values{"provider": {"local"}, "login_hint": {"ann"}}).location.String())
	if _, fields := p.form(); fields.Get("username") != "ann" {
		t.Errorf("the hint is not filled in: %v", fields)
	}
	wrong := b.password(p, "ann", "wrong")
	if wrong.status != http.StatusUnauthorized || wrong.text("problem") == "" || wrong.header.Get("Set-Cookie") != "" {
		t.Errorf("wrong password = %v", wrong)
	}
	unknown := b.password(p, "nobody", "wrong")
	if unknown.status != wrong.status || strings.ReplaceAll(unknown.body, "nobody", "ann") != wrong.body {
		t.Error("an unknown account is answered in another way than a wrong password")
	}
	if got := b.atApp(b.password(wrong, "ann", "correct horse battery")); got.Get("code") == "" {
		t.Errorf("the app got %v", got)
	}
}
