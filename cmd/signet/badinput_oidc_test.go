package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
)

// oidcRows are what an OpenID provider sends, by way of the browser and by itself: the whole catalogue, and
// what needs more than one login or more than one provider.
func oidcRows() []row {
	var rows []row
	for i := range idptest.OIDCRows {
		rows = append(rows, oidcRow(i, &idptest.OIDCRows[i]))
	}
	for _, more := range [][]row{stateRows(), mixUpRows(), callbackHostRows(), whoRows(), documentRows()} {
		rows = append(rows, more...)
	}
	return append(rows, row{id: "R-99", name: "nothing that an upstream wrote is in the log", do: func(w *trial) *page {
		for _, s := range []string{"SECRET", "<script>", "evil.example/"} {
			if log := w.log.String(); strings.Contains(log, s) {
				w.t.Errorf("%q is in the log", s)
			}
		}
		return nil
	}})
}

// ownProvider names the provider at globex that a row of the catalogue needs: one of another configuration,
// or one that has nothing of globex yet, not even what its token endpoint likes; "globex" where the
// usual one will do.
func ownProvider(i int, o *idptest.OIDCRow) string {
	if o.Cold() || o.UserInfo || o.ACRValues != nil || o.ID == "R-84" {
		return "row-" + strconv.Itoa(i)
	}
	return "globex"
}

var globexIssuer = regexp.MustCompile(`id: globex,.*issuer: ("[^"]*")`)

// withRowProviders adds all of these.
func withRowProviders(config string) string {
	issuer := globexIssuer.FindStringSubmatch(config)[1]
	var b strings.Builder
	for i := range idptest.OIDCRows {
		o := &idptest.OIDCRows[i]
		if id := ownProvider(i, o); id != "globex" {
			fmt.Fprintf(&b, "  - {id: %s, kind: oidc, name: Globex, issuer: %s, client_id: signet, client_secret: globex-secret, userinfo: %t, acr_values: [%s]}\n",
				id, issuer, o.UserInfo, quoted(o.ACRValues))
		}
	}
	return strings.Replace(config, "  - id: local\n", b.String()+"  - id: local\n", 1)
}

func quoted(list []string) string {
	var all []string
	for _, s := range list {
		all = append(all, strconv.Quote(s))
	}
	return strings.Join(all, ", ")
}

// oidcRow is a login at a globex that misbehaves.
func oidcRow(i int, o *idptest.OIDCRow) row {
	r := row{id: o.ID, name: o.Name, control: o.Control, status: http.StatusBadRequest, reason: o.Reason, event: o.Reason}
	if o.Status != 0 {
		r.status = o.Status
	}
	if o.Control {
		r.status = http.StatusSeeOther
	}
	wish := url.Values{"provider": {ownProvider(i, o)}}
	if o.MaxAge > 0 {
		wish.Set("max_age", strconv.Itoa(int(o.MaxAge/time.Second)))
	}
	r.do = func(w *trial) *page {
		if o.Warm {
			w.browser().signIn(webApp, "globex", "ann")
			w.ready()
		}
		w.globex.Misbehave(o)
		defer w.globex.Honest()
		before := w.globex.Requests("/token")
		b := w.browser()
		p := b.authorize(webApp, wish)
		if p.location != nil {
			p = b.atGlobex(p, w.globex, "ann")
		}
		requests := w.globex.Requests("/token") - before
		if o.Control {
			var c struct{ Sub string }
			a := w.redeem(webApp, w.welcome(p).location.Query().Get("code"), nil)
			if decodeClaims(w.t, a.ID, &c); w.subject(c.Sub) != "ann" || requests != 1 {
				w.t.Errorf("user %s is %q at globex; %d token requests", c.Sub, w.subject(c.Sub), requests)
			}
			return p
		}
		// A code goes out once, and not at all before whoever sent it is known.
		if requests > 1 || requests == 1 && o.Callback != nil && o.Reason != "token_refused" {
			w.t.Errorf("%d token requests", requests)
		}
		return w.noted(p)
	}
	return r
}

// subject is what a user is called at their provider.
func (w *trial) subject(user string) string {
	w.t.Helper()
	var s string
	if err := w.db().QueryRow("SELECT subject FROM links WHERE user_id = ?", user).Scan(&s); err != nil {
		w.t.Errorf("links of user %q: %v", user, err)
	}
	return s
}

// back begins a login at globex in a new browser and signs somebody in there.
func (w *trial) back(person string) (*browser, *url.URL) {
	w.t.Helper()
	b := w.browser()
	return b, b.backFrom(b.authorize(webApp, url.Values{"provider": {"globex"}}), w.globex, person)
}

// stateRows are good callbacks that come again, too late, or in the wrong browser.
func stateRows() []row {
	const bad = http.StatusBadRequest
	callback := func(id, name, reason string, do func(w *trial) *page) row {
		return refusal(id, name, bad, reason, func(w *trial) *page {
			before := w.globex.Requests("/token")
			p := do(w)
			if n := w.globex.Requests("/token") - before; n > 0 {
				w.t.Errorf("%d token requests", n)
			}
			return w.noted(p)
		})
	}
	used := func(w *trial) (*browser, *url.URL) {
		b, back := w.back("ann")
		w.welcome(b.get(back.String()))
		w.ready()
		return b, back
	}
	return []row{
		refusal("R-2", "state that was used", bad, "replay", func(w *trial) *page {
			b, back := used(w)
			return w.noted(b.get(back.String()))
		}),
		refusal("R-2", "state that was used, and another code", bad, "replay", func(w *trial) *page {
			b, back := used(w)
			_, other := w.back("bob")
			q := back.Query()
			q.Set("code", other.Query().Get("code"))
			return w.noted(b.get("/callback/globex?" + q.Encode()))
		}),
		callback("R-2", "state of an attempt that was refused", "replay", func(w *trial) *page {
			b, back := w.back("ann")
			q := back.Query()
			q.Set("iss", "https://evil.example")
			refusal("", "", bad, "iss_mismatch", nil).refused(w, b.get("/callback/globex?"+q.Encode()))
			return b.get(back.String())
		}),
		callback("R-2", "state after 10 minutes", "request_expired", func(w *trial) *page {
			b, back := w.back("ann")
			w.pass(10*time.Minute + time.Second)
			return b.get(back.String())
		}),
		callback("R-2", "state after the login has ended", "state_invalid", func(w *trial) *page {
			b, back := w.back("ann")
			w.pass(time.Hour + time.Second)
			return b.get(back.String())
		}),
		callback("R-2", "state of 10 KB", "state_invalid", func(w *trial) *page {
			return w.browser().get("/callback/globex?code=x&state=" + strings.Repeat("x", 10<<10))
		}),
		callback("R-2", "state SQL", "state_invalid", func(w *trial) *page {
			return w.browser().get("/callback/globex?code=x&state=" + url.QueryEscape("' OR '1'='1"))
		}),
		callback("R-3", "an attacker's code and state, in a browser without our cookie", "state_mismatch", func(w *trial) *page {
			_, back := w.back("eve")
			return w.browser().get(back.String())
		}),
		callback("R-3", "an attacker's code and state, in the browser of somebody who is signing in", "state_mismatch", func(w *trial) *page {
			_, back := w.back("eve")
			victim, _ := w.back("ann")
			return victim.get(back.String())
		}),
		refusal("R-3", "an attacker's code and state, in the browser of somebody who is signed in", bad, "state_mismatch", func(w *trial) *page {
			_, back := w.back("eve")
			victim := w.browser()
			victim.signIn(webApp, "globex", "ann")
			w.ready()
			before := w.globex.Requests("/token")
			p := victim.get(back.String())
			if w.globex.Requests("/token") != before {
				w.t.Error("the code went out")
			}
			return w.noted(p)
		}),
		callback("R-12", "the answer as a form, across sites", "malformed", func(w *trial) *page {
			_, back := w.back("ann")
			return w.crossSite("/callback/globex", back.Query())
		}),
		callback("R-12", "the answer as a form, with our cookie", "malformed", func(w *trial) *page {
			b, back := w.back("ann")
			return b.post("/callback/globex", back.Query())
		}),
		callback("R-12", "the answer in the address of a form", "state_missing", func(w *trial) *page {
			b, back := w.back("ann")
			return b.post(back.String(), nil)
		}),
		refusal("R-14", "an attacker's code in the victim's own login", bad, "token_refused", func(w *trial) *page {
			_, stolen := w.back("eve")
			b, back := w.back("ann")
			q := back.Query()
			q.Set("code", stolen.Query().Get("code"))
			return w.noted(b.get("/callback/globex?" + q.Encode()))
		}),
	}
}
