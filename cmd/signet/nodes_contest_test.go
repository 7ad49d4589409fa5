package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
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
	both  atomic.Int32 // rounds in which both nodes have answered
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
