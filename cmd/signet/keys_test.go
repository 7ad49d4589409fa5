package main

import (
	"strings"
	"testing"
	"time"
)

// TestRotateCertificate: SAML's certificate has a next one only when somebody asks, and it is published.
func TestRotateCertificate(t *testing.T) {
	w := newWorld(t)
	published := func() int {
		t.Helper()
		w.restart()
		return strings.Count(w.browser().get("/saml/initech/metadata").body, `use="signing"`)
	}
	if n := published(); n != 1 {
		t.Fatalf("%d signing certificates at first, want 1", n)
	}
	time.Sleep(1100 * time.Millisecond) // a certificate's times are whole seconds, and tell the former from the next
	if out := w.mustRun("keys", "rotate", "--use", "saml"); !strings.Contains(out, "stands ready") {
		t.Errorf("rotate = %s", out)
	}
	if n := published(); n != 2 {
		t.Errorf("%d signing certificates with a next one, want 2", n)
	}
	if out := w.mustRun("keys", "rotate", "--use", "saml", "--now"); !strings.Contains(out, "is in use") {
		t.Errorf("rotate --now = %s", out)
	}
	if n := published(); n != 1 {
		t.Errorf("%d signing certificates after it, want 1", n)
	}
	if out := w.mustRun("keys", "list"); strings.Count(out, "saml") != 2 {
		t.Errorf("list = %s", out)
	}
}
