package egress

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// quick are limits that a test can wait for.
var quick = Options{Timeout: 400 * time.Millisecond, Dial: 200 * time.Millisecond}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// get reads a whole response.
func get(t *testing.T, c *http.Client, url string) (status, n int, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, len(b), err
}

func TestBodyIsLimited(t *testing.T) {
	var sent atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/exact":
			w.Write(make([]byte, 1<<20))
		case "/one-more":
			w.(http.Flusher).Flush() // no Content-Length
			w.Write(make([]byte, 1<<20+1))
		case "/announced":
			w.Header().Set("Content-Length", "67108864")
			w.Write(make([]byte, 64<<10))
		case "/64MB":
			for range 64 << 4 {
				n, err := w.Write(make([]byte, 64<<10))
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		case "/bomb": // 8 MB in some KB
			w.Header().Set("Content-Encoding", "gzip")
			z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
			z.Write(make([]byte, 8<<20))
			z.Close()
		}
	})
	c := Client(Options{})
	if status, n, err := get(t, c, s.URL+"/exact"); status != 200 || n != 1<<20 || err != nil {
		t.Errorf("a body that just fits: %d, %d bytes, %v", status, n, err)
	}
	for _, path := range []string{"/one-more", "/announced", "/64MB", "/bomb"} {
		if _, n, err := get(t, c, s.URL+path); !errors.Is(err, ErrTooLarge) || n > 1<<20 {
			t.Errorf("%s: %d bytes, %v, want ErrTooLarge", path, n, err)
		}
	}
	if n := sent.Load(); n > 16<<20 {
		t.Errorf("of 64 MB, %d bytes were taken", n)
	}
}

func TestHeaderIsLimited(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("a", 128<<10)) })
	if _, _, err := get(t, Client(Options{}), s.URL); err == nil {
		t.Error("a header of 128 KB was taken")
	}
}

func TestTimeIsLimited(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			return
		}
		for r.Context().Err() == nil { // a drip: never still, never done
			w.Write([]byte("a"))
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	c := Client(quick)
	for _, path := range []string{"/hang", "/drip"} {
		start := time.Now()
		_, _, err := get(t, c, s.URL+path)
		var timeout net.Error
		if took := time.Since(start); !errors.As(err, &timeout) || !timeout.Timeout() || took > 5*time.Second {
			t.Errorf("%s: %v after %v, want a timeout", path, err, took)
		}
	}
}

// A host that takes the connection and never speaks TLS.
func TestHandshakeIsLimited(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	start := time.Now()
	if _, _, err := get(t, Client(Options{Dial: 100 * time.Millisecond}), "https://"+l.Addr().String()); err == nil || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v, want a timeout", err, time.Since(start))
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var followed atomic.Bool
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/there" {
			followed.Store(true)
			return
		}
		http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
	})
	if status, _, err := get(t, Client(Options{}), s.URL); status != http.StatusTemporaryRedirect || err != nil || followed.Load() {
		t.Errorf("%d, %v, followed %v; want the 307 itself", status, err, followed.Load())
	}
}

func TestCertificateIsVerified(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	s.Config.ErrorLog = nil
	if _, _, err := get(t, Client(Options{}), s.URL); err == nil {
		t.Error("a certificate of nobody was taken")
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := Client(Options{Roots: roots})
	defer c.CloseIdleConnections()
	if status, _, err := get(t, c, s.URL); status != 200 || err != nil {
		t.Errorf("with its root: %d, %v", status, err)
	}
	if _, _, err := get(t, c, strings.Replace(s.URL, "127.0.0.1", "localhost", 1)); err == nil {
		t.Error("a certificate of another name was taken")
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	if _, _, err := get(t, Client(Options{Roots: roots}), s.URL); err == nil {
		t.Error("TLS 1.1 was taken")
	}
}

func TestOnlyHTTPSLeavesTheMachine(t *testing.T) {
	c := Client(quick)
	for _, u := range []string{"http://idp.example/", "http://192.0.2.1/", "http://10.0.0.1/", "http://localhost.evil.example/", "file:///etc/passwd", "ftp://127.0.0.1/", "http://0.0.0.0/", "http://127.0.0.1.evil.example/"} {
		if _, _, err := get(t, c, u); !errors.Is(err, ErrScheme) {
			t.Errorf("%s: %v, want ErrScheme", u, err)
		}
	}
}

// localhost means this machine only if that is what it resolves to.
func TestPlainTextStaysOnLoopback(t *testing.T) {
	may := Options{}.mayDialPlain
	if err := may(netip.MustParseAddr("127.0.0.2")); err != nil {
		t.Errorf("127.0.0.2: %v", err)
	}
	for _, a := range []string{"192.0.2.1", "10.0.0.1", "2001:db8::1", "0.0.0.0"} {
		if err := may(netip.MustParseAddr(a)); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v, want ErrAddress", a, err)
		}
	}
}

// The address is looked at when it is dialled: whatever a name resolves to by then is what counts.
func TestAddressIsCheckedWhenDialled(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := Client(Options{PublicOnly: true, Roots: roots})
	for _, u := range []string{s.URL, strings.Replace(s.URL, "127.0.0.1", "localhost", 1), "http://127.0.0.1:1/", "https://169.254.169.254/", "https://[fd00:ec2::254]/", "https://10.0.0.1/"} {
		if _, _, err := get(t, c, u); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v, want ErrAddress", u, err)
		}
	}
	for _, u := range []string{"https://169.254.169.254/", "https://[fe80::1]/", "https://0.0.0.0/", "https://[::ffff:169.254.169.254]/", "https://[fd00:ec2::254]/"} {
		if _, _, err := get(t, Client(quick), u); !errors.Is(err, ErrAddress) {
			t.Errorf("without PublicOnly, %s: %v, want ErrAddress", u, err)
		}
	}
}

// What is allowed is allowed for itself alone: not its neighbours, not plain text off this machine, and never a
// cloud's metadata service.
func TestAllowedAddresses(t *testing.T) {
	o := Options{PublicOnly: true, Allow: prefixes("10.1.0.0/16", "127.0.0.1/32", "169.254.0.0/16")}
	for _, row := range []struct {
		addr         string
		https, plain bool
	}{
		{"8.8.8.8", true, false},
		{"10.1.2.3", true, false},
		{"10.2.2.3", false, false},
		{"127.0.0.1", true, true},
		{"127.0.0.2", false, false},
		{"::1", false, false},
		{"169.254.169.254", false, false},
	} {
		addr := netip.MustParseAddr(row.addr)
		if err := o.mayDial(addr); (err == nil) != row.https {
			t.Errorf("https to %s: %v", addr, err)
		}
		if err := o.mayDialPlain(addr); (err == nil) != row.plain {
			t.Errorf("http to %s: %v", addr, err)
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	for _, a := range []string{"8.8.8.8", "2606:4700::1111", "100.128.0.1"} {
		if !public(netip.MustParseAddr(a)) {
			t.Errorf("%s is public", a)
		}
	}
	for _, a := range []string{
		"127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "fe80::1", "fc00::1", "224.0.0.1",
		"0.0.0.0", "0.1.2.3", "255.255.255.255", "198.18.0.1", "240.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::", "ff02::1", "192.0.0.8",
		"2001::1", "::10.0.0.1", "fec0::1",
	} {
		if public(netip.MustParseAddr(a).Unmap()) {
			t.Errorf("%s is not public", a)
		}
	}
}

func TestProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	var seen atomic.Bool
	proxy := serve(t, func(http.ResponseWriter, *http.Request) { seen.Store(true) })
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	c := Client(quick)
	for _, way := range []*http.Transport{c.Transport.(*transport).https, c.Transport.(*transport).plain} {
		if way.Proxy != nil {
			t.Error("a transport asks for a proxy")
		}
	}
	get(t, c, "https://idp.invalid/")
	if seen.Load() {
		t.Error("the request went to the proxy")
	}
}

func TestConnectionsPerHostAreLimited(t *testing.T) {
	var open, most atomic.Int32
	s := serve(t, func(http.ResponseWriter, *http.Request) {
		n := open.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(20 * time.Millisecond)
		open.Add(-1)
	})
	c := Client(Options{PerHost: 3})
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() { get(t, c, s.URL) })
	}
	all.Wait()
	if n := most.Load(); n > 3 {
		t.Errorf("%d connections at once, want at most 3", n)
	}
}

func TestContextEndsARequest(t *testing.T) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if _, err := Client(Options{}).Do(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's error", err)
	}
}

func TestLoopback(t *testing.T) {
	for raw, want := range map[string]bool{
		"http://localhost": true, "http://LOCALHOST:1": true, "http://127.0.0.1": true, "http://127.9.9.9": true, "http://[::1]:1": true,
		"http://[::ffff:127.0.0.1]": true, "http://localhost.": false, "http://127.0.0.1.example": false, "http://0.0.0.0": false,
		"http://2130706433": false, "http://localhost@evil.example": false, "http://evil.example": false,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := Loopback(u); got != want {
			t.Errorf("Loopback(%s) = %v, want %v", raw, got, want)
		}
	}
}
