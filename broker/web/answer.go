package web

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/templates"
)

// LoginPath is where a login's own page is, below the issuer.
func LoginPath(id string) string { return "/login/" + url.PathEscape(id) }

// View is what every page of ours needs. locales are what the app asked for (ui_locales).
func (s *Site) View(r *http.Request, v broker.Visitor, locales []string) templates.Page {
	if locales == nil {
		locales = strings.Fields(r.URL.Query().Get("ui_locales"))
	}
	return templates.Page{
		Lang: s.Pages.Language(locales, r.Header.Get("Accept-Language")), RequestID: RequestInfo(r.Context()).RequestID, CSRF: CSRF(v),
	}
}

// Show writes a page.
func (s *Site) Show(w http.ResponseWriter, status int, page []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(status)
	w.Write(page)
}

// Turn sends a browser where its login goes next.
func (s *Site) Turn(w http.ResponseWriter, r *http.Request, t broker.Turn) error {
	info := RequestInfo(r.Context())
	info.App, info.Login = t.App, t.Login
	if t.Session != nil {
		info.User, info.Provider = t.Session.User, t.Session.Provider
		if err := s.signIn(w, r, t.Secret); err != nil {
			return err
		}
		s.remember(w, r, t.Session.Provider)
	}
	if t.Next == nil {
		to := s.URL(LoginPath(t.Login))
		if t.Receipt != "" {
			to += "?receipt=" + url.QueryEscape(t.Receipt)
		}
		return s.Next(w, r, providers.Redirect{URL: to})
	}
	return s.Next(w, r, t.Next)
}

// Next sends a browser on: with 303, so that what it posted is not posted again (RFC 9700 §4.12), or with a
// form that submits itself.
func (s *Site) Next(w http.ResponseWriter, r *http.Request, next providers.Next) error {
	switch n := next.(type) {
	case providers.Redirect:
		w.Header().Set("Location", n.URL)
		w.WriteHeader(http.StatusSeeOther)
		return nil
	case providers.Post:
		page, err := s.Pages.Post(s.View(r, broker.Visitor{}, nil), templates.Post{URL: n.URL, Fields: n.Fields})
		if err != nil {
			return err
		}
		s.Show(w, http.StatusOK, page)
		return nil
	}
	return fmt.Errorf("a browser cannot be sent to %T", next)
}

// status is the HTTP status of an error.
func status(e *providers.Error) int {
	if e.Status != 0 {
		return e.Status
	}
	switch e.Kind {
	case providers.Invalid:
		return http.StatusBadRequest
	case providers.Forbidden:
		return http.StatusForbidden
	case providers.Conflict:
		return http.StatusConflict
	case providers.Throttled:
		return http.StatusTooManyRequests
	case providers.Upstream:
		return http.StatusBadGateway
	case providers.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Fail answers an error with a page: what happened in one sentence, the request's ID, and a way on.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, err error) {
	e := providers.AsError(err)
	info := RequestInfo(r.Context())
	info.Reason, info.Err = e.Reason, err
	info.Provider = cmp.Or(info.Provider, e.Provider)
	maps.Copy(w.Header(), forPages)
	f := templates.Failure{Status: status(e), Reason: e.Reason, Wait: e.RetryAfter}
	if info.Logout && f.Status == http.StatusBadRequest {
		f.Reason = logoutReason(e.Reason)
	}
	if e.Kind == providers.Throttled || e.Kind == providers.Unavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int(max(e.RetryAfter, time.Second).Seconds())))
	}
	if p := s.Broker.Registry.Provider(info.Provider); p != nil {
		f.Provider = p.Name
	}
	var v broker.Visitor
	var locales []string
	if e.Kind != providers.Unavailable {
		if v, err = s.Visitor(r); err == nil {
			locales = s.wayOn(r, v, &f)
		}
	}
	page, err := s.Pages.Failure(s.View(r, v, locales), f)
	if err != nil {
		s.Log.ErrorContext(r.Context(), "an error page could not be shown", "request_id", info.RequestID, "error", err)
		http.Error(w, "Something went wrong. Request "+info.RequestID, f.Status)
		return
	}
	s.Show(w, f.Status, page)
}

// wayOn adds what the visitor can do: try the login again, or give it back to the app. Only the browser
// that owns a login is told of it.
func (s *Site) wayOn(r *http.Request, v broker.Visitor, f *templates.Failure) (locales []string) {
	info := RequestInfo(r.Context())
	app := s.Broker.Registry.App(info.App)
	if info.Login != "" {
		if l := s.Broker.Peek(r.Context(), info.Login, v); l != nil {
			app, locales = s.Broker.Registry.App(l.App), l.Locales
			info.App = cmp.Or(info.App, l.App)
			if l.Stage != broker.Finished {
				f.RetryURL, f.CancelAction = s.URL(LoginPath(l.ID))+"?choose=1", s.URL(LoginPath(l.ID))
			}
		}
	}
	if app != nil {
		f.App = app.Name
		if f.CancelAction == "" {
			f.AppURL = s.Initiate(app, "")
		}
	}
	return locales
}

// ConfirmLogout asks the visitor whether to sign out. fields come back with the answer.
func (s *Site) ConfirmLogout(w http.ResponseWriter, r *http.Request, v broker.Visitor, app *broker.App, fields url.Values) error {
	d := templates.Logout{Action: s.URL("/logout"), Fields: fields, Person: templates.Person{Name: v.User.Attributes.Name(), Email: v.User.Attributes.Email()}}
	if app != nil {
		d.App, d.StayURL = app.Name, s.Initiate(app, "")
	}
	page, err := s.Pages.Logout(s.View(r, v, strings.Fields(fields.Get("ui_locales"))), d)
	if err != nil {
		return err
	}
	s.Show(w, http.StatusOK, page)
	return nil
}
