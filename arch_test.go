package signet_test

import (
	"go/build"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/signet-broker/signet"

// mayImport says which of our packages each of our packages may import. It is the design: an arrow that is
// not here is a mistake or a new decision, and a package that is not here has no place yet.
//
//	cmd → doors → token, keys, web → broker → providers (the contract)
//
// providers/* know the contract and nothing else of ours; store knows what it stores; only cmd knows the
// configuration; doors do not know each other.
var mayImport = map[string][]string{
	"": {},

	"cmd/signet": {"*"},

	"broker":             {"providers"},
	"broker/keys":        {"broker"},
	"broker/token":       {"broker", "broker/keys"},
	"broker/web":         {"broker", "providers", "templates"},
	"broker/backchannel": {"broker", "broker/token"},
	"broker/op":          {"broker", "broker/keys", "broker/token", "broker/web", "internal/jwks", "internal/redirect", "providers"},
	"broker/login":       {"broker", "broker/web", "providers", "templates"},

	"providers":              {},
	"providers/oidc":         {"providers", "internal/authcode", "internal/egress", "internal/jwks", "internal/secret"},
	"providers/google":       {"providers", "providers/oidc", "internal/secret"},
	"providers/apple":        {"providers", "providers/oidc", "internal/secret"},
	"providers/microsoft":    {"providers", "providers/oidc", "internal/secret"},
	"providers/oauth2":       {"providers", "internal/authcode", "internal/egress", "internal/secret"},
	"providers/github":       {"providers", "providers/oauth2", "internal/secret"},
	"providers/social":       {"providers", "providers/oauth2", "providers/oidc", "internal/secret"},
	"providers/saml":         {"providers"},
	"providers/password":     {"providers"},
	"providers/providertest": {"providers"},

	"store":           {"broker", "broker/keys", "broker/token", "providers", "providers/password"},
	"store/storetest": {"broker", "broker/keys", "broker/token", "providers", "providers/password", "store"},

	"config":           {"internal/jwks", "internal/redirect", "internal/secret"},
	"config/schemagen": {"config", "internal/secret", "providers", "providers/apple", "providers/github", "providers/google", "providers/microsoft", "providers/oauth2", "providers/oidc", "providers/saml", "providers/social", "providers/password"},
	"templates":        {},
	"static":           {},

	"internal/authcode": {"providers", "internal/egress"},
	"internal/awskms":   {"providers", "internal/egress"},
	"internal/demoapp":  {},
	"internal/egress":   {},
	"internal/idptest":  {},
	"internal/jwks":     {"providers"},
	"internal/kmstest":  {},
	"internal/pgtest":   {},
	"internal/redirect": {},
	"internal/seal":     {},
	"internal/secret":   {},

	"bench": {"broker", "internal/idptest", "internal/pgtest", "internal/seal", "store"}, // a broker with 10,000 providers is filled beside it
}

func TestPackagesImportOnlyWhatTheDesignAllows(t *testing.T) {
	for _, dir := range packages(t) {
		allowed, known := mayImport[dir]
		if !known {
			t.Errorf("package %s has no place in the design: add it to mayImport", dir)
			continue
		}
		p, err := build.ImportDir(filepath.Join(".", dir), 0)
		if err != nil && dir != "" {
			t.Errorf("%s: %v", dir, err)
		}
		for _, path := range p.Imports {
			ours, ok := strings.CutPrefix(path, module+"/")
			if ok && !slices.Contains(allowed, ours) && !slices.Contains(allowed, "*") {
				t.Errorf("%s imports %s", dir, ours)
			}
		}
	}
	for dir := range mayImport {
		if dir != "" && !slices.Contains(packages(t), dir) {
			t.Errorf("package %s is in the design and not in the tree", dir)
		}
	}
}

// packages are the folders with Go files.
func packages(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || path != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case strings.HasSuffix(path, ".go"):
			dir := filepath.ToSlash(filepath.Dir(path))
			if dir == "." {
				dir = ""
			}
			if !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}
