package main

import (
	"net/http"
	"net/url"

	"github.com/signet-broker/signet/broker/keys"
)

// chain is an act claim of n actors.
func chain(n int) (act map[string]any) {
	for range n {
		next := map[string]any{"sub": "agent"}
		if act != nil {
			next["act"] = act
		}
		act = next
	}
	return act
}

// actor adds an actor token to a form.
func actor(token string, form url.Values) url.Values {
	if form == nil {
		form = url.Values{}
	}
	form.Set("actor_token", token)
	form.Set("actor_token_type", accessType)
	return form
}

// actorRows are about who acts for a user (RFC 8693 §4.1).
func actorRows() []row {
	own := func(w *trial) string { return w.self(swapApp, url.Values{"resource": {ordersAPI}}).Access }
	acts := func(name string, token func(w *trial, a tokenAnswer) string) row {
		return swapsBy("P-139", name, http.StatusBadRequest, "invalid_request", swapApp, func(w *trial, a tokenAnswer) (string, url.Values) {
			return a.Access, actor(token(w, a), nil)
		})
	}
	after := func(n int, name string, status int, with bool) row {
		reason := "invalid_request"
		if status == http.StatusOK {
			reason = ""
		}
		return swapsBy("P-139", name, status, reason, swapApp, func(w *trial, a tokenAnswer) (string, url.Values) {
			subject := signedAnew("ES256", keys.TypeAccess, map[string]any{"act": chain(n)})(w, a)
			if !with {
				return subject, nil
			}
			return subject, actor(own(w), nil)
		})
	}
	return []row{
		acts("with an actor token of another app", func(w *trial, _ tokenAnswer) string {
			return w.self(selfApp, url.Values{"resource": {ordersAPI}}).Access
		}),
		acts("with the subject as the actor of somebody else", func(_ *trial, a tokenAnswer) string { return a.Access }),
		acts("with an actor token of an upstream", func(w *trial, _ tokenAnswer) string { return w.globex.IDToken("ann") }),
		acts("with an actor token that is our ID token", func(_ *trial, a tokenAnswer) string { return a.ID }),
		acts("with an actor token with a bit changed", func(w *trial, _ tokenAnswer) string { return flipped(own(w)) }),
		acts("with an actor token that has expired", func(w *trial, _ tokenAnswer) string {
			return signedAnew("ES256", keys.TypeAccess, map[string]any{"exp": w.now().Unix()})(w, tokenAnswer{Access: own(w)})
		}),
		acts("with an actor for whom 50 act", func(w *trial, _ tokenAnswer) string {
			return signedAnew("ES256", keys.TypeAccess, map[string]any{"act": chain(50)})(w, tokenAnswer{Access: own(w)})
		}),
		acts("with an actor for whom one acts", func(w *trial, _ tokenAnswer) string {
			return signedAnew("ES256", keys.TypeAccess, map[string]any{"act": chain(1)})(w, tokenAnswer{Access: own(w)})
		}),
		after(50, "after 50 actors", http.StatusBadRequest, false),
		after(4, "after four actors", http.StatusBadRequest, true),
		after(3, "after three actors", http.StatusOK, true),
		swapsBy("P-139", "with an actor token and no type", http.StatusBadRequest, "invalid_request", swapApp, func(w *trial, a tokenAnswer) (string, url.Values) {
			return a.Access, url.Values{"actor_token": {own(w)}}
		}),
		swapsBy("P-139", "with two actor tokens", http.StatusBadRequest, "invalid_request", swapApp, func(w *trial, a tokenAnswer) (string, url.Values) {
			return a.Access, url.Values{"actor_token": {own(w), own(w)}, "actor_token_type": {accessType}}
		}),
		{id: "P-139", name: "who acted stays known", control: true, status: http.StatusOK, do: func(w *trial) *page {
			a := w.swap(swapApp, w.orders().Access, actor(own(w), nil))
			b := w.swap(swapApp, a.Access, nil) // nobody can be left out
			var c struct {
				Act struct {
					Sub string
					Act *struct{}
				}
			}
			if decodeClaims(w.t, b.Access, &c); c.Act.Sub != swapApp || c.Act.Act != nil {
				w.t.Errorf("act = %+v", c.Act)
			}
			seen, _ := w.active(w.inspect(ordersAPI, b.Access))["act"].(map[string]any)
			if seen["sub"] != swapApp {
				w.t.Errorf("introspection has act %v", seen)
			}
			return b.page(w, "/token")
		}},
	}
}

// senderRows are subject tokens that are bound to a key: without it, their own app cannot make free ones of them.
func senderRows() []row {
	swap := func(id, name string, status int, reason string, by func(w *trial) []string) row {
		return row{id: id, name: "exchange of a bound token " + name, control: status == http.StatusOK, status: status, reason: reason, do: func(w *trial) *page {
			a := w.boundTo(provers()["ES256"], soloApp)
			proofs := by(w)
			w.ready()
			form := url.Values{"grant_type": {exchangeType}, "subject_token": {a.Access}, "subject_token_type": {accessType}}
			b := w.bound(soloApp, form, proofs...)
			if status == http.StatusOK && b.Type != "DPoP" {
				w.t.Errorf("token_type %q", b.Type)
			}
			return b.page(w, "/token")
		}}
	}
	proof := func(key string) func(w *trial) []string {
		return func(w *trial) []string { return []string{w.proof(provers()[key], http.MethodPost, "/token", "")} }
	}
	shown := func(name string, status int, reason string, same bool) row {
		return row{id: "P-130", name: "exchange of a token that is bound to a certificate, " + name, control: same, status: status, reason: reason, do: func(w *trial) *page {
			cert, _ := w.certificate()
			a := w.showing(cert, shownApp, w.codeForm(shownApp, nil))
			if !same {
				cert, _ = w.certificate()
			}
			w.ready()
			return w.showing(cert, shownApp, url.Values{"grant_type": {exchangeType}, "subject_token": {a.Access}, "subject_token_type": {accessType}}).page(w, "/token")
		}}
	}
	return []row{
		shown("with another one", http.StatusBadRequest, "invalid_request", false),
		shown("with the same one", http.StatusOK, "", true),
		{id: "P-130", name: "exchange of a bound token with the key of its actor", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			a, b := w.boundTo(provers()["ES256"], soloApp), w.boundTo(provers()["other"], soloApp)
			form := actor(b.Access, url.Values{"grant_type": {exchangeType}, "subject_token": {a.Access}, "subject_token_type": {accessType}})
			return w.bound(soloApp, form, w.proof(provers()["other"], http.MethodPost, "/token", "")).page(w, "/token")
		}},
		swap("P-130", "without a proof", http.StatusBadRequest, "invalid_grant", func(*trial) []string { return nil }),
		swap("P-130", "with a proof of another key", http.StatusBadRequest, "invalid_grant", proof("other")),
		swap("P-130", "with a proof of its key", http.StatusOK, "", proof("ES256")),
	}
}

// showing posts to the token endpoint by a proxy that says which certificate was proven.
func (w *world) showing(cert, app string, form url.Values) tokenAnswer {
	w.t.Helper()
	req := w.browser().request(http.MethodPost, "/token", form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Cert", cert)
	req.SetBasicAuth(app, appSecret)
	return w.send(req)
}
