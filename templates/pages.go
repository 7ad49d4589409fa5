package templates

import (
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// Provider is a button of the choose page.
type Provider struct {
	ID   string // of letters, digits and hyphens
	Name string
	Kind string // "password" gets a key, all others their first letter
	Last bool   // this browser last signed in there
}

// Person is somebody who has signed in.
type Person struct {
	Name  string // "" leaves the person out
	Email string
}

// Notices of the choose page.
const (
	UnknownDomain  = "unknown_domain"  // nobody here signs in people of that e-mail domain
	MalformedEmail = "malformed_email" // not an e-mail address
)

// Choose asks at which provider a person wants to sign in.
//
// The form #choose posts provider=ID from one of the buttons #provider-ID. With ShowEmail, a second form
// posts email from the field #email; where there are no buttons, that form is #choose. With EmailFirst it
// stands above the buttons.
type Choose struct {
	Action     string
	App        string // "" when unknown
	Providers  []Provider
	ShowEmail  bool   // people may be sent on by their e-mail domain
	EmailFirst bool   // that is asked before anything else
	Email      string // what was typed before, or the login_hint
	Notice     string // "" or one of the notices
}

// button is a Provider as it looks. A page may have hundreds, and HTML files call functions slowly.
type button struct {
	ID, Label string
	Monogram  string // "" for the key
	Tint      int
	Last      bool
}

// Choose renders the page.
func (p *Pages) Choose(pg Page, d Choose) ([]byte, error) {
	d.Email = hint(d.Email)
	v := struct {
		Choose
		Buttons []button
	}{d, make([]button, len(d.Providers))}
	for i, pr := range d.Providers {
		label, err := p.words.text(pg.Lang, "choose.provider", "Name", pr.Name)
		if err != nil {
			return nil, err
		}
		v.Buttons[i] = button{ID: pr.ID, Label: label, Last: pr.Last}
		if pr.Kind != "password" {
			v.Buttons[i].Monogram, v.Buttons[i].Tint = monogram(pr.Name), tint(pr.ID)
		}
	}
	return p.render("choose.html", pg, v)
}

// Problems of the password page.
const (
	Wrong     = "wrong" // username or password, and never which
	Throttled = "throttled"
)

// Password asks for a username and a password: #username, #password, #submit.
type Password struct {
	Action    string
	App       string        // "" when unknown
	Provider  string        // whose account it is; "" leaves the sentence out
	Username  string        // what was typed before, or the login_hint
	Problem   string        // "", Wrong or Throttled
	Wait      time.Duration // with Throttled
	OthersURL string        // where another provider can be chosen; "" when there is none
}

// Password renders the page.
func (p *Pages) Password(pg Page, d Password) ([]byte, error) {
	d.Username, d.OthersURL = hint(d.Username), link(d.OthersURL)
	return p.render("password.html", pg, d)
}

// Consent asks whether an app may have what it asks for. The form #consent posts decision=allow from #allow
// or decision=deny from #deny.
type Consent struct {
	Action string
	App    string
	Person Person
	Scopes []string // scope values; those of OpenID Connect Core §5.4 are described, others named
	// Unknown is of an app that nobody here has looked at: #unknown; nil: somebody has.
	Unknown *Unknown
	// Place is of the device that waits for the answer: #place, with its code in #code; nil: there is none.
	Place     *Place
	OthersURL string // where another account can be chosen, #others; "" leaves the link out
}

// Unknown is what an app says of itself that has registered itself. Its pages are links (#app-site, #app-logo,
// #app-policy, #app-terms) at most, and nothing of them is loaded.
type Unknown struct {
	Hosts                     string // where its logins end; "": nowhere
	Site, Logo, Policy, Terms string // https; "" leaves one out
}

// Consent renders the page.
func (p *Pages) Consent(pg Page, d Consent) ([]byte, error) {
	d.OthersURL = link(d.OthersURL)
	if u := d.Unknown; u != nil {
		d.Unknown = &Unknown{u.Hosts, outside(u.Site), outside(u.Logo), outside(u.Policy), outside(u.Terms)}
	}
	return p.render("consent.html", pg, d)
}

// Logout asks whether a person wants to sign out (OpenID Connect RP-Initiated Logout §2). The form #logout
// posts confirm=yes from #confirm, and Fields.
type Logout struct {
	Action  string
	App     string     // which asks for it; "" when unknown
	Person  Person     // who is signed in
	Fields  url.Values // hidden, come back as they are, and must be checked again
	StayURL string     // "" leaves the link out
}

// Logout renders the page.
func (p *Pages) Logout(pg Page, d Logout) ([]byte, error) {
	d.StayURL = link(d.StayURL)
	return p.render("logout.html", pg, d)
}

// LoggedOut says that a person is signed out: #logged-out. Whoever serves it with Frames allows them in its
// policy.
type LoggedOut struct {
	App         string
	AppURL      string   // "" leaves the link out
	Frames      []string // pages of apps that end their own sessions when they are loaded; absolute URLs
	ContinueURL string   // where the browser goes by itself once they are; "" leaves it here
}

// LoggedOut renders the page.
func (p *Pages) LoggedOut(pg Page, d LoggedOut) ([]byte, error) {
	d.AppURL, d.ContinueURL = link(d.AppURL), link(d.ContinueURL)
	return p.render("logged_out.html", pg, d)
}

// Post is a form that submits itself: a SAML request by the POST binding, or an app's answer by
// response_mode=form_post. Without JavaScript a person presses #continue.
//
// A browser sends each line break within a field as CR LF, whatever it was before.
type Post struct {
	URL    string // absolute, http or https
	Fields url.Values
	To     string // the name of whom it goes to; "" when unknown
}

var (
	errPostURL   = errors.New("form goes to a URL that is not absolute http or https")
	errPostField = errors.New("form field cannot be carried by HTML: it holds NUL or is not UTF-8")
)

// Post renders the page. It is an error when the fields could not arrive as they are.
func (p *Pages) Post(pg Page, d Post) ([]byte, error) {
	if u := link(d.URL); u == "" || u[0] == '/' {
		return nil, errPostURL
	}
	for name, values := range d.Fields {
		for _, s := range append([]string{name}, values...) {
			if strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
				return nil, errPostField
			}
		}
	}
	return p.render("post.html", pg, d)
}
