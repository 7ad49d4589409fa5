package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// check compares the answer with what must come.
func (r row) check(w *trial, p *page) {
	t := w.t
	t.Helper()
	if r.status != 0 && p.status != r.status {
		t.Errorf("status %d, want %d: %v", p.status, r.status, p)
	}
	if got := w.reason(p); got != r.reason {
		t.Errorf("reason %q, want %q: %v", got, r.reason, p)
	}
	if r.event != "" {
		w.wantEvent(p, r.event)
	}
	if !r.control {
		for _, c := range (&http.Response{Header: p.header}).Cookies() {
			if strings.HasSuffix(c.Name, "-session") && c.Value != "" {
				t.Errorf("a session's cookie is set: %v", p)
			}
		}
	}
	w.wellFormed(p, r.status)
}

// wellFormed checks what is true of every answer of Signet's. status is what the row wants.
func (w *trial) wellFormed(p *page, status int) {
	t := w.t
	t.Helper()
	if p.header.Get("X-Request-Id") == "" {
		// The server refuses what is no HTTP before it gets to us.
		if !slices.Contains([]int{http.StatusBadRequest, http.StatusRequestHeaderFieldsTooLarge, http.StatusNotImplemented}, p.status) {
			t.Errorf("no request ID: %v", p)
		}
		return
	}
	switch {
	case p.status >= 500 && status < 500:
		t.Errorf("a failure of ours: %v", p)
	case !strings.HasPrefix(p.header.Get("Cache-Control"), "no-store") && p.header.Get("Allow") == "" && p.url.Path != "/jwks":
		t.Errorf("may be cached: %v", p)
	}
	if p.status == http.StatusUnauthorized && p.header.Get("WWW-Authenticate") == "" && !p.has("password") {
		t.Errorf("401 that does not say what is wanted: %v", p)
	}
	if p.location != nil && p.status != http.StatusSeeOther {
		t.Errorf("a redirect with %d", p.status)
	}
	if p.toApp() && p.location.Query().Get("iss") != w.URL {
		t.Errorf("iss = %q in the answer to the app", p.location.Query().Get("iss"))
	}
	if sent := p.url.Query(); p.toApp() && p.url.Path == "/authorize" && len(sent["state"]) < 2 && p.location.Query().Get("state") != sent.Get("state") {
		t.Errorf("state = %.60q, sent %.60q", p.location.Query().Get("state"), sent.Get("state"))
	}
	if !strings.HasPrefix(p.header.Get("Content-Type"), "text/html") {
		return
	}
	if csp := p.header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || p.header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("a page that can be framed or run scripts: %q", csp)
	}
	if p.header.Get("Referrer-Policy") != "no-referrer" {
		t.Error("a page that tells where its visitor was")
	}
	if p.find(func(n *html.Node) bool { return n.Data == "script" && attribute(n, "src") == "" }) != nil {
		t.Errorf("a page with a script of its own: %v", p)
	}
	if p.status >= 400 && p.text("request-id") == "" && !p.has("password") && !p.has("user-code") {
		t.Errorf("an error page without a request ID: %v", p)
	}
}

// toApp tells whether an answer sends the browser to the app.
func (p *page) toApp() bool {
	return p.location != nil && strings.HasPrefix(p.location.String(), callbackURI+"?")
}

// reason is the one word of a refusal, as whoever it is for learns it.
func (w *trial) reason(p *page) string {
	w.t.Helper()
	if p.toApp() {
		return p.location.Query().Get("error")
	}
	if strings.HasPrefix(p.header.Get("Content-Type"), "application/json") {
		var body struct{ Error string }
		if err := json.Unmarshal([]byte(p.body), &body); err != nil {
			w.t.Errorf("not JSON: %.200s", p.body)
		}
		return body.Error
	}
	if p.status < 400 {
		return ""
	}
	return w.logged(p)["reason"]
}

// logged is the line that the log has for a request. It is written a moment after the answer.
func (w *world) logged(p *page) map[string]string {
	w.t.Helper()
	id := p.header.Get("X-Request-Id")
	if id == "" {
		return nil
	}
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for line := range strings.Lines(w.log.String()) {
			if !strings.Contains(line, id) || !strings.Contains(line, `"msg":"request"`) {
				continue
			}
			var all map[string]any
			if err := json.Unmarshal([]byte(line), &all); err != nil {
				w.t.Fatalf("log: %v", err)
			}
			said := map[string]string{}
			for k, v := range all {
				said[k] = fmt.Sprint(v)
			}
			return said
		}
	}
	w.t.Fatalf("the log has no line for request %s", id)
	return nil
}

// wantEvent checks that a refusal is kept with its reason.
func (w *world) wantEvent(p *page, reason string) {
	w.t.Helper()
	var got string
	err := w.db().QueryRow("SELECT reason FROM events WHERE type = 'login.refused' AND request_id = ?", p.header.Get("X-Request-Id")).Scan(&got)
	if err != nil || got != reason {
		w.t.Errorf("the event says %q (%v), want %q", got, err, reason)
	}
}
