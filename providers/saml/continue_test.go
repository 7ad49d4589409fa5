package saml

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

func inflate(t *testing.T, parameter string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(parameter)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestIdentity(t *testing.T) {
	b := openTest(t, nil)
	start := time.Now().Add(-time.Second)
	done, err := b.signIn(t, providers.Attempt{}, func(a *idptest.Answer) {
		a.In("AuthnStatement").CreateAttr("SessionIndex", "s-1")
		a.In("AttributeStatement/Attribute[@Name='groups']/AttributeValue").SetText("a & <b>")
	})
	if err != nil {
		t.Fatal(err)
	}
	id := done.Identity
	want := map[string]any{
		"attributes": map[string]any{
			"email": []any{"peter@initech.example"}, "displayName": []any{"Peter Gibbons"},
			"givenName": []any{"Peter"}, "sn": []any{"Gibbons"}, "groups": []any{"a & <b>"},
		},
		"name_id": "peter", "name_id_format": formatPersistent, "session_index": "s-1",
		"email": "peter@initech.example", "name": "Peter Gibbons", "given_name": "Peter", "family_name": "Gibbons",
		"groups": []any{"a & <b>"},
	}
	if !reflect.DeepEqual(id.Claims, want) {
		t.Errorf("claims = %v, want %v", id.Claims, want)
	}
	if id.Session != "s-1" || !reflect.DeepEqual(id.AMR, []string{"pwd"}) || !strings.HasSuffix(id.ACR, "PasswordProtectedTransport") {
		t.Errorf("session %q, amr %v, acr %q", id.Session, id.AMR, id.ACR)
	}
	if id.AuthTime.Before(start) || id.AuthTime.After(time.Now()) {
		t.Errorf("AuthTime = %s", id.AuthTime)
	}
}

// TestOnce: the same assertion has the same Once, another has another, and it lasts as long as the
// assertion could be accepted.
func TestOnce(t *testing.T) {
	b := openTest(t, nil)
	attempt, sent := b.begin(t, providers.Attempt{})
	reply := b.answer(t, sent, nil)
	var seen []providers.Once
	for range 2 {
		next, err := b.p.Continue(t.Context(), attempt, reply)
		if err != nil {
			t.Fatal(err)
		}
		once := next.(providers.Done).Once
		if len(once) != 1 {
			t.Fatalf("Once = %v, want one", once)
		}
		seen = append(seen, once[0])
	}
	other, err := b.signIn(t, providers.Attempt{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if seen[0] != seen[1] || other.Once[0].ID == seen[0].ID {
		t.Errorf("Once = %v, %v and %v, want the first two alone to be equal", seen[0], seen[1], other.Once[0])
	}
	b.now = func() time.Time { return seen[0].Until }
	attempt.Begun = b.now().Add(-time.Minute)
	if _, err := b.p.Continue(t.Context(), attempt, reply); err == nil {
		t.Error("accepted at a time when it is no longer remembered")
	}
}

// TestReply is what does not come from an identity provider.
func TestReply(t *testing.T) {
	b := openTest(t, nil)
	for name, test := range map[string]struct {
		reason string
		alter  func(*providers.Attempt, *providers.Reply)
	}{
		"GET (S-76)":               {"malformed", func(_ *providers.Attempt, r *providers.Reply) { r.Method = http.MethodGet }},
		"no attempt":               {"unsolicited", func(a *providers.Attempt, _ *providers.Reply) { a.State = nil }},
		"memory of another kind":   {"unsolicited", func(a *providers.Attempt, _ *providers.Reply) { a.State = []byte(`{"nonce":"x"}`) }},
		"another request's memory": {"in_response_to", func(a *providers.Attempt, _ *providers.Reply) { a.State = []byte(`{"request":"_x"}`) }},
		"after 11 minutes (S-157)": {"request_expired", func(a *providers.Attempt, _ *providers.Reply) { a.Begun = a.Begun.Add(-11 * time.Minute) }},
		"never begun":              {"request_expired", func(a *providers.Attempt, _ *providers.Reply) { a.Begun = time.Time{} }},
		"another RelayState":       {"state_invalid", func(_ *providers.Attempt, r *providers.Reply) { r.Values.Set("RelayState", "x") }},
		"two RelayStates":          {"state_invalid", func(a *providers.Attempt, r *providers.Reply) { r.Values.Add("RelayState", a.ID) }},
	} {
		attempt, sent := b.begin(t, providers.Attempt{})
		reply := b.answer(t, sent, nil)
		test.alter(attempt, &reply)
		_, err := b.p.Continue(t.Context(), attempt, reply)
		t.Run(name, func(t *testing.T) { wantReason(t, err, test.reason) })
	}
}

// TestTenants (S-158): what is signed for one provider is worth nothing at another, also where both have
// the same identity provider and the same key.
func TestTenants(t *testing.T) {
	b := openTest(t, nil)
	other := openConfig(t, testEnv("other", b.now), func(c *Config) { c.MetadataURL = b.idp.URL + "/metadata" })
	attempt, sent := b.begin(t, providers.Attempt{})
	reply := b.answer(t, sent, nil)
	_, err := other.Continue(t.Context(), attempt, reply)
	wantReason(t, err, "bad_destination")

	// Not even with the address exchanged where it is not signed.
	reply = b.answer(t, sent, &idptest.SAMLRow{Alter: func(a *idptest.Answer) { a.Response.CreateAttr("Destination", other.acs) }})
	_, err = other.Continue(t.Context(), attempt, reply)
	wantReason(t, err, "bad_recipient")
}

// TestMaxAge: how old an authentication may be.
func TestMaxAge(t *testing.T) {
	b := openTest(t, nil)
	for _, test := range []struct {
		attempt providers.Attempt
		age     time.Duration
		reason  string
	}{
		{providers.Attempt{}, 24 * time.Hour, ""},
		{providers.Attempt{MaxAge: time.Hour}, 50 * time.Minute, ""},
		{providers.Attempt{MaxAge: time.Hour}, 70 * time.Minute, "stale_auth"},
		{providers.Attempt{ForceLogin: true}, 0, ""},
		{providers.Attempt{ForceLogin: true}, 5 * time.Minute, "stale_auth"},
		{providers.Attempt{ForceLogin: true, MaxAge: time.Hour}, 5 * time.Minute, "stale_auth"},
	} {
		_, err := b.signIn(t, test.attempt, func(a *idptest.Answer) {
			a.In("AuthnStatement").CreateAttr("AuthnInstant", a.At(-test.age))
		})
		if test.reason == "" && err != nil {
			t.Errorf("%+v at age %s = %v, want it accepted", test.attempt, test.age, err)
		} else if test.reason != "" {
			wantReason(t, err, test.reason)
		}
	}
}

// TestSubject: what names a person for good.
func TestSubject(t *testing.T) {
	plain, byAttribute := openTest(t, nil), openTest(t, func(c *Config) { c.SubjectAttribute = "uid" })
	format := func(f string) func(*idptest.Answer) {
		return func(a *idptest.Answer) { a.In("Subject/NameID").CreateAttr("Format", f) }
	}
	qualified := func(name, sp string) func(*idptest.Answer) {
		return func(a *idptest.Answer) {
			a.In("Subject/NameID").CreateAttr("NameQualifier", name)
			a.In("Subject/NameID").CreateAttr("SPNameQualifier", sp)
		}
	}
	attribute := func(values ...string) func(*idptest.Answer) {
		return func(a *idptest.Answer) {
			format(formatTransient)(a)
			el := a.In("AttributeStatement/Attribute").Copy()
			el.CreateAttr("Name", "uid")
			v := el.SelectElement("AttributeValue")
			el.RemoveChild(v)
			for _, value := range values {
				one := v.Copy()
				one.SetText(value)
				el.AddChild(one)
			}
			a.In("AttributeStatement").AddChild(el)
		}
	}
	for name, test := range map[string]struct {
		b            *bench
		alter        func(*idptest.Answer)
		want, reason string
	}{
		"persistent":                  {plain, nil, "peter", ""},
		"email address":               {plain, format(formatEmail), "peter", ""},
		"transient":                   {plain, format(formatTransient), "", "unstable_id"},
		"qualified with the defaults": {plain, qualified(plain.idp.EntityID, plain.p.entityID), "peter", ""},
		"another name qualifier":      {plain, qualified("https://other.example", ""), "https://other.example!" + plain.p.entityID + "!peter", ""},
		"another SP qualifier":        {plain, qualified("", "https://group.example"), plain.idp.EntityID + "!https://group.example!peter", ""},
		"attribute":                   {byAttribute, attribute("42"), "42", ""},
		"attribute of two values":     {byAttribute, attribute("42", "43"), "", "no_subject"},
		"attribute without a value":   {byAttribute, attribute(), "", "no_subject"},
		"no such attribute":           {byAttribute, nil, "", "no_subject"},
	} {
		t.Run(name, func(t *testing.T) {
			done, err := test.b.signIn(t, providers.Attempt{}, test.alter)
			if test.reason != "" {
				wantReason(t, err, test.reason)
			} else if err != nil || done.Identity.Subject != test.want {
				t.Errorf("subject = %q, %v, want %q", done.Identity.Subject, err, test.want)
			}
		})
	}
}

// TestErrorsAreQuiet: no part of a message reaches an error, which goes to the log.
func TestErrorsAreQuiet(t *testing.T) {
	b := openTest(t, nil)
	for _, row := range idptest.SAMLRows {
		attempt, sent := b.begin(t, providers.Attempt{ForceLogin: row.Forced})
		_, err := b.p.Continue(t.Context(), attempt, b.answer(t, sent, &row))
		if err == nil {
			continue
		}
		for _, private := range []string{"peter", "evil", "Gibbons", "initech.example", "other.example"} {
			if strings.Contains(err.Error(), private) {
				t.Errorf("row %s: error %q tells %q", row.ID, err, private)
			}
		}
	}
}

// TestPanic: a library that panics makes a refusal.
func TestPanic(t *testing.T) {
	var x exchange
	b := openTest(t, nil)
	_, sent := b.begin(t, providers.Attempt{})
	signed := func(a *idptest.Answer) { a.SignAssertion, a.SignResponse = nil, a.SignAssertion }
	raw, _ := base64.StdEncoding.DecodeString(b.answer(t, sent, &idptest.SAMLRow{Alter: signed}).Values.Get("SAMLResponse"))
	x.trust.certs = append(x.trust.certs, nil) // what a nil pointer in a library does
	_, err := x.read(raw)
	wantReason(t, err, "malformed")
}

// TestAuthnContext: a class that is asked for by name is sent, and nothing else is taken for it.
func TestAuthnContext(t *testing.T) {
	const mfa, smartcard = "https://refeds.org/profile/mfa", "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"
	for _, test := range []struct {
		comparison, class, reason string
	}{
		{"exact", smartcard, ""},
		{"exact", mfa, ""},
		{"exact", "", "weak_acr"},
		{"exact", "urn:oasis:names:tc:SAML:2.0:ac:classes:Password", "weak_acr"},
		{"exact", mfa + "x", "weak_acr"},
		{"minimum", "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken", ""},
	} {
		b := openTest(t, func(c *Config) { c.AuthnContext, c.AuthnContextComparison = []string{mfa, smartcard}, test.comparison })
		_, sent := b.begin(t, providers.Attempt{})
		raw := inflate(t, parse(t, sent).Query().Get("SAMLRequest"))
		want := `<samlp:RequestedAuthnContext Comparison="` + test.comparison + `"><saml:AuthnContextClassRef>` + mfa +
			`</saml:AuthnContextClassRef><saml:AuthnContextClassRef>` + smartcard + `</saml:AuthnContextClassRef></samlp:RequestedAuthnContext></samlp:AuthnRequest>`
		if !strings.HasSuffix(raw, want) {
			t.Errorf("request is %s, want it to end in %s", raw, want)
		}
		_, err := b.signIn(t, providers.Attempt{}, func(a *idptest.Answer) {
			class := a.In("AuthnStatement/AuthnContext/AuthnContextClassRef")
			if class.SetText(test.class); test.class == "" {
				class.Parent().RemoveChild(class)
			}
		})
		if test.reason == "" && err != nil {
			t.Errorf("%s of %q = %v, want it accepted", test.comparison, test.class, err)
		} else if test.reason != "" {
			wantReason(t, err, test.reason)
		}
	}
}

// TestHandle: what a sign-out needs is the NameID as it came, and stays small.
func TestHandle(t *testing.T) {
	b := openTest(t, func(c *Config) { c.SubjectAttribute = "email" })
	qualified := func(qualifier string) func(*idptest.Answer) {
		return func(a *idptest.Answer) {
			a.In("Subject/NameID").CreateAttr("Format", formatTransient)
			a.In("Subject/NameID").CreateAttr("NameQualifier", qualifier)
			a.In("Subject/NameID").CreateAttr("SPNameQualifier", "<sp>")
		}
	}
	done, err := b.signIn(t, providers.Attempt{}, qualified("idp"))
	if err != nil {
		t.Fatal(err)
	}
	var got name
	if err := json.Unmarshal(done.Identity.Memory, &got); err != nil || got != (name{formatTransient, "idp", "<sp>"}) {
		t.Errorf("Memory = %s, %v", done.Identity.Memory, err)
	}
	if done.Identity.Handle != "peter" || done.Identity.Subject != "peter@initech.example" {
		t.Errorf("Handle = %q of %q, want the NameID", done.Identity.Handle, done.Identity.Subject)
	}
	_, err = b.signIn(t, providers.Attempt{}, qualified(strings.Repeat("x", maxMemory)))
	wantReason(t, err, "no_subject")
}
