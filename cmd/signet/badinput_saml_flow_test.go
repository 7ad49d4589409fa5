package main

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
)

// refusal is a row whose answer is a page and an event of one reason.
func refusal(id, name string, status int, reason string, do func(w *trial) *page) row {
	return row{id: id, name: name, status: status, reason: reason, event: reason, do: do}
}

// badResponse is a refusal of something posted to the assertion consumer service.
func badResponse(id, name, reason string, do func(w *trial) *page) row {
	return refusal(id, name, http.StatusBadRequest, reason, func(w *trial) *page { return w.noted(do(w)) })
}

// named gives every assertion the same ID.
func named(id string) *idptest.SAMLRow {
	return altered(func(a *idptest.Answer) { a.Assertion.CreateAttr("ID", id) })
}

// sent is the ID of the AuthnRequest that a form answers.
func sent(w *trial, form url.Values) string {
	w.t.Helper()
	raw, err := base64.StdEncoding.DecodeString(form.Get("SAMLResponse"))
	if err != nil {
		w.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), `InResponseTo="`)
	id, _, ok := strings.Cut(rest, `"`)
	if !ok {
		w.t.Fatal("no InResponseTo")
	}
	return id
}

const confirmation = "Subject/SubjectConfirmation/SubjectConfirmationData"

// samlBrowserRows are good Responses that come again, too late, to the wrong login or in the wrong browser.
func samlBrowserRows() []row {
	replayed := func(w *trial, b *browser, form url.Values) *page {
		r := badResponse("", "", "replay", nil)
		r.refused(w, w.crossSite(acs, form))
		return b.post(acs, form)
	}
	return []row{
		badResponse("S-148", "the same Response again", "replay", func(w *trial) *page {
			b, form := w.atSAML(nil)
			w.welcome(b.post(acs, form))
			w.ready()
			return replayed(w, b, form)
		}),
		badResponse("S-148", "the same Response again, before its browser has come", "replay", func(w *trial) *page {
			b, form := w.atSAML(nil)
			w.crossSite(acs, form)
			return replayed(w, b, form)
		}),
		badResponse("S-148", "the assertion of another login", "replay", func(w *trial) *page {
			b, form := w.atSAML(named("_148"))
			w.welcome(b.post(acs, form))
			w.ready()
			b, form = w.atSAML(named("_148"))
			r := badResponse("", "", "replay", nil)
			r.refused(w, w.crossSite(acs, form))
			return b.post(acs, form)
		}),
		{id: "S-148", name: "the same page again", status: http.StatusConflict, reason: "login_finished", do: func(w *trial) *page {
			b, form := w.atSAML(nil)
			p := w.crossSite(acs, form)
			w.welcome(b.get(p.location.String()))
			w.ready()
			return b.get(p.location.String())
		}},
		{id: "S-148", name: "the same Response eight times at once", do: func(w *trial) *page {
			b, form := w.atSAML(nil)
			pages := make([]*page, 8)
			var all sync.WaitGroup
			for i := range pages {
				all.Go(func() { pages[i] = b.post(acs, form) })
			}
			all.Wait()
			good := 0
			for _, p := range pages {
				switch {
				case p.toApp():
					good++
				case p.status != http.StatusBadRequest && p.status != http.StatusConflict:
					w.t.Errorf("one of them: %v", p)
				}
			}
			if after := w.counts(); good != 1 || after["sessions"] != w.before["sessions"]+1 || after["artifacts"] != w.before["artifacts"]+1 {
				w.t.Errorf("%d are accepted, rows are %v, were %v", good, after, w.before)
			}
			w.ready()
			return nil
		}},
		badResponse("S-122", "an assertion for one use, used again", "replay", func(w *trial) *page {
			once := altered(func(a *idptest.Answer) {
				a.Assertion.CreateAttr("ID", "_122")
				a.In("Conditions").CreateElement("saml:OneTimeUse")
			})
			b, form := w.atSAML(once)
			w.welcome(b.post(acs, form))
			w.ready()
			b, form = w.atSAML(once)
			return b.post(acs, form)
		}),
		badResponse("S-149", "the same Response after a restart", "replay", func(w *trial) *page {
			b, form := w.atSAML(named("_149"))
			w.welcome(b.post(acs, form))
			w.restart()
			w.ready()
			r := badResponse("", "", "replay", nil)
			r.refused(w, b.post(acs, form))
			b, form = w.atSAML(named("_149"))
			r.refused(w, w.crossSite(acs, form))
			return b.post(acs, form)
		}),
		badResponse("S-149", "after a restart, before its browser has come", "replay", func(w *trial) *page {
			b, form := w.atSAML(nil)
			w.crossSite(acs, form)
			w.restart()
			return b.post(acs, form)
		}),
		badResponse("S-151", "an attacker's Response, posted by a victim who is signing in", "state_mismatch", func(w *trial) *page {
			_, form := w.atSAML(nil)
			victim, _ := w.atSAML(nil)
			return victim.post(acs, form)
		}),
		refusal("S-151", "an attacker's Response, posted across sites by a victim who is signing in", http.StatusBadRequest, "state_mismatch", func(w *trial) *page {
			_, form := w.atSAML(nil)
			victim, _ := w.atSAML(nil)
			return w.noted(victim.get(w.crossSite(acs, form).location.String()))
		}),
		refusal("S-151", "an attacker's login, for which a victim has signed in", http.StatusBadRequest, "state_mismatch", func(w *trial) *page {
			attacker, form := w.atSAML(nil)
			there := w.crossSite(acs, form).location // the victim's browser is sent there, with the receipt
			w.noted(w.browser().get(there.String()))
			return w.noted(attacker.get(there.Path))
		}),
		refusal("S-157", "the browser comes for its identity after 10 minutes", http.StatusBadRequest, "request_expired", func(w *trial) *page {
			b, form := w.atSAML(nil)
			there := w.crossSite(acs, form).location.String()
			w.pass(10*time.Minute + time.Second)
			return w.noted(b.get(there))
		}),
		refusal("S-168", "across sites, by a browser without our cookie", http.StatusBadRequest, "state_mismatch", func(w *trial) *page {
			b, form := w.atSAML(nil)
			there := w.crossSite(acs, form).location.String()
			p := w.noted(w.browser().get(there))
			if !p.has("error") || p.text("advice") == "" {
				w.t.Errorf("a page without a way on: %v", p)
			}
			if got := w.reason(b.get(there)); got != "" { // its own browser goes on all the same
				w.t.Errorf("its own browser is refused: %s", got)
			}
			w.ready()
			return p
		}),
		badResponse("S-152", "to the request of another browser", "in_response_to", func(w *trial) *page {
			_, theirs := w.atSAML(nil)
			b, mine := w.atSAML(nil)
			theirs.Set("RelayState", mine.Get("RelayState"))
			badResponse("", "", "in_response_to", nil).refused(w, w.crossSite(acs, theirs))
			return b.post(acs, theirs)
		}),
		badResponse("S-153", "to our request by its Response, to another's by its Subject", "in_response_to", func(w *trial) *page {
			_, theirs := w.atSAML(nil)
			b, form := w.atSAML(altered(func(a *idptest.Answer) { a.In(confirmation).CreateAttr("InResponseTo", sent(w, theirs)) }))
			return b.post(acs, form)
		}),
		badResponse("S-153", "to our request by its Subject, to another's by its Response", "in_response_to", func(w *trial) *page {
			_, theirs := w.atSAML(nil)
			b, form := w.atSAML(altered(func(a *idptest.Answer) { a.Response.CreateAttr("InResponseTo", sent(w, theirs)) }))
			return b.post(acs, form)
		}),
		badResponse("S-157", "after 10 minutes", "request_expired", func(w *trial) *page {
			b, form := w.atSAML(nil)
			w.pass(10*time.Minute + time.Second)
			badResponse("", "", "request_expired", nil).refused(w, w.crossSite(acs, form))
			return b.post(acs, form)
		}),
		badResponse("S-157", "after the login has ended", "state_invalid", func(w *trial) *page {
			b, form := w.atSAML(nil)
			w.pass(time.Hour + time.Second)
			return b.post(acs, form)
		}),
		badResponse("S-157", "after another try was refused", "replay", func(w *trial) *page {
			b := w.browser()
			p := b.authorize(webApp, url.Values{"provider": {"initech"}})
			b.post(acs, w.answer(p, altered(func(a *idptest.Answer) { a.SignAssertion = nil })))
			return b.post(acs, w.answer(p, nil))
		}),
	}
}

// relayStateRows are Responses that nobody asked for. They are refused whatever they say: a login begins
// here, so RelayState names one of ours and nothing else.
func relayStateRows() []row {
	unsolicited := func(a *idptest.Answer) {
		a.Response.RemoveAttr("InResponseTo")
		a.In(confirmation).RemoveAttr("InResponseTo")
	}
	with := func(id, name, reason, state string, alter func(*idptest.Answer)) row {
		return badResponse(id, name, reason, func(w *trial) *page {
			b, form := w.atSAML(altered(alter))
			form.Set("RelayState", state)
			badResponse("", "", reason, nil).refused(w, w.crossSite(acs, form))
			return b.post(acs, form)
		})
	}
	rows := []row{
		badResponse("S-154", "unsolicited, without RelayState", "unsolicited", func(w *trial) *page {
			b, form := w.atSAML(altered(unsolicited))
			form.Del("RelayState")
			badResponse("", "", "unsolicited", nil).refused(w, w.crossSite(acs, form))
			return b.post(acs, form)
		}),
		badResponse("S-154", "two RelayStates", "malformed", func(w *trial) *page {
			b, form := w.atSAML(nil)
			form.Add("RelayState", form.Get("RelayState"))
			return b.post(acs, form)
		}),
		badResponse("S-154", "no Response at all", "malformed", func(w *trial) *page {
			b, form := w.atSAML(nil)
			form.Del("SAMLResponse")
			return b.post(acs, form)
		}),
		badResponse("S-156", "without RelayState, to the request of somebody else", "unsolicited", func(w *trial) *page {
			b, form := w.atSAML(nil)
			form.Del("RelayState")
			return b.post(acs, form)
		}),
		with("S-163", "RelayState of another site", "state_invalid", "https://evil.test", unsolicited),
		with("S-163", "RelayState of the app", "state_invalid", callbackURI, unsolicited),
		with("S-164", "RelayState a script", "state_invalid", "javascript:alert(1)", unsolicited),
		with("S-164", "RelayState without a scheme", "state_invalid", "//evil.test", unsolicited),
		with("S-164", "RelayState with backslashes", "state_invalid", `\\evil.test`, unsolicited),
		with("S-164", "RelayState of 10 KB", "state_invalid", strings.Repeat("x", 10<<10), unsolicited),
		with("S-164", "RelayState with a NUL", "state_invalid", "A\x00", unsolicited),
		with("S-164", "RelayState with bytes that are no UTF-8", "state_invalid", "\xff\xfe", unsolicited),
		with("S-164", "RelayState SQL", "state_invalid", "' OR '1'='1", unsolicited),
		{id: "S-166", name: "parameters in what the app sends along", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			inject := "x&SAMLRequest=evil&RelayState=evil&SigAlg=none&Signature=evil#"
			b := w.browser()
			p := b.authorize(webApp, url.Values{"provider": {"initech"}, "state": {inject}, "nonce": {inject}, "login_hint": {inject}, "ui_locales": {inject}})
			q := p.location.Query()
			for _, name := range []string{"SAMLRequest", "RelayState", "SigAlg", "Signature"} {
				if len(q[name]) != 1 || strings.Contains(q.Get(name), "evil") {
					w.t.Errorf("%s = %q", name, q[name])
				}
			}
			if len(q) != 4 || p.location.Fragment != "" {
				w.t.Errorf("the request has %d parameters and the fragment %q", len(q), p.location.Fragment)
			}
			back := w.welcome(b.post(acs, w.answer(p, nil)))
			if got := back.location.Query(); got.Get("state") != inject || len(got) != 3 {
				w.t.Errorf("the app got %v", got)
			}
			return back
		}},
	}
	return rows
}
