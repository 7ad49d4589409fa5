package templates_test

import (
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/templates"
)

func reason(t *testing.T, p *templates.Pages, lang templates.Lang, f templates.Failure) string {
	t.Helper()
	page, err := p.Failure(templates.Page{Lang: lang, RequestID: "R1"}, f)
	if err != nil {
		t.Fatal(err)
	}
	if got := text(byID(t, page, "request-id")); got != "R1" {
		t.Errorf("#request-id = %q", got)
	}
	return text(byID(t, page, "reason"))
}

func TestAProvidersBadAnswersLookAllTheSame(t *testing.T) {
	p := newPages(t)
	want := "The answer from Acme could not be verified, so you were not signed in."
	for _, word := range []string{"sig_missing", "sig_invalid", "sig_untrusted", "weak_alg", "dup_id", "malformed", "bad_audience", "nonce", "sub", "expired", "invalid_request", "not heard of"} {
		if got := reason(t, p, "en", templates.Failure{Status: 400, Reason: word, Provider: "Acme"}); got != want {
			t.Errorf("%s: %q", word, got)
		}
	}
}

func TestEveryFailureHasASentence(t *testing.T) {
	p := newPages(t)
	rows := []struct {
		status  int
		reason  string
		en, de  string // a part of the sentence
		unnamed string // the part without names of provider and app; "" when it needs none
	}{
		{400, "state_mismatch", "another browser", "anderen Browser", ""},
		{400, "state_invalid", "not known here", "nicht bekannt", ""},
		{400, "request_expired", "at Acme took too long", "bei Acme", "your sign-in provider"},
		{400, "login_expired", "open for too long", "zu lange offen", ""},
		{400, "login_finished", "is complete", "abgeschlossen", ""},
		{400, "replay", "was used before", "schon verwendet", "your sign-in provider"},
		{400, "unsolicited", "cannot begin at Acme", "nicht bei Acme beginnen", "your sign-in provider"},
		{400, "idp_error", "cancelled", "abgebrochen", "your sign-in provider"},
		{400, "idp_disabled", "switched off", "abgeschaltet", "your sign-in provider"},
		{403, "account_disabled", "disabled", "gesperrt", ""},
		{409, "link_required", "already have an account", "schon ein Konto", "your sign-in provider"},
		{403, "domain_not_owned", "belongs to a company", "gehört zu einer Firma", "your sign-in provider"},
		{400, "email_malformed", "is not valid", "nicht gültig", "your sign-in provider"},
		{400, "hosted_domain", "Your account at Acme", "Ihr Konto bei Acme", "your sign-in provider"},
		{400, "tenant", "accounts are accepted here", "hier zugelassen", "your sign-in provider"},
		{400, "mapping_failed", "What Acme says", "Angaben über Sie von Acme", "your sign-in provider"},
		{502, "upstream_unreachable", "no usable answer from Acme", "Von Acme", "your sign-in provider"},
		{502, "anything", "no usable answer from Acme", "Von Acme", "your sign-in provider"},
		{503, "database_unavailable", "part of the service", "ein Teil des Dienstes", ""},
		{503, "anything", "part of the service", "ein Teil des Dienstes", ""},
		{429, "throttled", "in 2 minutes", "in 2 Minuten", ""},
		{429, "anything", "in 2 minutes", "in 2 Minuten", ""},
		{400, "unknown_app", "not registered", "nicht eingetragen", ""},
		{400, "invalid_redirect_uri", "that Web wants", "von Web", "the app"},
		{400, "unsupported_response_type", "request of Web", "Anfrage von Web", "the app"},
		{400, "bad_logout_uri", "that Web wants", "von Web", "the app"},
		{400, "bad_logout_hint", "request of Web", "Anfrage von Web", "the app"},
		{400, "form_invalid", "missing or not valid", "nicht gültig", ""},
		{403, "csrf", "another site", "anderen Website", ""},
		{404, "not_found", "nothing at this address", "nichts", ""},
		{405, "method_not_allowed", "used in this way", "so nicht verwendet", ""},
		{409, "anything", "Something changed", "etwas geändert", ""},
		{413, "too_large", "More was sent", "mehr gesendet", ""},
		{415, "unsupported_media_type", "a format", "ein Format", ""},
		{421, "misdirected", "does not belong", "gehört nicht", ""},
		{403, "access_denied", "not allowed to sign in to Web", "bei Web", "the app"},
		{400, "no_provider", "set up for Web", "Bei Web", "the app"},
		{500, "server_error", "fault is ours", "liegt bei uns", ""},
		{0, "", "fault is ours", "liegt bei uns", ""},
	}
	for _, row := range rows {
		f := templates.Failure{Status: row.status, Reason: row.reason, Provider: "Acme", App: "Web", Wait: 2 * time.Minute}
		if got := reason(t, p, "en", f); !strings.Contains(got, row.en) {
			t.Errorf("%d %s: %q, want %q in it", row.status, row.reason, got, row.en)
		}
		if got := reason(t, p, "de", f); !strings.Contains(got, row.de) {
			t.Errorf("%d %s: %q, want %q in it", row.status, row.reason, got, row.de)
		}
		f.Provider, f.App = "", ""
		got := reason(t, p, "en", f)
		if !strings.Contains(got, row.unnamed) || strings.Contains(got, "Acme") {
			t.Errorf("%d %s without names: %q, want %q in it", row.status, row.reason, got, row.unnamed)
		}
		if r := []rune(got)[0]; r < 'A' || r > 'Z' || !strings.HasSuffix(got, ".") {
			t.Errorf("%d %s: %q is not a sentence", row.status, row.reason, got)
		}
	}
	if got := reason(t, p, "en", templates.Failure{Status: 400, Reason: "malformed"}); !strings.Contains(got, "missing or not valid") {
		t.Errorf("a bad request without a provider: %q", got)
	}
}

func TestNoFailureIsADeadEnd(t *testing.T) {
	p := newPages(t)
	for _, word := range []string{"state_mismatch", "state_invalid", "replay", "idp_error", "sig_invalid", "invalid_redirect_uri", "not_found", "server_error"} {
		page, err := p.Failure(templates.Page{}, templates.Failure{Status: 400, Reason: word})
		if err != nil {
			t.Fatal(err)
		}
		if got := text(byID(t, page, "advice")); got == "" {
			t.Errorf("%s: no link, and no word about what to do", word)
		}
	}
	page, err := p.Failure(templates.Page{}, templates.Failure{Status: 400, Reason: "idp_error", App: "Web", RetryURL: "/login/x", CancelAction: "/login/x/cancel"})
	if err != nil {
		t.Fatal(err)
	}
	if got := attr(byID(t, page, "retry"), "href"); got != "/login/x" {
		t.Errorf("#retry goes to %q", got)
	}
	back := byID(t, page, "back")
	if got := attr(within(back, "form"), "action"); got != "/login/x/cancel" || text(back) != "Back to Web" {
		t.Errorf("#back says %q and goes to %q", text(back), got)
	}
}

func TestNamesAreNoPlaceholders(t *testing.T) {
	p := newPages(t)
	for _, name := range []string{"App", "Wait", "Provider", "{{.App}}", "{{.Wait}}"} {
		want := "Signing in at " + name + " took too long, so the attempt has ended."
		if got := reason(t, p, "en", templates.Failure{Status: 400, Reason: "request_expired", Provider: name, App: "Web"}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		want = "You are not allowed to sign in to " + name + "."
		if got := reason(t, p, "en", templates.Failure{Status: 403, Provider: "App", App: name}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWaitIsRoundedUp(t *testing.T) {
	p := newPages(t)
	for d, want := range map[time.Duration]string{
		0: "in a moment.", -time.Second: "in a moment.", time.Millisecond: "in 1 second.", 1001 * time.Millisecond: "in 2 seconds.",
		time.Minute: "in 60 seconds.", 61 * time.Second: "in 2 minutes.", time.Hour: "in 60 minutes.", 61 * time.Minute: "in 2 hours.",
	} {
		if got := reason(t, p, "en", templates.Failure{Status: 429, Wait: d}); !strings.HasSuffix(got, want) {
			t.Errorf("%v: %q, want %q at its end", d, got, want)
		}
	}
	if got := reason(t, p, "de", templates.Failure{Status: 429, Wait: time.Second}); !strings.Contains(got, "in 1 Sekunde ") {
		t.Errorf("%q", got)
	}
}
