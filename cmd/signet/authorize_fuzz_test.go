package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzAuthorize sends queries to the whole Signet, with the rows' as seeds. Whatever comes: no panic, an
// answer within 100 ms, a redirect to nothing but Signet's own pages, an upstream or a registered
// redirect_uri, and no session.
func FuzzAuthorize(f *testing.F) {
	w := newWorld(f)
	for _, app := range []string{webApp, publicApp, laxApp, localApp, "nobody"} {
		for _, with := range []url.Values{
			{}, {"redirect_uri": {"https://evil.example/"}}, {"redirect_uri": {callbackURI, callbackURI}}, {"redirect_uri": {"http://127.0.0.1:49152/native"}},
			{"prompt": {"none"}}, {"prompt": {"none login"}}, {"max_age": {"-1"}}, {"max_age": {"0"}}, {"response_type": {"token"}}, {"response_mode": {"form_post"}, "prompt": {"none"}},
			{"state": {"a\r\nSet-Cookie: x=y"}, "prompt": {"none"}}, {"state": {"\xff"}}, {"nonce": {"\x00"}}, {"id_token_hint": {"a.b.c"}}, {"login_hint": {"ann@hooli.example"}},
			{"provider": {"globex"}}, {"provider": {"initech"}}, {"kc_idp_hint": {"nobody"}}, {"request": {"e30.e30."}}, {"request_uri": {"http://127.0.0.1/"}},
			{"claims": {`{"id_token":{}}`}}, {"code_challenge_method": {"plain"}}, {"ui_locales": {"de en \xff"}}, {"scope": {"openid openid admin"}},
		} {
			f.Add(authorizeQuery(app, with).Encode())
		}
	}
	f.Add("a&b;c=%zz")
	f.Add(strings.Repeat("&", 200))
	host := strings.TrimPrefix(w.URL, "http://")
	ask := func(query string) (*http.Response, time.Duration) {
		r := httptest.NewRequest(http.MethodGet, "/authorize", nil)
		r.URL.RawQuery, r.Host, r.RemoteAddr = query, host, "127.0.0.1:1"
		rec := httptest.NewRecorder()
		start := time.Now()
		w.signet.site.ServeHTTP(rec, r)
		return rec.Result(), time.Since(start)
	}
	ask(authorizeQuery(webApp, url.Values{"provider": {"globex"}}).Encode()) // its documents are at hand from here on
	ask(authorizeQuery(webApp, url.Values{"provider": {"initech"}}).Encode())
	allowed := []string{w.URL + "/login/", w.globex.Issuer + "/authorize?", w.hooli.Issuer + "/authorize?", w.initech.URL + "/", callbackURI + "?", "http://127.0.0.1/native?", "http://127.0.0.1:"}
	f.Fuzz(func(t *testing.T, query string) {
		w.log.reset()
		p, took := ask(query)
		for range 5 {
			if took > 100*time.Millisecond {
				_, took = ask(query) // a busy machine
			}
		}
		if took > 100*time.Millisecond {
			t.Errorf("took %s", took)
		}
		if strings.Contains(w.log.String(), `"msg":"panic"`) || p.StatusCode >= 500 {
			t.Fatalf("%d\n%s", p.StatusCode, w.log)
		}
		for _, c := range p.Cookies() {
			if c.Name == sessionCookie {
				t.Error("a session")
			}
		}
		to := p.Header.Get("Location")
		for _, a := range allowed {
			if to == "" || strings.HasPrefix(to, a) {
				return
			}
		}
		t.Errorf("sent to %s", to)
	})
}

// reset forgets what is in the log.
func (l *logBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}
