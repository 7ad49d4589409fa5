package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
)

// browserAge is how long a browser is known again, in seconds. Its cookie says nothing of who uses it: it
// binds logins to the browser they began in, and lets its owner in while others guess at a password.
const browserAge = 180 * 24 * 3600

func (s *Site) cookieName(what string) string {
	if s.secure() {
		return "__Host-signet-" + what // no sibling domain can set it (RFC 6265bis §4.1.3)
	}
	return "signet-" + what
}

// Visitor says which browser a request came from, and who is signed in there.
func (s *Site) Visitor(r *http.Request) (broker.Visitor, error) {
	info := RequestInfo(r.Context())
	v := broker.Visitor{Browser: info.Browser, Addr: info.Addr, RequestID: info.RequestID, Last: cookie(r, s.cookieName("last"))}
	if secret := cookie(r, s.cookieName("browser")); secret != "" {
		sum := sha256.Sum256([]byte(secret))
		v.Browser = sum[:]
	}
	if cookie(r, s.cookieName("session")) == "" {
		return v, nil
	}
	session, err := s.Sessions.Get(r, s.cookieName("session"))
	if err != nil {
		return v, err
	}
	if c, ok := session.Values[signedIn{}].(current); ok && !c.user.Disabled {
		v.Session, v.User = &c.session, &c.user
		info.User = c.user.ID
	}
	return v, nil
}

// Known gives the visitor's browser its cookie, if it has none.
func (s *Site) Known(w http.ResponseWriter, r *http.Request, v *broker.Visitor) {
	if v.Browser != nil {
		return
	}
	secret := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(secret))
	v.Browser = sum[:]
	RequestInfo(r.Context()).Browser = v.Browser                                                                                                                                     // an error page of this very answer is for the same browser
	http.SetCookie(w, &http.Cookie{Name: s.cookieName("browser"), Value: secret, Path: "/", MaxAge: browserAge, Secure: s.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // not Secure on loopback only
}

// signIn gives the browser the cookie of its new session.
func (s *Site) signIn(w http.ResponseWriter, r *http.Request, secret string) error {
	session, err := s.Sessions.Get(r, s.cookieName("session"))
	if err != nil {
		return err
	}
	session.ID = secret
	return session.Save(r, w)
}

// remember gives the browser the name of the provider that it has signed in with, to offer it first.
func (s *Site) remember(w http.ResponseWriter, r *http.Request, provider string) {
	if name := s.cookieName("last"); cookie(r, name) != provider {
		http.SetCookie(w, &http.Cookie{Name: name, Value: provider, Path: "/", MaxAge: browserAge, Secure: s.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // not Secure on loopback only
	}
}

// CSRF is the token that every form of ours carries for a visitor.
func CSRF(v broker.Visitor) string {
	mac := hmac.New(sha256.New, v.Browser)
	mac.Write([]byte("signet form"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// CheckForm refuses a form that did not come from a page of ours in this visitor's browser.
func (s *Site) CheckForm(r *http.Request, v broker.Visitor, token string) error {
	err := s.csrf.Check(r)
	if err == nil && v.Browser != nil && hmac.Equal([]byte(token), []byte(CSRF(v))) {
		return nil
	}
	e := providers.Refuse("csrf", "the form did not come from our page (origin %.100q): %v", r.Header.Get("Origin"), err)
	e.Kind = providers.Forbidden
	return e
}
