package op

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/signet-broker/signet/providers"
)

// What one app may do in a minute, as seen at one address of one node.
const (
	maxGuesses = 100
	maxPushes  = 6000
	maxCodes   = 1000
	maxFetches = 600
	// maxRefusals is of those that are signed. Anybody can be refused, and where keys are kept elsewhere each signature
	// is one less that tokens can have.
	maxRefusals = 1000
)

// maxCallers bounds a limiter's memory. Beyond it nobody more is counted: what is limited is too long to be
// guessed, the limit only keeps the load and the log down.
const maxCallers = 50_000

// caller is an app as seen at one network address, so that a stranger locks out nobody but themselves.
type caller struct {
	app  string
	from netip.Prefix
}

// callerOf takes an IPv4 address, or the /64 that one gets with IPv6.
func callerOf(app string, addr netip.Addr) caller {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	from, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return caller{app: app}
	}
	return caller{app, from}
}

// limiter counts what a caller does in a period. Its zero value counts nothing yet.
type limiter struct {
	most   int
	period time.Duration

	mu    sync.Mutex
	since time.Time
	of    map[caller]int
}

// wait is how long a caller has to wait who has done it too often; 0: not at all.
func (l *limiter) wait(c caller, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.of) == 0 {
		return 0
	}
	l.turn(now)
	if l.of[c] < l.most {
		return 0
	}
	return l.since.Add(l.period).Sub(now).Truncate(time.Second) + time.Second
}

// check refuses a caller that has to wait.
func (l *limiter) check(c caller, now time.Time) error {
	if wait := l.wait(c, now); wait > 0 {
		return &providers.Error{Kind: providers.Throttled, Reason: "throttled", RetryAfter: wait, Err: fmt.Errorf("app %q from %s: more than %d in %s", c.app, c.from, l.most, l.period)}
	}
	return nil
}

// note counts one more.
func (l *limiter) note(c caller, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(now)
	if n, known := l.of[c]; known || len(l.of) < maxCallers {
		l.of[c] = n + 1
	}
}

// take is check and note in one: of many at once no more get through than may.
func (l *limiter) take(c caller, now time.Time) error {
	l.mu.Lock()
	l.turn(now)
	n, known := l.of[c]
	if n < l.most && (known || len(l.of) < maxCallers) {
		l.of[c] = n + 1
	}
	l.mu.Unlock()
	if n < l.most {
		return nil
	}
	return l.check(c, now)
}

// giveBack takes one back that was not what is limited.
func (l *limiter) giveBack(c caller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[c] > 0 {
		l.of[c]--
	}
}

// turn begins a new period when it is time; l.mu is held.
func (l *limiter) turn(now time.Time) {
	if age := now.Sub(l.since); l.of == nil || age < 0 || age >= l.period {
		l.since, l.of = now, map[caller]int{}
	}
}
