package main

import (
	"net/http"
	"strings"
)

// initialRows: nobody registers an app who may not.
func initialRows() []row {
	tried := func(name, reason string, change func(*http.Request)) row {
		return row{id: "P-148", name: "an app is registered " + name, status: http.StatusUnauthorized, reason: reason, do: func(w *trial) *page {
			b := w.browser()
			req := b.request(http.MethodPost, "/register", jsonText(metadata(nil)))
			req.Header.Set("Content-Type", "application/json")
			change(req)
			return b.do(req)
		}}
	}
	header := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	return []row{
		tried("without a token", "", func(*http.Request) {}),
		tried("by an unknown token", "invalid_token", header("Bearer "+strings.Repeat("A", 52))),
		tried("by a token of another scheme", "", header("Basic YTpi")),
		tried("by no token after its scheme", "", header("Bearer ")),
		{id: "P-148", name: "an app is registered by a token in the address", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			token := w.initialToken()
			return w.jsonTo(http.MethodPost, "/register?access_token="+token, "", metadata(nil))
		}},
		{id: "P-148", name: "an app is registered by the token of another app", status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			r := w.registered(w.initialToken(), metadata(nil))
			w.ready()
			return w.jsonTo(http.MethodPost, "/register", r.Token, metadata(nil))
		}},
		{id: "P-148", name: "an app is registered by a person's access token", status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			a := w.tokens(webApp, "globex", "ann")
			w.ready()
			return w.jsonTo(http.MethodPost, "/register", a.Access, metadata(nil))
		}},
		{id: "P-148", name: "an app is registered by a token for one, a second time", status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			token := w.initialToken()
			w.registered(token, metadata(nil))
			w.ready()
			return w.jsonTo(http.MethodPost, "/register", token, metadata(nil))
		}},
		{id: "P-148", name: "an app is registered by a good token", control: true, status: http.StatusCreated, do: func(w *trial) *page { return w.enrol(metadata(nil)) }},
	}
}

// ownershipRows: an app is looked after by who has registered it.
func ownershipRows() []row {
	others := func(name, method string, body func(victim registrant) any) row {
		return row{id: "P-152", name: "another's app is " + name, status: http.StatusUnauthorized, reason: "invalid_token", do: func(w *trial) *page {
			victim, thief := w.registered(w.initialToken(), metadata(nil)), w.registered(w.initialToken(), metadata(nil))
			w.ready()
			p := w.jsonTo(method, victim.URI, thief.Token, body(victim))
			if again := w.told(w.jsonTo(http.MethodGet, victim.URI, victim.Token, nil)); again.ID != victim.ID || again.all["client_name"] != "Calendar" {
				w.t.Errorf("it has changed: %v", again.all)
			}
			return p
		}}
	}
	none := func(registrant) any { return nil }
	mine := func(name, code string, status int, do func(w *trial, r registrant) *page) row {
		return row{id: "P-152", name: "an app " + name, status: status, reason: code, do: func(w *trial) *page {
			r := w.registered(w.initialToken(), metadata(nil))
			w.ready()
			return do(w, r)
		}}
	}
	return []row{
		others("read", http.MethodGet, none),
		others("changed", http.MethodPut, func(v registrant) any {
			return metadata(map[string]any{"client_id": v.ID, "client_name": "Evil", "redirect_uris": []string{"https://evil.example/"}})
		}),
		others("removed", http.MethodDelete, none),
		mine("is read without a token", "", http.StatusUnauthorized, func(w *trial, r registrant) *page { return w.jsonTo(http.MethodGet, r.URI, "", nil) }),
		mine("is read by its secret", "invalid_token", http.StatusUnauthorized, func(w *trial, r registrant) *page { return w.jsonTo(http.MethodGet, r.URI, r.Secret, nil) }),
		mine("of the configuration is read", "invalid_token", http.StatusUnauthorized, func(w *trial, r registrant) *page {
			return w.jsonTo(http.MethodGet, "/register/"+webApp, r.Token, nil)
		}),
		mine("becomes one of the configuration", "invalid_client_metadata", http.StatusBadRequest, func(w *trial, r registrant) *page {
			return w.jsonTo(http.MethodPut, r.URI, r.Token, metadata(map[string]any{"client_id": webApp}))
		}),
		mine("chooses its secret", "invalid_client_metadata", http.StatusBadRequest, func(w *trial, r registrant) *page {
			return w.jsonTo(http.MethodPut, r.URI, r.Token, metadata(map[string]any{"client_id": r.ID, "client_secret": appSecret}))
		}),
		mine("is changed without saying which", "invalid_client_metadata", http.StatusBadRequest, func(w *trial, r registrant) *page {
			return w.jsonTo(http.MethodPut, r.URI, r.Token, metadata(nil))
		}),
		mine("is sent to a script by a change", "invalid_redirect_uri", http.StatusBadRequest, func(w *trial, r registrant) *page {
			return w.jsonTo(http.MethodPut, r.URI, r.Token, metadata(map[string]any{"client_id": r.ID, "redirect_uris": []string{"javascript:alert(1)"}}))
		}),
		mine("that is disabled is changed", "access_denied", http.StatusForbidden, func(w *trial, r registrant) *page {
			w.mustRun("app", "disable", r.ID)
			return w.jsonTo(http.MethodPut, r.URI, r.Token, metadata(map[string]any{"client_id": r.ID}))
		}),
		mine("that is disabled asks for tokens", "invalid_client", http.StatusUnauthorized, func(w *trial, r registrant) *page {
			w.mustRun("app", "disable", r.ID)
			w.follow()
			a := w.redeemAs(r, "x")
			return &page{w: w.world, url: w.browser().request(http.MethodPost, "/token", "").URL, status: a.status, header: a.header, body: a.body}
		}),
		{id: "P-152", name: "its own app is changed", control: true, status: http.StatusOK, do: func(w *trial) *page {
			r := w.registered(w.initialToken(), metadata(map[string]any{"contacts": []string{"a@app.example.com"}}))
			p := w.jsonTo(http.MethodPut, r.URI, r.Token, metadata(map[string]any{"client_id": r.ID, "client_secret": r.Secret, "token_endpoint_auth_method": "client_secret_post"}))
			if now := w.told(p); now.ID != r.ID || now.Secret != r.Secret || now.Token != r.Token || now.all["contacts"] != nil || now.all["token_endpoint_auth_method"] != "client_secret_post" {
				w.t.Errorf("%v", now.all)
			}
			return p
		}},
	}
}
