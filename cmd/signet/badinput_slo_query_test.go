package main

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
)

const slo = "/saml/initech/slo"

// signedQueryRows are LogoutRequests whose query is not the one that was signed.
func signedQueryRows() []row {
	sends := func(id, name, reason string, alter func(w *trial, m *idptest.Logout)) row {
		return row{id: id, name: name, status: http.StatusBadRequest, reason: reason, harsh: true, do: func(w *trial) *page {
			s := w.person("initech", "peter", webApp)
			w.ready()
			m := w.initech.LogoutRequest(w.URL+slo, "peter")
			alter(w, m)
			query, err := m.Query()
			if err != nil {
				w.t.Fatal(err)
			}
			p := w.within(500*time.Millisecond, func() *page { return s.get(slo + "?" + query) })
			if !s.alive() {
				w.t.Error("the session has ended")
			}
			w.ready()
			return w.logoutNoted(p, reason)
		}}
	}
	edited := func(name, reason string, edit func(q []string) []string) row {
		return sends("S-186", name, reason, func(_ *trial, m *idptest.Logout) { m.Edit = edit })
	}
	return []row{
		sends("S-186", "a LogoutRequest signed with SHA-1", "weak_alg", func(_ *trial, m *idptest.Logout) {
			m.Sign.Method = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
		}),
		sends("S-186", "a LogoutRequest signed over another order", "sig_invalid", func(w *trial, m *idptest.Logout) {
			m.RelayState = "x"
			m.Edit = func(q []string) []string {
				swapped := []string{q[1], q[0], q[2]}
				value, err := m.Sign.Value([]byte(strings.Join(swapped, "&")))
				if err != nil {
					w.t.Fatal(err)
				}
				return append(swapped, "Signature="+url.QueryEscape(base64.StdEncoding.EncodeToString(value)))
			}
		}),
		edited("a LogoutRequest without its Signature", "sig_missing", func(q []string) []string { return q[:len(q)-1] }),
		edited("a LogoutRequest without SigAlg", "sig_missing", func(q []string) []string { return slices.Delete(q, 1, 2) }),
		edited("a RelayState that was not signed", "sig_invalid", func(q []string) []string { return append(q, "RelayState=x") }),
		edited("a second LogoutRequest behind the signed one", "malformed", func(q []string) []string { return append(q, q[0]) }),
		edited("a second LogoutRequest under an escaped name", "malformed", func(q []string) []string {
			return append(q, strings.Replace(q[0], "SAMLR", "SAML%52", 1))
		}),
		sends("S-193", "20 MB in 20 KB", "malformed", func(_ *trial, m *idptest.Logout) {
			m.Edit = func(q []string) []string {
				q[0] = "SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(inflating(20<<20)))
				return q
			}
		}),
	}
}

// inflating is a document of n bytes, deflated.
func inflating(n int) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	w.Write(bytes.Repeat([]byte(" "), n))
	w.Close()
	return out.Bytes()
}

// logoutResponseRows answer a sign-out of ours that is under way.
func logoutResponseRows() []row {
	answers := func(id, name, reason string, alter func(w *trial, m *idptest.Logout)) row {
		return row{id: id, name: name, status: http.StatusBadRequest, reason: reason, harsh: true, do: func(w *trial) *page {
			s, m := w.underWay()
			w.ready()
			alter(w, m)
			query, err := m.Query()
			if err != nil {
				w.t.Fatal(err)
			}
			return w.logoutNoted(s.get(slo+"?"+query), reason)
		}}
	}
	without := func(element string) func(w *trial, m *idptest.Logout) {
		return func(_ *trial, m *idptest.Logout) { m.Element.RemoveChild(m.Element.SelectElement(element)) }
	}
	return []row{
		answers("S-191", "a LogoutResponse without Issuer", "bad_issuer", without("Issuer")),
		answers("S-191", "a LogoutResponse without Status", "malformed", without("Status")),
		answers("S-191", "a LogoutResponse without Destination", "bad_destination", func(_ *trial, m *idptest.Logout) { m.Element.RemoveAttr("Destination") }),
		answers("S-188", "a LogoutResponse to another request, with our RelayState", "in_response_to", func(_ *trial, m *idptest.Logout) {
			m.Element.CreateAttr("InResponseTo", "_never")
		}),
		answers("S-187", "a LogoutResponse to our request that is not signed", "sig_missing", func(_ *trial, m *idptest.Logout) { m.Sign = nil }),
		{id: "S-191", name: "an honest LogoutResponse", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			s, m := w.underWay()
			query, err := m.Query()
			if err != nil {
				w.t.Fatal(err)
			}
			p := s.get(slo + "?" + query)
			if p.location == nil || !strings.HasPrefix(p.location.String(), afterLogout) {
				w.t.Errorf("not back at the app: %v", p)
			}
			return p
		}},
	}
}

// underWay begins a sign-out of somebody who signed in at initech, and returns the answer to it.
func (w *trial) underWay() (signedIn, *idptest.Logout) {
	w.t.Helper()
	s := w.person("initech", "peter", webApp)
	p := s.leave(nil)
	if p.location == nil || !strings.HasPrefix(p.location.String(), w.initech.URL) {
		w.t.Fatalf("not sent to initech: %v", p)
	}
	sent, err := w.initech.ReadLogout(w.t.Context(), http.MethodGet, p.location.RawQuery, p.location.Query())
	if err != nil {
		w.t.Fatal(err)
	}
	return s, w.initech.LogoutResponse(w.URL+slo, sent.ID, p.location.Query().Get("RelayState"))
}
