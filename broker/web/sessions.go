package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/sessions"

	"github.com/signet-broker/signet/broker"
)

// Sessions keeps browsers' sessions as rows, behind gorilla's Store. The cookie holds the secret that
// the row is found by, and nothing else. A session's row is written by the core, in the same
// transaction as all that a login ends with, so Save writes only the cookie.
type Sessions struct {
	Store  broker.Store
	Secure bool          // browsers reach us by TLS: cookies are Secure and bound to this host
	MaxAge time.Duration // how long a browser keeps the cookie
}

var _ sessions.Store = (*Sessions)(nil)

// signedIn is the key of the session's row in gorilla's Values.
type signedIn struct{}

type current struct {
	session broker.Session
	user    broker.User
}

// Get returns the request's session. It is read once a request.
func (s *Sessions) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New reads the session that a request's cookie names; one that is not there is new and empty. The error
// says that the database could not be asked.
func (s *Sessions) New(r *http.Request, name string) (*sessions.Session, error) {
	session := sessions.NewSession(s, name)
	session.IsNew = true
	session.Options = &sessions.Options{Path: "/", MaxAge: int(s.MaxAge.Seconds()), Secure: s.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	secret := cookie(r, name)
	if secret == "" {
		return session, nil
	}
	row, user, err := s.Store.Session(r.Context(), broker.HashSecret(secret))
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return session, nil
	case err != nil:
		return session, err
	}
	session.ID, session.IsNew = secret, false
	session.Values[signedIn{}] = current{row, user}
	return session, nil
}

// Save sets the cookie to session.ID, or removes it when MaxAge is negative.
func (s *Sessions) Save(_ *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	http.SetCookie(w, sessions.NewCookie(session.Name(), session.ID, session.Options))
	return nil
}

// cookie returns the value of a cookie that came exactly once. A second one of the same name was set by
// somebody else for a wider domain or another path.
func cookie(r *http.Request, name string) string {
	if c := r.CookiesNamed(name); len(c) == 1 {
		return c[0].Value
	}
	return ""
}
