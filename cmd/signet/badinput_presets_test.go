package main

import (
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"

	"github.com/signet-broker/signet/internal/idptest"
)

// presetRows are what is special about Google, Apple and Microsoft.
func presetRows() []row {
	return slices.Concat(googleRows(), appleRows(), tenantRows(), nOAuthRows(), overageRows())
}

// with changes claims of an ID token; nil takes one out.
func with(change map[string]any) *idptest.OIDCRow {
	return &idptest.OIDCRow{Claims: func(_ *idptest.OIDC, c map[string]any) {
		maps.Copy(c, change)
		maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	}}
}

// refusedAt is a login that a provider must refuse.
func refusedAt(id, name, provider, person, reason string, change map[string]any) row {
	return refusal(id, name, http.StatusBadRequest, reason, func(w *trial) *page {
		return w.noted(w.atFamous(w.browser(), provider, person, with(change)))
	})
}

// acceptedAt is a login that must work and give these claims (nil: not that one) and this subject.
func acceptedAt(id, name, provider, person, subject string, change, want map[string]any) row {
	return row{id: id, name: name, control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
		p := w.welcome(w.atFamous(w.browser(), provider, person, with(change)))
		w.wantPerson(p, subject, want)
		return p
	}}
}

// wantPerson redeems the code of a finished login and compares who it is for.
func (w *trial) wantPerson(p *page, subject string, want map[string]any) {
	w.t.Helper()
	if p.location == nil {
		return
	}
	claims := map[string]any{}
	decodeClaims(w.t, w.redeem(webApp, p.location.Query().Get("code"), nil).ID, &claims)
	user, _ := claims["sub"].(string)
	if got := w.subject(user); got != subject {
		w.t.Errorf("subject %q, want %q", got, subject)
	}
	for name, value := range want {
		if !reflect.DeepEqual(claims[name], value) {
			w.t.Errorf("%s = %v, want %v", name, claims[name], value)
		}
	}
}

func googleRows() []row {
	ann := map[string]any{"email": "ann@globex.example", "email_verified": true, "name": "Ann Archer"}
	return []row{
		acceptedAt("R-35", "an honest login at Google", "google", "ann", "ann", nil, ann),
		acceptedAt("R-35", "Google's iss without a scheme", "google", "ann", "ann", map[string]any{"iss": "accounts.google.com"}, ann),
		refusedAt("R-35", "Google's iss by http", "google", "ann", "iss", map[string]any{"iss": "http://accounts.google.com"}),
		refusedAt("R-35", "Google's iss with a slash more", "google", "ann", "iss", map[string]any{"iss": "accounts.google.com/"}),
		refusedAt("R-35", "another iss without a scheme, at Google", "google", "ann", "iss", map[string]any{"iss": "evil.example"}),
		refusedAt("R-35", "Microsoft's iss without a scheme", "ms-common", "ann", "iss",
			map[string]any{"iss": idptest.IssuerOfTenant(idptest.GlobexTenant)[len("https://"):]}),
		acceptedAt("R-74", "somebody of the hosted domain", "google-globex", "ann", "ann", nil, ann),
		acceptedAt("R-74", "somebody of the other hosted domain", "google-globex", "bob", "bob", map[string]any{"hd": "globex.org"}, nil),
		refusedAt("R-74", "an account of no hosted domain", "google-globex", "eve", "hosted_domain", nil),
		refusedAt("R-74", "an address of the hosted domain, in a personal account", "google-globex", "ann", "hosted_domain", map[string]any{"hd": nil}),
		refusedAt("R-74", "an address of the hosted domain, in another one's account", "google-globex", "ann", "hosted_domain", map[string]any{"hd": "evil.example"}),
		refusedAt("R-74", "a hosted domain that ends alike", "google-globex", "ann", "hosted_domain", map[string]any{"hd": "not-globex.example"}),
		refusedAt("R-74", "hosted domains as a list", "google-globex", "ann", "hosted_domain", map[string]any{"hd": []string{"globex.example"}}),
		refusedAt("R-74", "an empty hosted domain", "google-globex", "ann", "hosted_domain", map[string]any{"hd": ""}),
	}
}

func appleRows() []row {
	posted := func(id, name, reason string, alter func(url.Values)) row {
		return refusal(id, name, http.StatusBadRequest, reason, func(w *trial) *page {
			action, form := w.appleForm(w.browser().authorize(webApp, url.Values{"provider": {"apple"}}), "bob")
			alter(form)
			return w.noted(w.crossSite(action, form))
		})
	}
	return []row{
		{id: "R-12", name: "an honest login at Apple, whose name comes once", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			want := map[string]any{"email": "ann@globex.example", "email_verified": true, "name": "Ann Archer", "given_name": "Ann", "family_name": "Archer"}
			w.wantPerson(w.welcome(w.atFamous(w.browser(), "apple", "ann", nil)), "ann", want)
			p := w.welcome(w.atFamous(w.browser(), "apple", "ann", nil)) // without the field user
			w.wantPerson(p, "ann", want)
			return p
		}},
		refusal("R-12", "Apple's answer in an address", http.StatusBadRequest, "malformed", func(w *trial) *page {
			b := w.browser()
			action, form := w.appleForm(b.authorize(webApp, url.Values{"provider": {"apple"}}), "bob")
			return w.noted(b.get(action + "?" + form.Encode()))
		}),
		refusal("R-12", "an answer as a form where Google's is an address", http.StatusBadRequest, "malformed", func(w *trial) *page {
			b := w.browser()
			back := b.backFrom(b.authorize(webApp, url.Values{"provider": {"google"}}), w.famous.google, "ann")
			return w.noted(w.crossSite("/callback/google", back.Query()))
		}),
		refusal("R-3", "Apple's answer to an attacker's login, in another browser", http.StatusBadRequest, "state_mismatch", func(w *trial) *page {
			action, form := w.appleForm(w.browser().authorize(webApp, url.Values{"provider": {"apple"}}), "eve")
			there := w.crossSite(action, form).location
			return w.noted(w.browser().get(there.String()))
		}),
		{id: "R-61", name: "an e-mail address in what the browser brings", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			b := w.browser()
			action, form := w.appleForm(b.authorize(webApp, url.Values{"provider": {"apple"}}), "eve")
			form.Set("user", `{"name":{"firstName":"Ann","lastName":"Archer"},"email":"ann@globex.example","email_verified":true,"sub":"ann","groups":["admins"]}`)
			p := w.crossSite(action, form)
			p = w.welcome(b.get(p.location.String()))
			w.wantPerson(p, "eve", map[string]any{"email": "eve@elsewhere.example", "email_verified": false, "groups": nil, "name": "Ann Archer"})
			return p
		}},
		acceptedAt("R-61", "email_verified of Apple as the text false", "apple", "eve", "eve", nil, map[string]any{"email_verified": false}),
		posted("R-11", "two user fields", "malformed", func(form url.Values) { form["user"] = []string{"{}", "{}"} }),
		posted("R-11", "a user field that is no JSON", "malformed", func(form url.Values) { form.Set("user", "<script>alert(1)</script>") }),
		posted("R-11", "two codes in a form", "malformed", func(form url.Values) { form.Add("code", "other") }),
		posted("R-13", "the person cancels at Apple", "idp_error", func(form url.Values) {
			form.Del("code")
			form.Set("error", "user_cancelled_authorize")
		}),
	}
}

// tenantRows: the keys of every Microsoft tenant are the same, so only the claims tell them apart.
func tenantRows() []row {
	other := map[string]any{"iss": idptest.IssuerOfTenant(idptest.OtherTenant), "tid": idptest.OtherTenant}
	personal := map[string]any{"iss": idptest.IssuerOfTenant(idptest.ConsumersTenant), "tid": idptest.ConsumersTenant}
	ann := idptest.ObjectID("ann")
	subject := idptest.GlobexTenant + "." + ann
	rows := []row{
		refusedAt("R-63", "iss of one tenant, tid of another", "ms-common", "ann", "tenant", map[string]any{"tid": idptest.OtherTenant}),
		refusedAt("R-63", "tid of one tenant, iss of another", "ms-listed", "ann", "tenant", map[string]any{"iss": idptest.IssuerOfTenant(idptest.OtherTenant)}),
		refusedAt("R-63", "no tid", "ms-common", "ann", "tenant", map[string]any{"tid": nil}),
		refusedAt("R-63", "tid a path", "ms-common", "ann", "tenant", map[string]any{"tid": "../" + idptest.GlobexTenant}),
		refusedAt("R-63", "tid in capitals", "ms-common", "ann", "tenant", map[string]any{"tid": "11111111-AAAA-4BBB-8CCC-0123456789AB"}),
		refusedAt("R-63", "iss the template itself", "ms-common", "ann", "iss", map[string]any{"iss": idptest.IssuerOfTenant("{tenantid}")}),
		refusedAt("R-63", "iss of a domain", "ms-common", "ann", "iss", map[string]any{"iss": idptest.IssuerOfTenant("globex.example"), "tid": "globex.example"}),
		refusedAt("R-63", "iss of another host", "ms-common", "ann", "iss", map[string]any{"iss": "https://login.evil.example/" + idptest.GlobexTenant + "/v2.0"}),
		refusedAt("R-63", "iss of the first version", "ms-common", "ann", "iss", map[string]any{"iss": "https://sts.windows.net/" + idptest.GlobexTenant + "/"}),
		refusedAt("R-63", "a tenant that is not listed", "ms-listed", "eve", "tenant", nil),
		refusedAt("R-63", "another tenant where there is one", "ms-globex", "ann", "iss", other),
		refusedAt("R-63", "another tenant where there is one, by tid alone", "ms-globex", "ann", "tenant", map[string]any{"tid": idptest.OtherTenant}),
		refusedAt("R-63", "another tenant where one is named by its domain", "ms-domain", "eve", "iss", nil),
		refusedAt("R-63", "a personal account among organizations", "ms-work", "ann", "tenant", personal),
		refusedAt("R-63", "a personal account among listed organizations", "ms-listed", "ann", "tenant", personal),
		refusedAt("R-63", "no oid", "ms-common", "ann", "sub", map[string]any{"oid": nil}),
		refusedAt("R-63", "oid no object id", "ms-common", "ann", "sub", map[string]any{"oid": "ann"}),
		acceptedAt("R-63", "a personal account where everybody may come", "ms-common", "ann", idptest.ConsumersTenant+"."+ann, personal, nil),
		acceptedAt("R-63", "the same object id in another tenant is somebody else", "ms-common", "ann", idptest.OtherTenant+"."+ann, other, nil),
	}
	for _, provider := range []string{"ms-common", "ms-work", "ms-listed", "ms-globex", "ms-domain"} {
		rows = append(rows, acceptedAt("R-63", "an honest login at "+provider, provider, "ann", subject, nil,
			map[string]any{"email": "ann@globex.example", "email_verified": provider == "ms-globex"}))
	}
	return rows
}

// nOAuthRows: the e-mail address of an Entra ID token is what the tenant's administrator has typed.
func nOAuthRows() []row {
	eve := idptest.OtherTenant + "." + idptest.ObjectID("eve")
	ann := idptest.GlobexTenant + "." + idptest.ObjectID("ann")
	address := func(more map[string]any) map[string]any {
		claims := map[string]any{"email": "ann@globex.example"}
		maps.Copy(claims, more)
		return claims
	}
	verified := func(is bool) map[string]any {
		return map[string]any{"email": "ann@globex.example", "email_verified": is}
	}
	at := func(name string, claims map[string]any, is bool) row {
		return acceptedAt("R-62", name, "ms-common", "eve", eve, address(claims), verified(is))
	}
	return []row{
		at("an attacker's tenant with a victim's address", nil, false),
		at("that says email_verified", map[string]any{"email_verified": true}, false),
		at("whose domain is not its own", map[string]any{"xms_edov": false}, false),
		at("whose domain is not its own, as a number", map[string]any{"xms_edov": 0}, false),
		at("whose domain is not its own, as a text", map[string]any{"xms_edov": "false"}, false),
		at("whose domain is a list", map[string]any{"xms_edov": []any{true}}, false),
		at("whose domain is its own", map[string]any{"xms_edov": true}, true),
		at("whose domain is its own, as a text", map[string]any{"xms_edov": "1"}, true),
		acceptedAt("R-62", "an address outside the domains of the one tenant", "ms-globex", "ann", ann,
			map[string]any{"email": "ann@elsewhere.example"}, map[string]any{"email": "ann@elsewhere.example", "email_verified": false}),
		refusal("R-62", "an address of an account kept here", http.StatusConflict, "link_required", func(w *trial) *page {
			return w.noted(w.atFamous(w.browser(), "ms-work", "eve", with(map[string]any{"email": "bob@acme.example"})))
		}),
	}
}

// overageRows: whoever is in too many groups has an address in the token instead of them.
func overageRows() []row {
	ann := idptest.GlobexTenant + "." + idptest.ObjectID("ann")
	return []row{
		acceptedAt("R-77", "groups", "ms-globex", "ann", ann, nil, map[string]any{"groups": []any{"staff", "admins"}}),
		acceptedAt("R-77", "groups at an address", "ms-globex", "ann", ann, map[string]any{
			"_claim_names":   map[string]any{"groups": "src1"},
			"_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://graph.evil.example/groups"}},
		}, map[string]any{"groups": nil}),
		acceptedAt("R-77", "groups somewhere", "ms-globex", "ann", ann, map[string]any{"hasgroups": true}, map[string]any{"groups": nil}),
		{id: "R-77", name: "nobody was asked because of a token", do: func(w *trial) *page {
			if n := w.famous.probes.Load(); n != 0 {
				w.t.Errorf("%d requests, want none", n)
			}
			return nil
		}},
	}
}
