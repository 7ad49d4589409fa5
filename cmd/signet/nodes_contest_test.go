package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// single is something that works once, on whichever node.
type single struct {
	name string
	// ready makes a new one. present shows it to a node.
	ready   func(c *cluster) (present func(n *node) (*page, error), err error)
	won     func(*page) bool
	refused func(*page) bool
	// then looks for what must hold after a round. winner is nil when the winner's answer was lost.
	then func(c *cluster, winner *page, refused int) error
	// judge replaces the rule that one wins and everybody else is refused.
	judge func(c *cluster, got []*page) error
}

// singles are all that is single-use. Each runs beside the others.
func singles(k *kept) []single {
	all := []single{stateRace(k), codeRace(), assertionRace(k), clientAssertionRace(), proofRace(), pushedRace(k), bearerRace()}
	return append(append(all, refreshRaces()...), append(deviceRaces(), logoutRaces()...)...)
}

// keeps redeems the code that a browser was sent to its app with, and keeps what it is worth.
func keeps(k *kept) func(*cluster, *page, int) error {
	return func(c *cluster, winner *page, _ int) error {
		if winner == nil {
			return nil
		}
		p, err := c.redeemAt(c.any(), winner.location.Query().Get("code"))
		switch {
		case errors.Is(err, errCut):
			return nil
		case err != nil:
			return err
		case !succeeds(p):
			return unexpected("the winner's code", p)
		}
		k.add(p.tokens())
		return nil
	}
}

func stateRace(k *kept) single {
	return single{name: "login callback", ready: func(c *cluster) (func(*node) (*page, error), error) {
		v := c.visitor()
		back, err := c.back(v, "globex", "ann")
		return func(n *node) (*page, error) { return v.get(n, back) }, err
	}, won: hasCode, refused: refusedWith(http.StatusBadRequest, http.StatusConflict), then: keeps(k)}
}

func codeRace() single {
	return single{name: "code", ready: func(c *cluster) (func(*node) (*page, error), error) {
		code, err := c.code(c.visitor(), "globex", "ann")
		return func(n *node) (*page, error) { return c.redeemAt(n, code) }, err
	}, won: succeeds, refused: invalidGrant, then: func(c *cluster, winner *page, refused int) error {
		if winner == nil || refused == 0 {
			return nil
		}
		// One of the two who had the code should not have had it.
		p, err := retried(func() (*page, error) { return c.refreshAt(c.any(), winner.tokens().Refresh) })
		if err == nil && !invalidGrant(p) {
			err = unexpected("the tokens of a replayed code", p)
		}
		return err
	}}
}

// assertionRace is a SAML response, posted by a browser that sends none of our cookies across sites.
func assertionRace(k *kept) single {
	var v *visitor
	return single{name: "SAML assertion", ready: func(c *cluster) (func(*node) (*page, error), error) {
		v = c.visitor()
		p, err := v.get(c.any(), "/authorize?"+authorizeQuery(webApp, url.Values{"provider": {"initech"}}).Encode())
		if err != nil {
			return nil, err
		}
		if p.location == nil {
			return nil, unexpected("authorize", p)
		}
		form, err := c.initech.AnswerURL(p.location.String(), nil)
		return func(n *node) (*page, error) { return (&visitor{c: c}).post(n, "/saml/initech/acs", form) }, err
	}, won: func(p *page) bool {
		return p.status == http.StatusSeeOther && strings.Contains(p.location.Path, "/login/")
	},
		refused: refusedWith(http.StatusBadRequest, http.StatusConflict),
		then: func(c *cluster, winner *page, _ int) error {
			if winner == nil {
				return nil
			}
			p, err := v.get(c.any(), winner.location.String())
			switch {
			case errors.Is(err, errCut):
				return nil
			case err != nil:
				return err
			case !hasCode(p):
				return unexpected("after the assertion", p)
			}
			return keeps(k)(c, p, 0)
		}}
}

func clientAssertionRace() single {
	return single{name: "client assertion", ready: func(c *cluster) (func(*node) (*page, error), error) {
		form := asserted(url.Values{"grant_type": {"client_credentials"}, "resource": {ordersAPI}}, c.draft(keyApp).sign())
		return func(n *node) (*page, error) { return c.asApp(n, "", "/token", form, "") }, nil
	}, won: succeeds, refused: errorIs(http.StatusUnauthorized, "invalid_client")}
}

func proofRace() single {
	return single{name: "DPoP proof", ready: func(c *cluster) (func(*node) (*page, error), error) {
		proof := c.proof(provers()["ES256"], http.MethodPost, "/token", "")
		return func(n *node) (*page, error) {
			return c.asApp(n, selfApp, "/token", url.Values{"grant_type": {"client_credentials"}, "resource": {ordersAPI}}, proof)
		}, nil
	}, won: succeeds, refused: errorIs(http.StatusBadRequest, "invalid_dpop_proof")}
}

func bearerRace() single {
	return single{name: "jwt-bearer assertion", ready: func(c *cluster) (func(*node) (*page, error), error) {
		form := url.Values{"grant_type": {bearerType}, "assertion": {c.says(buildIssuer, "nightly").sign()}, "resource": {ordersAPI}}
		return func(n *node) (*page, error) { return c.asApp(n, deployApp, "/token", form, "") }, nil
	}, won: succeeds, refused: invalidGrant}
}

// pushedRace has a person who is signed in already answer one pushed request twice.
func pushedRace(k *kept) single {
	return single{name: "pushed request", ready: func(c *cluster) (func(*node) (*page, error), error) {
		v := c.visitor()
		if _, err := c.code(v, "globex", "ann"); err != nil {
			return nil, err
		}
		p, err := c.asApp(c.any(), webApp, "/par", authorizeQuery(webApp, nil), "")
		if err != nil {
			return nil, err
		}
		var answer struct {
			URI string `json:"request_uri"`
		}
		if err := json.Unmarshal([]byte(p.body), &answer); err != nil || p.status != http.StatusCreated {
			return nil, unexpected("push", p)
		}
		q := url.Values{"client_id": {webApp}, "request_uri": {answer.URI}}
		return func(n *node) (*page, error) { return v.get(n, "/authorize?"+q.Encode()) }, nil
	}, won: hasCode, refused: refusedWith(http.StatusBadRequest, http.StatusConflict), then: keeps(k)}
}

// refreshRaces are those of one refresh token. Within the grace everybody is given the same successor; later,
// whoever brings it ends the family, also under the one who brings the successor at the same moment.
func refreshRaces() []single { return []single{graceRace(), lateRace(), theftRace()} }

var invalidGrant = errorIs(http.StatusBadRequest, "invalid_grant")

func graceRace() single {
	var old string
	return single{name: "refresh token", ready: func(c *cluster) (func(*node) (*page, error), error) {
		a, err := c.signIn(c.visitor(), "globex", "ann")
		old = a.Refresh
		return func(n *node) (*page, error) { return c.refreshAt(n, a.Refresh) }, err
	}, judge: func(c *cluster, got []*page) error {
		next := map[string]bool{}
		for _, p := range got {
			if p != nil && !succeeds(p) {
				return unexpected("a refresh token within its grace", p)
			} else if p != nil {
				next[p.tokens().Refresh] = true
			}
		}
		p, err := retried(func() (*page, error) { return c.refreshAt(c.any(), old) })
		if err != nil {
			return err
		}
		if next[p.tokens().Refresh] = true; !succeeds(p) || len(next) != 1 || next[old] {
			return fmt.Errorf("one refresh token has %d successors: %w", len(next), unexpected("last", p))
		}
		return nil
	}}
}

// stale is a refresh token whose grace is over, and its successor.
type stale struct{ old, successor string }

func (s *stale) make(c *cluster) error {
	a, err := c.signIn(c.visitor(), "globex", "ann")
	if err != nil {
		return err
	}
	p, err := retried(func() (*page, error) { return c.refreshAt(c.any(), a.Refresh) })
	if err != nil {
		return err
	}
	if !succeeds(p) {
		return unexpected("refresh", p)
	}
	s.old, s.successor = a.Refresh, p.tokens().Refresh
	// The nodes' clocks cannot be moved: the rotation is.
	_, err = c.db.Exec(`UPDATE families SET rotated = rotated - 31000 WHERE session = $1`, sidOf(c, a.ID))
	return err
}

func (s *stale) dead(c *cluster) error {
	p, err := retried(func() (*page, error) { return c.refreshAt(c.any(), s.successor) })
	if err == nil && !invalidGrant(p) {
		err = unexpected("the successor of a stolen refresh token", p)
	}
	return err
}

func lateRace() single {
	s := &stale{}
	return single{name: "refresh token after its grace", ready: func(c *cluster) (func(*node) (*page, error), error) {
		return func(n *node) (*page, error) { return c.refreshAt(n, s.old) }, s.make(c)
	}, judge: func(c *cluster, got []*page) error {
		answered := false
		for _, p := range got {
			if p != nil && !invalidGrant(p) {
				return unexpected("a refresh token after its grace", p)
			}
			answered = answered || p != nil
		}
		if !answered {
			return nil
		}
		return s.dead(c)
	}}
}

func theftRace() single {
	s := &stale{}
	return single{name: "refresh token and its stolen predecessor", ready: func(c *cluster) (func(*node) (*page, error), error) {
		return func(n *node) (*page, error) {
			if n == c.nodes[0] {
				return c.refreshAt(n, s.old)
			}
			return c.refreshAt(n, s.successor)
		}, s.make(c)
	}, judge: func(c *cluster, got []*page) error {
		thief, owner := got[0], got[1]
		switch {
		case thief == nil:
			return nil
		case !invalidGrant(thief):
			return unexpected("a stolen refresh token", thief)
		case owner != nil && !invalidGrant(owner) && !succeeds(owner):
			return unexpected("the owner's refresh token", owner)
		case owner != nil && succeeds(owner):
			s.successor = owner.tokens().Refresh
		}
		return s.dead(c)
	}}
}

// sidOf is the session that an ID token is of.
func sidOf(c *cluster, token string) string {
	var claims struct{ SID string }
	decodeClaims(c.t, token, &claims)
	return claims.SID
}

// deviceRaces are a device's question for its tokens, and a person's answer.
func deviceRaces() []single { return []single{pollRace(), approvalRace()} }

func (c *cluster) pollAt(n *node, d waiting) (*page, error) {
	return c.asApp(n, "", "/token", url.Values{"grant_type": {deviceType}, "device_code": {d.Device}, "client_id": {tvApp}}, "")
}

func pollRace() single {
	return single{name: "device code", ready: func(c *cluster) (func(*node) (*page, error), error) {
		v := c.visitor()
		d, err := c.device()
		if err != nil {
			return nil, err
		}
		action, form, err := c.allows(v, d)
		if err != nil {
			return nil, err
		}
		p, err := v.post(c.any(), action, form)
		if err == nil && !deviceAllowed(p) {
			err = unexpected("allow", p)
		}
		return func(n *node) (*page, error) { return c.pollAt(n, d) }, err
	}, won: succeeds, refused: invalidGrant}
}

func approvalRace() single {
	var d waiting
	return single{name: "device approval", ready: func(c *cluster) (func(*node) (*page, error), error) {
		var err error
		if d, err = c.device(); err != nil {
			return nil, err
		}
		v := c.visitor()
		action, form, err := c.allows(v, d)
		return func(n *node) (*page, error) { return v.post(n, action, form) }, err
	}, won: deviceAllowed, refused: refusedWith(http.StatusBadRequest, http.StatusConflict), then: func(c *cluster, _ *page, _ int) error {
		p, err := c.pollAt(c.any(), d)
		if errors.Is(err, errCut) {
			return nil
		}
		if err == nil && !succeeds(p) {
			err = unexpected("a device that was allowed", p)
		}
		return err
	}}
}

func deviceAllowed(p *page) bool {
	return p.status == http.StatusSeeOther && p.location != nil && p.location.Query().Get("answer") == "allowed"
}

// device has a program ask for its codes.
func (c *cluster) device() (d waiting, err error) {
	p, err := c.asApp(c.any(), "", "/device_authorization", url.Values{"scope": {"openid offline_access"}, "client_id": {tvApp}}, "")
	if err != nil {
		return d, err
	}
	if json.Unmarshal([]byte(p.body), &d) != nil || p.status != http.StatusOK {
		return d, unexpected("device_authorization", p)
	}
	return d, nil
}

// allows goes as far as the page that asks a person about a device, and returns its form, filled in.
func (c *cluster) allows(v *visitor, d waiting) (action string, form url.Values, err error) {
	p, err := v.get(c.any(), "/device")
	next := func(to func() (*page, error)) {
		if err == nil {
			p, err = to()
		}
	}
	submit := func(name, value string) {
		next(func() (*page, error) {
			if !strings.Contains(p.body, "<form") {
				return nil, unexpected("a page with a form", p)
			}
			action, form = p.form()
			form.Set(name, value)
			return v.post(c.any(), action, form)
		})
	}
	follow := func() {
		next(func() (*page, error) {
			if p.location == nil {
				return nil, unexpected("a way on", p)
			}
			return v.get(c.any(), p.location.String())
		})
	}
	submit("user_code", d.Code)
	follow()
	submit("provider", "globex")
	next(func() (*page, error) {
		back, err := c.globex.SignIn(c.t.Context(), p.location.String(), "bob")
		if err != nil {
			return nil, err
		}
		return v.get(c.any(), back.String())
	})
	follow()
	if err != nil {
		return "", nil, err
	}
	if !p.has("consent") {
		return "", nil, unexpected("the page that asks", p)
	}
	action, form = p.form()
	form.Set("decision", "allow")
	return action, form, nil
}

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
