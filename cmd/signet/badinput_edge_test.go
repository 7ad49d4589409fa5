package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// edgeRows are requests that are wrong as HTTP, whatever endpoint they are for.
func edgeRows() []row {
	var rows []row
	for _, more := range [][]row{hostRows(), forwardedRows(), bodyRows(), tokenShapeRows(), metacharacterRows(), failureRows(), wireRows()} {
		rows = append(rows, more...)
	}
	return rows
}

func hostRows() []row {
	var rows []row
	for _, host := range []string{"evil.test", "localhost", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.test", "evil.test:80"} {
		rows = append(rows, row{id: "P-172", name: "Host: " + host, status: http.StatusMisdirectedRequest, reason: "misdirected", do: func(w *trial) *page {
			b := w.browser()
			var p *page
			for _, path := range []string{"/.well-known/openid-configuration", "/authorize?" + authorizeQuery(webApp, nil).Encode(), "/nowhere"} {
				req := b.request(http.MethodGet, path, "")
				req.Host = host
				if p = b.do(req); strings.Contains(p.body, "evil.test") || p.location != nil {
					w.t.Errorf("%s: %v", path, p)
				}
				if p.status != http.StatusMisdirectedRequest {
					w.t.Errorf("%s: %v", path, p)
				}
			}
			return p
		}})
	}
	return rows
}

// forwardedRows are headers with which a proxy would speak for somebody else.
func forwardedRows() []row {
	claims := func(name string, header http.Header) row {
		id := "P-173"
		if strings.Contains(name, "_") {
			id = "P-174"
		}
		return row{id: id, name: name + " from nobody's proxy", status: http.StatusBadRequest, reason: "unknown_app", do: func(w *trial) *page {
			b := w.browser()
			b.header = header
			if p := b.get("/.well-known/openid-configuration"); p.status != http.StatusOK || strings.Contains(p.body, "evil.test") || !strings.Contains(p.body, `"issuer":"`+w.URL+`"`) {
				w.t.Errorf("discovery = %d %s", p.status, p.body)
			}
			p := b.authorize("nobody", nil)
			if addr := w.logged(p)["addr"]; addr != "127.0.0.1" {
				w.t.Errorf("addr %s", addr)
			}
			return p
		}}
	}
	through := func(name, chain, addr string) row {
		return row{id: "P-173", name: name, control: true, do: func(w *trial) *page {
			far := newWorld(w.t, func(text string) string { return text + "trusted_proxies: [127.0.0.1, 10.0.0.0/8]\n" })
			b := far.browser()
			b.header = http.Header{"X-Forwarded-For": {chain}, "X-Forwarded-Host": {"evil.test"}}
			p := b.get("/.well-known/openid-configuration")
			if got := far.logged(p)["addr"]; got != addr || strings.Contains(p.body, "evil.test") {
				w.t.Errorf("addr %s, want %s", got, addr)
			}
			return nil
		}}
	}
	return []row{
		claims("X-Forwarded-Host", http.Header{"X-Forwarded-Host": {"evil.test"}}),
		claims("X-Forwarded-Proto", http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Scheme": {"https"}}),
		claims("X-Forwarded-For", http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Real-Ip": {"203.0.113.9"}, "Cf-Connecting-Ip": {"203.0.113.9"}}),
		claims("Forwarded", http.Header{"Forwarded": {"for=203.0.113.9;host=evil.test;proto=https"}}),
		claims("X_Forwarded_For", http.Header{"X_forwarded_for": {"203.0.113.9"}, "X_Forwarded_Host": {"evil.test"}}),
		through("X-Forwarded-For that the browser began and our proxy went on with", "198.51.100.7, 203.0.113.9", "203.0.113.9"),
		through("X-Forwarded-For through two proxies of ours", "198.51.100.7, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
		through("X-Forwarded-For with garbage", "203.0.113.9, garbage", "127.0.0.1"),
	}
}

// formPaths are the endpoints that take a form.
var formPaths = []string{"/token", "/revoke", "/userinfo", "/authorize", "/logout", "/login/AAAAAAAAAAAAAAAAAAAAAAAAAA"}

func bodyRows() []row {
	// everywhere is a row that posts a body to each endpoint and returns the last answer.
	everywhere := func(id, name string, status int, reason string, paths []string, change func(*http.Request), body string) row {
		return row{id: id, name: name, do: func(w *trial) *page {
			for _, path := range paths {
				p := w.within(slow, func() *page {
					b := w.browser()
					req := b.request(http.MethodPost, path, body)
					req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
					req.SetBasicAuth(webApp, appSecret)
					if path == "/userinfo" {
						req.Header.Del("Authorization")
					}
					change(req)
					return b.do(req)
				})
				if p.status != status || w.reason(p) != reason && w.logged(p)["reason"] != reason {
					w.t.Errorf("%s: %v, reason %s", path, p, w.reason(p))
				}
				w.wellFormed(p, status)
			}
			return nil
		}}
	}
	as := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	same := func(*http.Request) {}
	programs, pages := formPaths[:3], formPaths[3:]
	many := strings.Repeat("a=1&", 10_000)
	return []row{
		everywhere("P-177", "a form of 1 MB for programs", http.StatusRequestEntityTooLarge, "invalid_request", programs, same, "x="+strings.Repeat("a", 1<<20)),
		everywhere("P-177", "a form of 1 MB for people", http.StatusRequestEntityTooLarge, "too_large", pages, same, "x="+strings.Repeat("a", 1<<20)),
		everywhere("P-177", "a message of more than 1 MB from an upstream", http.StatusRequestEntityTooLarge, "too_large", []string{"/saml/initech/acs", "/callback/globex"}, same, "SAMLResponse="+strings.Repeat("a", 1<<20)),
		everywhere("P-177", "a form that is compressed", http.StatusUnsupportedMediaType, "encoding_unsupported", pages, as("Content-Encoding", "gzip"), "x=1"),
		everywhere("P-178", "10,000 fields for programs", http.StatusBadRequest, "invalid_request", programs, same, many),
		everywhere("P-178", "10,000 fields for people", http.StatusBadRequest, "invalid_request", pages, same, many),
		everywhere("P-178", "10,000 separators", http.StatusBadRequest, "invalid_request", formPaths, same, strings.Repeat("&", 10_000)),
		everywhere("P-183", "JSON for programs", http.StatusBadRequest, "invalid_request", programs, as("Content-Type", "application/json"), `{"grant_type":"authorization_code"}`),
		everywhere("P-183", "a form in parts", http.StatusBadRequest, "invalid_request", formPaths, as("Content-Type", "multipart/form-data; boundary=x"), "--x--"),
		everywhere("P-183", "a form that is not urlencoded", http.StatusBadRequest, "invalid_request", formPaths, same, "a=%zz"),
		{id: "P-178", name: "100 fields beside an honest request", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			return w.browser().get("/authorize?" + authorizeQuery(webApp, nil).Encode() + strings.Repeat("&a=1", 100))
		}},
		{id: "P-178", name: "10,000 fields in the address", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			return w.within(slow, func() *page { return w.browser().get("/authorize?" + strings.Repeat("a&", 10_000)) })
		}},
		{id: "P-184", name: "GET /token", status: http.StatusMethodNotAllowed, reason: "method_not_allowed", do: func(w *trial) *page {
			code := w.code(webApp, nil)
			w.ready()
			b := w.browser()
			req := b.request(http.MethodGet, "/token?"+url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}.Encode(), "")
			req.SetBasicAuth(webApp, appSecret)
			p := b.do(req)
			if !strings.Contains(p.header.Get("Allow"), "POST") {
				w.t.Errorf("Allow: %s", p.header.Get("Allow"))
			}
			return p
		}},
		{id: "P-184", name: "parameters of POST /token in the address", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			code := w.code(webApp, nil)
			w.ready()
			return w.app(webApp, "/token?"+url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}.Encode(), nil).page(w, "/token")
		}},
	}
}

// tokenShapeRows are tokens that are hard work for who parses them.
func tokenShapeRows() []row {
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	shapes := []struct{ id, name, token string }{
		{"P-191", "PBES2 with a billion rounds", b64(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":1000000000,"p2s":"AAAAAAAAAAA"}`) + ".AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"},
		{"P-191", "alg RSA1_5", b64(`{"alg":"RSA1_5","enc":"A128GCM"}`) + ".AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"},
		{"P-192", "compressed", b64(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`) + "..AAAAAAAAAAAAAAAA." + strings.Repeat("A", 20_000) + ".AAAAAAAAAAAAAAAAAAAAAA"},
		{"P-193", "JWE without an encrypted key", b64(`{"alg":"A128KW","enc":"A128GCM"}`) + "..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"},
		{"P-193", "JWE with nothing in it", "...."},
		{"P-193", "JWE with an IV of one byte", b64(`{"alg":"dir","enc":"A256GCM"}`) + "..AA.AAAA.AAAA"},
		{"P-193", "JWS with nothing in it", ".."},
		{"P-193", "JWS of JSON null", b64("null") + "." + b64("null") + ".AAAA"},
		{"P-193", "JWS in JSON", `{"payload":"e30","signatures":[{},{}]}`},
		{"P-194", "20,000 dots", strings.Repeat(".", 20_000)},
	}
	var rows []row
	for _, s := range shapes {
		rows = append(rows, row{id: s.id, name: s.name, harsh: true, status: http.StatusBadRequest, reason: "invalid_grant", do: func(w *trial) *page {
			if p := w.within(slow, func() *page { return w.userinfo(s.token) }); p.status != http.StatusUnauthorized {
				w.t.Errorf("userinfo = %d", p.status)
			}
			if p := w.revoke(webApp, s.token); p.status != http.StatusOK {
				w.t.Errorf("revoke = %d", p.status)
			}
			p := w.browser().post("/authorize", authorizeQuery(webApp, url.Values{"prompt": {"none"}, "id_token_hint": {s.token}}))
			if w.reason(p) != "invalid_request" {
				w.t.Errorf("authorize = %v", p)
			}
			return w.within(slow, func() *page { return w.refresh(webApp, s.token).page(w, "/token") })
		}})
	}
	return append(rows, row{id: "P-194", name: "1,000,000 dots", harsh: true, status: http.StatusRequestEntityTooLarge, reason: "invalid_request", do: func(w *trial) *page {
		return w.refresh(webApp, strings.Repeat(".", 1_000_000)).page(w, "/token")
	}})
}

// metacharacterRows are names that mean something to a database or a directory.
func metacharacterRows() []row {
	var rows []row
	for _, name := range []string{`ann' OR '1'='1`, `ann'--`, `"; DROP TABLE users; --`, `*)(uid=*))(|(uid=*`, `ann%`, `a_n`, `*`, "ann\x00", "ann\u202e", `\`, `{"$ne":null}`} {
		rows = append(rows, row{id: "P-201", name: fmt.Sprintf("username %q", name), status: http.StatusUnauthorized, do: func(w *trial) *page {
			b := w.browser()
			action, form := w.passwordForm(b)
			form.Set("username", name)
			form.Set("password", "correct horse battery")
			p := b.post(action, form)
			if !p.has("password") {
				w.t.Errorf("%v", p)
			}
			return p
		}})
	}
	for _, id := range []string{"' OR 1=1 --", "%00", "nobody", "../globex", "globex/", "GLOBEX", "%F0%9F%98%80", "globex;x"} {
		path := url.PathEscape(id)
		if strings.HasPrefix(id, "%") {
			path = id
		}
		rows = append(rows, row{id: "P-201", name: "provider " + id, do: func(w *trial) *page {
			b := w.browser()
			for _, p := range []*page{
				b.get("/callback/" + path + "?state=AAAAAAAAAAAAAAAAAAAAAAAAAA&code=x"), b.post("/saml/"+path+"/acs", url.Values{"RelayState": {"AAAAAAAAAAAAAAAAAAAAAAAAAA"}}),
				b.get("/saml/" + path + "/metadata"),
			} {
				if p.status != http.StatusBadRequest && p.status != http.StatusNotFound {
					w.t.Errorf("%v", p)
				}
				w.wellFormed(p, p.status)
			}
			return nil
		}})
	}
	for _, id := range []string{"' OR 1=1 --", "%00", "%FF", strings.Repeat("a", 5000)} {
		path := url.PathEscape(id)
		if strings.HasPrefix(id, "%") {
			path = id
		}
		rows = append(rows, row{id: "P-201", name: fmt.Sprintf("login %.20s", id), status: http.StatusBadRequest, reason: "login_expired", do: func(w *trial) *page {
			p := w.browser().get("/login/" + path)
			if said := w.logged(p)["login"]; len(said) > 64 {
				w.t.Errorf("the log takes %d bytes of it", len(said))
			}
			return p
		}})
	}
	return rows
}
