package saml

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

const oursSLO = "https://signet.example/saml/initech/slo"

// bindings send a message as a browser would bring it.
var bindings = map[string]func(t testing.TB, m *idptest.Logout) providers.Reply{
	"redirect": func(t testing.TB, m *idptest.Logout) providers.Reply {
		t.Helper()
		query, err := m.Query()
		if err != nil {
			t.Fatalf("Query = %v", err)
		}
		return replyTo(query)
	},
	"post": func(t testing.TB, m *idptest.Logout) providers.Reply {
		t.Helper()
		form, err := m.Form()
		if err != nil {
			t.Fatalf("Form = %v", err)
		}
		return providers.Reply{Method: http.MethodPost, Values: form}
	},
}

// replyTo is a GET with a query. What cannot be parsed is not in Values, as with the real thing.
func replyTo(query string) providers.Reply {
	values, _ := url.ParseQuery(query)
	return providers.Reply{Method: http.MethodGet, Values: values, Query: query}
}

// signedOut runs a sign-out of ours and returns it with what goes out.
func (b *bench) signedOut(t testing.TB, change func(*providers.Logout)) (*providers.Logout, providers.Next) {
	t.Helper()
	memory, err := json.Marshal(name{Format: formatPersistent, Qualifier: "q", SPQualifier: "sp"})
	if err != nil {
		t.Fatal(err)
	}
	l := &providers.Logout{ID: "logout-1", Subject: "peter", Handle: "peter & <co>", Session: "_s1", Memory: memory}
	if change != nil {
		change(l)
	}
	next, err := b.p.Logout(t.Context(), l)
	if err != nil {
		t.Fatalf("Logout = %v", err)
	}
	return l, next
}

func withLogout(binding string) func(*Config) {
	return func(c *Config) { c.Logout, c.Binding = true, binding }
}

// accepted reads what goes out as the identity provider does, signature and all.
func (b *bench) accepted(t testing.TB, next providers.Next) (*idptest.SentLogout, url.Values) {
	t.Helper()
	method, query, form := http.MethodGet, "", url.Values{}
	switch n := next.(type) {
	case providers.Redirect:
		u := parse(t, n.URL)
		query, form = u.RawQuery, u.Query()
	case providers.Post:
		method, form = http.MethodPost, n.Fields
	default:
		t.Fatalf("next = %T, want Redirect or Post", next)
	}
	sent, err := b.idp.ReadLogout(t.Context(), method, query, form)
	if err != nil {
		t.Fatalf("the identity provider refuses it: %v", err)
	}
	return sent, form
}

func TestLogoutNamesThePersonAsTheIdentityProviderDoes(t *testing.T) {
	for binding := range bindings {
		t.Run(binding, func(t *testing.T) {
			b := openTest(t, withLogout(binding))
			l, next := b.signedOut(t, nil)
			sent, form := b.accepted(t, next)
			if id := sent.NameID; id.Value != l.Handle || id.Format != formatPersistent || id.Qualifier != "q" || id.SPQualifier != "sp" {
				t.Errorf("NameID = %+v, want the session's", id)
			}
			if !slices.Equal(sent.Sessions, []string{"_s1"}) || form.Get("RelayState") != l.ID {
				t.Errorf("sessions %q with RelayState %q, want the session's and the sign-out's", sent.Sessions, form.Get("RelayState"))
			}
		})
	}
}

func TestLogoutIsLeftOutWhereItCannotBe(t *testing.T) {
	for name, open := range map[string]func() (*bench, func(*providers.Logout)){
		"not configured": func() (*bench, func(*providers.Logout)) { return openTest(t, nil), nil },
		"the session has no name": func() (*bench, func(*providers.Logout)) {
			return openTest(t, withLogout("redirect")), func(l *providers.Logout) { l.Handle = "" }
		},
		"no address to send it to": func() (*bench, func(*providers.Logout)) { b := openTest(t, nil); b.byHand(t, ""); return b, nil },
	} {
		b, change := open()
		if _, next := b.signedOut(t, change); next != nil {
			t.Errorf("%s: %v, want nothing", name, next)
		}
	}
}

// byHand reopens the provider with the configuration that needs no metadata.
func (b *bench) byHand(t testing.TB, slo string) {
	t.Helper()
	idp, err := parseMetadata(b.idp.Metadata(), "", b.now())
	if err != nil {
		t.Fatal(err)
	}
	b.p = openConfig(t, b.p.env, func(c *Config) {
		c.EntityID, c.SSOURL, c.SLOURL, c.Logout = idp.entityID, idp.sso["redirect"], slo, true
		for _, cert := range idp.certs {
			c.Certificates = append(c.Certificates, certPEM(cert.Raw))
		}
	})
}

func TestLogoutGoesToAnAddressByHandWithItsQuery(t *testing.T) {
	b := openTest(t, nil)
	b.byHand(t, b.idp.URL+"/slo?tenant=a%20b")
	_, next := b.signedOut(t, nil)
	to := next.(providers.Redirect).URL
	if !strings.HasPrefix(to, b.idp.URL+"/slo?tenant=a%20b&SAMLRequest=") {
		t.Errorf("goes to %s", to)
	}
	b.accepted(t, next) // the tenant is not part of what is signed
}

func TestLogoutResponseEndsASignOutOfOurs(t *testing.T) {
	for binding, send := range bindings {
		t.Run(binding, func(t *testing.T) {
			b := openTest(t, withLogout("redirect"))
			l, next := b.signedOut(t, nil)
			sent, form := b.accepted(t, next)
			for name, alter := range map[string]func(*idptest.Logout){
				"success":         func(*idptest.Logout) {},
				"by its next key": func(m *idptest.Logout) { m.ByNext(b.idp) },
				"not all done there": func(m *idptest.Logout) {
					m.Element.FindElement("./Status/StatusCode").CreateAttr("Value", statusPrefix+"Responder")
				},
			} {
				m := b.idp.LogoutResponse(oursSLO, sent.ID, form.Get("RelayState"))
				alter(m)
				out, err := b.p.ReceiveLogout(t.Context(), send(t, m), l)
				if err != nil || !out.Answers || out.Handle != "" || out.Answer != nil || len(out.Once) > 0 {
					t.Errorf("%s: ReceiveLogout = %+v, %v, want the answer", name, out, err)
				}
			}
		})
	}
}

// TestQuerySignatureInASN1: an ECDSA signature as most libraries give it, instead of as XML writes it.
func TestQuerySignatureInASN1(t *testing.T) {
	b := openTest(t, nil)
	m := b.idp.LogoutRequest(oursSLO, "peter")
	m.ByNext(b.idp)
	m.Edit = func(q []string) []string {
		sum := sha256.Sum256([]byte(strings.Join(q[:len(q)-1], "&")))
		value, err := m.Sign.Key.Sign(rand.Reader, sum[:], crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		q[len(q)-1] = "Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(value))
		return q
	}
	if out, err := b.p.ReceiveLogout(t.Context(), bindings["redirect"](t, m), nil); err != nil || out.Handle != "peter" {
		t.Errorf("ReceiveLogout = %+v, %v, want it accepted", out, err)
	}
}

func TestQuerySignatureOfACertificateOutOfItsDates(t *testing.T) {
	for _, taken := range []bool{false, true} {
		b := openTest(t, func(c *Config) { c.AllowExpiredCertificate = taken })
		b.now = func() time.Time { return time.Now().AddDate(20, 0, 0) }
		_, err := b.p.ReceiveLogout(t.Context(), bindings["redirect"](t, b.idp.LogoutRequest(oursSLO, "peter")), nil)
		if taken && err != nil {
			t.Errorf("allow_expired_certificate: %v", err)
		} else if !taken {
			wantReason(t, err, "certificate_expired")
		}
	}
}

func TestLogoutRequestNamesSessions(t *testing.T) {
	for binding, send := range bindings {
		t.Run(binding, func(t *testing.T) {
			b := openTest(t, func(c *Config) { c.Binding = binding })
			m := b.idp.LogoutRequest(oursSLO, "peter", "_s1", "_s2")
			m.RelayState = "https://evil.test/?a=b&SAMLRequest=x&SigAlg=y#z" // S-166: handed back as it came
			out, err := b.p.ReceiveLogout(t.Context(), send(t, m), nil)
			if err != nil {
				t.Fatalf("ReceiveLogout = %v", err)
			}
			if out.Answers || out.Handle != "peter" || !slices.Equal(out.Sessions, []string{"_s1", "_s2"}) || len(out.Once) != 1 || !out.Once[0].Until.After(b.now().Add(logoutLifetime)) {
				t.Errorf("SignOut = %+v, want peter's two sessions", out)
			}
			for ended, second := range map[bool]string{true: "", false: statusPartialLogout} {
				next, err := out.Answer(ended)
				if err != nil {
					t.Fatalf("Answer = %v", err)
				}
				sent, form := b.accepted(t, next)
				if sent.InResponseTo != m.Element.SelectAttrValue("ID", "") || sent.Status.Value != statusSuccess || sent.Status.Second.Value != second {
					t.Errorf("ended %v: answer = %+v", ended, sent)
				}
				if len(form["RelayState"]) != 1 || form.Get("RelayState") != m.RelayState || len(form["SAMLResponse"]) != 1 || form.Has("SAMLRequest") {
					t.Errorf("ended %v: form = %v, want RelayState as it came", ended, form)
				}
			}
		})
	}
}

func TestLogoutRequestWithoutRelayStateIsAnsweredWithout(t *testing.T) {
	b := openTest(t, nil)
	out, err := b.p.ReceiveLogout(t.Context(), bindings["redirect"](t, b.idp.LogoutRequest(oursSLO, "peter")), nil)
	if err != nil || out.Handle != "peter" || out.Sessions != nil {
		t.Fatalf("SignOut = %+v, %v, want all of peter's", out, err)
	}
	next, err := out.Answer(true)
	if err != nil {
		t.Fatalf("Answer = %v", err)
	}
	if _, form := b.accepted(t, next); form.Has("RelayState") {
		t.Errorf("RelayState %q, want none", form["RelayState"])
	}
}

func TestAnswerWithoutAnAddressIsTheUpstreamsFault(t *testing.T) {
	b := openTest(t, nil)
	b.byHand(t, "")
	out, err := b.p.ReceiveLogout(t.Context(), bindings["redirect"](t, b.idp.LogoutRequest(oursSLO, "peter")), nil)
	if err != nil {
		t.Fatalf("ReceiveLogout = %v", err)
	}
	if _, err := out.Answer(true); providers.AsError(err).Kind != providers.Upstream {
		t.Errorf("Answer = %v, want an Upstream error", err)
	}
}

func TestLogoutRequestOnceHasTheSameNameEachTime(t *testing.T) {
	b := openTest(t, nil)
	m := b.idp.LogoutRequest(oursSLO, "peter")
	reply := bindings["redirect"](t, m)
	first, err := b.p.ReceiveLogout(t.Context(), reply, nil)
	if err != nil {
		t.Fatal(err)
	}
	start := b.now()
	b.now = func() time.Time { return start.Add(logoutLifetime + 50*time.Second) }
	again, err := b.p.ReceiveLogout(t.Context(), reply, nil)
	if err != nil || first.Once[0] != again.Once[0] {
		t.Errorf("Once = %v, then %v (%v)", first.Once, again.Once, err)
	}
	b.now = func() time.Time { return first.Once[0].Until }
	_, err = b.p.ReceiveLogout(t.Context(), reply, nil)
	wantReason(t, err, "stale") // so it need not be remembered any longer
}

// TestNewKeySignsOut: a sign-out by a key of today is as good as a sign-in.
func TestNewKeySignsOut(t *testing.T) {
	for binding, send := range bindings {
		t.Run(binding, func(t *testing.T) {
			b := openTest(t, nil)
			moved := idptest.NewSAML(t, idptest.SAMLOptions{Name: "Moved", Now: b.now})
			p := publish(t, strings.ReplaceAll(strings.ReplaceAll(string(moved.Metadata()), moved.EntityID, b.idp.EntityID), moved.URL, b.idp.URL))
			c := &clock{t: time.Now()}
			b.now = c.now
			b.p = openConfig(t, testEnv("initech", c.now), func(c *Config) { c.MetadataURL = p.URL })
			if _, err := b.p.ReceiveLogout(t.Context(), send(t, b.idp.LogoutRequest(oursSLO, "peter")), nil); err == nil {
				t.Fatal("a key that is not published yet is taken")
			}
			p.set(string(b.idp.Metadata()))
			c.add(renewAfter)
			if _, err := b.p.ReceiveLogout(t.Context(), send(t, b.idp.LogoutRequest(oursSLO, "peter")), nil); err != nil {
				t.Errorf("ReceiveLogout = %v, want the new key to be found", err)
			}
		})
	}
}
