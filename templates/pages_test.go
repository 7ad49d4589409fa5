package templates_test

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/signet-broker/signet/static"
	"github.com/signet-broker/signet/templates"
)

// hostile is text that must come out as text wherever a page puts it.
const hostile = `</title></script><script>alert(1)</script><img src=x onerror=alert(2)>" onmouseover="alert(3)' autofocus onfocus=alert(4) {{.}} &amp; ' OR 1=1 --`

var langs = []templates.Lang{"en", "de"}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func elements(t *testing.T, page []byte) []*html.Node {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var all []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

func byID(t *testing.T, page []byte, id string) *html.Node {
	t.Helper()
	for _, n := range elements(t, page) {
		if attr(n, "id") == id {
			return n
		}
	}
	t.Fatalf("the page has no #%s", id)
	return nil
}

func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

func within(n *html.Node, tag string) *html.Node {
	for ; n != nil; n = n.Parent {
		if n.Type == html.ElementNode && n.Data == tag {
			return n
		}
	}
	return nil
}

// each renders every sample in every language.
func each(t *testing.T, words string, pg templates.Page, check func(t *testing.T, s sample, lang templates.Lang, page []byte)) {
	p := newPages(t)
	for _, lang := range langs {
		for _, s := range samples(words) {
			t.Run(string(lang)+"/"+s.name, func(t *testing.T) {
				pg.Lang = lang
				page, err := s.render(p, pg)
				if err != nil {
					t.Fatal(err)
				}
				check(t, s, lang, page)
			})
		}
	}
}

func TestEveryPageIsSound(t *testing.T) {
	each(t, "", templates.Page{RequestID: "R1", CSRF: "C1"}, func(t *testing.T, s sample, lang templates.Lang, page []byte) {
		ids := map[string]bool{}
		labels := map[string]bool{}
		var h1, titles int
		for _, n := range elements(t, page) {
			if id := attr(n, "id"); id != "" {
				if ids[id] {
					t.Errorf("#%s is there twice", id)
				}
				ids[id] = true
			}
			switch n.Data {
			case "html":
				if attr(n, "lang") != string(lang) {
					t.Errorf("lang = %q, want %q", attr(n, "lang"), lang)
				}
			case "h1":
				h1++
			case "title":
				titles++
				if text(n) == "" {
					t.Error("the title is empty")
				}
			case "label":
				labels[attr(n, "for")] = true
			}
		}
		if h1 != 1 || titles != 1 {
			t.Errorf("%d h1 and %d title, want one of each", h1, titles)
		}
		for _, id := range s.ids {
			if !ids[id] {
				t.Errorf("the page has no #%s", id)
			}
		}
		for _, n := range elements(t, page) {
			if n.Data == "input" && attr(n, "type") != "hidden" && !labels[attr(n, "id")] {
				t.Errorf("input #%s has no label", attr(n, "id"))
			}
			for _, ref := range []string{"aria-describedby", "aria-labelledby", "for"} {
				if id := attr(n, ref); id != "" && !ids[id] {
					t.Errorf("%s names #%s, which is not there", ref, id)
				}
			}
		}
		if bytes.Contains(page, []byte("ZgotmplZ")) || bytes.Contains(page, []byte("no value")) {
			t.Errorf("a value is missing or was refused:\n%s", page)
		}
	})
}

func TestPagesObeyTheirPolicy(t *testing.T) {
	each(t, "", templates.Page{}, func(t *testing.T, s sample, _ templates.Lang, page []byte) {
		for _, n := range elements(t, page) {
			for _, a := range n.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("<%s> has %s", n.Data, a.Key)
				}
				if a.Key == "src" || (a.Key == "href" && n.Data == "link") {
					if !strings.HasPrefix(a.Val, static.Prefix) {
						t.Errorf("<%s %s=%q> is not one of our files", n.Data, a.Key, a.Val)
					}
				}
			}
			if n.Data == "style" || (n.Data == "script" && n.FirstChild != nil) {
				t.Errorf("inline <%s>", n.Data)
			}
			if n.Data == "script" && !strings.HasPrefix(s.name, "post") {
				t.Error("a script where none is needed")
			}
		}
	})
	if strings.Contains(templates.CSP, "form-action") {
		t.Error("form-action stops the redirect to the app in Chromium")
	}
}

func TestFormsThatComeBackCarryTheCSRFField(t *testing.T) {
	each(t, "", templates.Page{CSRF: `t"0<k`}, func(t *testing.T, s sample, _ templates.Lang, page []byte) {
		for _, n := range elements(t, page) {
			if n.Data != "form" {
				continue
			}
			if attr(n, "method") != "post" {
				t.Errorf("form #%s does not post", attr(n, "id"))
			}
			var got []string
			for c := range n.Descendants() {
				if c.Data == "input" && attr(c, "name") == "csrf" {
					got = append(got, attr(c, "value"))
				}
			}
			want := []string{`t"0<k`}
			if attr(n, "id") == "post" {
				want = nil // it goes to somebody else, who must not learn the token
			}
			if !slices.Equal(got, want) {
				t.Errorf("form #%s: csrf = %q, want %q", attr(n, "id"), got, want)
			}
		}
	})
	each(t, "", templates.Page{}, func(t *testing.T, _ sample, _ templates.Lang, page []byte) {
		if bytes.Contains(page, []byte(`"csrf"`)) {
			t.Error("a csrf field without a token")
		}
	})
}

func TestHostileTextStaysText(t *testing.T) {
	pg := templates.Page{RequestID: hostile, CSRF: hostile}
	each(t, hostile, pg, func(t *testing.T, s sample, _ templates.Lang, page []byte) {
		plain := map[string]bool{}
		for _, n := range elements(t, page) {
			plain[n.Data] = true
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.TrimSpace(a.Val), "javascript:") {
					t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
				}
			}
			if n.Data == "script" && (n.FirstChild != nil || !strings.HasPrefix(attr(n, "src"), static.Prefix)) {
				t.Errorf("a script that is not ours: %v", n.Attr)
			}
			if n.Data == "img" && !strings.HasPrefix(attr(n, "src"), static.Prefix) {
				t.Errorf("an image that is not ours: %v", n.Attr)
			}
		}
		if !plain["main"] || !plain["footer"] {
			t.Error("the page lost its frame")
		}
	})
}

func TestLinksToElsewhereAreDropped(t *testing.T) {
	p := newPages(t)
	for _, u := range []string{
		"javascript:alert(1)", "javascript://a.example/%0aalert(1)", "ftp://a.example/", "com.example.app://a/", "///evil.example", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "data:text/html,x", "//evil.example/", `/\evil.example`,
		`\\evil.example`, "https:evil", "https:///x", "vbscript:x", "evil.example", "com.example.app:/x", "/a\nb", "%zz",
	} {
		page, err := p.Failure(templates.Page{}, templates.Failure{Status: 400, RetryURL: u, AppURL: u, CancelAction: u})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range elements(t, page) {
			if n.Data == "a" || n.Data == "form" {
				t.Errorf("%q became <%s> %v", u, n.Data, n.Attr)
			}
		}
		page, err = p.Post(templates.Page{}, templates.Post{URL: u})
		if err == nil {
			t.Errorf("a form went to %q:\n%s", u, page)
		}
	}
	if _, err := p.Post(templates.Page{}, templates.Post{URL: "/login"}); err == nil {
		t.Error("a form went to a path of ours without the csrf field")
	}
}

// P-27
func TestALoginHintThatNobodyTypedIsLeftOut(t *testing.T) {
	p := newPages(t)
	for in, want := range map[string]string{
		"ann@acme.com": "ann@acme.com", hostile: hostile, strings.Repeat("a", 255): strings.Repeat("a", 255),
		strings.Repeat("a", 256): "", strings.Repeat("a", 10<<10): "", "a\x00b": "", "a\r\nb": "", "a\xffb": "",
	} {
		page, err := p.Password(templates.Page{}, templates.Password{Username: in})
		if err != nil {
			t.Fatal(err)
		}
		if got := attr(byID(t, page, "username"), "value"); got != want {
			t.Errorf("username %.20q became %.20q, want %.20q", in, got, want)
		}
		page, err = p.Choose(templates.Page{}, templates.Choose{ShowEmail: true, Email: in})
		if err != nil {
			t.Fatal(err)
		}
		if got := attr(byID(t, page, "email"), "value"); got != want {
			t.Errorf("email %.20q became %.20q, want %.20q", in, got, want)
		}
	}
}

// P-16, P-158
func TestPostedFieldsArriveAsTheyAre(t *testing.T) {
	p := newPages(t)
	want := url.Values{
		"state":       {`</script><script>alert(1)</script>`, `"'<>&amp;&#43;+%2B  x `, "ümläut 漢字 🔑 \u2028\u202e"},
		"SAMLRequest": {strings.Repeat("PHNhbWw+Zm9v/=", 5000)},
		"empty":       {""},
		`na"me<>`:     {"v"},
		"_charset_x":  {"a\tb"},
	}
	page, err := p.Post(templates.Page{CSRF: "C1"}, templates.Post{URL: "https://app.example.com/cb?a=1&b=%2F", Fields: want})
	if err != nil {
		t.Fatal(err)
	}
	form := byID(t, page, "post")
	if got := attr(form, "action"); got != "https://app.example.com/cb?a=1&b=%2F" {
		t.Errorf("action = %q", got)
	}
	got := url.Values{}
	for n := range form.Descendants() {
		if n.Data == "input" {
			got.Add(attr(n, "name"), attr(n, "value"))
		}
	}
	if got.Encode() != want.Encode() {
		t.Errorf("fields = %q, want %q", got, want)
	}
	// The HTML parser reads CR LF as LF; the browser sends every LF as CR LF again.
	page, err = p.Post(templates.Page{}, templates.Post{URL: "https://app.example.com/cb", Fields: url.Values{"state": {"a\r\nb"}}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range byID(t, page, "post").Descendants() {
		if n.Data == "input" && strings.ReplaceAll(attr(n, "value"), "\n", "\r\n") != "a\r\nb" {
			t.Errorf("CR LF became %q", attr(n, "value"))
		}
	}
	for _, bad := range []string{"a\x00b", "a\xffb"} {
		if _, err := p.Post(templates.Page{}, templates.Post{URL: "https://a.example/", Fields: url.Values{"x": {bad}}}); err == nil {
			t.Errorf("%q was taken, though it cannot arrive", bad)
		}
		if _, err := p.Post(templates.Page{}, templates.Post{URL: "https://a.example/", Fields: url.Values{bad: {"x"}}}); err == nil {
			t.Errorf("the name %q was taken, though it cannot arrive", bad)
		}
	}
}

func TestTheChooseFormHasTheProviderButtons(t *testing.T) {
	each(t, "", templates.Page{CSRF: "C1"}, func(t *testing.T, s sample, _ templates.Lang, page []byte) {
		if !strings.HasPrefix(s.name, "choose") {
			return
		}
		all := elements(t, page)
		var forms []*html.Node
		for _, n := range all {
			if n.Data == "form" {
				forms = append(forms, n)
			}
		}
		i := slices.IndexFunc(forms, func(f *html.Node) bool { return attr(f, "id") == "choose" })
		if i < 0 || attr(forms[i], "action") != "/login/x" {
			t.Fatal("there is no form #choose")
		}
		choose := forms[i]
		for _, n := range all {
			if id, ok := strings.CutPrefix(attr(n, "id"), "provider-"); ok {
				if n.Data != "button" || attr(n, "name") != "provider" || attr(n, "value") != id || within(n, "form") != choose {
					t.Errorf("#provider-%s is %v", id, n.Attr)
				}
			}
			// Enter in the field presses the first button of its form, which must not be a provider's.
			if attr(n, "id") == "email" && len(forms) > 1 && within(n, "form") == choose {
				t.Error("#email is in the form of the provider buttons")
			}
		}
	})
}
