package main

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/signet-broker/signet/internal/idptest"
)

// atGlobexAs signs somebody in at globex, whose ID token says something else about them.
func (w *trial) atGlobexAs(person string, change map[string]any) *page {
	w.t.Helper()
	w.globex.Misbehave(with(change))
	defer w.globex.Honest()
	return w.browser().at("globex", w.globex, person)
}

// atLocal signs somebody in with an account kept here.
func (w *trial) atLocal(username string) *page {
	w.t.Helper()
	b := w.browser()
	return b.password(b.get(b.authorize(webApp, url.Values{"provider": {"local"}}).location.String()), username, "correct horse battery")
}

// user is whom a good login has signed in.
func (w *trial) user(p *page) string {
	w.t.Helper()
	var c struct{ Sub string }
	decodeClaims(w.t, w.redeem(webApp, w.welcome(p).location.Query().Get("code"), nil).ID, &c)
	return c.Sub
}

// apart checks that two logins are of two users, each of whom has one way in.
func (w *trial) apart(p, other *page) {
	w.t.Helper()
	a, b := w.user(p), w.user(other)
	if a == b || a == "" {
		w.t.Errorf("both are user %q", a)
	}
	for _, id := range []string{a, b} {
		if n := w.count("SELECT count(*) FROM links WHERE user_id = '" + id + "'"); n != 1 {
			w.t.Errorf("user %s has %d ways in, want one", id, n)
		}
	}
}

// whoRows are honestly signed logins that are, or look like, another person's.
func whoRows() []row {
	taken := func(id, name string, change map[string]any) row {
		return refusal(id, name, http.StatusConflict, "link_required", func(w *trial) *page {
			// Somebody whom Signet has never seen: a known person keeps their user.
			claims := map[string]any{"sub": "new-" + id}
			for k, v := range change {
				claims[k] = v
			}
			return w.noted(w.atGlobexAs("ann", claims))
		})
	}
	apart := func(id, name string, do func(w *trial) (p, other *page)) row {
		return row{id: id, name: name, control: true, do: func(w *trial) *page {
			w.apart(do(w))
			return nil
		}}
	}
	rows := []row{
		taken("R-61", "the address of an account, not verified", map[string]any{"email": "bob@acme.example", "email_verified": false}),
		taken("R-61", "the address of an account, verified", map[string]any{"email": "bob@acme.example", "email_verified": true}),
		refusal("R-64", "an account was made with the victim's address before", http.StatusConflict, "link_required", func(w *trial) *page {
			w.addAccount("mallory", "victim@globex.example")
			w.welcome(w.atLocal("mallory"))
			w.ready()
			return w.noted(w.atGlobexAs("ann", map[string]any{"sub": "victim", "email": "victim@globex.example"}))
		}),
		apart("R-64", "an account is made with the address of somebody who is known", func(w *trial) (*page, *page) {
			known := map[string]any{"sub": "known", "email": "known@globex.example"}
			was := w.user(w.atGlobexAs("ann", known))
			w.addAccount("trudy", "known@globex.example")
			if is := w.user(w.atGlobexAs("ann", known)); is != was {
				w.t.Errorf("is user %s, was %s", is, was)
			}
			return w.atLocal("trudy"), w.atGlobexAs("ann", known)
		}),
		apart("R-66", "another upstream has told the victim's address before", func(w *trial) (*page, *page) {
			b, form := w.atSAML(altered(func(a *idptest.Answer) {
				a.In("Subject/NameID").SetText("trojan")
				asserts("carol@globex.example").Alter(a)
			}))
			return b.post(acs, form), w.atGlobexAs("ann", map[string]any{"sub": "carol", "email": "carol@globex.example"})
		}),
		apart("R-68", "the same sub at two upstreams", func(w *trial) (*page, *page) {
			return w.browser().at("globex", w.globex, "ann"), w.browser().at("hooli", w.hooli, "ann")
		}),
		apart("R-69", "an address that somebody else has now", func(w *trial) (*page, *page) {
			address := map[string]any{"sub": "former", "email": "desk@globex.example"}
			former := w.atGlobexAs("ann", address)
			address["sub"] = "newcomer"
			return former, w.atGlobexAs("ann", address)
		}),
	}
	return append(rows, addressRows(taken, apart)...)
}

// addressRows are ways to write an address.
func addressRows(taken func(id, name string, change map[string]any) row, apart func(id, name string, do func(w *trial) (p, other *page)) row) []row {
	same := func(name, address string) row {
		return taken("R-67", "the address of an account "+name, map[string]any{"email": address})
	}
	malformed := func(name, address string) row {
		return refusal("R-67", "an address "+name, http.StatusBadRequest, "email_malformed", func(w *trial) *page {
			return w.noted(w.atGlobexAs("ann", map[string]any{"sub": "odd", "email": address}))
		})
	}
	return []row{
		same("in capitals", "BOB@ACME.Example"),
		same("with spaces around it", " bob@acme.example\t"),
		refusal("R-67", "the address of an account with letters that are not ASCII", http.StatusConflict, "link_required", func(w *trial) *page {
			w.addAccount("elan", "ÉLAN@acme.example")
			w.ready()
			return w.noted(w.atGlobexAs("ann", map[string]any{"sub": "other-elan", "email": "ÉLAN@acme.example"}))
		}),
		refusal("R-67", "the same in small letters", http.StatusConflict, "link_required", func(w *trial) *page {
			w.addAccount("ete", "ÉTÉ@acme.example")
			w.ready()
			return w.noted(w.atGlobexAs("ann", map[string]any{"sub": "other-ete", "email": "été@acme.example"}))
		}),
		malformed("with two @", "bob@acme.example@evil.example"),
		malformed("without a domain", "bob@"),
		malformed("without a name", "@acme.example"),
		malformed("that is two", "bob@acme.example,eve@evil.example"),
		malformed("with a name before it", "Bob <bob@acme.example>"),
		refusal("R-67", "an address with a NUL", http.StatusBadRequest, "mapping_failed", func(w *trial) *page {
			return w.noted(w.atGlobexAs("ann", map[string]any{"sub": "odd", "email": "bob@acme.example\x00"}))
		}),
		malformed("with a line break", "bob@acme.example\nbcc:eve@evil.example"),
		malformed("with a space of no width", "bo\u200bb@acme.example"),
		malformed("with a dot behind it", "bob@acme.example."),
		malformed("of 300 bytes", strings.Repeat("b", 288)+"@acme.example"),
		apart("R-67", "an address that looks like an account's", func(w *trial) (*page, *page) {
			return w.atLocal("bob"), w.atGlobexAs("ann", map[string]any{"sub": "homograph", "email": "b\u043eb@acme.example"})
		}),
	}
}

// reusedRows are new upstreams that would speak for the people of a former one.
func reusedRows() []row {
	former := func(w *trial, id string) string {
		f := w.oidc("Former")
		w.register(block(id, f))
		user := w.user(w.browser().at(id, f, "ann"))
		w.mustRun("provider", "remove", id)
		w.follow()
		return user
	}
	return []row{
		{id: "R-69", name: "another upstream under the id of a provider that was removed", do: func(w *trial) *page {
			former(w, "reused")
			w.ready()
			if out, code := w.command("provider", "add", w.blockFile(block("reused", w.oidc("Latter")))); code != 1 || !strings.Contains(out, "people have signed in at a former provider") {
				w.t.Errorf("exit %d: %s", code, out)
			}
			w.follow()
			if p := w.browser().authorize(webApp, url.Values{"provider": {"reused"}}); p.location != nil && !p.toApp() && !strings.HasPrefix(p.location.String(), w.URL) {
				w.t.Errorf("it is asked: %v", p)
			}
			return nil
		}},
		{id: "R-69", name: "that is to speak for the people of the former one", control: true, do: func(w *trial) *page {
			was, f := former(w, "kept"), w.oidc("Latter")
			w.mustRun("provider", "add", "--keep-users", w.blockFile(block("kept", f)))
			w.follow()
			if is := w.user(w.browser().at("kept", f, "ann")); is != was {
				w.t.Errorf("user %s, was %s", is, was)
			}
			return nil
		}},
	}
}
