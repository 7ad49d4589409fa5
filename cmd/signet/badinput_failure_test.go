package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// failureRows are failures of our own, what is told to those who watch, and HTTP/2.
func failureRows() []row {
	return []row{
		{id: "P-202", name: "a panic in a page", harsh: true, status: http.StatusInternalServerError, reason: "server_error", do: func(w *trial) *page {
			w.signet.site.Page("GET /planned", func(http.ResponseWriter, *http.Request) error { panic(plannedPanic) })
			return w.afterPanic("/planned")
		}},
		{id: "P-202", name: "a panic in an endpoint for programs", harsh: true, status: http.StatusInternalServerError, reason: "server_error", do: func(w *trial) *page {
			w.signet.site.API("GET /planned/api", func(http.ResponseWriter, *http.Request) { panic(plannedPanic) })
			return w.afterPanic("/planned/api")
		}},
		{id: "P-203", name: "what those who watch are told", do: func(w *trial) *page {
			_, admin := w.serve()
			for path, want := range map[string]string{"/healthz": "200 ok\n", "/readyz": "503 not ready\n", "/": "404 404 page not found\n", "/debug/pprof/": "404 404 page not found\n"} {
				p, _ := w.raw(admin, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				if got := fmt.Sprint(p.status, " ", p.body); got != want || p.header.Get("Server") != "" || p.header.Get("X-Powered-By") != "" {
					w.t.Errorf("%s: %q %v", path, got, p.header)
				}
			}
			for _, path := range []string{"/healthz", "/readyz", "/metrics", "/debug/pprof/"} {
				if p := w.browser().get(path); p.status != http.StatusNotFound {
					w.t.Errorf("everybody gets %s: %v", path, p)
				}
			}
			return nil
		}},
		{id: "P-182", name: "2,000 HTTP/2 streams that are reset at once", harsh: true, do: rapidReset},
	}
}

// afterPanic opens a page that panics.
func (w *trial) afterPanic(path string) *page {
	w.t.Helper()
	p := w.browser().get(path)
	if strings.Contains(p.body, plannedPanic+`"`) || strings.Contains(p.body, "goroutine") || !strings.Contains(p.body, p.header.Get("X-Request-Id")) {
		w.t.Errorf("the page: %s", p.body)
	}
	w.logged(p) // there is a line for the request, and one for the panic
	lines := 0
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, `"msg":"panic"`) && strings.Contains(line, p.header.Get("X-Request-Id")) {
			lines++
		}
	}
	if lines != 1 {
		w.t.Errorf("the log has %d lines for the panic", lines)
	}
	return p
}

// rapidReset opens HTTP/2 streams and resets each at once (CVE-2023-44487), while somebody honest is served.
func rapidReset(w *trial) *page {
	addr, roots := w.serveTLS()
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: "example.com", NextProtos: []string{"h2"}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	if c.ConnectionState().NegotiatedProtocol != "h2" {
		w.t.Fatal("HTTP/2 is not spoken")
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, http2.ClientPreface)
	framer := http2.NewFramer(c, c)
	framer.WriteSettings()
	go func() {
		for {
			if _, err := framer.ReadFrame(); err != nil {
				return
			}
		}
	}()
	var block bytes.Buffer
	headers := hpack.NewEncoder(&block)
	for stream := range uint32(2000) {
		block.Reset()
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", strings.TrimPrefix(w.URL, "http://")}, {":path", "/authorize?" + strings.Repeat("a=b&", 20)}} {
			headers.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		if framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*stream + 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}) != nil ||
			framer.WriteRSTStream(2*stream+1, http2.ErrCodeCancel) != nil {
			break // the server has had enough
		}
		if stream%500 == 0 {
			if p := w.within(100*time.Millisecond, func() *page { return w.browser().get("/jwks") }); p.status != http.StatusOK {
				w.t.Errorf("somebody honest gets %d", p.status)
			}
		}
	}
	return nil
}
