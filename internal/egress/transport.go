package egress

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"
)

// transport chooses the way by scheme and limits what comes back, and how long that takes. http.Client would have
// two goroutines watch the time of each request, since it does not know this type.
type transport struct {
	max          int64
	timeout      time.Duration
	https, plain *http.Transport
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	way := t.https
	if req.URL.Scheme != "https" {
		if req.URL.Scheme != "http" || !Loopback(req.URL) {
			if req.Body != nil {
				req.Body.Close()
			}
			return nil, fmt.Errorf("%w: %s://%s", ErrScheme, req.URL.Scheme, req.URL.Host)
		}
		way = t.plain
	}
	ctx, cancel := context.WithTimeout(req.Context(), t.timeout)
	req = req.WithContext(ctx)
	if req.Method == http.MethodPost && req.GetBody != nil {
		// An upstream may close a kept connection in the very moment that we use it: without this the login
		// fails, for POST is not sent again. Sent twice it is harmless: what we post (a code, an assertion)
		// counts once. The empty list marks it for net/http and is not sent.
		req.Header = maps.Clone(req.Header)
		req.Header["Idempotency-Key"] = nil
	}
	resp, err := way.RoundTrip(req)
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &body{ReadCloser: resp.Body, left: t.max, over: cancel}
	if resp.ContentLength > t.max {
		resp.Body.Close()
		return nil, fmt.Errorf("%w: %d bytes announced", ErrTooLarge, resp.ContentLength)
	}
	return resp, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections work.
func (t *transport) CloseIdleConnections() {
	t.https.CloseIdleConnections()
	t.plain.CloseIdleConnections()
}

// body fails once more than its limit has been read. It never ends early without an error: half a
// document that happens to parse must not pass for a whole one.
type body struct {
	io.ReadCloser
	left int64
	over func() // ends what watches the time
}

func (b *body) Close() error {
	defer b.over()
	return b.ReadCloser.Close()
}

func (b *body) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	// One byte more than allowed tells a body that is too large from one that just fits.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}
