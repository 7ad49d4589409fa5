package main

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/internal/idptest"
)

// registryRows are about providers of the database: what may be registered, what they may reach, whom they
// may speak for, and what becomes of a login when one is taken away.
func registryRows() []row {
	var rows []row
	for _, more := range [][]row{blockRows(), mappingRows(), reachRows(), takenAwayRows(), ownDomainRows(), reusedRows()} {
		rows = append(rows, more...)
	}
	return rows
}

// refusedBlock is a provider that cannot be registered; problem is part of what is said.
func refusedBlock(id, name, problem string, text func(w *trial) string) row {
	return row{id: id, name: name, do: func(w *trial) *page {
		out, code := w.command("provider", "add", w.blockFile(text(w)))
		if code != exitFailed || !strings.Contains(out, problem) {
			w.t.Errorf("exit %d, want %q: %s", code, problem, out)
		}
		if out := w.mustRun("provider", "list"); strings.Contains(out, "evil") {
			w.t.Errorf("it is registered: %s", out)
		}
		return nil
	}}
}

func always(text string) func(*trial) string { return func(*trial) string { return text } }

const samlBlock = "id: evil\nkind: saml\n"

// blockRows must be refused when they are registered.
func blockRows() []row {
	inline := func(metadata string) string {
		return samlBlock + "metadata: |\n  " + strings.ReplaceAll(strings.TrimSpace(metadata), "\n", "\n  ") + "\n"
	}
	weak := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: weakRSA()})
	return []row{
		refusedBlock("S-16", "a certificate of 1024 bits", "certificates.0", always(
			samlBlock+"entity_id: https://evil.example\nsso_url: https://evil.example/sso\ncertificates:\n- |\n  "+strings.ReplaceAll(strings.TrimSpace(string(weak)), "\n", "\n  ")+"\n")),
		refusedBlock("S-141", "AES-CBC, by somebody who could wrap others' ciphertext", "allow_cbc", func(w *trial) string {
			return inline(string(idptest.NewSAML(w.t, idptest.SAMLOptions{Name: "Umbrella"}).Metadata())) + "allow_cbc: true\n"
		}),
		refusedBlock("S-159", "the entity ID of another registered provider", "the same registration", func(w *trial) string {
			other := idptest.NewSAML(w.t, idptest.SAMLOptions{Name: "Tyrell"})
			w.register(strings.Replace(inline(string(other.Metadata())), "id: evil", fmt.Sprintf("id: tyrell-%d", len(w.mustRun("provider", "list"))), 1))
			return inline(string(other.Metadata()))
		}),
		refusedBlock("S-159", "the metadata of a provider of the configuration file", "the same registration", func(w *trial) string {
			return samlBlock + "metadata_url: " + w.initech.URL + "/metadata\n"
		}),
		refusedBlock("S-159", "issuer and client of a provider of the configuration file", "the same registration", func(w *trial) string {
			return block("evil", w.globex)
		}),
		refusedBlock("S-159", "the id of a provider of the configuration file", "in the configuration file already", func(w *trial) string {
			return block("hooli", w.oidc("Evil"), "params: {evil: x}")
		}),
		refusedBlock("S-171", "metadata of a cloud's inside", "not public", always(samlBlock+"metadata_url: https://169.254.169.254/metadata\n")),
		refusedBlock("R-94", "an issuer of a private network", "not public", always("id: evil\nkind: oidc\nissuer: https://10.0.0.7\nclient_id: x\n")),
		refusedBlock("R-94", "an issuer of another loopback address", "not public", always("id: evil\nkind: oidc\nissuer: http://127.0.0.2:8080\nclient_id: x\n")),
		refusedBlock("S-176", "an address that is a script", "metadata", func(w *trial) string {
			other := idptest.NewSAML(w.t, idptest.SAMLOptions{Name: "Cyberdyne"})
			return inline(strings.ReplaceAll(string(other.Metadata()), other.URL+"/sso", "javascript:alert(1)"))
		}),
		refusedBlock("R-9", "a token endpoint beside the issuer", "token_endpoint: unknown key", func(w *trial) string {
			return block("evil", w.oidc("Evil"), "token_endpoint: https://evil.example/token")
		}),
		refusedBlock("R-9", "an honest place to sign in and another to redeem", "token_url", always(
			"id: evil\nkind: oauth2\nauthorization_url: https://honest.example/authorize\ntoken_url: https://evil.example/token\nuserinfo_url: https://honest.example/me\nclient_id: x\nclient_secret: xyz\n")),
		refusedBlock("P-196", "a variable of this machine", "takes no ${env:", always("id: evil\nkind: oidc\nissuer: https://evil.example\nclient_id: x\nclient_secret: ${env:PATH}\n")),
	}
}

// mappingRows are mappings that would be programs.
func mappingRows() []row {
	mapping := func(name, expression string) row {
		return refusedBlock("P-199", "a mapping that "+name, "map.email", func(w *trial) string {
			return block("evil", w.oidc("Evil"), fmt.Sprintf("map: {email: %q}", expression))
		})
	}
	return []row{
		mapping("runs a command", `exec("id")`),
		mapping("reads a file", `file("/etc/passwd")`),
		mapping("reads a variable of this machine", `env("SIGNET_MASTER_KEY")`),
		mapping("reads beyond the claims", `provider.client_secret`),
		mapping("is a template of another language", `{{ .Env.PATH }}`),
		mapping("is longer than a mapping may be", `claims.email + "`+strings.Repeat("x", 5<<10)+`"`),
		refusal("P-199", "a mapping that loops for hours", http.StatusBadRequest, "mapping_failed", func(w *trial) *page {
			f := w.oidc("Looping")
			groups := make([]any, 2000)
			for i := range groups {
				groups[i] = fmt.Sprint("group-", i)
			}
			f.Misbehave(&idptest.OIDCRow{Claims: func(_ *idptest.OIDC, c map[string]any) { c["groups"] = groups }})
			w.register(block("looping", f, `map: {name: "claims.groups.exists(a, claims.groups.exists(b, claims.groups.exists(c, a + b == c))) ? 'x' : 'y'"}`))
			return w.within(3*time.Second, func() *page { return w.noted(w.browser().at("looping", f, "ann")) })
		}),
	}
}

// reachRows are registered upstreams that lead inside.
func reachRows() []row {
	const gateway = http.StatusBadGateway
	begin := func(w *trial, id string) *page {
		return w.browser().authorize(webApp, url.Values{"provider": {id}})
	}
	// inside counts what reaches another address of this machine.
	inside := func(w *trial, hits *atomic.Int32) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			hits.Add(1)
			http.Error(rw, "SECRET", http.StatusOK)
		}))
		w.t.(interface{ Cleanup(func()) }).Cleanup(s.Close)
		return s
	}
	return []row{
		refusal("R-94", "discovery redirects inside", gateway, "upstream_broken", func(w *trial) *page {
			var hits atomic.Int32
			to := inside(w, &hits)
			f := w.oidc("Redirecting")
			f.Misbehave(&idptest.OIDCRow{Serve: map[string]func(*idptest.OIDC, http.ResponseWriter, *http.Request){
				"/.well-known/openid-configuration": func(_ *idptest.OIDC, rw http.ResponseWriter, r *http.Request) {
					http.Redirect(rw, r, to.URL+"/.well-known/openid-configuration", http.StatusFound)
				},
			}})
			w.register(block("redirecting", f))
			p := w.noted(begin(w, "redirecting"))
			if hits.Load() > 0 {
				w.t.Errorf("%d requests inside", hits.Load())
			}
			return p
		}),
		fresh(refusal("R-94", "a name that leads to a private address when it is dialled", gateway, "upstream_broken", func(w *trial) *page {
			w.restartWith(func(config string) string {
				return strings.Replace(config, "allow: [127.0.0.1]", "allow: [10.0.0.0/8]", 1)
			}, "rebound.example:443", "127.0.0.1:443")
			w.register("id: rebound\nkind: oidc\nissuer: https://rebound.example\nclient_id: x\nclient_secret: xyz\n")
			return w.noted(begin(w, "rebound"))
		})),
		fresh(refusal("R-94", "an address that is not allowed any more", gateway, "upstream_broken", func(w *trial) *page {
			w.register(block("umbrella", w.oidc("Umbrella")))
			w.restartWith(func(config string) string { return strings.Replace(config, "egress: {allow: [127.0.0.1]}\n", "", 1) }, "", "")
			return w.noted(begin(w, "umbrella"))
		})),
		{id: "R-94", name: "an address that is allowed", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			f := w.oidc("Umbrella")
			w.register(block("umbrella", f))
			return w.welcome(w.browser().at("umbrella", f, "ann"))
		}},
	}
}

// restartWith starts the broker anew with another configuration, and with another place for a host.
func (w *trial) restartWith(edit func(string) string, host, is string) {
	w.t.Helper()
	if host != "" {
		w.out.Route = map[string]string{host: is}
	}
	text := edit(w.config)
	if text == w.config {
		w.t.Fatal("the configuration is the same")
	}
	w.config = text
	w.reconfigure("issuer:", "issuer: ")
}

// takenAwayRows are logins at a provider that is taken away meanwhile.
func takenAwayRows() []row {
	gone := func(id, name string, take func(w *trial, provider string)) row {
		return refusal(id, name, http.StatusBadRequest, "idp_disabled", func(w *trial) *page {
			f := w.oidc("Gone")
			provider := fmt.Sprintf("gone-%d", f.Requests("/token")+len(name))
			w.register(block(provider, f))
			b := w.browser()
			back := b.backFrom(b.authorize(webApp, url.Values{"provider": {provider}}), f, "ann")
			take(w, provider)
			w.follow()
			p := b.get(back.String())
			if n := f.Requests("/token"); n > 0 {
				w.t.Errorf("%d codes were redeemed", n)
			}
			return w.noted(p)
		})
	}
	return []row{
		gone("R-16", "a registered provider was disabled meanwhile", func(w *trial, id string) { w.mustRun("provider", "disable", id) }),
		gone("R-16", "a registered provider was removed", func(w *trial, id string) { w.mustRun("provider", "remove", id) }),
		refusal("S-161", "a registered SAML provider was disabled meanwhile", http.StatusBadRequest, "idp_disabled", func(w *trial) *page {
			idp := idptest.NewSAML(w.t, idptest.SAMLOptions{Name: "Weyland", SignIn: "peter"})
			w.register("id: weyland\nkind: saml\nmetadata_url: " + idp.URL + "/metadata\n")
			b := w.browser()
			form, err := idp.AnswerURL(b.authorize(webApp, url.Values{"provider": {"weyland"}}).location.String(), nil)
			if err != nil {
				w.t.Fatal(err)
			}
			w.mustRun("provider", "disable", "weyland")
			w.follow()
			return w.noted(w.crossSite("/saml/weyland/acs", form))
		}),
		{id: "R-16", name: "a registered provider was disabled, and is again", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			f := w.oidc("Back")
			w.register(block("back", f))
			b := w.browser()
			back := b.backFrom(b.authorize(webApp, url.Values{"provider": {"back"}}), f, "ann")
			w.mustRun("provider", "disable", "back")
			w.follow()
			w.mustRun("provider", "enable", "back")
			w.follow()
			return w.welcome(b.get(back.String()))
		}},
	}
}

// ownDomainRows are addresses that a registered provider asserts.
func ownDomainRows() []row {
	speaks := func(w *trial, id, email string) *idptest.OIDC {
		f, err := idptest.StartOIDC(idptest.OIDCOptions{Name: id, People: []idptest.Person{{Username: "mallory", Name: "Mallory", Email: email, EmailVerified: true}}})
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { f.Close() })
		return f
	}
	says := func(id, name, email string, domains []string, proven ...string) func(w *trial) *page {
		return func(w *trial) *page {
			f := speaks(w, id, email)
			w.register(block(id, f, "domains: ["+strings.Join(domains, ", ")+"]"), proven...)
			return w.browser().at(id, f, "mallory")
		}
	}
	const forbidden = http.StatusForbidden
	denied := func(id, name string, do func(w *trial) *page) row {
		return refusal(id, name, forbidden, "domain_not_owned", func(w *trial) *page { return w.noted(do(w)) })
	}
	// tells is a login whose ID token must have these claims about the address.
	tells := func(id, name, email string, verified bool, do func(w *trial) *page) row {
		return row{id: id, name: name, control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			p := w.welcome(do(w))
			var c struct {
				Email    string
				Verified bool `json:"email_verified"`
			}
			decodeClaims(w.t, w.redeem(webApp, p.location.Query().Get("code"), nil).ID, &c)
			if c.Email != email || c.Verified != verified {
				w.t.Errorf("claims = %+v, want %q %v", c, email, verified)
			}
			return p
		}}
	}
	owned := func(do func(w *trial) *page) func(w *trial) *page {
		return func(w *trial) *page {
			if w.signet.registry.ByDomain("wayne.example") == "" {
				w.register(block("wayne", speaks(w, "wayne", "bruce@wayne.example"), "domains: [wayne.example]"), "wayne.example")
			}
			return do(w)
		}
	}
	return []row{
		denied("R-74", "an address in a domain that another has proven", owned(says("joker", "", "bruce@wayne.example", []string{"joker.example"}, "joker.example"))),
		denied("S-129", "an address in a domain that it says is its own, and another has proven", owned(says("riddler", "", "bruce@WAYNE.example", []string{"wayne.example"}))),
		denied("R-74", "an address in a domain of the configuration file", says("penguin", "", "ann@hooli.example", nil)),
		denied("S-129", "an address of one that was disabled", owned(func(w *trial) *page {
			w.mustRun("provider", "disable", "wayne")
			w.follow()
			defer w.follow()
			defer w.mustRun("provider", "enable", "wayne")
			return says("bane", "", "bruce@wayne.example", nil)(w)
		})),
		tells("R-74", "an address in a domain of its own", "alfred@manor.example", true, says("manor", "", "alfred@manor.example", []string{"manor.example"}, "manor.example")),
		tells("S-129", "an address in a domain that it has not proven", "selina@cat.example", false, says("cat", "", "selina@cat.example", []string{"cat.example"})),
		tells("S-129", "an address beside the domains that it has proven", "", false, says("two-face", "", "harvey@court.example", []string{"two-face.example"}, "two-face.example")),
	}
}

var _ broker.Registry = (*registry)(nil)
