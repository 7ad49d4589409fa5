package main

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/internal/idptest"
)

// withUnsolicited takes sign-ins that begin at initech, for the app web.
func withUnsolicited(config string) string {
	return strings.Replace(config, "{id: initech, kind: saml, ", "{id: initech, kind: saml, idp_initiated: {app: web}, ", 1)
}

// begun is a sign-in that began at initech.
func (w *trial) begun(alter func(*idptest.Answer)) url.Values {
	w.t.Helper()
	form, err := w.initech.Unsolicited(w.URL+"/saml/initech/metadata", w.URL+acs, altered(alter))
	if err != nil {
		w.t.Fatal(err)
	}
	return form
}

// asked is the page that asks the person, after a form that was posted across sites.
func (w *trial) asked(b *browser, form url.Values) *page {
	w.t.Helper()
	p := w.crossSite(acs, form)
	if p.status != http.StatusSeeOther || p.location == nil || !strings.HasPrefix(p.location.String(), w.URL+"/unsolicited/") {
		w.t.Fatalf("not sent to the page that asks: %v", p)
	}
	return b.get(p.location.String())
}

// toInitiate checks that a browser is sent to where the app's logins begin, and nowhere else.
func (w *trial) toInitiate(p *page) *page {
	w.t.Helper()
	want := "https://app.example.com/login?" + url.Values{"iss": {w.URL}, "login_hint": {"peter@initech.example"}}.Encode()
	if p.status != http.StatusSeeOther || p.location == nil || p.location.String() != want {
		w.t.Errorf("%v, want 303 to %s", p, want)
	}
	for _, c := range p.header["Set-Cookie"] {
		if strings.Contains(c, "session") {
			w.t.Errorf("sets %q", c)
		}
	}
	return p
}

// answered submits the page's form.
func answered(b *browser, p *page, field string, change func(url.Values)) *page {
	action, form := p.form()
	form.Set(field, "yes")
	if change != nil {
		change(form)
	}
	return b.post(action, form)
}

func keep(*idptest.Answer) {}

// idpInitiatedRows are sign-ins that begin at the identity provider, where one app takes them.
func idpInitiatedRows() []row {
	var rows []row
	for _, more := range [][]row{unsolicitedControls(), unsolicitedAnswerRows(), unsolicitedStateRows(), unsolicitedReplayRows(), unsolicitedPageRows(), unsolicitedConfigRows()} {
		rows = append(rows, more...)
	}
	return rows
}

func unsolicitedControls() []row {
	return []row{
		{id: "S-154", name: "honest, IdP-initiated on", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			p := w.asked(b, w.begun(keep))
			if !p.has("unsolicited") || !p.has("continue") || !p.has("cancel") || !strings.Contains(p.body, "Initech has signed in Peter Gibbons and sends you to Acme Web") {
				w.t.Errorf("asks %.2000s", p.body)
			}
			w.toInitiate(answered(b, p, "continue", nil))
			if after := w.counts(); after["sessions"] != w.before["sessions"] || after["users"] != w.before["users"] || after["artifacts"] != w.before["artifacts"] {
				w.t.Errorf("rows are %v, were %v", after, w.before)
			}
			return w.welcome(b.get(b.atInitech(b.authorize(webApp, url.Values{"provider": {"initech"}}), nil).location.String()))
		}},
		{id: "S-154", name: "an ordinary login, IdP-initiated on", control: true, do: func(w *trial) *page {
			b, form := w.atSAML(nil)
			return w.welcome(b.post(acs, form))
		}},
		{id: "S-154", name: "canceled", control: true, status: http.StatusOK, do: func(w *trial) *page {
			b := w.browser()
			b.header.Set("Accept-Language", "de")
			asks := w.asked(b, w.begun(keep))
			if !strings.Contains(asks.body, "Weiter zu Acme Web?") {
				w.t.Errorf("asks in another language: %.2000s", asks.body)
			}
			p := answered(b, asks, "cancel", nil)
			if !p.has("declined") || p.has("continue") {
				w.t.Errorf("%.2000s", p.body)
			}
			return p
		}},
	}
}

// unsolicitedAnswerRows are Responses that answer a request after all, or prove nothing.
func unsolicitedAnswerRows() []row {
	bad := func(id, name, reason string, alter func(*idptest.Answer)) row {
		return badResponse(id, name, reason, func(w *trial) *page {
			form := w.begun(alter)
			badResponse("", "", reason, nil).refused(w, w.crossSite(acs, form))
			return w.browser().post(acs, form)
		})
	}
	return []row{
		bad("S-156", "begun there, the Response answers a request", "in_response_to", func(a *idptest.Answer) { a.Response.CreateAttr("InResponseTo", "_x") }),
		bad("S-156", "begun there, the confirmation answers a request", "in_response_to", func(a *idptest.Answer) { a.In(confirmation).CreateAttr("InResponseTo", "_x") }),
		bad("S-156", "begun there, an empty InResponseTo", "in_response_to", func(a *idptest.Answer) { a.Response.CreateAttr("InResponseTo", "") }),
		bad("S-156", "begun there, another confirmation answers a request", "in_response_to", func(a *idptest.Answer) {
			other := a.In("Subject").CreateElement("saml:SubjectConfirmation")
			other.CreateAttr("Method", "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches")
			other.CreateElement("saml:SubjectConfirmationData").CreateAttr("InResponseTo", "_x")
		}),
		badResponse("S-156", "the answer to the request of somebody else, as if begun there", "in_response_to", func(w *trial) *page {
			b, form := w.atSAML(nil)
			for _, state := range []string{"", "nobody's"} {
				form.Set("RelayState", state)
				badResponse("", "", "in_response_to", nil).refused(w, w.crossSite(acs, form))
			}
			return b.post(acs, form)
		}),
		bad("S-1", "begun there, not signed", "sig_missing", func(a *idptest.Answer) { a.SignAssertion = nil }),
		bad("S-87", "begun there, for another service", "bad_audience", func(a *idptest.Answer) { a.In("Conditions/AudienceRestriction/Audience").SetText("https://evil.test") }),
		bad("S-91", "begun there, posted to another address", "bad_recipient", func(a *idptest.Answer) { a.In(confirmation).CreateAttr("Recipient", "https://evil.test/acs") }),
		bad("S-104", "begun there, ten minutes ago", "stale", func(a *idptest.Answer) {
			a.Response.CreateAttr("IssueInstant", a.At(-10*time.Minute))
			a.Assertion.CreateAttr("IssueInstant", a.At(-10*time.Minute))
		}),
	}
}

// unsolicitedStateRows: RelayState of a sign-in that begins there is a stranger's word. It leads nowhere.
func unsolicitedStateRows() []row {
	state := func(id, name, state string) row {
		return row{id: id, name: name, do: func(w *trial) *page {
			form := w.begun(keep)
			form.Set("RelayState", state)
			b := w.browser()
			p := w.asked(b, form)
			if strings.Contains(p.body, "evil") || strings.Contains(p.body, "alert(") {
				w.t.Errorf("the page repeats it: %.2000s", p.body)
			}
			w.toInitiate(answered(b, p, "continue", nil))
			return nil
		}}
	}
	return []row{
		state("S-163", "begun there, RelayState of another site", "https://evil.test/"),
		state("S-163", "begun there, RelayState of another app", "https://app.example.com/callback"),
		state("S-164", "begun there, RelayState a script", "javascript:alert(1)"),
		state("S-164", "begun there, RelayState without a scheme", "//evil.test"),
		state("S-164", "begun there, RelayState with backslashes", `\\evil.test`),
		state("S-164", "begun there, RelayState of 10 KB", strings.Repeat("x", 10<<10)),
		state("S-164", "begun there, RelayState with a NUL", "A\x00"),
		badResponse("S-163", "begun there, RelayState of a login that waits", "unsolicited", func(w *trial) *page {
			b, waiting := w.atSAML(nil)
			form := w.begun(keep)
			form.Set("RelayState", waiting.Get("RelayState"))
			badResponse("", "", "unsolicited", nil).refused(w, w.crossSite(acs, form))
			return b.post(acs, form)
		}),
	}
}

func unsolicitedReplayRows() []row {
	replay := badResponse("", "", "replay", nil)
	return []row{
		badResponse("S-148", "begun there, the same again", "replay", func(w *trial) *page {
			form := w.begun(keep)
			w.asked(w.browser(), form)
			replay.refused(w, w.crossSite(acs, form))
			return w.browser().post(acs, form)
		}),
		badResponse("S-149", "begun there, the same again after a restart", "replay", func(w *trial) *page {
			form := w.begun(keep)
			w.asked(w.browser(), form)
			w.restart()
			return w.crossSite(acs, form)
		}),
		{id: "S-148", name: "begun there, eight times at once", do: func(w *trial) *page {
			form := w.begun(keep)
			pages := make([]*page, 8)
			var all sync.WaitGroup
			for i := range pages {
				all.Go(func() { pages[i] = w.crossSite(acs, form) })
			}
			all.Wait()
			taken := 0
			for _, p := range pages {
				if p.location != nil {
					taken++
				} else {
					replay.check(w, p)
				}
			}
			if taken != 1 {
				w.t.Errorf("%d are taken, want 1", taken)
			}
			return nil
		}},
	}
}

// unsolicitedPageRows are misuses of the page that asks: what its form says, and whose browser it is.
func unsolicitedPageRows() []row {
	forged := func(name string, change func(b *browser, form url.Values)) row {
		return row{id: "P-153", name: name, status: http.StatusForbidden, reason: "csrf", do: func(w *trial) *page {
			b := w.browser()
			p := w.asked(b, w.begun(keep))
			return answered(b, p, "continue", func(f url.Values) { change(b, f) })
		}}
	}
	return []row{
		forged("confirmed without a token", func(_ *browser, f url.Values) { f.Del("csrf") }),
		forged("confirmed with a token of nobody", func(_ *browser, f url.Values) { f.Set("csrf", web.CSRF(broker.Visitor{})) }),
		forged("confirmed from another site", func(b *browser, _ url.Values) { b.header.Set("Sec-Fetch-Site", "cross-site") }),
		{id: "P-153", name: "confirmed with the token of another browser", status: http.StatusForbidden, reason: "csrf", do: func(w *trial) *page {
			action, form := w.asked(w.browser(), w.begun(keep)).form()
			form.Set("continue", "yes")
			b := w.browser()
			w.asked(b, w.begun(keep)) // has a cookie of its own
			return b.post(action, form)
		}},
		{id: "S-163", name: "a form that names another app, address and person", do: func(w *trial) *page {
			b := w.browser()
			p := w.asked(b, w.begun(keep))
			w.toInitiate(answered(b, p, "continue", func(f url.Values) {
				for _, name := range []string{"app", "client_id", "initiate_login_uri", "redirect_uri", "RelayState", "iss", "login_hint", "email"} {
					f.Set(name, "https://evil.test")
				}
			}))
			return nil
		}},
		{id: "S-157", name: "confirmed after 10 minutes", status: http.StatusBadRequest, reason: "login_expired", do: func(w *trial) *page {
			b := w.browser()
			p := w.asked(b, w.begun(keep))
			w.pass(10*time.Minute + time.Second)
			return answered(b, p, "continue", nil)
		}},
		{id: "S-154", name: "the page of nothing", status: http.StatusBadRequest, reason: "login_expired", do: func(w *trial) *page {
			return w.browser().get("/unsolicited/nothing")
		}},
		{id: "S-154", name: "the page with an ordinary login", status: http.StatusBadRequest, reason: "login_expired", do: func(w *trial) *page {
			b, form := w.atSAML(nil)
			return b.get("/unsolicited/" + form.Get("RelayState"))
		}},
		{id: "S-154", name: "a login's own page with what began there", status: http.StatusBadRequest, reason: "state_mismatch", do: func(w *trial) *page {
			b := w.browser()
			id := strings.TrimPrefix(w.asked(b, w.begun(keep)).url.Path, "/unsolicited/")
			return w.noted(b.get("/login/" + id))
		}},
		badResponse("S-154", "a Response to what began there", "replay", func(w *trial) *page {
			id := strings.TrimPrefix(w.asked(w.browser(), w.begun(keep)).url.Path, "/unsolicited/")
			form := w.begun(keep)
			form.Set("RelayState", id)
			return w.crossSite(acs, form)
		}),
	}
}

// unsolicitedConfigRows are apps that such a sign-in cannot be for.
func unsolicitedConfigRows() []row {
	app := func(name, id string) row {
		return row{id: "S-154", name: name, do: func(w *trial) *page {
			text := strings.Replace(w.config, "idp_initiated: {app: web}", "idp_initiated: {app: "+id+"}", 1)
			text = strings.Replace(text, "providers: [globex]}", "providers: [globex], initiate_login_uri: https://app.example.com/login}", 1)
			if !faultyProvider(w.t, text, "providers.2.idp_initiated.app") {
				w.t.Error("may be configured")
			}
			return nil
		}}
	}
	return []row{
		app("for an app that is not there", "nobody"),
		app("for an app whose logins begin nowhere", otherApp),
		app("for an app that may not use the provider", localApp),
	}
}
