package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// logoutRaces are a person's sign-out, its way back from upstream, and a sign-out that an upstream tells of.
func logoutRaces() []single { return []single{confirmationRace(), returnRace(), logoutTokenRace()} }

// leaver is somebody's session that is about to end.
type leaver struct {
	*visitor
	tokens tokenAnswer
	sid    string
}

func (l *leaver) signIn(c *cluster, provider, person string) (err error) {
	l.visitor = c.visitor()
	if l.tokens, err = c.signIn(l.visitor, provider, person); err == nil {
		l.sid = sidOf(c, l.tokens.ID)
	}
	return err
}

// ended looks for the session, and for how often its end was written down.
func (l *leaver) ended(c *cluster) error {
	var sessions, events int
	err := c.db.QueryRow(`SELECT (SELECT COUNT(*) FROM sessions WHERE id = $1), (SELECT COUNT(*) FROM events WHERE type = 'session.ended' AND session = $1)`, l.sid).Scan(&sessions, &events)
	if err == nil && (sessions != 0 || events != 1) {
		err = fmt.Errorf("a session that was ended is there %d times, and its end %d times", sessions, events)
	}
	return err
}

func confirmationRace() single {
	l := &leaver{}
	return single{name: "logout confirmation", ready: func(c *cluster) (func(*node) (*page, error), error) {
		if err := l.signIn(c, "globex", "ann"); err != nil {
			return nil, err
		}
		p, err := l.get(c.any(), "/logout")
		if err != nil {
			return nil, err
		}
		if !p.has("confirm") {
			return nil, unexpected("logout", p)
		}
		action, form := p.form()
		form.Set("confirm", "yes")
		return func(n *node) (*page, error) { return l.post(n, action, form) }, nil
	}, judge: func(c *cluster, got []*page) error { // who is signed out already is told so too
		answered := false
		for _, p := range got {
			if p != nil && (p.status != http.StatusOK || !p.has("logged-out")) {
				return unexpected("logout", p)
			}
			answered = answered || p != nil
		}
		if !answered {
			return nil
		}
		return l.ended(c)
	}}
}

func returnRace() single {
	l := &leaver{}
	return single{name: "way back from a sign-out upstream", ready: func(c *cluster) (func(*node) (*page, error), error) {
		if err := l.signIn(c, "hooli", "bob"); err != nil {
			return nil, err
		}
		q := url.Values{"id_token_hint": {l.tokens.ID}, "post_logout_redirect_uri": {afterLogout}}
		p, err := l.get(c.any(), "/logout?"+q.Encode())
		if err != nil {
			return nil, err
		}
		if p.location == nil || !strings.HasPrefix(p.location.String(), c.hooli.Issuer) {
			return nil, unexpected("logout", p)
		}
		resp, err := http.DefaultTransport.RoundTrip(l.request(http.MethodGet, p.location.String(), nil))
		if err != nil {
			return nil, err
		}
		resp.Body.Close()
		back, err := resp.Location()
		return func(n *node) (*page, error) { return l.get(n, back.String()) }, err
	}, won: func(p *page) bool { return p.location != nil && p.location.String() == afterLogout },
		refused: refusedWith(http.StatusBadRequest), then: func(c *cluster, _ *page, _ int) error { return l.ended(c) }}
}

func logoutTokenRace() single {
	l := &leaver{}
	return single{name: "logout token", ready: func(c *cluster) (func(*node) (*page, error), error) {
		err := l.signIn(c, "hooli", "ann")
		form := url.Values{"logout_token": {c.hooli.LogoutToken("ann", nil)}}
		return func(n *node) (*page, error) { return c.asApp(n, "", "/callback/hooli/logout", form, "") }, err
	}, won: func(p *page) bool { return p.status == http.StatusOK && p.body == "" },
		refused: errorIs(http.StatusBadRequest, "invalid_request"), then: func(c *cluster, _ *page, _ int) error { return l.ended(c) }}
}
