package main

import (
	"net/http"
	"strings"
)

// openRegisterRows are about what anybody may register, where anybody may.
func openRegisterRows() []row {
	bad := func(name, code string, with map[string]any) row {
		return row{id: "P-405", name: "anybody's app " + name, status: http.StatusBadRequest, reason: code, do: func(w *trial) *page {
			return w.jsonTo(http.MethodPost, "/register", "", metadata(with))
		}}
	}
	at := func(uris ...string) map[string]any { return map[string]any{"redirect_uris": uris} }
	return []row{
		bad("at another host", "invalid_redirect_uri", at("https://evil.example/callback")),
		bad("at another host beside a good one", "invalid_redirect_uri", at(callbackURI, "https://evil.example/callback")),
		bad("below the host", "invalid_redirect_uri", at("https://x.app.example.com/callback")),
		bad("above what is below a host", "invalid_redirect_uri", at("https://apps.example/callback")),
		bad("at a host that ends like a good one", "invalid_redirect_uri", at("https://evilapps.example/callback")),
		bad("at the good host as a user", "invalid_redirect_uri", at("https://app.example.com:x@evil.example/callback")),
		bad("with another scheme of its own", "invalid_redirect_uri", at("com.evil.app:/callback")),
		bad("after the sign-out elsewhere", "invalid_client_metadata", map[string]any{"post_logout_redirect_uris": []string{"https://evil.example/"}}),
		bad("that begins elsewhere", "invalid_client_metadata", map[string]any{"initiate_login_uri": "https://evil.example/login"}),
		{id: "P-148", name: "anybody's app by a wrong token", status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			return w.jsonTo(http.MethodPost, "/register", "wrong", metadata(nil))
		}},
		{id: "P-405", name: "anybody's app where it may be", control: true, status: http.StatusCreated, do: func(w *trial) *page {
			for _, uri := range []string{"https://a.b.apps.example/callback", "http://127.0.0.1/callback", "http://localhost:8080/callback", "com.example.app:/callback"} {
				if p := w.jsonTo(http.MethodPost, "/register", "", metadata(at(uri))); p.status != http.StatusCreated {
					w.t.Errorf("%s: %v %s", uri, p, p.body)
				}
			}
			return w.jsonTo(http.MethodPost, "/register", "", metadata(nil))
		}},
		{id: "P-406", name: "100 apps of anybody's within an hour", fresh: true, harsh: true, status: http.StatusTooManyRequests, reason: "temporarily_unavailable", do: func(w *trial) *page {
			var p *page
			made := 0
			for range 100 {
				if p = w.jsonTo(http.MethodPost, "/register", "", metadata(nil)); p.status == http.StatusCreated {
					made++
				}
			}
			if made != 50 || p.header.Get("Retry-After") == "" {
				w.t.Errorf("%d apps were made; %v", made, p.header)
			}
			w.ready()
			return p
		}},
		{id: "P-406", name: "1,000 registrations that are none", fresh: true, harsh: true, status: http.StatusTooManyRequests, reason: "temporarily_unavailable", do: func(w *trial) *page {
			var p *page
			for range 60 {
				p = w.jsonTo(http.MethodPost, "/register", "", strings.Repeat("x", 60<<10))
			}
			return p
		}},
		{id: "P-406", name: "200 tokens that are none", fresh: true, harsh: true, status: http.StatusTooManyRequests, reason: "temporarily_unavailable", do: func(w *trial) *page {
			var p *page
			for range 101 {
				p = w.jsonTo(http.MethodPost, "/register", "wrong", metadata(nil))
			}
			return p
		}},
	}
}

// fullRegisterRows: as many as there may be.
func fullRegisterRows() []row {
	return []row{
		{id: "P-406", name: "anybody's app beyond what there may be", fresh: true, status: http.StatusForbidden, reason: "access_denied", do: func(w *trial) *page {
			for range 3 {
				w.registered("", metadata(nil))
			}
			w.ready()
			return w.jsonTo(http.MethodPost, "/register", "", metadata(nil))
		}},
		{id: "P-406", name: "an app by a token when there are as many as anybody's may be", control: true, status: http.StatusCreated, fresh: true, do: func(w *trial) *page {
			for range 3 {
				w.registered("", metadata(nil))
			}
			return w.enrol(metadata(nil))
		}},
	}
}

// closedRegisterRows: nothing of it is there unless the operator says so.
func closedRegisterRows() []row {
	closed := func(method, path string) row {
		return row{id: "P-148", name: "registration is closed: " + method, status: http.StatusNotFound, reason: "not_found", do: func(w *trial) *page {
			if p := w.browser().get("/.well-known/openid-configuration"); strings.Contains(p.body, "registration_endpoint") {
				w.t.Errorf("discovery offers it: %s", p.body)
			}
			return w.jsonTo(method, path, "x", metadata(nil))
		}}
	}
	return []row{
		closed(http.MethodPost, "/register"), closed(http.MethodGet, "/register/dyn-x"), closed(http.MethodPut, "/register/dyn-x"), closed(http.MethodDelete, "/register/dyn-x"),
		{id: "P-148", name: "a token is made while registration is closed", do: func(w *trial) *page {
			if out, code := w.command("app", "token", "add"); code != exitFailed || !strings.Contains(out, "closed") {
				w.t.Errorf("app token add = %d %s", code, out)
			}
			return nil
		}},
	}
}

// withFullRegistration is open for three apps.
func withFullRegistration(config string) string {
	return registering(config, "mode: open, redirect_hosts: [app.example.com], most: 3")
}
