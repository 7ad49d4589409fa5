package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
)

// maxHops is how many requests a login may take before it is called a loop.
const maxHops = 25

// browser is a fresh browser with one login in it, and the app that it belongs to.
type browser struct {
	*issuer
	client   *http.Client
	state    string
	verifier string
	requests int // to the issuer, the app's included
}

// newBrowser returns a browser that was never anywhere before.
func (i *issuer) newBrowser() (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &browser{
		issuer: i, state: rand.Text(), verifier: rand.Text() + rand.Text(),
		client: &http.Client{Transport: i.transport, Jar: jar, Timeout: timeout, CheckRedirect: stay},
	}, nil
}

// login signs somebody in, from the app's redirect to its tokens. It returns how many requests the issuer got.
func (i *issuer) login(ctx context.Context) (tokens, int, error) {
	b, err := i.newBrowser()
	if err != nil {
		return tokens{}, 0, err
	}
	code, err := b.walk(ctx)
	if err != nil {
		return tokens{}, b.requests, err
	}
	b.requests++
	t, err := i.redeem(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {i.Redirect}, "code_verifier": {b.verifier},
	})
	return t, b.requests, err
}

// walk goes from page to page until the browser is sent to the app, and returns the code it brings.
func (b *browser) walk(ctx context.Context) (code string, err error) {
	q := b.request()
	if b.pushes {
		if q, err = b.push(ctx, q); err != nil {
			return "", err
		}
	}
	req, err := http.NewRequestWithContext(ctx, "GET", b.authorize+"?"+q.Encode(), nil)
	for range maxHops {
		if err != nil {
			return "", err
		}
		if sameEndpoint(req.URL, b.Redirect) {
			return b.arrive(req)
		}
		req, err = b.follow(ctx, req)
	}
	return "", errors.New("too many hops")
}

// request is what the app asks for.
func (b *browser) request() url.Values {
	challenge := sha256.Sum256([]byte(b.verifier))
	q := url.Values{
		"client_id": {b.ClientID}, "redirect_uri": {b.Redirect}, "response_type": {"code"}, "scope": {b.Scope},
		"state": {b.state}, "nonce": {rand.Text()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	for k, v := range b.Authorize {
		q[k] = v
	}
	return q
}

// push has the app push what it asks for, and returns what its browser brings instead.
func (b *browser) push(ctx context.Context, q url.Values) (url.Values, error) {
	b.requests++
	var pushed struct {
		URI string `json:"request_uri"`
	}
	err := b.post(ctx, b.pushing, q, elsewhere(), &pushed)
	return url.Values{"client_id": {b.ClientID}, "request_uri": {pushed.URI}}, err
}

var errNoForm = errors.New("a page without a form")

// follow sends one request and returns the one that its answer leads to.
func (b *browser) follow(ctx context.Context, req *http.Request) (*http.Request, error) {
	if req.URL.Host == b.host {
		b.requests++
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := read(resp)
	if err != nil {
		return nil, err
	}
	if to, err := resp.Location(); err == nil {
		return http.NewRequestWithContext(ctx, "GET", to.String(), nil)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %.300s", req.Method, req.URL.Path, resp.Status, body)
	}
	f, ok := firstForm(body)
	if !ok {
		return nil, fmt.Errorf("%s %s: %w: %.300s", req.Method, req.URL.Path, errNoForm, body)
	}
	return f.submit(ctx, req.URL, b.Fill)
}

// arrive reads what the browser brings to the app: in the query, or in a form that is posted.
func (b *browser) arrive(req *http.Request) (code string, err error) {
	q := req.URL.Query()
	if req.Method == "POST" {
		if err := req.ParseForm(); err != nil {
			return "", err
		}
		q = req.PostForm
	}
	if q.Get("state") != b.state || q.Get("code") == "" {
		return "", fmt.Errorf("the app got %v", q)
	}
	return q.Get("code"), nil
}

// sameEndpoint tells whether a URL is a redirect URI, whatever its query is.
func sameEndpoint(u *url.URL, redirect string) bool {
	bare := *u
	bare.RawQuery, bare.Fragment = "", ""
	return bare.String() == redirect
}
