package saml

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

func forWeb(c *Config) { c.IDPInitiated.App = "web" }

// unasked is a Response that answers no request, altered.
func (b *bench) unasked(t testing.TB, alter func(*idptest.Answer)) providers.Reply {
	t.Helper()
	form, err := b.idp.Unsolicited(b.p.entityID, b.p.acs, &idptest.SAMLRow{Alter: alter})
	if err != nil {
		t.Fatalf("Unsolicited = %v", err)
	}
	return providers.Reply{Method: http.MethodPost, Values: form}
}

func TestUnsolicitedNamesTheConfiguredApp(t *testing.T) {
	b := openTest(t, forWeb)
	for _, state := range []string{"", "https://evil.test/", "other", strings.Repeat("x", 10<<10)} {
		reply := b.unasked(t, nil)
		reply.Values["RelayState"] = []string{state, state} // not read
		done, app, err := b.p.Unsolicited(t.Context(), reply)
		if err != nil || app != "web" || done.Identity.Subject != "peter" || len(done.Once) != 1 {
			t.Errorf("Unsolicited = %+v, %q, %v, want peter for web", done, app, err)
		}
	}
}

// TestUnsolicitedIsOffUnlessConfigured is S-154.
func TestUnsolicitedIsOffUnlessConfigured(t *testing.T) {
	b := openTest(t, nil)
	_, app, err := b.p.Unsolicited(t.Context(), b.unasked(t, nil))
	wantReason(t, err, "unsolicited")
	if app != "" {
		t.Errorf("app = %q", app)
	}
}

// TestUnsolicitedIsHeldToTheCatalogue: every row is refused as the answer to a request is, and for the same
// reason; where the row is about the request, because there must be none.
func TestUnsolicitedIsHeldToTheCatalogue(t *testing.T) {
	b := openTest(t, forWeb)
	for _, row := range idptest.SAMLRows {
		if row.Forced {
			continue // there was no request that could have asked for a new sign-in
		}
		t.Run(row.ID+" "+row.Name, func(t *testing.T) {
			_, app, err := b.p.Unsolicited(t.Context(), b.unasked(t, row.Alter))
			e := providers.AsError(err)
			switch {
			case err == nil && !row.Control && row.Reason != "unsolicited":
				t.Errorf("accepted")
			case err == nil:
			case app != "" || e.Kind != providers.Invalid:
				t.Errorf("error = %v beside app %q", err, app)
			case e.Reason != row.Reason && e.Reason != "in_response_to":
				t.Errorf("error = %v, want reason %s", err, row.Reason)
			}
		})
	}
}

// TestUnsolicitedAnswersNothing is S-156.
func TestUnsolicitedAnswersNothing(t *testing.T) {
	b := openTest(t, forWeb)
	confirmation := "Subject/SubjectConfirmation/SubjectConfirmationData"
	for name, alter := range map[string]func(*idptest.Answer){
		"Response":           func(a *idptest.Answer) { a.Response.CreateAttr("InResponseTo", "_x") },
		"Response, empty":    func(a *idptest.Answer) { a.Response.CreateAttr("InResponseTo", "") },
		"confirmation":       func(a *idptest.Answer) { a.In(confirmation).CreateAttr("InResponseTo", "_x") },
		"another namespace":  func(a *idptest.Answer) { a.Response.CreateAttr("samlp:InResponseTo", "_x") },
		"somewhere unlikely": func(a *idptest.Answer) { a.In("AuthnStatement").CreateAttr("InResponseTo", "_x") },
		"Response, signed as a whole": func(a *idptest.Answer) {
			a.Response.CreateAttr("InResponseTo", "_x")
			a.SignResponse, a.SignAssertion = a.SignAssertion, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := b.p.Unsolicited(t.Context(), b.unasked(t, alter))
			wantReason(t, err, "in_response_to")
		})
	}
	attempt, sent := b.begin(t, providers.Attempt{})
	_, _, err := b.p.Unsolicited(t.Context(), b.answer(t, sent, nil))
	wantReason(t, err, "in_response_to")
	reply := b.unasked(t, nil)
	reply.Values.Set("RelayState", attempt.ID)
	_, err = b.p.Continue(t.Context(), attempt, reply) // and the other way round
	wantReason(t, err, "unsolicited")
}

// TestUnsolicitedIsFresh: no request of ours says since when; a Response is on its way for 2 minutes at most.
func TestUnsolicitedIsFresh(t *testing.T) {
	b := openTest(t, forWeb)
	for d, reason := range map[time.Duration]string{
		deliveryTime - time.Second: "", deliveryTime + 2*maxSkew: "stale", -2 * maxSkew: "not_yet_valid",
	} {
		reply := b.unasked(t, func(a *idptest.Answer) {
			a.Response.CreateAttr("IssueInstant", a.At(0)) // an old assertion in a new Response
			a.Assertion.CreateAttr("IssueInstant", a.At(-d))
		})
		_, _, err := b.p.Unsolicited(t.Context(), reply)
		if reason == "" && err != nil {
			t.Errorf("%s: %v", d, err)
		} else if reason != "" {
			wantReason(t, err, reason)
		}
	}
}

func TestAbsurdUnsolicited(t *testing.T) {
	b := openTest(t, forWeb)
	for _, values := range []url.Values{
		nil, {}, {"SAMLResponse": {}}, {"SAMLResponse": {""}}, {"SAMLResponse": {"="}}, {"SAMLResponse": {"PHgvPg==", "PHgvPg=="}},
		{"SAMLResponse": {strings.Repeat("A", maxEncoded+4)}}, {"SAMLResponse": b.unasked(t, nil).Values["SAMLResponse"], "SAMLart": {"x"}},
	} {
		_, _, err := b.p.Unsolicited(t.Context(), providers.Reply{Method: http.MethodPost, Values: values})
		wantReason(t, err, "malformed")
	}
	reply := b.unasked(t, nil)
	reply.Method = http.MethodGet
	_, _, err := b.p.Unsolicited(t.Context(), reply)
	wantReason(t, err, "malformed")
}
