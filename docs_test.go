package signet_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEveryReasonIsExplained holds docs/troubleshooting.md to the words that the code writes out as reasons: whoever
// finds one in the log finds it there.
func TestEveryReasonIsExplained(t *testing.T) {
	doc, err := os.ReadFile("docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for line := range strings.Lines(string(doc)) {
		if row, ok := strings.CutPrefix(line, "| "); ok {
			first, _, _ := strings.Cut(row, " | ")
			for i, word := range strings.Split(first, "`") {
				explained[word] = explained[word] || i%2 == 1
			}
		}
	}
	given := reasons(t)
	if len(given) < 80 {
		t.Fatalf("only %d reasons found: %v", len(given), given)
	}
	for _, word := range given {
		if !explained[word] {
			t.Errorf("docs/troubleshooting.md does not have the reason %s", word)
		}
	}
}

// reasons are the words that are written out where a refusal is made.
func reasons(t *testing.T) (words []string) {
	t.Helper()
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if word, err := strconv.Unquote(lit.Value); err == nil && reasonWord.MatchString(word) {
				words = append(words, word)
			}
		}
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{"bench", "e2e", "node_modules", "idptest", "storetest", "providertest", ".git"}, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if name := called(n); len(n.Args) > 0 && (name == "Refuse" || name == "oauth") {
					add(n.Args[0])
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && (key.Name == "Reason" || key.Name == "Code") {
					add(n.Value)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(words)
	return slices.Compact(words)
}

var reasonWord = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// called is the name of the function that is called, without its package.
func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}
