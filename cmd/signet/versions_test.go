package main

import (
	"runtime/debug"
	"testing"
)

// The versions that are built must be these: crewjam/saml by itself brings a goxmldsig that can be talked
// into accepting content that nobody signed (CVE-2026-33487), and modernc.org/sqlite works only with the
// libc that it names.
func TestVersionsThatMatterAreBuilt(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("no build information")
	}
	want := map[string]string{
		"github.com/russellhaering/goxmldsig": "v1.6.1",
		"github.com/beevik/etree":             "v1.8.1",
		"modernc.org/sqlite":                  "v1.61.1",
		"modernc.org/libc":                    "v1.79.0",
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if v, ok := want[m.Path]; ok {
			if m.Version != v {
				t.Errorf("%s is built as %s, want %s", m.Path, m.Version, v)
			}
			delete(want, m.Path)
		}
	}
	for path := range want {
		t.Errorf("%s is not built in", path)
	}
}
