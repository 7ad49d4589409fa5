package saml

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

const rsaSHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"

// logoutRow is a message that must be refused, by either binding unless it says which.
type logoutRow struct {
	id, name, reason string
	only             string // a binding
	alter            func(b *bench, m *idptest.Logout)
}

// requestRows are LogoutRequests.
var requestRows = []logoutRow{
	{"S-181", "not signed", "sig_missing", "", func(_ *bench, m *idptest.Logout) { m.Sign = nil }},
	{"S-182", "signed by another company", "sig_untrusted", "post", func(_ *bench, m *idptest.Logout) { m.ByStranger() }},
	{"S-182", "signed by another company", "sig_invalid", "redirect", func(_ *bench, m *idptest.Logout) { m.ByStranger() }},
	{"S-182", "of another issuer", "bad_issuer", "", func(_ *bench, m *idptest.Logout) { m.Element.SelectElement("Issuer").SetText("https://evil.test") }},
	{"S-182", "without Issuer", "bad_issuer", "", func(_ *bench, m *idptest.Logout) { m.Element.RemoveChild(m.Element.SelectElement("Issuer")) }},
	{"S-182", "meant for another provider of ours", "bad_destination", "", func(_ *bench, m *idptest.Logout) {
		m.Element.CreateAttr("Destination", "https://signet.example/saml/other/slo")
	}},
	{"S-182", "meant for nobody", "bad_destination", "", func(_ *bench, m *idptest.Logout) { m.Element.RemoveAttr("Destination") }},
	{"S-186", "RSA with SHA-1", "weak_alg", "", func(_ *bench, m *idptest.Logout) { m.Sign.Method = rsaSHA1 }},
	{"S-186", "an HMAC", "weak_alg", "", func(_ *bench, m *idptest.Logout) {
		m.Sign.Method = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
	}},
	{"S-186", "the signature over another order", "sig_invalid", "redirect", func(b *bench, m *idptest.Logout) {
		m.RelayState = "x"
		m.Edit = func(q []string) []string {
			swapped := []string{q[1], q[0], q[2]}
			n, sign := len(swapped), *m.Sign
			value, err := sign.Value([]byte(strings.Join(swapped, "&")))
			if err != nil {
				panic(err)
			}
			return append(swapped[:n:n], "Signature="+url.QueryEscape(base64.StdEncoding.EncodeToString(value)))
		}
	}},
	{"S-186", "without Signature", "sig_missing", "redirect", edited(func(q []string) []string { return q[:len(q)-1] })},
	{"S-186", "without SigAlg", "sig_missing", "redirect", edited(func(q []string) []string { return slices.Delete(q, 1, 2) })},
	{"S-186", "an empty Signature", "sig_missing", "redirect", edited(func(q []string) []string { q[2] = "Signature="; return q })},
	{"S-186", "a Signature that is no base64", "sig_invalid", "redirect", edited(func(q []string) []string { q[2] = "Signature=%2a"; return q })},
	{"S-186", "RelayState added after signing", "sig_invalid", "redirect", edited(func(q []string) []string { return append(q, "RelayState=x") })},
	{"S-186", "SigAlg of another hash", "sig_invalid", "redirect", edited(func(q []string) []string {
		q[1] = strings.Replace(q[1], "sha256", "sha512", 1)
		return q
	})},
	{"S-186", "a second request behind the signed one", "malformed", "redirect", edited(func(q []string) []string { return append(q, q[0]) })},
	{"S-186", "a second request under an escaped name", "malformed", "redirect", edited(func(q []string) []string {
		return append(q, strings.Replace(q[0], "SAMLR", "SAML%52", 1))
	})},
	{"S-186", "a response beside the request", "malformed", "redirect", edited(func(q []string) []string { return append(q, "SAMLResponse=x") })},
	{"S-186", "an artifact beside it", "malformed", "redirect", edited(func(q []string) []string { return append(q, "SAMLart=x") })},
	{"S-186", "another encoding", "malformed", "redirect", edited(func(q []string) []string { return append(q, "SAMLEncoding=x") })},
	{"S-186", "bytes after the deflated message", "malformed", "redirect", edited(func(q []string) []string {
		return deflated([]byte("<x/>"), "tail")
	})},
	{"S-193", "a bomb", "malformed", "redirect", edited(func([]string) []string { return deflated(bytes.Repeat([]byte(" "), 20<<20), "") })},
	{"S-48", "a Response as a request", "wrong_type", "", func(b *bench, m *idptest.Logout) {
		m.Raw = func([]byte) []byte { return b.response() }
	}},
	{"S-48", "a LogoutResponse as a request", "wrong_type", "redirect", func(b *bench, m *idptest.Logout) {
		m.Element = b.idp.LogoutResponse(oursSLO, "_x", "").Element
	}},
	{"S-185", "an encrypted NameID", "encrypted_unsupported", "", func(_ *bench, m *idptest.Logout) {
		m.Element.RemoveChild(m.Element.SelectElement("NameID"))
		m.Element.CreateElement("saml:EncryptedID")
	}},
	{"S-185", "without NameID", "no_subject", "", func(_ *bench, m *idptest.Logout) { m.Element.RemoveChild(m.Element.SelectElement("NameID")) }},
	{"S-185", "two NameIDs", "no_subject", "", func(_ *bench, m *idptest.Logout) { m.Element.CreateElement("saml:NameID").SetText("milton") }},
	{"S-185", "an element in the NameID", "malformed", "", func(_ *bench, m *idptest.Logout) {
		m.Element.SelectElement("NameID").CreateElement("saml:X").SetText("ton")
	}},
	{"S-184", "an empty SessionIndex, which must not mean all", "malformed", "", func(_ *bench, m *idptest.Logout) { m.Element.CreateElement("samlp:SessionIndex") }},
	{"S-184", "101 sessions", "malformed", "", func(_ *bench, m *idptest.Logout) {
		for range 101 {
			m.Element.CreateElement("samlp:SessionIndex").SetText("x")
		}
	}},
	{"S-183", "an assertion in it", "not_one_assertion", "", func(_ *bench, m *idptest.Logout) { m.Element.CreateElement("saml:Assertion") }},
	{"S-183", "older than 5 minutes", "stale", "", at("IssueInstant", -logoutLifetime-2*time.Minute)},
	{"S-183", "from the future", "not_yet_valid", "", at("IssueInstant", 2*time.Minute)},
	{"S-183", "without IssueInstant", "malformed", "", func(_ *bench, m *idptest.Logout) { m.Element.RemoveAttr("IssueInstant") }},
	{"S-183", "over", "expired", "", at("NotOnOrAfter", -2*time.Minute)},
	{"S-183", "NotOnOrAfter that is no time", "malformed", "", func(_ *bench, m *idptest.Logout) { m.Element.CreateAttr("NotOnOrAfter", "soon") }},
	{"S-183", "without ID", "malformed", "redirect", func(_ *bench, m *idptest.Logout) { m.Element.RemoveAttr("ID") }},
	{"S-183", "of version 1.1", "bad_version", "", func(_ *bench, m *idptest.Logout) { m.Element.CreateAttr("Version", "1.1") }},
	{"S-183", "a NameID swapped after signing", "sig_invalid", "post", func(_ *bench, m *idptest.Logout) {
		m.Raw = func(raw []byte) []byte { return bytes.Replace(raw, []byte(">peter<"), []byte(">milton<"), 1) }
	}},
	{"S-183", "a document type", "dtd_forbidden", "", func(_ *bench, m *idptest.Logout) {
		m.Raw = func(raw []byte) []byte { return append([]byte("<!DOCTYPE x>"), raw...) }
	}},
	{"S-183", "a comment in the NameID", "malformed", "", func(_ *bench, m *idptest.Logout) {
		m.Raw = func(raw []byte) []byte { return bytes.Replace(raw, []byte(">peter<"), []byte(">pe<!-- -->ter<"), 1) }
	}},
	{"S-166", "RelayState of more than 1 KB", "malformed", "", func(_ *bench, m *idptest.Logout) { m.RelayState = strings.Repeat("x", 1025) }},
}

// responseRows are LogoutResponses to a sign-out of ours.
var responseRows = []logoutRow{
	{"S-187", "not signed", "sig_missing", "", func(_ *bench, m *idptest.Logout) { m.Sign = nil }},
	{"S-187", "signed by another company", "sig_invalid", "redirect", func(_ *bench, m *idptest.Logout) { m.ByStranger() }},
	{"S-188", "to a request that never was", "in_response_to", "", func(_ *bench, m *idptest.Logout) { m.Element.CreateAttr("InResponseTo", "_never") }},
	{"S-188", "to nothing", "in_response_to", "", func(_ *bench, m *idptest.Logout) { m.Element.RemoveAttr("InResponseTo") }},
	{"S-188", "with another RelayState", "state_invalid", "", func(_ *bench, m *idptest.Logout) { m.RelayState = "logout-2" }},
	{"S-188", "without RelayState", "state_invalid", "", func(_ *bench, m *idptest.Logout) { m.RelayState = "" }},
	{"S-191", "without Issuer", "bad_issuer", "", func(_ *bench, m *idptest.Logout) { m.Element.RemoveChild(m.Element.SelectElement("Issuer")) }},
	{"S-191", "without Destination", "bad_destination", "", func(_ *bench, m *idptest.Logout) { m.Element.RemoveAttr("Destination") }},
	{"S-191", "without Status", "malformed", "", func(_ *bench, m *idptest.Logout) { m.Element.RemoveChild(m.Element.SelectElement("Status")) }},
	{"S-48", "a Response as an answer", "wrong_type", "", func(b *bench, m *idptest.Logout) { m.Raw = func([]byte) []byte { return b.response() } }},
	{"S-191", "older than 5 minutes", "stale", "", at("IssueInstant", -logoutLifetime-2*time.Minute)},
}

func edited(edit func([]string) []string) func(*bench, *idptest.Logout) {
	return func(_ *bench, m *idptest.Logout) { m.Edit = edit }
}

func at(attribute string, d time.Duration) func(*bench, *idptest.Logout) {
	return func(b *bench, m *idptest.Logout) {
		m.Element.CreateAttr(attribute, b.now().Add(d).UTC().Format(samlTime))
	}
}

// deflated is a query with a document and what follows it, with a signature that nothing needs to look at.
func deflated(document []byte, tail string) []string {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	w.Write(document)
	w.Close()
	out.WriteString(tail)
	return []string{
		"SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(out.Bytes())),
		"SigAlg=" + url.QueryEscape("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"), "Signature=AAAA",
	}
}

// response is a signed Response, good at the assertion consumer service.
func (b *bench) response() []byte {
	form, err := b.idp.Unsolicited(b.p.entityID, b.p.acs, nil)
	if err != nil {
		panic(err)
	}
	raw, err := base64.StdEncoding.DecodeString(form.Get("SAMLResponse"))
	if err != nil {
		panic(err)
	}
	return raw
}

func TestLogoutRequestRows(t *testing.T) {
	b := openTest(t, nil)
	run(t, b, requestRows, nil, func() *idptest.Logout { return b.idp.LogoutRequest(oursSLO, "peter") })
}

func TestLogoutResponseRows(t *testing.T) {
	b := openTest(t, withLogout("redirect"))
	l, next := b.signedOut(t, nil)
	sent, _ := b.accepted(t, next)
	run(t, b, responseRows, l, func() *idptest.Logout { return b.idp.LogoutResponse(oursSLO, sent.ID, l.ID) })
}

// run holds rows against a provider by each binding, and the honest message after each.
func run(t *testing.T, b *bench, rows []logoutRow, l *providers.Logout, honest func() *idptest.Logout) {
	t.Helper()
	for _, row := range rows {
		for binding, send := range bindings {
			if row.only != "" && row.only != binding {
				continue
			}
			t.Run(row.id+" "+row.name+" by "+binding, func(t *testing.T) {
				m := honest()
				row.alter(b, m)
				start := time.Now()
				out, err := b.p.ReceiveLogout(t.Context(), send(t, m), l)
				if took := time.Since(start); took > 10*time.Second && !raceEnabled { // a bomb that goes off takes minutes
					t.Errorf("took %s", took)
				}
				wantReason(t, err, row.reason)
				if out.Answers || out.Handle != "" || out.Answer != nil {
					t.Errorf("SignOut = %+v beside the error", out)
				}
				if _, err := b.p.ReceiveLogout(t.Context(), send(t, honest()), l); err != nil {
					t.Errorf("the honest one afterwards = %v", err)
				}
			})
		}
	}
}

// TestAbsurdLogouts is S-189: nothing at all, and what is no message.
func TestAbsurdLogouts(t *testing.T) {
	b := openTest(t, nil)
	for _, method := range []string{http.MethodGet, http.MethodPost, "PUT", ""} {
		for _, parameter := range []string{"SAMLRequest", "SAMLResponse"} {
			for _, text := range []string{
				"", "=", "%", "%zz", ";", "&&&", parameter, parameter + "=", parameter + "=%ff", parameter + "=AAAA", parameter + "=" + strings.Repeat("A", 2<<20),
				parameter + "=PHg%2BPC94Pg%3D%3D", parameter + "=&SigAlg=&Signature=", parameter + "=x&" + parameter + "=x", "RelayState=a&RelayState=b&" + parameter + "=x",
				strings.Repeat("&", 200), "\x00", "SAMLart=x",
			} {
				reply := replyTo(text)
				reply.Method = method
				for _, l := range []*providers.Logout{nil, {}, {ID: "a", State: []byte("{")}} {
					out, err := b.p.ReceiveLogout(t.Context(), reply, l)
					wantReason(t, err, providers.AsError(err).Reason)
					if err == nil || out.Answer != nil {
						t.Errorf("%s %.30q is taken", method, text)
					}
				}
			}
		}
	}
}

// TestLogoutResponseWithoutASignOut: nobody waits for it.
func TestLogoutResponseWithoutASignOut(t *testing.T) {
	b := openTest(t, nil)
	for name, l := range map[string]*providers.Logout{
		"none": nil, "one that was not sent": {ID: "a"}, "one with an odd memory": {ID: "a", State: []byte("{")}, "one without an ID": {ID: "a", State: []byte("{}")},
	} {
		m := b.idp.LogoutResponse(oursSLO, "", "a")
		_, err := b.p.ReceiveLogout(t.Context(), bindings["redirect"](t, m), l)
		t.Run(name, func(t *testing.T) { wantReason(t, err, "state_invalid") })
	}
}

// TestLogoutFormWithSomethingTwice: two readers would take different ones.
func TestLogoutFormWithSomethingTwice(t *testing.T) {
	b := openTest(t, nil)
	for _, twice := range []url.Values{
		{"SAMLRequest": {"PHgvPg=="}}, {"RelayState": {"a", "b"}}, {"SAMLResponse": {"PHgvPg=="}}, {"SAMLart": {"AAQAAA"}},
	} {
		reply := bindings["post"](t, b.idp.LogoutRequest(oursSLO, "peter"))
		for name, values := range twice {
			reply.Values[name] = append(reply.Values[name], values...)
		}
		_, err := b.p.ReceiveLogout(t.Context(), reply, nil)
		wantReason(t, err, "malformed")
	}
}
