package password

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/signet-broker/signet/providers"
)

const (
	firstWait = time.Second
	attack    = 10 // times Limits.Account: the account is under attack
)

// throttle holds the policy of the package comment.
type throttle struct {
	store    Store
	limits   Limits
	provider string
}

// guess is one try at an account.
type guess struct {
	username string
	addr     netip.Addr // invalid: all who come from nowhere count as one address
	device   []byte     // hash of the browser's name; nil when it has none
	trusted  bool       // that browser has signed in to the account before
	at       time.Time
}

// rule is one counter of a guess: so many tries are free, and then the wait begins with first.
type rule struct {
	key   string
	free  int
	first time.Duration
}

// wait returns how long after the try before it the n-th one must come.
func (r rule) wait(n int, longest time.Duration) time.Duration {
	over := n - r.free
	if over <= 0 {
		return 0
	}
	return min(longest, r.first<<min(over-1, 20))
}

// rules returns the counters of a guess; nil: it has none of that sort. The one from everywhere has no wait.
func (t *throttle) rules(g guess) (own, address, everywhere *rule) {
	if g.trusted {
		if t.limits.Account > 0 {
			own = &rule{t.key("device", g.username, string(g.device)), t.limits.Account, firstWait}
		}
		return own, nil, nil
	}
	prefix := network(g.addr)
	if t.limits.Account > 0 {
		own = &rule{t.key("pair", g.username, prefix), t.limits.Account, firstWait}
		everywhere = &rule{key: t.key("account", g.username), free: attack * t.limits.Account}
	}
	if t.limits.Address > 0 {
		address = &rule{t.key("address", prefix), t.limits.Address, firstWait}
	}
	return own, address, everywhere
}

// admit counts a guess, and refuses it with a Throttled error when it comes too early. It returns how many
// guesses its address has made.
func (t *throttle) admit(ctx context.Context, g guess) (fromAddress int, err error) {
	own, address, everywhere := t.rules(g)
	var counted []*rule
	var keys []string
	for _, r := range []*rule{own, address, everywhere} {
		if r != nil {
			counted, keys = append(counted, r), append(keys, r.key)
		}
	}
	if len(keys) == 0 {
		return 0, nil
	}
	counters, err := t.store.Count(ctx, keys, g.at, t.limits.Window)
	if err != nil {
		return 0, err
	}
	early, wait := false, time.Duration(0)
	if n := len(counters) - 1; everywhere != nil && counters[n].Count > everywhere.free {
		// Whoever has not tried yet keeps some tries, or the attacker would have locked them out.
		own.free, own.first = (own.free+1)/2, max(own.first, t.limits.Window/16)
	}
	for i, r := range counted {
		c := counters[i]
		if r == address {
			fromAddress = c.Count
		}
		early = early || g.at.Sub(c.Last) < r.wait(c.Count, t.limits.Window)
		wait = max(wait, r.wait(c.Count+1, t.limits.Window)) // what the next try will be asked for
	}
	if early {
		return 0, &providers.Error{Kind: providers.Throttled, Reason: Throttled, RetryAfter: wait, Err: fmt.Errorf("try %d", counters[0].Count)}
	}
	return fromAddress, nil
}

// succeeded forgets the counters of a guess that was right.
func (t *throttle) succeeded(ctx context.Context, g guess, fromAddress int) error {
	own, address, _ := t.rules(g)
	var keys []string
	if own != nil {
		keys = append(keys, own.key)
	}
	if address != nil && 2*fromAddress > address.free {
		// Once per account and window, or an attacker's own account would reset the count at will.
		slice := strconv.FormatInt(g.at.UnixNano()/int64(t.limits.Window), 10)
		c, err := t.store.Count(ctx, []string{t.key("cleared", network(g.addr), g.username, slice)}, g.at, t.limits.Window)
		if err != nil {
			return err
		}
		if c[0].Count == 1 {
			keys = append(keys, address.key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return t.store.Forget(ctx, keys)
}

// key names a counter. It is hashed: people type their passwords into the wrong field.
func (t *throttle) key(parts ...string) string {
	h := sha256.New()
	for _, s := range append([]string{t.provider}, parts...) {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return "password." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// network is what counts as one address: an IPv4 address, or a /64 of IPv6, which is what one person gets.
func network(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
