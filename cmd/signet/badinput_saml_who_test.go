package main

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/signet-broker/signet/internal/idptest"
)

// fresh gives a row a world of its own.
func fresh(r row) row {
	r.fresh = true
	return r
}

// restored takes a row's changes of the configuration back.
func restored(r row) row {
	do := r.do
	r.do = func(w *trial) *page {
		defer w.reconfigure("issuer:", "issuer: ")
		return do(w)
	}
	return r
}

// beside adds a provider to the configuration.
func (w *trial) beside(text string) {
	w.reconfigure("  - id: local\n", "  - "+text+"\n  - id: local\n")
}

// samlTenantRows are good Responses at the wrong provider, or at one that is no more.
func samlTenantRows() []row {
	gone := func(name, was, is string) row {
		return restored(badResponse("S-161", name, "idp_disabled", func(w *trial) *page {
			b, form := w.atSAML(nil)
			w.reconfigure(was, is)
			badResponse("", "", "idp_disabled", nil).refused(w, w.crossSite(acs, form))
			return b.post(acs, form)
		}))
	}
	return []row{
		restored(badResponse("S-158", "of another identity provider", "state_invalid", func(w *trial) *page {
			other := idptest.NewSAML(w.t, idptest.SAMLOptions{Name: "Vandelay", SignIn: "peter"})
			w.beside(`{id: vandelay, kind: saml, name: Vandelay, metadata_url: "` + other.URL + `/metadata"}`)
			const there = "/saml/vandelay/acs"
			r := badResponse("", "", "state_invalid", nil)
			b, form := w.atSAML(nil)
			r.refused(w, w.crossSite(there, form)) // names a login that is at initech
			r.refused(w, b.post(there, form))
			// Its own login, answered by initech: as it is, and as a hostile initech would.
			for _, honest := range []bool{true, false} {
				p := b.authorize(webApp, url.Values{"provider": {"vandelay"}, "prompt": {"login"}})
				answered, err := w.initech.AnswerURL(p.location.String(), altered(func(a *idptest.Answer) {
					if !honest {
						a.In("Issuer").SetText(other.EntityID)
						a.Response.SelectElement("Issuer").SetText(other.EntityID)
					}
				}))
				if err != nil {
					w.t.Fatal(err)
				}
				want := "sig_untrusted"
				if honest {
					want = "bad_issuer"
				}
				badResponse("", "", want, nil).refused(w, w.crossSite(there, answered))
			}
			return b.post(there, form)
		})),
		restored(badResponse("S-159", "two providers with one identity provider, the other's Response", "replay", func(w *trial) *page {
			w.beside(`{id: initech2, kind: saml, name: Initech Two, metadata_url: "` + w.initech.URL + `/metadata"}`)
			const there = "/saml/initech2/acs"
			b, form := w.atSAML(nil)
			badResponse("", "", "state_invalid", nil).refused(w, w.crossSite(there, form))
			p := b.authorize(webApp, url.Values{"provider": {"initech2"}})
			mine := w.answer(p, nil)
			form.Set("RelayState", mine.Get("RelayState")) // its own login now, with the Response to the other's
			badResponse("", "", "in_response_to", nil).refused(w, w.crossSite(there, form))
			badResponse("", "", "bad_recipient", nil).refused(w, w.crossSite(there, w.answer(p, altered(func(a *idptest.Answer) {
				a.In(confirmation).CreateAttr("Recipient", w.URL+acs)
			}))))
			badResponse("", "", "bad_audience", nil).refused(w, w.crossSite(there, w.answer(p, altered(func(a *idptest.Answer) {
				a.In("Conditions/AudienceRestriction/Audience").SetText(w.URL + "/saml/initech/metadata")
			}))))
			w.welcome(b.post(there, mine))
			w.ready()
			return b.post(there, form)
		})),
		gone("the provider was disabled meanwhile", "{id: initech,", "{id: initech, disabled: true,"),
		gone("the provider is another one meanwhile", "{id: initech,", "{id: renamed,"),
		gone("the app may not use the provider any more", "{id: web,", "{id: web, providers: [globex],"),
		restored(refusal("S-161", "the provider was disabled before the browser came back", http.StatusBadRequest, "idp_disabled", func(w *trial) *page {
			b, form := w.atSAML(nil)
			there := w.crossSite(acs, form).location.String()
			w.reconfigure("{id: initech,", "{id: initech, disabled: true,")
			return w.noted(b.get(there))
		})),
		restored(refusal("S-161", "the app may not use the provider any more when the browser comes back", http.StatusBadRequest, "idp_disabled", func(w *trial) *page {
			b, form := w.atSAML(nil)
			there := w.crossSite(acs, form).location.String()
			w.reconfigure("{id: web,", "{id: web, providers: [globex],")
			return w.noted(b.get(there))
		})),
	}
}

// finished posts a form across sites and goes on in the browser that owns the login.
func (w *trial) finished(b *browser, form url.Values) *page {
	w.t.Helper()
	p := w.crossSite(acs, form)
	if p.status != http.StatusSeeOther {
		w.t.Fatalf("the assertion is refused: %v", p)
	}
	return b.get(p.location.String())
}

// asserts is an assertion with another e-mail address.
func asserts(email string) *idptest.SAMLRow {
	return altered(func(a *idptest.Answer) {
		a.In("AttributeStatement/Attribute[@Name='email']/AttributeValue").SetText(email)
	})
}

// samlUserRows are good Responses about people who may not be let in.
func samlUserRows() []row {
	linked := func(name, person, email string) row {
		return refusal("S-169", name, http.StatusConflict, "link_required", func(w *trial) *page {
			w.addAccount(person, person+"@initech.example")
			w.ready()
			newcomer := altered(func(a *idptest.Answer) {
				a.In("Subject/NameID").SetText(person)
				asserts(email).Alter(a)
			})
			b, form := w.atSAML(newcomer)
			refusal("", "", http.StatusConflict, "link_required", nil).refused(w, w.finished(b, form))
			b, form = w.atSAML(newcomer)
			return w.noted(b.post(acs, form))
		})
	}
	foreign := func(name, email string) row {
		return refusal("S-129", name, http.StatusForbidden, "domain_not_owned", func(w *trial) *page {
			b, form := w.atSAML(asserts(email))
			refusal("", "", http.StatusForbidden, "domain_not_owned", nil).refused(w, w.finished(b, form))
			b, form = w.atSAML(asserts(email))
			return w.noted(b.post(acs, form))
		})
	}
	return []row{
		foreign("an address in another provider's domain", "boss@hooli.example"),
		foreign("an address in another provider's domain, in capitals", "Boss@HOOLI.example"),
		{id: "S-129", name: "an address outside of the provider's own domains is left out", control: true, do: func(w *trial) *page {
			var c struct{ Email string }
			if decodeClaims(w.t, w.tokens(webApp, "hooli", "ann").ID, &c); c.Email != "" {
				w.t.Errorf("hooli asserts %s", c.Email)
			}
			return nil
		}},
		refusal("S-162", "about a user who is disabled", http.StatusForbidden, "account_disabled", func(w *trial) *page {
			samir := altered(func(a *idptest.Answer) {
				a.In("Subject/NameID").SetText("samir")
				asserts("samir@initech.example").Alter(a)
			})
			b, form := w.atSAML(samir)
			w.welcome(b.post(acs, form))
			w.disable("samir@initech.example", true)
			w.ready()
			b, form = w.atSAML(samir)
			refusal("", "", http.StatusForbidden, "account_disabled", nil).refused(w, w.finished(b, form))
			b, form = w.atSAML(samir)
			return w.noted(b.post(acs, form))
		}),
		linked("with the address of an account", "milton", "milton@initech.example"),
		linked("with the address of an account in capitals", "joanna", "Joanna@INITECH.Example"),
		{id: "S-167", name: "a session's cookie that an attacker has set", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			b, form := w.atSAML(nil)
			set := strings.Repeat("A", 52)
			b.keep("signet-session", set)
			p := w.welcome(b.post(acs, form))
			if got := b.kept("signet-session"); got == set || got == "" {
				w.t.Errorf("the session is %q, the attacker's was %q", got, set)
			}
			w.signedOut(set)
			return p
		}},
		{id: "S-167", name: "a session that was there before", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			b.signIn(webApp, "globex", "bob")
			was := b.kept("signet-session")
			p := w.welcome(b.post(acs, w.answer(b.authorize(webApp, url.Values{"provider": {"initech"}, "prompt": {"login"}}), nil)))
			w.signedOut(was)
			was = b.kept("signet-session")
			w.welcome(b.post(acs, w.answer(b.authorize(webApp, url.Values{"provider": {"initech"}, "prompt": {"login"}}), nil)))
			w.signedOut(was) // also where it is the same person
			return p
		}},
	}
}

// keep puts a cookie of ours into the browser.
func (b *browser) keep(name, value string) {
	b.client.Jar.SetCookies(b.request(http.MethodGet, "/", "").URL, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// kept is the value of a cookie of ours; "" when there is none.
func (b *browser) kept(name string) string {
	for _, c := range b.client.Jar.Cookies(b.request(http.MethodGet, "/", "").URL) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// signedOut checks that a session's secret lets nobody in.
func (w *trial) signedOut(secret string) {
	w.t.Helper()
	b := w.browser()
	b.keep("signet-session", secret)
	if got := w.reason(b.authorize(webApp, url.Values{"prompt": {"none"}})); got != "login_required" {
		w.t.Errorf("the session is alive: %q", got)
	}
}
