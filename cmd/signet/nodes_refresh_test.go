package main

import (
	"fmt"
	"net/http"
)

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
