package main

import (
	"net/http"
	"net/url"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
)

// logoutRows are requests to sign somebody out who may not want that, or to send them somewhere.
func logoutRows() []row {
	// signedIn has ann signed in to web in a browser, and returns what web got.
	signedIn := func(w *trial) (*browser, tokenAnswer) {
		b := w.browser()
		a := w.redeem(webApp, b.signIn(webApp, "globex", "ann").Get("code"), nil)
		w.ready()
		return b, a
	}
	asked := func(id, name string, query func(w *trial, a tokenAnswer) url.Values) row {
		return row{id: id, name: name, status: http.StatusOK, do: func(w *trial) *page {
			b, a := signedIn(w)
			p := b.get("/logout?" + query(w, a).Encode())
			if !p.has("confirm") {
				w.t.Errorf("the person is not asked: %v", p)
			}
			if b.silently().location.Query().Get("code") == "" {
				w.t.Error("the session has ended")
			}
			w.ready()
			return p
		}}
	}
	refused := func(id, name, reason string, query func(w *trial, a tokenAnswer) url.Values) row {
		return row{id: id, name: name, status: http.StatusBadRequest, reason: reason, do: func(w *trial) *page {
			b, a := signedIn(w)
			return b.get("/logout?" + query(w, a).Encode())
		}}
	}
	to := func(uri string) func(*trial, tokenAnswer) url.Values {
		return func(_ *trial, a tokenAnswer) url.Values {
			return url.Values{"id_token_hint": {a.ID}, "post_logout_redirect_uri": {uri}}
		}
	}
	posted := func(name string, change func(b *browser, form url.Values)) row {
		return row{id: "P-153", name: name, status: http.StatusForbidden, reason: "csrf", do: func(w *trial) *page {
			b, _ := signedIn(w)
			action, form := b.get("/logout").form()
			form.Set("confirm", "yes")
			change(b, form)
			return b.post(action, form)
		}}
	}
	return []row{
		asked("P-153", "without anything", func(*trial, tokenAnswer) url.Values { return nil }),
		asked("P-153", "with the app alone", func(*trial, tokenAnswer) url.Values { return url.Values{"client_id": {webApp}} }),
		asked("P-153", "with confirm in the address", func(*trial, tokenAnswer) url.Values { return url.Values{"confirm": {"yes"}} }),
		asked("P-153", "with a hint without a signature", func(_ *trial, a tokenAnswer) url.Values {
			return url.Values{"id_token_hint": {unsigned(a.ID)}}
		}),
		asked("P-153", "with an access token as a hint", func(_ *trial, a tokenAnswer) url.Values {
			return url.Values{"id_token_hint": {a.Access}}
		}),
		posted("confirmed without a token", func(_ *browser, f url.Values) { f.Del("csrf") }),
		posted("confirmed with a token of nobody", func(_ *browser, f url.Values) { f.Set("csrf", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") }),
		{id: "P-153", name: "confirmed with the token of a browser without a cookie", status: http.StatusForbidden, reason: "csrf", do: func(w *trial) *page {
			b, _ := signedIn(w)
			bare := w.holding(sessionCookie, b.cookie(sessionCookie))
			return bare.post("/logout", url.Values{"confirm": {"yes"}, "csrf": {web.CSRF(broker.Visitor{})}}) // anybody can compute it
		}},
		posted("confirmed from another site", func(b *browser, _ url.Values) { b.header.Set("Sec-Fetch-Site", "cross-site") }),
		asked("P-156", "with a hint of another user", func(w *trial, _ tokenAnswer) url.Values {
			bob := w.tokens(webApp, "globex", "bob")
			w.ready()
			return url.Values{"id_token_hint": {bob.ID}}
		}),
		asked("P-156", "with a hint of the same user's other session", func(w *trial, _ tokenAnswer) url.Values {
			elsewhere := w.tokens(webApp, "globex", "ann")
			w.ready()
			return url.Values{"id_token_hint": {elsewhere.ID}}
		}),
		refused("P-154", "back to another site", "bad_logout_uri", to("https://evil.example/")),
		refused("P-154", "back to the app's address with a query", "bad_logout_uri", to(afterLogout+"?x=1")),
		refused("P-154", "back to the app's address with a slash", "bad_logout_uri", to(afterLogout+"/")),
		refused("P-154", "back to the app's redirect_uri", "bad_logout_uri", to(callbackURI)),
		refused("P-154", "back to the address of another app", "bad_logout_uri", func(*trial, tokenAnswer) url.Values {
			return url.Values{"client_id": {otherApp}, "post_logout_redirect_uri": {afterLogout}}
		}),
		refused("P-154", "back to an address and no app", "bad_logout_uri", func(*trial, tokenAnswer) url.Values {
			return url.Values{"post_logout_redirect_uri": {afterLogout}}
		}),
		refused("P-154", "back to two addresses", "invalid_request", func(*trial, tokenAnswer) url.Values {
			return url.Values{"client_id": {webApp}, "post_logout_redirect_uri": {afterLogout, afterLogout}}
		}),
		refused("P-157", "hint of one app, client_id of another", "bad_logout_hint", func(_ *trial, a tokenAnswer) url.Values {
			return url.Values{"id_token_hint": {a.ID}, "client_id": {otherApp}}
		}),
		refused("P-157", "client_id of nobody", "unknown_app", func(*trial, tokenAnswer) url.Values { return url.Values{"client_id": {"nobody"}} }),
		{id: "P-158", name: "state with line breaks and markup", status: http.StatusSeeOther, do: func(w *trial) *page {
			state := "a\r\nSet-Cookie: x=y\r\n\r\n<script>alert(1)</script>&y=%00"
			p := w.browser().get("/logout?" + url.Values{"client_id": {webApp}, "post_logout_redirect_uri": {afterLogout}, "state": {state}}.Encode())
			if p.location == nil || p.location.Query().Get("state") != state || len(p.location.Query()) != 1 || p.header.Get("Set-Cookie") == "x=y" {
				w.t.Errorf("%v", p)
			}
			return p
		}},
		{id: "P-158", name: "state with markup on the page that asks", status: http.StatusOK, do: func(w *trial) *page {
			b, _ := signedIn(w)
			p := b.get("/logout?" + url.Values{"client_id": {webApp}, "post_logout_redirect_uri": {afterLogout}, "state": {`"><script>alert(1)</script>`}}.Encode())
			if _, form := p.form(); form.Get("state") != `"><script>alert(1)</script>` {
				w.t.Errorf("state %q", form.Get("state"))
			}
			return p
		}},
	}
}
