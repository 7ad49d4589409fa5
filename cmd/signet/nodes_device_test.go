package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

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
