package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/templates"
)

// SignOut ends the visitor's session, here and in the browser, and sends them on: to the upstream, if it is
// to end there as well, or as SignedOut does.
func (s *Site) SignOut(w http.ResponseWriter, r *http.Request, v broker.Visitor, after broker.After) error {
	after, err := s.Broker.SignOut(r.Context(), v, after)
	if err != nil {
		return err
	}
	if err := s.Forget(w, r); err != nil {
		return err
	}
	if next := s.Broker.Leave(r.Context(), v, after); next != nil {
		return s.Next(w, r, next)
	}
	return s.SignedOut(w, r, after)
}

// Forget takes the cookie of a session that has ended from its browser.
func (s *Site) Forget(w http.ResponseWriter, r *http.Request) error {
	if len(r.CookiesNamed(s.cookieName("session"))) == 0 {
		return nil // another site may be asking, and what this browser has is not ours to take
	}
	session, err := s.Sessions.Get(r, s.cookieName("session"))
	if err != nil {
		return err
	}
	session.ID, session.Options.MaxAge = "", -1
	return session.Save(r, w)
}

// SignedOut sends a browser that is signed out to where the app wants it, or says so on a page. Apps that
// end their own sessions in the browser are loaded by that page first (OpenID Connect Front-Channel Logout
// 1.0 §2).
func (s *Site) SignedOut(w http.ResponseWriter, r *http.Request, after broker.After) error {
	app := s.Broker.Registry.App(after.App)
	to := ""
	if app != nil && slices.Contains(app.PostLogoutRedirectURIs, after.URI) {
		var err error
		if to, err = withState(after.URI, after.State); err != nil {
			return err
		}
	}
	frames, sources, err := s.frames(after)
	if err != nil {
		return err
	}
	if to != "" && len(frames) == 0 {
		return s.Next(w, r, providers.Redirect{URL: to})
	}
	d := templates.LoggedOut{Frames: frames, ContinueURL: to}
	if app != nil {
		d.App, d.AppURL = app.Name, s.Initiate(app, "")
	}
	page, err := s.Pages.LoggedOut(s.View(r, broker.Visitor{}, after.Locales), d)
	if err != nil {
		return err
	}
	if len(sources) > 0 {
		h := w.Header()
		h.Set("Content-Security-Policy", h.Get("Content-Security-Policy")+"; frame-src "+strings.Join(sources, " "))
	}
	s.Show(w, http.StatusOK, page)
	return nil
}

// frames are the front-channel logout addresses of the apps that took part in a session, and their origins.
func (s *Site) frames(after broker.After) (frames, sources []string, err error) {
	if after.Session == "" {
		return nil, nil, nil
	}
	for _, id := range after.Apps {
		app := s.Broker.Registry.App(id)
		if app == nil || app.FrontchannelLogoutURI == "" {
			continue
		}
		u, err := url.Parse(app.FrontchannelLogoutURI)
		if err != nil {
			continue
		}
		sid, err := s.Broker.Names.SID(app, after.Session)
		if err != nil {
			return nil, nil, err
		}
		q := u.Query()
		q.Set("iss", s.Issuer.String())
		q.Set("sid", sid)
		u.RawQuery = q.Encode()
		frames = append(frames, u.String())
		if origin := u.Scheme + "://" + u.Host; !slices.Contains(sources, origin) {
			sources = append(sources, origin)
		}
	}
	return frames, sources, nil
}

// withState is an app's address with the state that it has given, if any.
func withState(uri, state string) (string, error) {
	if state == "" {
		return uri, nil
	}
	to, err := url.Parse(uri)
	if err != nil {
		return "", err
	}
	q := to.Query()
	q.Set("state", state)
	to.RawQuery = q.Encode()
	return to.String(), nil
}

// logoutReason names the sentence for what an upstream sent about a sign-out: those about sign-ins would
// frighten a person who has signed out.
func logoutReason(reason string) string {
	if reason == "state_invalid" || reason == "replay" {
		return "logout_unknown"
	}
	return "logout_answer"
}
