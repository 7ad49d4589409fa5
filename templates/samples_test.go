package templates_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/signet-broker/signet/static"
	"github.com/signet-broker/signet/templates"
)

func newPages(t testing.TB) *templates.Pages {
	t.Helper()
	p, err := templates.New(static.URL)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type sample struct {
	name   string
	render func(*templates.Pages, templates.Page) ([]byte, error)
	ids    []string // which the page promises
}

func show[D any](name string, f func(*templates.Pages, templates.Page, D) ([]byte, error), d D, ids ...string) sample {
	return sample{name, func(p *templates.Pages, pg templates.Page) ([]byte, error) { return f(p, pg, d) }, ids}
}

// samples are all pages in all their states, with text in every place that takes some.
func samples(text string) []sample {
	providers := []templates.Provider{
		{ID: "corp", Name: "Acme Corp" + text, Kind: "oidc"}, {ID: "initech", Name: "Initech" + text, Kind: "saml"},
		{ID: "google", Name: "Google" + text, Kind: "google"}, {ID: "staff", Name: "a password" + text, Kind: "password"},
	}
	ann := templates.Person{Name: "Ann Smith" + text, Email: "ann@acme.com" + text}
	web, corp := "Acme Web"+text, "Acme Corp"+text
	failed := (*templates.Pages).Failure
	return []sample{
		show("choose", (*templates.Pages).Choose, templates.Choose{Action: "/login/x", App: web, Providers: providers, ShowEmail: true, Email: "ann@acme.com" + text},
			"choose", "provider-corp", "provider-initech", "provider-google", "provider-staff", "email", "email-submit"),
		show("choose-many", (*templates.Pages).Choose, templates.Choose{Action: "/login/x", App: web, Providers: []templates.Provider{{ID: "google", Name: "Google" + text, Kind: "google", Last: true}},
			ShowEmail: true, EmailFirst: true}, "choose", "provider-google", "find", "email", "email-submit"),
		show("choose-buttons", (*templates.Pages).Choose, templates.Choose{Action: "/login/x", App: web, Providers: providers[:2]}, "choose", "provider-corp"),
		show("choose-email", (*templates.Pages).Choose, templates.Choose{Action: "/login/x", ShowEmail: true}, "choose", "email"),
		show("choose-notice", (*templates.Pages).Choose, templates.Choose{Action: "/login/x", App: web, Providers: providers[:2], ShowEmail: true,
			Email: "ann@nowhere.example", Notice: templates.UnknownDomain}, "choose", "notice", "email"),
		show("choose-malformed", (*templates.Pages).Choose, templates.Choose{Action: "/login/x", App: web, ShowEmail: true, Email: "ann@" + text,
			Notice: templates.MalformedEmail}, "choose", "notice", "email"),
		show("password", (*templates.Pages).Password, templates.Password{Action: "/login/x", App: web, Provider: corp, OthersURL: "/login/x?others"},
			"login", "username", "password", "submit", "others"),
		show("password-wrong", (*templates.Pages).Password, templates.Password{Action: "/login/x", App: web, Username: "ann" + text, Problem: templates.Wrong},
			"username", "password", "submit", "problem"),
		show("password-throttled", (*templates.Pages).Password, templates.Password{Action: "/login/x", Username: "ann", Problem: templates.Throttled, Wait: 95 * time.Second},
			"username", "password", "submit", "problem"),
		show("consent", (*templates.Pages).Consent, templates.Consent{Action: "/login/x", App: web, Person: ann,
			Scopes: []string{"openid", "profile", "email", "invoices" + text}}, "consent", "allow", "deny"),
		show("consent-registered", (*templates.Pages).Consent, templates.Consent{Action: "/login/x", App: web, Person: ann, Scopes: []string{"openid"},
			Unknown: &templates.Unknown{Hosts: "app.example.com", Site: "https://app.example.com", Logo: "https://app.example.com/logo.png", Policy: "https://app.example.com/privacy", Terms: "https://app.example.com/terms"},
		}, "consent", "unknown", "app-site", "app-logo", "app-policy", "app-terms"),
		show("consent-registered-nowhere", (*templates.Pages).Consent, templates.Consent{Action: "/login/x", App: web, Unknown: &templates.Unknown{Logo: "javascript:alert(1)"}}, "consent", "unknown"),
		show("consent-device", (*templates.Pages).Consent, templates.Consent{Action: "/login/x", App: web, Person: ann, Scopes: []string{"openid"},
			Place: &templates.Place{Code: "BCDF-GHJK", Addr: "192.0.2.17" + text, Ago: time.Minute}, OthersURL: "/login/x?choose=1"},
			"consent", "allow", "deny", "place", "code", "others"),
		show("consent-nowhere", (*templates.Pages).Consent, templates.Consent{Action: "/login/x", App: web, Place: &templates.Place{Code: "BCDF-GHJK"}}, "consent", "place", "code"),
		show("device", (*templates.Pages).Device, templates.Device{Action: "/device"}, "device", "user-code", "submit"),
		show("device-wrong", (*templates.Pages).Device, templates.Device{Action: "/device", Code: "BCDF-GHJK" + text, Problem: templates.Wrong},
			"device", "user-code", "submit", "problem"),
		show("device-throttled", (*templates.Pages).Device, templates.Device{Action: "/device", Problem: templates.Throttled, Wait: 95 * time.Second},
			"device", "user-code", "submit", "problem"),
		show("device-allowed", (*templates.Pages).Device, templates.Device{Answer: "allowed"}, "answer"),
		show("device-denied", (*templates.Pages).Device, templates.Device{Answer: "denied"}, "answer"),
		show("consent-plain", (*templates.Pages).Consent, templates.Consent{Action: "/login/x", App: web}, "consent", "allow", "deny"),
		show("logout", (*templates.Pages).Logout, templates.Logout{Action: "/logout", App: web, Person: ann, StayURL: "https://app.example.com/",
			Fields: url.Values{"state" + text: {"a" + text, "b"}}}, "logout", "confirm", "stay"),
		show("logout-plain", (*templates.Pages).Logout, templates.Logout{Action: "/logout"}, "logout", "confirm"),
		show("logged-out", (*templates.Pages).LoggedOut, templates.LoggedOut{App: web, AppURL: "https://app.example.com/"}, "logged-out", "back"),
		show("logged-out-plain", (*templates.Pages).LoggedOut, templates.LoggedOut{}, "logged-out"),
		show("unsolicited", (*templates.Pages).Unsolicited, templates.Unsolicited{Action: "/unsolicited/x", App: web, Provider: corp, Person: ann}, "unsolicited", "continue", "cancel", "person"),
		show("unsolicited-declined", (*templates.Pages).Unsolicited, templates.Unsolicited{App: web, Declined: true}, "declined"),
		show("post", (*templates.Pages).Post, templates.Post{URL: "https://idp.example.com/sso?tenant=a&b=c", To: corp,
			Fields: url.Values{"SAMLRequest": {"PHNhbWw+" + text}, "RelayState": {"abc"}}}, "post", "continue"),
		show("post-plain", (*templates.Pages).Post, templates.Post{URL: "http://127.0.0.1:9999/cb", Fields: url.Values{"code" + text: {"x"}}}, "post", "continue"),
		show("failure-answer", failed, templates.Failure{Status: 400, Reason: "sig_invalid", Provider: corp, App: web, RetryURL: "/login/x", CancelAction: "/login/x"},
			"error", "reason", "request-id", "retry", "back"),
		show("failure-browser", failed, templates.Failure{Status: 400, Reason: "state_mismatch", App: web, AppURL: "https://app.example.com/"},
			"error", "reason", "request-id", "back"),
		show("failure-redirect", failed, templates.Failure{Status: 400, Reason: "invalid_redirect_uri", App: web}, "error", "reason", "request-id", "advice"),
		show("failure-throttled", failed, templates.Failure{Status: 429, Reason: "throttled", Wait: 12 * time.Minute, RetryURL: "/login/x"}, "error", "reason", "retry"),
		show("failure-upstream", failed, templates.Failure{Status: 502, Reason: "upstream_unreachable", Provider: corp, RetryURL: "/login/x", CancelAction: "/login/x"},
			"error", "reason", "request-id", "retry", "back"),
		show("failure-missing", failed, templates.Failure{Status: 404, Reason: "not_found"}, "error", "reason", "request-id", "advice"),
		show("failure-broken", failed, templates.Failure{Status: 500, Reason: "server_error", RetryURL: "/login/x"}, "error", "reason", "request-id", "retry"),
	}
}
