package main

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
)

const metadataNS = "urn:oasis:names:tc:SAML:2.0:metadata"

// publisher serves metadata that a row can exchange.
type publisher struct {
	*httptest.Server
	document atomic.Pointer[string] // nil: it is down
}

func (w *trial) publish(document string) *publisher {
	p := &publisher{}
	p.set(document)
	p.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		d := p.document.Load()
		switch {
		case d == nil:
			panic(http.ErrAbortHandler)
		case strings.HasPrefix(*d, "http"):
			rw.Header().Set("Location", *d)
			rw.WriteHeader(http.StatusFound)
		default:
			rw.Write([]byte(*d))
		}
	}))
	w.t.Cleanup(p.Close)
	return p
}

func (p *publisher) set(document string) { p.document.Store(&document) }

// published is a provider whose metadata is a document.
func (w *trial) published(document, more string) *publisher {
	p := w.publish(document)
	w.beside(`{id: published, kind: saml, name: Published, metadata_url: "` + p.URL + `"` + more + `}`)
	w.ready()
	return p
}

// atPublished begins a login there.
func (w *trial) atPublished() (*browser, *page) {
	w.t.Helper()
	b := w.browser()
	return b, b.authorize(webApp, url.Values{"provider": {"published"}, "prompt": {"login"}})
}

// signsInAtPublished is a login there by somebody whom a fake vouches for.
func (w *trial) signsInAtPublished(idp *idptest.SAML, s *idptest.SAMLRow) *page {
	w.t.Helper()
	b, p := w.atPublished()
	if p.location == nil {
		w.t.Fatalf("no way to the provider: %v", p)
	}
	form, err := idp.AnswerURL(p.location.String(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	return b.post("/saml/published/acs", form)
}

// samlMetadataRows are documents that must not become somebody's identity provider.
func samlMetadataRows() []row {
	wrong := func(id, name string, alter func(w *trial, good string) (document, more string)) row {
		return restored(refusal(id, name, http.StatusBadGateway, "upstream_broken", func(w *trial) *page {
			w.published(alter(w, string(w.initech.Metadata())))
			_, p := w.atPublished()
			return w.noted(p)
		}))
	}
	text := func(alter func(w *trial, good string) string) func(*trial, string) (string, string) {
		return func(w *trial, good string) (string, string) { return alter(w, good), "" }
	}
	located := func(w *trial, good, location string) string {
		return strings.ReplaceAll(good, `Location="`+w.initech.URL+`/sso"`, `Location="`+location+`"`)
	}
	return append(samlMetadataFlowRows(),
		wrong("S-171", "a way on to the address of a cloud's own service", text(func(*trial, string) string {
			return "http://169.254.169.254/latest/meta-data"
		})),
		restored(refusal("S-171", "the address of a cloud's own service", http.StatusBadGateway, "upstream_unreachable", func(w *trial) *page {
			w.beside(`{id: published, kind: saml, name: Published, metadata_url: "https://169.254.169.254/latest"}`)
			w.ready()
			_, p := w.atPublished()
			return w.noted(p)
		})),
		restored(refusal("S-172", "20 MB", http.StatusBadGateway, "upstream_unreachable", func(w *trial) *page {
			w.published(string(w.initech.Metadata())+strings.Repeat(" ", 20<<20), "")
			_, p := w.atPublished()
			return w.noted(p)
		})),
		wrong("S-173", "past validUntil", text(func(_ *trial, good string) string {
			return strings.Replace(good, "entityID=", `validUntil="2020-01-01T00:00:00Z" entityID=`, 1)
		})),
		wrong("S-173", "in a federation past its validUntil", text(func(_ *trial, good string) string {
			return `<EntitiesDescriptor xmlns="` + metadataNS + `" validUntil="2020-01-01T00:00:00Z">` + good + `</EntitiesDescriptor>`
		})),
		wrong("S-174", "another entity ID than configured", func(_ *trial, good string) (string, string) {
			return good, `, entity_id: "https://idp.example"`
		}),
		wrong("S-174", "a federation of two, of which none is named", text(func(w *trial, good string) string {
			return `<EntitiesDescriptor xmlns="` + metadataNS + `">` + good + strings.ReplaceAll(good, w.initech.EntityID, "https://other.example") + `</EntitiesDescriptor>`
		})),
		wrong("S-176", "an address that is a script", text(func(w *trial, good string) string { return located(w, good, "javascript:alert(1)") })),
		wrong("S-176", "an address that is a document", text(func(w *trial, good string) string { return located(w, good, "data:text/html,x") })),
		wrong("S-176", "an address without TLS", text(func(w *trial, good string) string { return located(w, good, "http://idp.example/sso") })),
		wrong("S-177", "not signed, where a signer is configured", func(w *trial, good string) (string, string) {
			file := filepath.Join(w.dir, "signer.pem")
			if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.initech.Certificate()}), 0o600); err != nil {
				w.t.Fatal(err)
			}
			return good, ", metadata_cert_file: " + strconv.Quote(file)
		}),
		wrong("S-179", "keys for encryption alone", text(func(_ *trial, good string) string {
			return strings.ReplaceAll(good, `use="signing"`, `use="encryption"`)
		})),
		wrong("S-58", "a document type", text(func(_ *trial, good string) string { return "<!DOCTYPE x>" + good })),
	)
}

// samlMetadataFlowRows are documents that change while logins go on.
func samlMetadataFlowRows() []row {
	// refreshed has the provider look at a document after it has served a login by a good one. It returns the
	// identity provider, and another company.
	refreshed := func(w *trial, change func(good, other string) string) (idp, other *idptest.SAML) {
		idp = idptest.NewSAML(w.t, idptest.SAMLOptions{SignIn: "peter", Now: w.now})
		other = idptest.NewSAML(w.t, idptest.SAMLOptions{Name: "Vandelay", SignIn: "peter", Now: w.now})
		good := string(idp.Metadata())
		p := w.published(good, "")
		w.welcome(w.signsInAtPublished(idp, nil))
		// Another company's keys at the same address and entity.
		p.set(change(good, strings.ReplaceAll(strings.ReplaceAll(string(other.Metadata()), other.EntityID, idp.EntityID), other.URL, idp.URL)))
		w.pass(61 * time.Minute)
		w.atPublished() // looks for it behind this login
		time.Sleep(100 * time.Millisecond)
		w.ready()
		return idp, other
	}
	kept := func(id, name string, change func(good, other string) string) row {
		return restored(row{id: id, name: name, control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			idp, _ := refreshed(w, change)
			return w.welcome(w.signsInAtPublished(idp, nil))
		}})
	}
	exchanged := func(_, other string) string { return other }
	return []row{
		kept("S-173", "past validUntil, while the last good one holds", func(good, _ string) string {
			return strings.Replace(good, "entityID=", `validUntil="2020-01-01T00:00:00Z" entityID=`, 1)
		}),
		kept("S-174", "of another entity, while the last good one holds", func(_, other string) string {
			return strings.Replace(other, "entityID=\"", "entityID=\"https://other.example/", 1)
		}),
		kept("S-178", "with other keys: the old ones are taken for a while", exchanged),
		restored(row{id: "S-178", name: "with other keys: they are taken, and the log says so", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			idp, other := refreshed(w, exchanged)
			if !strings.Contains(w.log.String(), "saml signing certificates changed") {
				w.t.Error("the log does not say so")
			}
			return w.welcome(w.signsInAtPublished(other, altered(func(a *idptest.Answer) {
				a.In("Issuer").SetText(idp.EntityID)
				a.Response.SelectElement("Issuer").SetText(idp.EntityID)
			})))
		}}),
		restored(refusal("S-178", "with other keys: the old ones when the overlap is over", http.StatusBadRequest, "sig_untrusted", func(w *trial) *page {
			idp, _ := refreshed(w, exchanged)
			w.pass(25 * time.Hour)
			w.atPublished()
			time.Sleep(100 * time.Millisecond)
			w.ready()
			return w.noted(w.signsInAtPublished(idp, nil))
		})),
		restored(refusal("S-173", "a document whose validUntil passes while it cannot be fetched", http.StatusBadGateway, "upstream_unreachable", func(w *trial) *page {
			idp := idptest.NewSAML(w.t, idptest.SAMLOptions{SignIn: "peter", Now: w.now})
			until := w.now().Add(2 * time.Hour).UTC().Format(time.RFC3339)
			p := w.published(strings.Replace(string(idp.Metadata()), "entityID=", `validUntil="`+until+`" entityID=`, 1), "")
			w.welcome(w.signsInAtPublished(idp, nil))
			p.document.Store(nil)
			w.pass(2*time.Hour + time.Minute)
			w.ready()
			_, page := w.atPublished()
			return w.noted(page)
		})),
	}
}

// samlEncryptionRows are encrypted assertions that depend on the configuration.
func samlEncryptionRows() []row {
	const initech = "{id: initech, kind: saml, "
	cbc := altered(func(a *idptest.Answer) {
		a.Encrypt().Cipher = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
		signing := *a.SignAssertion
		a.SignResponse = &signing
	})
	configured := func(keys string, r row) row {
		do := r.do
		r.do = func(w *trial) *page {
			w.reconfigure(initech, initech+keys+", ")
			w.ready()
			return do(w)
		}
		return restored(r)
	}
	posted := func(s *idptest.SAMLRow) func(*trial) *page {
		return func(w *trial) *page {
			b, form := w.atSAML(s)
			return b.post(acs, form)
		}
	}
	return []row{
		configured("allow_cbc: true", row{id: "S-141", name: "AES-CBC where it is allowed, in a signed Response", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			return w.welcome(posted(cbc)(w))
		}}),
		configured("allow_cbc: true", badResponse("S-141", "AES-CBC where it is allowed, in an unsigned Response", "weak_alg", posted(altered(func(a *idptest.Answer) {
			a.Encrypt().Cipher = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
		})))),
		configured("want_encrypted: true", badResponse("S-131", "a plain Assertion where it must be encrypted", "not_encrypted", posted(nil))),
		configured("want_encrypted: true", row{id: "S-147", name: "encrypted where it must be", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			return w.welcome(posted(altered(func(a *idptest.Answer) { a.Encrypt() }))(w))
		}}),
		configured(`authn_context: ["https://refeds.org/profile/mfa"]`, badResponse("S-119", "authenticated in another way than asked for", "weak_acr", posted(nil))),
	}
}
