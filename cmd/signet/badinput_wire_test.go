package main

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// slow is what no refusal may take.
const slow = 20 * time.Millisecond

// serve runs the listeners of the world's Signet as the command serve does, and returns where they are.
func (w *trial) serve() (public, admin string) {
	w.t.Helper()
	cfg, err := loadConfig(w.configFile())
	if err != nil {
		w.t.Fatal(err)
	}
	cfg.Listen, cfg.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
	sv, err := w.signet.listen(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	go sv.public.Serve(sv.sockets[0])
	go sv.admin.Serve(sv.sockets[1])
	w.t.Cleanup(func() { sv.public.Close(); sv.admin.Close() })
	return sv.sockets[0].Addr().String(), sv.sockets[1].Addr().String()
}

// serveTLS is serve with TLS, by a certificate for example.com.
func (w *trial) serveTLS() (public string, roots *x509.CertPool) {
	w.t.Helper()
	lender := httptest.NewTLSServer(nil) // its certificate is all that is wanted
	pair := lender.TLS.Certificates[0]
	roots = x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	lender.Close()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		w.t.Fatal(err)
	}
	cfg, err := loadConfig(w.configFile())
	if err != nil {
		w.t.Fatal(err)
	}
	cfg.Listen, cfg.AdminListen = "127.0.0.1:0", ""
	cfg.TLS.CertFile, cfg.TLS.KeyFile = filepath.Join(w.t.TempDir(), "cert.pem"), filepath.Join(w.t.TempDir(), "key.pem")
	for name, block := range map[string]*pem.Block{cfg.TLS.CertFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, cfg.TLS.KeyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	sv, err := w.signet.listen(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	go sv.public.ServeTLS(sv.sockets[0], "", "")
	w.t.Cleanup(func() { sv.public.Close() })
	return sv.sockets[0].Addr().String(), roots
}

// raw sends bytes as they are. closed tells whether the server ends the connection after its answer.
func (w *trial) raw(addr, text string) (p *page, closed bool) {
	w.t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	go io.WriteString(c, text) // the answer may come before all of it is taken
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		w.t.Fatalf("no answer: %v", err)
	}
	body, _ := io.ReadAll(resp.Body)
	c.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, err = r.ReadByte()
	var late net.Error
	closed = err != nil && !(errors.As(err, &late) && late.Timeout())
	return &page{w: w.world, url: &url.URL{Path: "/"}, status: resp.StatusCode, header: resp.Header, body: string(body)}, closed
}

// wireRows are bytes that are no request, or a request that never ends.
func wireRows() []row {
	host := func(w *trial) string { return "Host: " + strings.TrimPrefix(w.URL, "http://") + "\r\n" }
	ends := func(name string, status int, reason, text string) row {
		return row{id: "P-181", name: name, harsh: true, status: status, reason: reason, do: func(w *trial) *page {
			addr, _ := w.serve()
			p, closed := w.raw(addr, strings.Replace(text, "HOST\r\n", host(w), 1))
			if !closed {
				w.t.Error("the connection stays open")
			}
			return p
		}}
	}
	broken := func(name, text string) row { return ends(name, http.StatusBadRequest, "", text) }
	const post, form = "POST /token HTTP/1.1\r\nHOST\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"
	return []row{
		{id: "P-176", name: "a header of 1 MB", harsh: true, status: http.StatusRequestHeaderFieldsTooLarge, do: func(w *trial) *page {
			addr, _ := w.serve()
			p, _ := w.raw(addr, "GET /jwks HTTP/1.1\r\n"+host(w)+"X: "+strings.Repeat("a", 1<<20)+"\r\n\r\n")
			return p
		}},
		{id: "P-176", name: "an address of 1 MB", harsh: true, status: http.StatusRequestHeaderFieldsTooLarge, do: func(w *trial) *page {
			addr, _ := w.serve()
			p, _ := w.raw(addr, "GET /authorize?x="+strings.Repeat("a", 1<<20)+" HTTP/1.1\r\n"+host(w)+"\r\n")
			return p
		}},
		{id: "P-179", name: "100 headers that come byte by byte", harsh: true, do: slowHeaders},
		// net/http takes the chunks; what matters is that nothing after them is taken for a request.
		ends("Content-Length and Transfer-Encoding", http.StatusUnauthorized, "invalid_client",
			post+form+"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHOST\r\n\r\n"),
		ends("Transfer-Encoding in two lines", http.StatusUnauthorized, "invalid_client",
			post+form+"Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHOST\r\n\r\n"),
		ends("two Transfer-Encodings", http.StatusNotImplemented, "", post+form+"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
		ends("a chunk without a length", http.StatusBadRequest, "invalid_request", post+form+"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"),
		broken("two Content-Lengths", post+form+"Content-Length: 5\r\nContent-Length: 6\r\n\r\na=1&b="),
		broken("a Content-Length with a sign", post+form+"Content-Length: +5\r\n\r\na=1&b"),
		broken("a space before the colon", "GET /jwks HTTP/1.1\r\nHOST\r\nX : a\r\n\r\n"),
		broken("two Hosts", "GET /jwks HTTP/1.1\r\nHOST\r\nHost: evil.test\r\n\r\n"),
		broken("no Host", "GET /jwks HTTP/1.1\r\n\r\n"),
		broken("a NUL in a header", "GET /jwks HTTP/1.1\r\nHOST\r\nX: \x00\r\n\r\n"),
		{id: "P-181", name: "another host in the request line", status: http.StatusMisdirectedRequest, reason: "misdirected", do: func(w *trial) *page {
			addr, _ := w.serve()
			p, _ := w.raw(addr, "GET http://evil.test/jwks HTTP/1.1\r\n"+host(w)+"Connection: close\r\n\r\n")
			return p
		}},
		{id: "P-181", name: "a path that is not clean", status: http.StatusNotFound, reason: "not_found", do: func(w *trial) *page {
			addr, _ := w.serve()
			for _, path := range []string{"//authorize", "/x/../authorize", "/./jwks", "/authorize/"} {
				if p, _ := w.raw(addr, "GET "+path+" HTTP/1.1\r\n"+host(w)+"Connection: close\r\n\r\n"); p.status != http.StatusNotFound || p.header.Get("Location") != "" {
					w.t.Errorf("%s: %v", path, p)
				}
			}
			p, _ := w.raw(addr, "GET //evil.test/%2e%2e HTTP/1.1\r\n"+host(w)+"Connection: close\r\n\r\n")
			return p
		}},
	}
}

// slowHeaders keeps connections busy with headers that never end, while somebody honest is served.
func slowHeaders(w *trial) *page {
	addr, _ := w.serve()
	var all sync.WaitGroup
	start := time.Now()
	ended := make(chan time.Duration, 100)
	for range cap(ended) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			w.t.Fatal(err)
		}
		all.Go(func() {
			defer c.Close()
			io.WriteString(c, "GET /jwks HTTP/1.1\r\n")
			for time.Since(start) < 15*time.Second {
				if _, err := io.WriteString(c, "X"); err != nil {
					break
				}
				c.SetReadDeadline(time.Now().Add(250 * time.Millisecond))
				_, err := c.Read(make([]byte, 512))
				var late net.Error
				if err != nil && !(errors.As(err, &late) && late.Timeout()) {
					break
				}
			}
			ended <- time.Since(start)
		})
	}
	for range 20 {
		if p := w.within(100*time.Millisecond, func() *page { return w.browser().get("/jwks") }); p.status != http.StatusOK {
			w.t.Errorf("somebody honest gets %d", p.status)
		}
	}
	all.Wait()
	close(ended)
	for took := range ended {
		if took > 8*time.Second {
			w.t.Fatalf("a connection is kept for %s", took)
		}
	}
	return nil
}
