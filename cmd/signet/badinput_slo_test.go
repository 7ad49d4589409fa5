package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/internal/idptest"
)

// sloRows are sign-outs that upstreams have not sent, or that end nothing of what is here.
func sloRows() []row {
	return slices.Concat(backchannelRows(), samlLogoutRows(), signedQueryRows(), logoutResponseRows())
}

// logoutNoted checks that a refused sign-out has left one event with its reason behind.
func (w *trial) logoutNoted(p *page, reason string) *page {
	w.t.Helper()
	w.noted(p)
	e := w.lastEvent(broker.LogoutRefused)
	if e.Reason != reason || e.RequestID != p.header.Get("X-Request-Id") {
		w.t.Errorf("event %+v, want reason %q", e, reason)
	}
	return p
}

// backchannelRows are logout tokens at the endpoint of an OpenID upstream.
func backchannelRows() []row {
	var rows []row
	for _, s := range idptest.LogoutRows {
		r := row{id: s.ID, name: s.Name, control: s.Control, status: http.StatusBadRequest, reason: "invalid_request", harsh: s.Reason == "malformed"}
		if s.Control {
			r.status, r.reason = http.StatusOK, ""
		}
		reason := s.Reason
		if strings.HasSuffix(s.Name, "of 1 MB") {
			reason = "too_large" // it does not get to the provider
		}
		r.do = func(w *trial) *page {
			ann, bob := w.person("globex", "ann", webApp), w.person("globex", "bob", webApp)
			w.ready()
			p := w.logoutToken("globex", w.globex.LogoutToken("ann", &s))
			if s.Control {
				if ann.alive() || !bob.alive() {
					w.t.Errorf("ann is signed in: %t, bob: %t", ann.alive(), bob.alive())
				}
				return p
			}
			if !ann.alive() || !bob.alive() {
				w.t.Error("a session has ended")
			}
			w.ready()
			return w.logoutNoted(p, reason)
		}
		rows = append(rows, r)
	}
	refused := func(id, name, reason string, send func(w *trial, s signedIn) *page) row {
		return row{id: id, name: name, status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			s := w.person("globex", "ann", webApp)
			w.ready()
			p := send(w, s)
			if !s.alive() {
				w.t.Error("the session has ended")
			}
			w.ready()
			return w.logoutNoted(p, reason)
		}}
	}
	form := func(w *trial, v url.Values) *page { return w.browser().post("/callback/globex/logout", v) }
	return append(rows,
		refused("R-106", "an ID token of ours as a logout token", "typ", func(w *trial, s signedIn) *page {
			return w.logoutToken("globex", s.tokens.Access)
		}),
		refused("R-106", "no logout token", "malformed", func(w *trial, _ signedIn) *page { return form(w, url.Values{"x": {"y"}}) }),
		refused("R-106", "two logout tokens", "malformed", func(w *trial, _ signedIn) *page {
			token := w.globex.LogoutToken("ann", nil)
			return form(w, url.Values{"logout_token": {token, token}})
		}),
		refused("R-106", "a logout token in a JSON document", "invalid_request", func(w *trial, _ signedIn) *page {
			req := w.browser().request(http.MethodPost, "/callback/globex/logout", `{"logout_token":"x"}`)
			req.Header.Set("Content-Type", "application/json")
			return w.browser().do(req)
		}),
		refused("R-106", "a logout token of more than a megabyte", "too_large", func(w *trial, _ signedIn) *page {
			return form(w, url.Values{"logout_token": {strings.Repeat("A", 1<<20+1)}})
		}),
		refused("R-109", "a logout token of another provider", "iss", func(w *trial, _ signedIn) *page {
			return w.logoutToken("globex", w.hooli.LogoutToken("ann", nil))
		}),
		row{id: "R-109", name: "of a person who is called the same at another provider", control: true, status: http.StatusOK, do: func(w *trial) *page {
			s := w.person("globex", "ann", webApp)
			p := w.logoutToken("hooli", w.hooli.LogoutToken("ann", nil))
			if !s.alive() {
				w.t.Error("the session at globex has ended")
			}
			return p
		}},
		row{id: "R-107", name: "the same logout token twice", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			token := w.globex.LogoutToken("ann", nil)
			if p := w.logoutToken("globex", token); p.status != http.StatusOK {
				w.t.Errorf("the first time: %v", p)
			}
			s := w.person("globex", "ann", webApp)
			p := w.logoutToken("globex", token)
			if !s.alive() {
				w.t.Error("a session that was begun after it has ended")
			}
			w.ready()
			return w.logoutNoted(p, "replay")
		}},
		row{id: "R-106", name: "for a provider that takes no sign-outs", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			return w.logoutToken("local", w.globex.LogoutToken("ann", nil))
		}},
		row{id: "R-106", name: "for nobody", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			return w.logoutNoted(w.logoutToken("nobody", w.globex.LogoutToken("ann", nil)), "idp_disabled")
		}},
		row{id: "S-192", name: "back from a sign-out that nobody began", status: http.StatusBadRequest, reason: "state_invalid", do: func(w *trial) *page {
			s := w.person("globex", "ann", webApp)
			p := s.get("/callback/globex/logout?" + url.Values{"state": {"https://evil.example/"}}.Encode())
			if !s.alive() {
				w.t.Error("the session has ended")
			}
			w.ready()
			return w.logoutNoted(p, "state_invalid")
		}},
		row{id: "S-192", name: "back with the state of a sign-out at another provider", status: http.StatusBadRequest, reason: "state_invalid", do: func(w *trial) *page {
			s := w.person("globex", "ann", webApp)
			w.ready()
			p := s.get(strings.Replace(s.there(s.leave(nil)), "/callback/globex/", "/callback/hooli/", 1))
			w.ready()
			return w.logoutNoted(p, "state_invalid")
		}},
	)
}

// samlLogoutRows are messages at the single logout service.
func samlLogoutRows() []row {
	address := func(w *trial) string { return w.URL + slo }
	// sends brings a message by a redirect, and again as a form of another site.
	sends := func(id, name, reason string, message func(w *trial, s signedIn) *idptest.Logout) []row {
		by := func(binding string, send func(w *trial, s signedIn, m *idptest.Logout) *page) row {
			return row{id: id, name: name + " by " + binding, status: http.StatusBadRequest, reason: reason, harsh: true, do: func(w *trial) *page {
				s := w.person("initech", "peter", webApp)
				w.ready()
				p := send(w, s, message(w, s))
				if !s.alive() {
					w.t.Error("the session has ended")
				}
				w.ready()
				return w.logoutNoted(p, reason)
			}}
		}
		return []row{
			by("redirect", func(w *trial, s signedIn, m *idptest.Logout) *page {
				query, err := m.Query()
				if err != nil {
					w.t.Fatal(err)
				}
				return s.get(slo + "?" + query)
			}),
			by("form", func(w *trial, _ signedIn, m *idptest.Logout) *page {
				form, err := m.Form()
				if err != nil {
					w.t.Fatal(err)
				}
				return w.crossSite(slo, form)
			}),
		}
	}
	request := func(change func(w *trial, m *idptest.Logout)) func(*trial, signedIn) *idptest.Logout {
		return func(w *trial, _ signedIn) *idptest.Logout {
			m := w.initech.LogoutRequest(address(w), "peter")
			change(w, m)
			return m
		}
	}
	rows := sends("S-181", "a LogoutRequest that is not signed", "sig_missing", request(func(_ *trial, m *idptest.Logout) { m.Sign = nil }))
	stranger := sends("S-182", "a LogoutRequest signed by a stranger", "sig_untrusted", request(func(_ *trial, m *idptest.Logout) { m.ByStranger() }))
	rows = append(rows, stranger[1])
	// A query's signature brings no certificate that could be told to be a stranger's.
	rows = append(rows, sends("S-182", "a LogoutRequest signed by a stranger", "sig_invalid", request(func(_ *trial, m *idptest.Logout) { m.ByStranger() }))[0])
	rows = append(rows, sends("S-188", "a LogoutResponse to no request of ours", "state_invalid", func(w *trial, _ signedIn) *idptest.Logout {
		return w.initech.LogoutResponse(address(w), "_never", "")
	})...)
	rows = append(rows, sends("S-192", "a LogoutResponse whose RelayState is an address", "state_invalid", func(w *trial, _ signedIn) *idptest.Logout {
		return w.initech.LogoutResponse(address(w), "_never", "https://evil.example/")
	})...)
	rows = append(rows, sends("S-187", "a LogoutResponse that is not signed", "sig_missing", func(w *trial, _ signedIn) *idptest.Logout {
		m := w.initech.LogoutResponse(address(w), "_never", "")
		m.Sign = nil
		return m
	})...)
	// ends are requests that hold, and what they end of peter's and milton's sessions.
	ends := func(id, name string, peter bool, message func(w *trial) *idptest.Logout) row {
		return row{id: id, name: name, control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			s, other := w.person("initech", "peter", webApp), w.person("globex", "ann", webApp)
			query, err := message(w).Query()
			if err != nil {
				w.t.Fatal(err)
			}
			p := w.browser().get(slo + "?" + query)
			if s.alive() != peter || !other.alive() {
				w.t.Errorf("peter is signed in: %t, want %t; ann: %t", s.alive(), peter, other.alive())
			}
			if p.location == nil || !strings.HasPrefix(p.location.String(), w.initech.URL) {
				w.t.Errorf("not answered: %v", p)
			}
			return p
		}}
	}
	return append(rows,
		row{id: "S-189", name: "an empty form", status: http.StatusBadRequest, reason: "malformed", harsh: true, do: func(w *trial) *page {
			return w.logoutNoted(w.crossSite(slo, url.Values{}), "malformed")
		}},
		row{id: "S-189", name: "an empty query", status: http.StatusBadRequest, reason: "malformed", harsh: true, do: func(w *trial) *page {
			return w.logoutNoted(w.browser().get(slo), "malformed")
		}},
		row{id: "S-189", name: "RelayState twice", status: http.StatusBadRequest, reason: "malformed", do: func(w *trial) *page {
			query, err := w.initech.LogoutRequest(address(w), "peter").Query()
			if err != nil {
				w.t.Fatal(err)
			}
			return w.logoutNoted(w.browser().get(slo+"?"+query+"&RelayState=a&RelayState=b"), "malformed")
		}},
		ends("S-183", "a LogoutRequest for somebody else", true, func(w *trial) *idptest.Logout {
			return w.initech.LogoutRequest(address(w), "milton")
		}),
		ends("S-183", "a LogoutRequest for the person", false, func(w *trial) *idptest.Logout {
			return w.initech.LogoutRequest(address(w), "peter")
		}),
		ends("S-184", "a LogoutRequest for a session that is not ours", true, func(w *trial) *idptest.Logout {
			return w.initech.LogoutRequest(address(w), "peter", "_other")
		}),
		ends("S-192", "a LogoutRequest whose RelayState is an address", false, func(w *trial) *idptest.Logout {
			m := w.initech.LogoutRequest(address(w), "peter")
			m.RelayState = "https://evil.example/"
			return m
		}),
		row{id: "S-183", name: "a LogoutRequest twice", status: http.StatusBadRequest, reason: "replay", do: func(w *trial) *page {
			query, err := w.initech.LogoutRequest(address(w), "peter").Query()
			if err != nil {
				w.t.Fatal(err)
			}
			w.browser().get(slo + "?" + query)
			s := w.person("initech", "peter", webApp)
			p := w.browser().get(slo + "?" + query)
			if !s.alive() {
				w.t.Error("a session that was begun after it has ended")
			}
			w.ready()
			return w.logoutNoted(p, "replay")
		}},
	)
}
