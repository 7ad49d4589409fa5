package main

import (
	"net/http"
	"strings"
	"testing"
)

// A provider that is disabled keeps its domains: no other may speak for their people meanwhile.
func TestDomainsOfADisabledProviderStayItsOwn(t *testing.T) {
	w := newWorld(t, func(c string) string { return strings.Replace(c, "{id: hooli,", "{id: hooli, disabled: true,", 1) })
	w.globex.Misbehave(with(map[string]any{"sub": "impostor", "email": "gavin@hooli.example", "email_verified": true}))
	p := w.browser().at("globex", w.globex, "ann")
	if p.status != http.StatusForbidden {
		t.Errorf("an address of a disabled provider's domain, from another: %v", p)
	}
	if n := w.count("SELECT count(*) FROM links WHERE subject = 'impostor'"); n != 0 {
		t.Errorf("%d users of it", n)
	}
}

// Whoever has a user already is held to what newcomers are when their address becomes another.
func TestKnownPersonDoesNotTakeALocalAddress(t *testing.T) {
	w := newWorld(t)
	w.addAccount("bob", "bob@acme.example")
	as := func(email string) *page {
		w.globex.Misbehave(with(map[string]any{"sub": "mallory", "email": email, "email_verified": true}))
		return w.browser().at("globex", w.globex, "ann")
	}
	w.browser().atApp(as("mallory@globex.example"))
	if p := as("Bob@acme.example"); p.status != http.StatusConflict {
		t.Errorf("the address of an account kept here: %v", p)
	}
	w.browser().atApp(as("mallory@globex.example"))
	w.browser().atApp(as("mallory@elsewhere.example"))
}
