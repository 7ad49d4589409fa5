package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var soak = flag.Duration("soak", 0, "how long tests under load go on; 0: a short form of them")

// lasting is how long a test under load goes on: by itself as long as every run of the tests can afford.
func lasting(short time.Duration) time.Duration { return max(*soak, short) }

// kept is what apps were told they have, and must have to the end.
type kept struct {
	mu     sync.Mutex
	tokens []tokenAnswer
}

func (k *kept) add(a tokenAnswer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tokens = append(k.tokens, a)
}

// TestNothingWorksTwiceOnTwoNodes sends everything that is single-use to two nodes at the same moment, while one of
// them after the other is killed and started again. One wins, the other is refused as documented; whatever an app was
// told it has it has in the end; and no answer is any other.
func TestNothingWorksTwiceOnTwoNodes(t *testing.T) {
	c, k := newCluster(t), &kept{}
	var stop atomic.Bool
	var all sync.WaitGroup
	contests := singles(k)
	for i := range contests {
		s := &contests[i]
		all.Go(func() { s.compete(t, c, &stop) })
	}
	for range 3 {
		all.Go(func() { honest(t, c, k, &stop) })
	}
	kills, slowest := 0, time.Duration(0)
	for end := time.Now().Add(lasting(12 * time.Second)); time.Now().Before(end) && !t.Failed(); kills++ {
		time.Sleep(900 * time.Millisecond) // both nodes answer
		n := c.nodes[kills%2]
		n.kill()
		time.Sleep(100 * time.Millisecond) // one does
		slowest = max(slowest, n.begin())
		c.invariants(t)
	}
	// On a slow machine a node was hardly up before it was killed again.
	raced := func(s *single) bool { return s.both.Load() >= 3 }
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end) && !t.Failed() && !every(contests, raced); {
		time.Sleep(100 * time.Millisecond)
	}
	stop.Store(true)
	all.Wait()
	c.invariants(t)
	for _, a := range k.tokens {
		p, err := c.refreshAt(c.any(), a.Refresh)
		if err != nil || !succeeds(p) {
			t.Fatalf("a refresh token that an app was given: %v, %v", p, err)
		}
		if err := c.useAt(c.any(), p.tokens().Access); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range c.nodes {
		for _, log := range n.logs {
			for line := range strings.Lines(log.String()) {
				if !strings.Contains(line, `"level":"WARN"`) {
					t.Errorf("node %d says %s", i, line)
				}
			}
		}
	}
	t.Logf("%d kills, the slowest start took %v, %d sign-ins kept their tokens", kills, slowest, len(k.tokens))
	if kills < 3 || len(k.tokens) < 20 {
		t.Error("too little has happened to say anything")
	}
}

func every(all []single, holds func(*single) bool) bool {
	for i := range all {
		if !holds(&all[i]) {
			return false
		}
	}
	return true
}

// compete runs rounds until stop.
func (s *single) compete(t *testing.T, c *cluster, stop *atomic.Bool) {
	rounds, won := 0, [2]int{}
	for ; !stop.Load() && !t.Failed(); rounds++ {
		present, err := retried(func() (func(*node) (*page, error), error) { return s.ready(c) })
		if err != nil {
			t.Errorf("%s, round %d, before it: %v", s.name, rounds, err)
			return
		}
		var got [2]*page // nil: the node was killed
		var errs [2]error
		goTogether(func() { got[0], errs[0] = present(c.nodes[0]) }, func() { got[1], errs[1] = present(c.nodes[1]) })
		cut := 0
		for i, err := range errs {
			switch {
			case errors.Is(err, errCut):
				cut++
			case err != nil:
				t.Errorf("%s, round %d: node %d: %v", s.name, rounds, i, err)
				return
			}
		}
		if cut == 0 {
			s.both.Add(1)
		}
		if s.judge != nil {
			err = s.judge(c, got[:])
		} else {
			err = s.oneWins(c, got[:], cut, present, &won)
		}
		if err != nil {
			t.Errorf("%s, round %d: %v", s.name, rounds, err)
			return
		}
	}
	t.Logf("%s: %d rounds, %d of them with two answers, won by %v", s.name, rounds, s.both.Load(), won)
	if s.both.Load() < 3 {
		t.Errorf("%s: the nodes did not race", s.name)
	}
}

// oneWins holds that of those who were answered one has won, or whoever was not.
func (s *single) oneWins(c *cluster, got []*page, cut int, present func(*node) (*page, error), won *[2]int) error {
	var winner *page
	refused := 0
	for i, p := range got {
		switch {
		case p == nil:
		case s.won(p) && winner != nil:
			return errors.New("it works on both nodes")
		case s.won(p):
			winner = p
			won[i]++
		case s.refused(p):
			refused++
		default:
			return unexpected("neither won nor refused", p)
		}
	}
	if winner == nil && cut == 0 {
		return fmt.Errorf("nobody wins: %v and %v", got[0], got[1])
	}
	if cut > 0 { // once more: it was won by now, or is
		p, err := retried(func() (*page, error) { return present(c.any()) })
		switch {
		case err != nil:
			return err
		case s.won(p) && (winner != nil || refused > 0):
			return fmt.Errorf("it works once more: %v after %v and %v", p, got[0], got[1])
		case s.won(p):
			winner = p
		case !s.refused(p):
			return unexpected("once more", p)
		default:
			refused++
		}
	}
	if s.then == nil {
		return nil
	}
	return s.then(c, winner, refused)
}

// honest are people who sign in and apps that use what they get, and try again when an answer is lost.
func honest(t *testing.T, c *cluster, k *kept, stop *atomic.Bool) {
	for !stop.Load() && !t.Failed() {
		a, err := c.signIn(c.visitor(), "globex", "ann")
		if err == nil {
			err = c.useAt(c.any(), a.Access)
		}
		if err == nil {
			// Whether or not it was rotated when the answer was lost: within the grace there is an answer.
			var p *page
			if p, err = retried(func() (*page, error) { return c.refreshAt(c.any(), a.Refresh) }); err == nil && !succeeds(p) {
				err = unexpected("refresh", p)
			} else if err == nil {
				k.add(p.tokens())
			}
		}
		if err != nil {
			t.Errorf("an honest sign-in: %v", err)
		}
	}
}

// useAt has an app use an access token.
func (c *cluster) useAt(n *node, access string) error {
	v := &visitor{c: c}
	req := v.request(http.MethodGet, "/userinfo", nil)
	req.Header.Set("Authorization", "Bearer "+access)
	p, err := v.send(n, req)
	switch {
	case errors.Is(err, errCut):
		return nil
	case err != nil:
		return err
	case p.status != http.StatusOK:
		return unexpected("userinfo", p)
	}
	return nil
}

// invariants are what must hold at any time, whoever has died.
func (c *cluster) invariants(t *testing.T) {
	t.Helper()
	for what, query := range map[string]string{
		"sessions without a user":                  `SELECT COUNT(*) FROM sessions s LEFT JOIN users u ON u.id = s.user_id WHERE u.id IS NULL`,
		"links without a user":                     `SELECT COUNT(*) FROM links l LEFT JOIN users u ON u.id = l.user_id WHERE u.id IS NULL`,
		"users whom nobody can be":                 `SELECT COUNT(*) FROM users u LEFT JOIN links l ON l.user_id = u.id WHERE l.user_id IS NULL`,
		"people who are two users":                 `SELECT COUNT(*) FROM (SELECT 1 FROM users GROUP BY email HAVING COUNT(*) > 2) x`, // at two companies
		"spent codes without a family":             `SELECT COUNT(*) FROM artifacts a LEFT JOIN families f ON f.id = a.family WHERE a.family NOT IN ('', '-') AND f.id IS NULL`,
		"families without their code":              `SELECT COUNT(*) FROM families f LEFT JOIN artifacts a ON a.family = f.id WHERE f.app <> 'tv' AND a.hash IS NULL`,
		"families that two codes have":             `SELECT COUNT(*) FROM (SELECT 1 FROM artifacts WHERE family NOT IN ('', '-') GROUP BY family HAVING COUNT(*) > 1) x`,
		"issues of tokens beyond the codes":        `SELECT COUNT(*) FROM (SELECT 1 FROM events e WHERE e.type = 'tokens.issued' AND e.app = 'web' HAVING COUNT(*) <> (SELECT COUNT(*) FROM families WHERE app = 'web')) x`,
		"families beyond the devices that got one": `SELECT COUNT(*) FROM (SELECT 1 FROM families WHERE app = 'tv' HAVING COUNT(*) <> (SELECT COUNT(*) FROM devices WHERE state = 3)) x`,
		"assertions that were taken twice":         `SELECT COUNT(*) FROM (SELECT 1 FROM once GROUP BY provider, id HAVING COUNT(*) > 1) x`,
		"sign-ins beyond the assertions":           `SELECT GREATEST(0, (SELECT COUNT(*) FROM events WHERE type = 'login.finished' AND provider = 'initech') - (SELECT COUNT(*) FROM once WHERE provider = 'initech'))`,
		"logins that finished twice":               `SELECT COUNT(*) FROM (SELECT 1 FROM events WHERE type = 'login.finished' AND login <> '' GROUP BY login HAVING COUNT(*) > 1) x`,
		"sessions that ended twice":                `SELECT COUNT(*) FROM (SELECT 1 FROM events WHERE type = 'session.ended' GROUP BY session HAVING COUNT(*) > 1) x`,
	} {
		var n int
		if err := c.db.QueryRow(query).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d %s, %v", n, what, err)
		}
	}
}
