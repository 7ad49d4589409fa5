// Package web is what every endpoint shares: the edge (limits, headers, one log line a request), who the
// visitor is (cookies, sessions), forms, and how a turn or an error becomes an answer.
//
// It is the only user of gorilla/sessions.
//
// Read in this order: site.go, edge.go (around every request), visitor.go and sessions.go (who it is),
// form.go (what came in), answer.go, logout.go and initiate.go (what goes out).
package web

import (
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/templates"
)

// Site is one Signet as the web sees it.
type Site struct {
	Issuer   *url.URL // exactly what iss says; every address of ours is made from it, never from a request
	Broker   *broker.Broker
	Pages    *templates.Pages
	Sessions *Sessions
	Trusted  []netip.Prefix // proxies whose X-Forwarded-For is believed
	// CertificateHeader names the header in which a trusted proxy says which certificate its caller has
	// proven; "": none does.
	CertificateHeader string
	Metrics           *Metrics
	Log               *slog.Logger

	mux        http.ServeMux
	preflights map[string]bool // paths that answer them
	csrf       http.CrossOriginProtection
}

// Handler answers a request, or returns an error that is answered for it.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Page registers an endpoint for people: its errors are pages. pattern is one of http.ServeMux, below the
// issuer's path.
func (s *Site) Page(pattern string, h Handler) {
	s.mux.HandleFunc(s.pattern(pattern), func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), forPages)
		if err := h(w, r); err != nil {
			s.Fail(w, r, err)
		}
	})
}

// API registers an endpoint for programs, which writes its errors itself. Its answers may be read from any
// origin: no cookie counts there.
func (s *Site) API(pattern string, h http.HandlerFunc) {
	method, path, ok := strings.Cut(pattern, " ")
	if ok && method != http.MethodGet && !s.preflights[path] {
		if s.preflights == nil {
			s.preflights = map[string]bool{}
		}
		s.preflights[path] = true
		s.mux.HandleFunc(s.pattern("OPTIONS "+path), preflight)
	}
	s.mux.HandleFunc(s.pattern(pattern), func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), forPrograms)
		h(w, r)
	})
}

// Static registers files.
func (s *Site) Static(prefix string, h http.Handler) {
	s.mux.Handle(s.pattern("GET "+prefix), http.StripPrefix(s.base(), h))
}

// base is the issuer's path, without a trailing slash.
func (s *Site) base() string { return strings.TrimSuffix(s.Issuer.Path, "/") }

func (s *Site) pattern(p string) string {
	if method, path, ok := strings.Cut(p, " "); ok {
		return method + " " + s.base() + path
	}
	return s.base() + p
}

// URL is the address of a path of ours, e.g. "/login/x".
func (s *Site) URL(path string) string { return strings.TrimSuffix(s.Issuer.String(), "/") + path }

// secure tells whether browsers reach us by TLS.
func (s *Site) secure() bool { return s.Issuer.Scheme == "https" }

// What all answers of a sort have in their header: canonical names, and values that they share.
var (
	// There is no form-action: Chromium would block the redirects that follow our forms.
	forPages = http.Header{
		"Content-Security-Policy":    {"default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; base-uri 'none'; frame-ancestors 'none'"},
		"X-Frame-Options":            {"DENY"},
		"X-Content-Type-Options":     {"nosniff"},
		"Referrer-Policy":            {"no-referrer"},
		"Cross-Origin-Opener-Policy": {"same-origin"},
		"Cache-Control":              {"no-store"},
	}
	forPrograms = http.Header{
		"Access-Control-Allow-Origin":   {"*"},
		"Access-Control-Expose-Headers": {"WWW-Authenticate, DPoP-Nonce"},
		"X-Content-Type-Options":        {"nosniff"},
		"Cache-Control":                 {"no-store"},
	}
)

// preflight answers a browser app that asks whether it may send its credentials (Fetch §3.2.2).
func preflight(w http.ResponseWriter, _ *http.Request) {
	maps.Copy(w.Header(), forPrograms)
	w.Header().Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
	w.Header().Set("Access-Control-Max-Age", "3600")
	w.WriteHeader(http.StatusNoContent)
}
