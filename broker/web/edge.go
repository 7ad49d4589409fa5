package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/providers"
)

// Info is what is known of a request. Endpoints fill in what its log line is to say.
type Info struct {
	RequestID string
	Addr      netip.Addr
	App       string
	Provider  string
	Login     string
	Logout    bool   // it is about a sign-out
	Browser   []byte // Visitor.Browser, when the answer to this request gives it its cookie
	User      string
	// Certificate is the SHA-256 of the certificate that an app has proven by TLS; nil: none.
	Certificate []byte
	Reason      string // why it was refused
	Err         error  // the same for the log
}

type infoKey struct{}

// maxWord is how much of an ID is logged, in bytes. None of ours is longer.
const maxWord = 64

// RequestInfo returns the Info of a request.
func RequestInfo(ctx context.Context) *Info {
	if i, ok := ctx.Value(infoKey{}).(*Info); ok {
		return i
	}
	return &Info{}
}

// ServeHTTP is the edge: every request passes it, and gets one log line.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	info := &Info{RequestID: rand.Text(), Addr: s.addr(r)}
	r = r.WithContext(context.WithValue(r.Context(), infoKey{}, info))
	rec := &recorder{ResponseWriter: w}
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			s.Log.ErrorContext(r.Context(), "panic", "request_id", info.RequestID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			if rec.status == 0 {
				s.Fail(rec, r, fmt.Errorf("panic"))
			}
		}
		s.done(r, rec, info, time.Since(start))
	}()
	w.Header().Set("X-Request-Id", info.RequestID)
	if s.secure() {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
	}
	if len(r.TransferEncoding) > 0 && r.ProtoMajor == 1 {
		// It may have come with a Content-Length, which net/http drops without a word and a proxy may have
		// believed: what follows is no request of anybody's (RFC 9112 §6.1).
		w.Header().Set("Connection", "close")
	}
	if err := s.misdirected(r); err != nil {
		s.Fail(rec, r, err)
		return
	}
	h, pattern := s.mux.Handler(r)
	if pattern == "" || unclean(r.URL.EscapedPath()) {
		s.unrouted(rec, r, h)
		return
	}
	s.mux.ServeHTTP(rec, r)
}

// misdirected refuses what was not sent to us: a Host that is not the issuer's. A trusted proxy may have
// rewritten it; nothing is ever made from it.
func (s *Site) misdirected(r *http.Request) error {
	if sameHost(r.Host, s.Issuer.Host, s.Issuer.Scheme) || s.trusts(peer(r)) {
		return nil
	}
	return &providers.Error{Kind: providers.Invalid, Reason: "misdirected", Status: http.StatusMisdirectedRequest, Err: fmt.Errorf("host %.100q, not %q of the issuer", r.Host, s.Issuer.Host)}
}

func sameHost(got, want, scheme string) bool {
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	return strings.EqualFold(strings.TrimSuffix(got, port), strings.TrimSuffix(want, port))
}

// unrouted answers what no endpoint takes, with the status that the mux would have given.
func (s *Site) unrouted(w http.ResponseWriter, r *http.Request, h http.Handler) {
	probe := &statusOnly{header: http.Header{}}
	h.ServeHTTP(probe, r)
	e := &providers.Error{Kind: providers.Invalid, Reason: "not_found", Status: http.StatusNotFound, Err: errors.New("no such address")}
	switch {
	case probe.status == http.StatusMethodNotAllowed:
		w.Header().Set("Allow", probe.header.Get("Allow"))
		e.Reason, e.Status, e.Err = "method_not_allowed", probe.status, fmt.Errorf("method %.20q", r.Method)
	}
	s.Fail(w, r, e)
}

// unclean tells whether a path has parts that say nothing. The mux would send the browser on, with all that
// it had posted; such a path is refused.
func unclean(p string) bool {
	clean := path.Clean(p)
	return p != clean && p != clean+"/"
}

type statusOnly struct {
	header http.Header
	status int
}

func (p *statusOnly) Header() http.Header         { return p.header }
func (p *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (p *statusOnly) WriteHeader(status int)      { p.status = status }

// done writes the request's log line and counts it.
func (s *Site) done(r *http.Request, rec *recorder, info *Info, took time.Duration) {
	status := rec.status
	if status == 0 {
		status = http.StatusOK
	}
	s.Metrics.request(r.Pattern, status, took)
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	}
	if !s.Log.Enabled(r.Context(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("request_id", info.RequestID), slog.String("method", r.Method), slog.String("endpoint", r.Pattern),
		slog.Int("status", status), slog.Int64("us", took.Microseconds()), slog.String("addr", info.Addr.String()))
	for _, f := range [...][2]string{{"app", info.App}, {"provider", info.Provider}, {"login", info.Login}, {"user", info.User}, {"reason", info.Reason}} {
		if f[1] != "" {
			attrs = append(attrs, slog.String(f[0], f[1][:min(len(f[1]), maxWord)])) // some are a stranger's, of any length
		}
	}
	if info.Err != nil {
		attrs = append(attrs, slog.String("error", info.Err.Error()))
	}
	line := slog.NewRecord(time.Now(), level, "request", 0) // the Logger's methods look for who calls them
	line.AddAttrs(attrs...)
	s.Log.Handler().Handle(r.Context(), line) //nolint:errcheck // as the Logger's methods do
}

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// addr is the browser's address: the peer's, or what a chain of trusted proxies says.
func (s *Site) addr(r *http.Request) netip.Addr {
	a := peer(r)
	if !s.trusts(a) {
		return a
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return a
		}
		a = next.Unmap()
		if !s.trusts(a) {
			return a
		}
	}
	return a
}

func (s *Site) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(s.Trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

func peer(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}
