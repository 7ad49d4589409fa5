package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/signet-broker/signet/internal/idptest"
)

// TestEveryRowIsCounted: the closing line of TestBadInput counts upstreams (S, R) and ourselves (P) together,
// and no rows are written that nothing sends.
func TestEveryRowIsCounted(t *testing.T) {
	id := regexp.MustCompile(`^[SRP]-[1-9][0-9]*$`)
	have, letters := map[string]bool{}, map[string]int{}
	y := &tally{refused: map[string]bool{}, accepted: map[string]bool{}}
	for _, g := range groups {
		for _, r := range g.rows() {
			if !id.MatchString(r.id) || r.name == "" || r.do == nil {
				t.Errorf("group %s: row %q %q", g.name, r.id, r.name)
			}
			have[r.id] = true
			y.note(r, true)
		}
	}
	for _, m := range []map[string]bool{y.refused, y.accepted} {
		for id := range m {
			letters[id[:1]]++
		}
		if letters["S"] == 0 || letters["R"] == 0 || letters["P"] == 0 {
			t.Errorf("counted by letter: %v", letters)
		}
		clear(letters)
	}
	var catalogue []string
	for _, r := range idptest.SAMLRows {
		catalogue = append(catalogue, number(r.ID))
	}
	for _, rows := range [][]idptest.OIDCRow{idptest.OIDCRows, idptest.LogoutRows} {
		for _, r := range rows {
			catalogue = append(catalogue, r.ID)
		}
	}
	for _, id := range catalogue {
		if !have[id] {
			t.Errorf("%s of the upstreams' catalogue is sent to no Signet", id)
		}
	}
	for name := range unsent(t) {
		t.Errorf("%s is in no group", name)
	}
}

// unsent are functions of this package that make rows and that no group leads to.
func unsent(t *testing.T) map[string]bool {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	uses, makers := map[string]map[string]bool{}, map[string]bool{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				uses[d.Name.Name] = identifiers(d)
				if d.Recv == nil && makesRows(d.Type) {
					makers[d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if v, ok := s.(*ast.ValueSpec); ok {
						uses[v.Names[0].Name] = identifiers(v)
					}
				}
			}
		}
	}
	if len(makers) < 50 {
		t.Errorf("%d functions make rows, want more: nothing is looked at", len(makers))
	}
	next := []string{"groups"}
	for seen := map[string]bool{}; len(next) > 0; {
		name := next[0]
		if next = next[1:]; seen[name] {
			continue
		}
		seen[name] = true
		delete(makers, name)
		for used := range uses[name] {
			next = append(next, used)
		}
	}
	return makers
}

func identifiers(n ast.Node) map[string]bool {
	all := map[string]bool{}
	ast.Inspect(n, func(n ast.Node) bool {
		if i, ok := n.(*ast.Ident); ok {
			all[i.Name] = true
		}
		return true
	})
	return all
}

// makesRows tells whether a function returns rows.
func makesRows(f *ast.FuncType) bool {
	if f.Results == nil || len(f.Results.List) != 1 {
		return false
	}
	list, ok := f.Results.List[0].Type.(*ast.ArrayType)
	if !ok || list.Len != nil {
		return false
	}
	i, ok := list.Elt.(*ast.Ident)
	return ok && i.Name == "row"
}
