// Package templates renders the pages that people see.
//
// A page is a struct, a method of Pages and an HTML file. Neither Go nor HTML holds a sentence: those are
// in messages/, a file for each language. The pages work without JavaScript, and hold no inline style or
// script, so that the policy CSP holds for all of them.
//
// Read in this order: pages.go (what can be shown), failure.go (which sentence belongs to which refusal),
// language.go (languages and messages), text.go (what the HTML files call).
package templates

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"regexp"
	"sync"
)

// CSP is the Content-Security-Policy for every page here. It names no form-action: Chromium applies that to
// the redirect after a form as well, and would stop the way back to the app.
const CSP = "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; frame-ancestors 'none'; base-uri 'none'"

//go:embed *.html messages/*.yaml
var files embed.FS

// Page is what every page wants to know.
type Page struct {
	Lang      Lang   // from Pages.Language; "" is the first language
	RequestID string // shown on failures
	CSRF      string // goes out as the field csrf of every form that comes back to us; "" leaves it out
}

// view is what an HTML file sees.
type view struct {
	Page
	Data any
}

// Pages renders pages. It is used by many goroutines at once.
type Pages struct {
	words   *messages
	sets    map[Lang]*template.Template
	buffers sync.Pool
}

// New parses the pages and their messages. asset gives the URL of a static file by its name, e.g. signet.css.
func New(asset func(name string) string) (*Pages, error) {
	words, err := loadMessages(files)
	if err != nil {
		return nil, err
	}
	p := &Pages{
		words:   words,
		sets:    map[Lang]*template.Template{},
		buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
	for lang := range words.byLang {
		if p.sets[lang], err = p.parse(lang, asset); err != nil {
			return nil, fmt.Errorf("parse pages: %w", err)
		}
		if err := p.try(lang); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// fixed are the parts of a page that are the same each time.
var fixed = regexp.MustCompile(`{{(t \$?\.Lang|asset) "([^"]+)"}}`)

// parse parses all pages for one language. What is fixed is put in now: a call costs more than all the rest.
func (p *Pages) parse(lang Lang, asset func(string) string) (*template.Template, error) {
	set := template.New("").Funcs(p.functions(asset))
	names, err := fs.Glob(files, "*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		source, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		page := fixed.ReplaceAllStringFunc(string(source), func(call string) string {
			found := fixed.FindStringSubmatch(call)
			if found[1] == "asset" {
				return template.HTMLEscapeString(asset(found[2]))
			}
			s, err := p.words.text(lang, found[2])
			if err != nil {
				return call // fails when the page is tried
			}
			return template.HTMLEscapeString(s)
		})
		if _, err := set.New(name).Parse(page); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// try renders each page once, because a page is escaped, and its faults are found, at its first use.
func (p *Pages) try(lang Lang) error {
	pg := Page{Lang: lang}
	for _, render := range []func() ([]byte, error){
		func() ([]byte, error) { return p.Choose(pg, Choose{Providers: []Provider{{ID: "a"}}, ShowEmail: true}) },
		func() ([]byte, error) { return p.Password(pg, Password{}) },
		func() ([]byte, error) { return p.Consent(pg, Consent{Scopes: []string{"openid"}, Place: &Place{}}) },
		func() ([]byte, error) { return p.Device(pg, Device{}) },
		func() ([]byte, error) { return p.Logout(pg, Logout{}) },
		func() ([]byte, error) { return p.LoggedOut(pg, LoggedOut{}) },
		func() ([]byte, error) { return p.Unsolicited(pg, Unsolicited{}) },
		func() ([]byte, error) { return p.Post(pg, Post{URL: "https://example.com/"}) },
		func() ([]byte, error) { return p.Failure(pg, Failure{}) },
	} {
		if _, err := render(); err != nil {
			return err
		}
	}
	return nil
}

// largest is the size up to which a buffer is used again: one big form must not hold its memory for ever.
const largest = 64 << 10

// render executes the page of an HTML file.
func (p *Pages) render(name string, pg Page, data any) ([]byte, error) {
	pg.Lang = p.words.known(pg.Lang)
	b := p.buffers.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= largest {
			b.Reset()
			p.buffers.Put(b)
		}
	}()
	if err := p.sets[pg.Lang].ExecuteTemplate(b, name, view{Page: pg, Data: data}); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return bytes.Clone(b.Bytes()), nil
}
