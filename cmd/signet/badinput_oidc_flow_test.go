package main

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
)

// mixUpRows are answers of one upstream that are brought to another, and to one that is no more.
func mixUpRows() []row {
	const bad = http.StatusBadRequest
	toHooli := func(id, name, reason string, asks int, do func(w *trial) *page) row {
		return refusal(id, name, bad, reason, func(w *trial) *page {
			before := w.hooli.Requests("/token")
			p := do(w)
			if n := w.hooli.Requests("/token") - before; n != asks {
				w.t.Errorf("%d requests to hooli's token endpoint, want %d", n, asks)
			}
			return w.noted(p)
		})
	}
	// swapped is a login at hooli that is answered with globex's code, and with iss.
	swapped := func(iss func(w *trial) string) func(w *trial) *page {
		return func(w *trial) *page {
			_, code := w.back("ann")
			b := w.browser()
			back := b.backFrom(b.authorize(webApp, url.Values{"provider": {"hooli"}}), w.hooli, "ann")
			return b.get("/callback/hooli?" + url.Values{"state": back.Query()["state"], "code": code.Query()["code"], "iss": {iss(w)}}.Encode())
		}
	}
	gone := func(name, was, is string) row {
		return restored(toHooli("R-16", name, "idp_disabled", 0, func(w *trial) *page {
			b := w.browser()
			back := b.backFrom(b.authorize(webApp, url.Values{"provider": {"hooli"}}), w.hooli, "ann")
			w.reconfigure(was, is)
			return b.get(back.String())
		}))
	}
	return []row{
		toHooli("R-4", "the state of a login at another provider", "state_invalid", 0, func(w *trial) *page {
			b, back := w.back("ann")
			return b.get("/callback/hooli?" + back.RawQuery)
		}),
		toHooli("R-4", "the state of a login at another provider, in the browser of another", "state_invalid", 0, func(w *trial) *page {
			_, back := w.back("ann")
			b := w.browser()
			b.authorize(webApp, url.Values{"provider": {"hooli"}})
			return b.get("/callback/hooli?" + back.RawQuery)
		}),
		toHooli("R-8", "another upstream's code, with its iss", "iss_mismatch", 0, swapped(func(w *trial) string { return w.globex.Issuer })),
		toHooli("R-8", "another upstream's code, with ours", "token_refused", 1, swapped(func(w *trial) string { return w.hooli.Issuer })),
		{id: "R-9", name: "endpoints in the configuration", do: func(w *trial) *page {
			text := strings.Replace(w.config, "{id: hooli,", `{id: hooli, token_endpoint: "https://evil.example/token",`, 1)
			if !faultyProvider(w.t, text, "providers.1.token_endpoint") {
				w.t.Error("may be configured")
			}
			return nil
		}},
		gone("the provider was disabled meanwhile", "{id: hooli,", "{id: hooli, disabled: true,"),
		gone("the provider is another one meanwhile", "{id: hooli,", "{id: renamed,"),
		gone("the app may not use the provider any more", "{id: web,", "{id: web, providers: [globex],"),
	}
}

// callbackHostRows are requests that say they came to another host.
func callbackHostRows() []row {
	return []row{
		{id: "R-18", name: "an answer to another host", status: http.StatusMisdirectedRequest, reason: "misdirected", do: func(w *trial) *page {
			b, back := w.back("ann")
			req := b.request(http.MethodGet, back.String(), "")
			req.Host = "evil.example"
			return b.do(req)
		}},
		{id: "R-18", name: "headers that name another host", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			b.header = http.Header{
				"X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Prefix": {"/evil"},
				"Forwarded": {"host=evil.example;proto=https"}, "X-Original-Host": {"evil.example"}, "X-Host": {"evil.example"},
			}
			p := b.authorize(webApp, url.Values{"provider": {"globex"}})
			if got := p.location.Query().Get("redirect_uri"); got != w.URL+"/callback/globex" {
				w.t.Errorf("redirect_uri = %s", got)
			}
			return w.welcome(b.atGlobex(p, w.globex, "ann"))
		}},
	}
}

// documentRows are about what Signet keeps of an upstream while the upstream changes.
func documentRows() []row {
	later := func(d time.Duration) *idptest.OIDCRow { // an honest upstream whose clock is as far as ours
		return &idptest.OIDCRow{Claims: func(_ *idptest.OIDC, c map[string]any) {
			for _, name := range []string{"iat", "exp", "auth_time"} {
				c[name] = c[name].(int64) + int64(d/time.Second)
			}
		}}
	}
	down := func(w http.ResponseWriter) { http.Error(w, "SECRET", http.StatusInternalServerError) }
	// kept is a login d after the last, with documents that cannot be had any more.
	kept := func(w *trial, d time.Duration) *page {
		w.browser().signIn(webApp, "globex", "ann")
		w.ready()
		w.pass(d)
		hostile := later(d)
		hostile.Serve = map[string]func(*idptest.OIDC, http.ResponseWriter, *http.Request){}
		for _, path := range []string{"/jwks", "/.well-known/openid-configuration"} {
			hostile.Serve[path] = func(_ *idptest.OIDC, rw http.ResponseWriter, _ *http.Request) { down(rw) }
		}
		w.globex.Misbehave(hostile)
		defer w.globex.Honest()
		b := w.browser()
		p := b.authorize(webApp, url.Values{"provider": {"globex"}})
		if p.location == nil {
			return p
		}
		return b.atGlobex(p, w.globex, "ann")
	}
	return []row{
		fresh(refusal("R-88", "many ID tokens of a kid that is not published", http.StatusBadRequest, "sig", func(w *trial) *page {
			w.browser().signIn(webApp, "globex", "ann")
			w.ready()
			w.pass(time.Minute)
			w.globex.Misbehave(&idptest.OIDCRow{Header: func(_ *idptest.OIDC, h map[string]any) { h["kid"] = "unknown" }})
			before := w.globex.Requests("/jwks")
			var p *page
			for i := range 30 {
				if i%3 == 2 {
					w.pass(5900 * time.Millisecond) // a minute in all
				}
				b, back := w.back("ann")
				p = w.noted(b.get(back.String()))
			}
			if n := w.globex.Requests("/jwks") - before; n > 1 {
				w.t.Errorf("the key set was fetched %d times, want once", n)
			}
			return p
		})),
		fresh(row{id: "R-89", name: "documents of two hours ago, and none to be had", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			return w.welcome(kept(w, 2*time.Hour))
		}}),
		fresh(refusal("R-89", "documents of 25 hours ago, and none to be had", http.StatusBadGateway, "upstream_broken", func(w *trial) *page {
			return w.noted(kept(w, 25*time.Hour))
		})),
		fresh(row{id: "R-51", name: "a key that is new", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			w.browser().signIn(webApp, "globex", "ann")
			w.pass(time.Minute)
			w.globex.Misbehave(later(time.Minute))
			w.globex.Rotate()
			before := w.globex.Requests("/jwks")
			b, back := w.back("ann")
			p := w.welcome(b.get(back.String()))
			if n := w.globex.Requests("/jwks") - before; n != 1 {
				w.t.Errorf("the key set was fetched %d times, want once", n)
			}
			return p
		}}),
	}
}
