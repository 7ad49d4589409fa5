package templates

import (
	"net/http"
	"time"
)

// Failure says that something was refused or did not work: #error with #reason, #request-id, and a way on
// (#retry, #back). The sentence belongs to Reason; one that is not known here gets the sentence of Status.
type Failure struct {
	Status       int    // of the answer, e.g. 400
	Reason       string // the error's word, e.g. state_mismatch
	Provider     string // its name, when one was involved
	App          string // its name, when known
	Wait         time.Duration
	RetryURL     string // where to begin again; "" leaves the link out
	AppURL       string // the way back to the app; "" leaves the link out
	CancelAction string // instead of AppURL: a form posts cancel=yes there, to give the login back to the app
}

// cause says what is shown for a failure: keys below failure.heading, failure.reason and failure.advice.
type cause struct{ heading, reason, advice string }

// answer is for whatever a provider sent that does not hold: which check it failed is for the log, not for
// somebody who tries forgeries.
var answer = cause{"signin", "answer", "report"}

var (
	wrongBrowser = cause{"signin", "state_mismatch", "browser"}
	stateInvalid = cause{"signin", "state_invalid", "again"}
	loginExpired = cause{"signin", "login_expired", "again"}
	upstream     = cause{"unavailable", "upstream", "later"}
	forged       = cause{"request", "csrf", "browser"}
	unknownApp   = cause{"app", "unknown_app", "operator"}
	redirectURI  = cause{"app", "redirect_uri", "operator"}
	appRequest   = cause{"app", "app_request", "operator"}
	badRequest   = cause{"request", "request", "report"}
)

var byReason = map[string]cause{
	"state_mismatch":  wrongBrowser,
	"state_invalid":   stateInvalid,
	"state_missing":   stateInvalid,
	"request_expired": {"signin", "request_expired", "again"},
	"login_expired":   loginExpired,
	"login_finished":  {"finished", "login_finished", "finished"},
	"replay":          {"signin", "replay", "again"},
	"unsolicited":     {"signin", "unsolicited", "again"},
	"idp_error":       {"signin", "idp_error", "again"},

	"idp_disabled":     {"signin", "idp_disabled", "administrator"},
	"no_provider":      {"signin", "no_provider", "administrator"},
	"account_disabled": {"account", "account_disabled", "administrator"},
	"link_required":    {"account", "link_required", "existing"},
	"domain_not_owned": {"account", "domain_not_owned", "administrator"},
	"email_malformed":  {"account", "email_malformed", "administrator"},
	"hosted_domain":    {"account", "organization", "administrator"},
	"not_member":       {"account", "organization", "administrator"},
	"tenant":           {"account", "organization", "administrator"},
	"mapping_failed":   {"signin", "mapping_failed", "administrator"},

	"upstream_unreachable": upstream,
	"upstream_broken":      upstream,
	"database_unavailable": {"unavailable", "unavailable", "later"},
	"keys_unavailable":     {"unavailable", "unavailable", "later"},
	"throttled":            {"throttled", "throttled", ""},

	"unknown_app":               unknownApp,
	"invalid_client":            unknownApp,
	"invalid_redirect_uri":      redirectURI,
	"bad_redirect_uri":          redirectURI,
	"invalid_scope":             appRequest,
	"unauthorized_client":       appRequest,
	"unsupported_response_type": appRequest,
	"invalid_request_uri":       {"signin", "request_uri", "again"},
	"invalid_request_object":    appRequest,

	"bad_logout_uri":  redirectURI,
	"bad_logout_hint": appRequest,
	// What an upstream sent about a sign-out, whichever check it has failed.
	"logout_answer":  {"signout", "logout_answer", "report"},
	"logout_unknown": {"signout", "logout_unknown", ""},

	"device_unknown": {"request", "device_unknown", "device"},
	"device_expired": {"request", "device_expired", "device"},

	"form_invalid":   badRequest, // a form of ours, whatever provider is behind it
	"method_invalid": badRequest,

	"csrf": forged,
}

var byStatus = map[int]cause{
	http.StatusForbidden:             {"account", "forbidden", "administrator"},
	http.StatusNotFound:              {"missing", "missing", "address"},
	http.StatusMethodNotAllowed:      {"request", "method", "again"},
	http.StatusConflict:              {"signin", "conflict", "again"},
	http.StatusRequestEntityTooLarge: {"request", "too_large", "report"},
	http.StatusUnsupportedMediaType:  {"request", "content", "report"},
	http.StatusMisdirectedRequest:    {"missing", "misdirected", "address"},
	http.StatusTooManyRequests:       {"throttled", "throttled", ""},
	http.StatusBadGateway:            upstream,
	http.StatusServiceUnavailable:    {"unavailable", "unavailable", "later"},
}

func (f *Failure) cause() cause {
	if c, ok := byReason[f.Reason]; ok {
		return c
	}
	if c, ok := byStatus[f.Status]; ok {
		return c
	}
	switch {
	case f.Status < 400 || f.Status >= 500:
		return cause{"broken", "broken", "report"}
	case f.Provider != "":
		return answer
	}
	return badRequest
}

// failureView is a Failure in words.
type failureView struct {
	Failure
	Heading, Sentence, Advice string
	Calm                      bool // nothing went wrong for good
}

// calm are the headings of failures that pass by themselves, or are none.
var calm = map[string]bool{"finished": true, "throttled": true, "unavailable": true, "missing": true}

// Failure renders the page.
func (p *Pages) Failure(pg Page, d Failure) ([]byte, error) {
	d.RetryURL, d.AppURL, d.CancelAction = link(d.RetryURL), link(d.AppURL), link(d.CancelAction)
	c := d.cause()
	v := failureView{Failure: d, Calm: calm[c.heading]}
	if c.advice == "again" && d.RetryURL+d.AppURL+d.CancelAction != "" {
		c.advice = "" // the buttons say so
	}
	wait, err := p.words.wait(pg.Lang, d.Wait)
	say := func(key string, args ...any) (s string) {
		if err == nil {
			s, err = p.words.text(pg.Lang, key, args...)
		}
		return s
	}
	provider, app := d.Provider, d.App
	if provider == "" {
		provider = say("word.provider")
	}
	if app == "" {
		app = say("word.app")
	}
	v.Heading = say("failure.heading." + c.heading)
	v.Sentence = say("failure.reason."+c.reason, "Provider", provider, "App", app, "Wait", wait)
	if c.advice != "" {
		v.Advice = say("failure.advice."+c.advice, "Wait", wait)
	}
	if err != nil {
		return nil, err
	}
	return p.render("failure.html", pg, v)
}
