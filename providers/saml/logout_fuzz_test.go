package saml

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

// FuzzReceiveLogout feeds queries and documents to the logout endpoint, with the rows as seeds. Whatever
// comes: no panic, and an *providers.Error of kind Invalid or what the honest identity provider has signed.
func FuzzReceiveLogout(f *testing.F) {
	b := openTest(f, withLogout("redirect"))
	l, next := b.signedOut(f, nil)
	sent, _ := b.accepted(f, next)
	start := b.now()
	add := func(m *idptest.Logout, only string) { // by another binding, some rows are honest
		if query, err := m.Query(); only != "post" && err == nil && len(query) < 64<<10 {
			f.Add(query, []byte("x"))
		}
		if form, err := m.Form(); only != "redirect" && err == nil {
			if raw, err := base64.StdEncoding.DecodeString(form.Get(m.Parameter)); err == nil && len(raw) < 64<<10 {
				f.Add("", raw)
			}
		}
	}
	add(b.idp.LogoutRequest(oursSLO, "peter"), "")
	add(b.idp.LogoutResponse(oursSLO, sent.ID, l.ID), "")
	for _, row := range requestRows {
		m := b.idp.LogoutRequest(oursSLO, "peter")
		row.alter(b, m)
		add(m, row.only)
	}
	for _, row := range responseRows {
		m := b.idp.LogoutResponse(oursSLO, sent.ID, l.ID)
		row.alter(b, m)
		add(m, row.only)
	}
	b.now = func() time.Time { return start } // a long run must not outlive the messages
	f.Fuzz(func(t *testing.T, query string, document []byte) {
		encoded := []string{base64.StdEncoding.EncodeToString(document)}
		for _, reply := range []providers.Reply{
			replyTo(query),
			{Method: http.MethodPost, Values: url.Values{"SAMLRequest": encoded}},
			{Method: http.MethodPost, Values: url.Values{"SAMLResponse": encoded, "RelayState": {l.ID}}},
		} {
			out, err := b.p.ReceiveLogout(t.Context(), reply, l)
			if err == nil {
				if !out.Answers && out.Handle != "peter" {
					t.Fatalf("accepted as %+v", out)
				}
				continue
			}
			var e *providers.Error
			if !errors.As(err, &e) || e.Kind != providers.Invalid || e.Reason == "" {
				t.Fatalf("error = %v, want an Invalid with a reason", err)
			}
		}
	})
}
