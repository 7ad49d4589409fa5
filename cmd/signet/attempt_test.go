package main

import (
	"maps"
	"net/http"
	"net/url"
	"testing"
)

// anew is where a login that has one provider begins again.
func anew(login string) string { return "/login/" + login + "?choose=1" }

// An answer is read against the attempt that it answers, and against no other of the same login.
func TestAnAnswerBelongsToItsAttempt(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	first := b.authorize(webApp, url.Values{"provider": {"globex"}})
	login := first.location.Query().Get("state")
	late := b.backFrom(first, w.globex, "ann")
	second := b.get(anew(login))
	if state := second.location.Query().Get("state"); state != login+".2" {
		t.Fatalf("the second attempt is called %q, want %q", state, login+".2")
	}
	b.get(anew(login))
	fourth := b.get(anew(login))
	back := b.backFrom(fourth, w.globex, "ann")
	before := w.counts()
	callback := func(state string) string {
		u, q := *back, back.Query()
		q.Set("state", state)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for _, c := range []struct{ what, address, reason string }{
		{"the first attempt's answer", late.String(), "replay"},
		{"the last one's, called the first", callback(login), "replay"},
		{"called the second", callback(login + ".2"), "replay"},
		{"called one that is to come", callback(login + ".5"), "replay"},
		{"called by another spelling", callback(login + ".04"), "state_invalid"},
		{"called by a sign", callback(login + ".+4"), "state_invalid"},
		{"called by no number", callback(login + "."), "state_invalid"},
		{"called the first in full", callback(login + ".1"), "state_invalid"},
		{"called by more", callback(login + ".4.4"), "state_invalid"},
	} {
		if p := b.get(c.address); p.status != http.StatusBadRequest || w.lastEvent("login.refused").Reason != c.reason {
			t.Errorf("%s: %v, %s, want 400 and %s", c.what, p, w.lastEvent("login.refused").Reason, c.reason)
		}
	}
	after := w.counts()
	delete(before, "events")
	delete(after, "events")
	if !maps.Equal(before, after) {
		t.Errorf("rows %v, were %v", after, before)
	}
	if got := b.atApp(b.get(back.String())); got.Get("code") == "" {
		t.Error("the last attempt's answer does not finish the login")
	}
	if p := b.get(back.String()); p.status != http.StatusBadRequest || w.lastEvent("login.refused").Reason != "replay" {
		t.Errorf("the same once more: %v, %s", p, w.lastEvent("login.refused").Reason)
	}
}

// What a node remembers of a login that has gone on at another is not taken for what it is.
func TestAnAttemptThatAnotherNodeBegan(t *testing.T) {
	c := newCluster(t)
	v, here, there := c.visitor(), c.nodes[0], c.nodes[1]
	must := func(p *page, err error) *page {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	signsIn := func(p *page) string {
		t.Helper()
		if p.location == nil {
			t.Fatalf("not sent to the upstream: %v", p)
		}
		u, err := c.globex.SignIn(t.Context(), p.location.String(), "ann")
		if err != nil {
			t.Fatal(err)
		}
		return u.String()
	}
	begun := func() (login, answer string) {
		t.Helper()
		p := must(v.get(here, "/authorize?"+authorizeQuery(webApp, url.Values{"provider": {"globex"}, "prompt": {"login"}}).Encode()))
		answer = signsIn(p)
		return p.location.Query().Get("state"), answer
	}
	login, _ := begun()
	second := signsIn(must(v.get(there, anew(login))))
	p := must(v.get(here, second))
	if !hasCode(p) {
		t.Fatalf("the answer to what the other node began: %v %.300s", p, p.body)
	}
	if p := must(c.redeemAt(there, p.location.Query().Get("code"))); !succeeds(p) {
		t.Errorf("the code: %v", p)
	}
	if p := must(v.get(there, second)); hasCode(p) || p.status != http.StatusBadRequest {
		t.Errorf("the same once more, there: %v", p)
	}

	login, late := begun()
	second = signsIn(must(v.get(there, anew(login))))
	if p := must(v.get(here, late)); hasCode(p) || p.status >= 500 {
		t.Errorf("the answer to what this node began before: %v", p)
	}
	if p := must(v.get(here, second)); !hasCode(p) {
		t.Errorf("the answer to what the other node began, after that: %v", p)
	}

	// An answer that was used there comes again here, where the login is remembered as it was made.
	_, answer := begun()
	if p := must(v.get(there, answer)); !hasCode(p) {
		t.Fatalf("at the other node: %v %.300s", p, p.body)
	}
	if p := must(v.get(here, answer)); hasCode(p) || p.status != http.StatusConflict {
		t.Errorf("once more where it began: %v", p)
	}
}
