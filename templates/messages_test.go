package templates

import (
	"go/ast"
	"go/parser"
	"go/token"
	"html/template"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"go.yaml.in/yaml/v3"
)

var placeholder = regexp.MustCompile(`{{\.(\w+)}}`)

// placeholders of a message, sorted, over all its plural forms.
func placeholders(t *testing.T, m *i18n.Message) []string {
	t.Helper()
	names := map[string]bool{}
	for _, form := range []string{m.One, m.Other} {
		for _, found := range placeholder.FindAllStringSubmatch(form, -1) {
			names[found[1]] = true
		}
		if strings.Contains(placeholder.ReplaceAllString(form, ""), "{{") {
			t.Errorf("%s: %q holds more than placeholders", m.ID, form)
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func messageFiles(t *testing.T) map[string]map[string]*i18n.Message {
	t.Helper()
	names, err := fs.Glob(files, "messages/*")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]*i18n.Message{}
	for _, name := range names {
		raw, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := i18n.ParseMessageFileBytes(raw, name, map[string]i18n.UnmarshalFunc{"yaml": yaml.Unmarshal})
		if err != nil {
			t.Fatal(err)
		}
		byID := map[string]*i18n.Message{}
		for _, m := range f.Messages {
			byID[m.ID] = m
		}
		all[f.Tag.String()] = byID
	}
	if len(all) != len(languages) {
		t.Errorf("%d message files for %d languages", len(all), len(languages))
	}
	return all
}

// uses are the placeholders that each key is given where it is used.
type uses map[string][]string

func (u uses) add(t *testing.T, key string, names []string) {
	slices.Sort(names)
	if old, ok := u[key]; ok && !slices.Equal(old, names) {
		t.Errorf("%s is given %q here and %q there", key, old, names)
	}
	u[key] = names
}

// spoken are the places of a key and of the names after it, between which the values stand.
func spoken(key, n int) []int {
	places := []int{key}
	for i := key + 1; i < n; i += 2 {
		places = append(places, i)
	}
	return places
}

// inPages finds every call of t in the HTML files.
func (u uses) inPages(t *testing.T) {
	set, err := template.New("").Funcs((&Pages{words: &messages{}}).functions(nil)).ParseFS(files, "*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, tmpl := range set.Templates() {
		if tmpl.Tree != nil {
			u.walk(t, tmpl.Tree.Root)
		}
	}
}

func (u uses) walk(t *testing.T, n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, c := range n.Nodes {
				u.walk(t, c)
			}
		}
	case *parse.ActionNode:
		u.walk(t, n.Pipe)
	case *parse.IfNode:
		u.walk(t, n.List)
		u.walk(t, n.ElseList)
	case *parse.RangeNode:
		u.walk(t, n.List)
		u.walk(t, n.ElseList)
	case *parse.WithNode:
		u.walk(t, n.List)
		u.walk(t, n.ElseList)
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			u.walk(t, c)
		}
	case *parse.CommandNode:
		if id, ok := n.Args[0].(*parse.IdentifierNode); !ok || id.Ident != "t" {
			return
		}
		var words []string
		for _, i := range spoken(2, len(n.Args)) {
			lit, ok := n.Args[i].(*parse.StringNode)
			if !ok {
				t.Errorf("%s: the key and the names must be literal", n)
				return
			}
			words = append(words, lit.Text)
		}
		u.add(t, words[0], words[1:])
	case *parse.TextNode:
		if found := regexp.MustCompile(`>[^<]*\pL`).FindString(string(n.Text)); found != "" {
			t.Errorf("an HTML file holds text: %q", found)
		}
	}
}

// inGo finds every call of messages.text with a literal key.
func (u uses) inGo(t *testing.T) {
	for _, name := range []string{"failure.go", "pages.go", "text.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			first := -1
			switch fun := call.Fun.(type) {
			case *ast.SelectorExpr:
				if fun.Sel.Name == "text" {
					first = 1
				}
			case *ast.Ident:
				if fun.Name == "say" {
					first = 0
				}
			}
			if first < 0 {
				return true
			}
			var words []string
			for _, i := range spoken(first, len(call.Args)) {
				lit, ok := call.Args[i].(*ast.BasicLit)
				if !ok {
					return true // a key from one of the tables
				}
				s, _ := strconv.Unquote(lit.Value)
				words = append(words, s)
			}
			u.add(t, words[0], words[1:])
			return true
		})
	}
}

// causes are all that a failure can be shown as.
func causes() []cause {
	all := []cause{answer, (&Failure{Status: 400}).cause(), (&Failure{Status: 500}).cause()}
	all = slices.AppendSeq(all, maps.Values(byReason))
	return slices.AppendSeq(all, maps.Values(byStatus))
}

func TestEveryMessageIsThereAndUsed(t *testing.T) {
	langs := messageFiles(t)
	used := uses{}
	used.inPages(t)
	used.inGo(t)
	if len(used) < 40 {
		t.Fatalf("found only %d uses", len(used))
	}
	optional := map[string][]string{} // a sentence takes what it needs of these
	for _, c := range causes() {
		optional["failure.heading."+c.heading] = nil
		optional["failure.reason."+c.reason] = []string{"App", "Provider", "Wait"}
		if c.advice != "" {
			optional["failure.advice."+c.advice] = []string{"Wait"}
		}
	}
	for _, key := range scopes {
		optional[key] = nil
	}
	for lang, msgs := range langs {
		for key, names := range used {
			if m := msgs[key]; m == nil {
				t.Errorf("%s: %s is missing", lang, key)
			} else if got := placeholders(t, m); !slices.Equal(got, names) {
				t.Errorf("%s: %s has %q and is given %q", lang, key, got, names)
			}
		}
		for key, names := range optional {
			m := msgs[key]
			if m == nil {
				t.Errorf("%s: %s is missing", lang, key)
				continue
			}
			for _, name := range placeholders(t, m) {
				if !slices.Contains(names, name) {
					t.Errorf("%s: %s has %s, which it is not given", lang, key, name)
				}
			}
		}
		for key, m := range msgs {
			_, a := used[key]
			_, b := optional[key]
			if !a && !b {
				t.Errorf("%s: %s is not used", lang, key)
			}
			if strings.TrimSpace(m.Other) == "" {
				t.Errorf("%s: %s is empty", lang, key)
			}
			en := langs["en"][key]
			if en != nil && !slices.Equal(placeholders(t, m), placeholders(t, en)) {
				t.Errorf("%s: %s has other placeholders than in English", lang, key)
			}
			if en != nil && (m.One == "") != (en.One == "") {
				t.Errorf("%s: %s has other plural forms than in English", lang, key)
			}
		}
	}
}

func TestMarkupInAMessageIsText(t *testing.T) {
	p, err := New(func(name string) string { return "/static/" + name })
	if err != nil {
		t.Fatal(err)
	}
	p.words.byLang["en"].single["page.secured"] = `<b class="x">&`
	if p.sets["en"], err = p.parse("en", func(name string) string { return "/static/" + name }); err != nil {
		t.Fatal(err)
	}
	page, err := p.Consent(Page{}, Consent{App: "<i>"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(page), "<b ") || !strings.Contains(string(page), "&lt;b class=") || strings.Contains(string(page), "<i>") {
		t.Errorf("markup came through:\n%s", page)
	}
}
