package password_test

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-broker/signet/providers/password"
)

// address returns the n-th of many IPv4 addresses.
func address(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}) }

func TestWrongPasswordsMustWaitLongerAndLonger(t *testing.T) {
	d := open(t, limited())
	d.add(t, "ann")
	bad, good := try{"ann", "a guess", home, ""}, try{"ann", secret, home, ""}
	d.want(t, 5, bad, wrong)

	// Whoever waits as told is heard, and then has to wait twice as long.
	wait := 2 * time.Second // after the sixth, which came at once after the fifth
	for range 5 {
		d.want(t, 1, bad, throttled(wait))
		d.now = d.now.Add(wait)
		d.want(t, 1, bad, wrong)
		wait *= 4 // that was two tries
	}
	// What comes too early is not even looked at, and waits never exceed the window.
	for range 20 {
		got := d.try(t, good)
		if got.what != password.Throttled || got.wait > password.DefaultLimits.Window {
			t.Fatalf("the right password, too early: %+v", got)
		}
	}
	d.want(t, 1, good, throttled(password.DefaultLimits.Window))
	d.now = d.now.Add(password.DefaultLimits.Window - time.Second)
	d.want(t, 1, good, throttled(password.DefaultLimits.Window))
	d.now = d.now.Add(password.DefaultLimits.Window)
	d.want(t, 1, good, in)
}

func TestSuccessForgetsTheTries(t *testing.T) {
	d := open(t, limited())
	d.add(t, "ann")
	for range 5 {
		d.want(t, 4, try{"ann", "a guess", home, "laptop"}, wrong)
		d.want(t, 1, try{"ann", secret, home, "laptop"}, in)
	}
}

func TestThrottledTriesCostNoHash(t *testing.T) {
	c := limited()
	c.Argon2 = password.Argon2{Memory: 65536, Time: 2, Threads: 1}
	d := open(t, c)
	start := time.Now()
	d.want(t, 5, try{"nobody", "a guess", home, ""}, wrong)
	hashed := time.Since(start) / 5
	start = time.Now()
	for range 20 {
		if got := d.try(t, try{"nobody", "a guess", home, ""}); got.what != password.Throttled {
			t.Fatalf("try: %+v", got)
		}
	}
	if took := time.Since(start) / 20; took > hashed/2 {
		t.Errorf("a throttled try took %v, a hashed one %v", took, hashed)
	}
}

func TestGuessesAtOnceDoNotOvertakeTheCounter(t *testing.T) {
	for name, device := range map[string]string{"any browser": "", "known browser": "laptop"} {
		t.Run(name, func(t *testing.T) {
			d := open(t, limited())
			d.add(t, "ann")
			d.want(t, 1, try{"ann", secret, home, device}, in)
			var looked atomic.Int32
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if d.try(t, try{"ann", "a guess", home, device}) == wrong {
						looked.Add(1)
					}
				})
			}
			wg.Wait()
			if n := looked.Load(); n != 5 {
				t.Errorf("%d of 100 guesses were looked at, want 5", n)
			}
		})
	}
}

func TestSprayFromOneAddressMustWait(t *testing.T) {
	d := open(t, limited())
	d.add(t, "ann")
	d.want(t, 1, try{"ann", secret, office, "laptop"}, in)
	looked := 0
	for i := range 500 {
		switch got := d.try(t, try{fmt.Sprintf("user-%d", i), "Winter2026", home, fmt.Sprintf("browser-%d", i)}); got.what {
		case password.Wrong:
			looked++
		case password.Throttled:
		default:
			t.Fatalf("try %d: %+v", i, got)
		}
	}
	if looked != 30 {
		t.Errorf("%d accounts were tried from one address, want 30", looked)
	}
	d.want(t, 1, try{"ann", secret, home, "laptop"}, in) // at the attacker's own address
	d.want(t, 1, try{"ann", secret, office, ""}, in)
}

func TestOneNetworkIsOneAddress(t *testing.T) {
	for name, c := range map[string]struct {
		first, other string
		same         bool
	}{
		"same /64":        {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		"other /64":       {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		"mapped IPv4":     {"192.0.2.1", "::ffff:192.0.2.1", true},
		"other IPv4":      {"192.0.2.1", "192.0.2.2", false},
		"mapped, another": {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		"zones":           {"fe80::1%eth0", "fe80::1%eth1", true},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, limited())
			d.want(t, 5, try{"ann", "a guess", netip.MustParseAddr(c.first), ""}, wrong)
			if got := d.try(t, try{"ann", "a guess", netip.MustParseAddr(c.other), ""}); (got != wrong) != c.same {
				t.Errorf("the sixth try, from %s: %+v", c.other, got)
			}
		})
	}
}

// An attacker has one account of their own: signing in to it must not buy them endless guesses.
func TestOwnAccountClearsAnAddressOnce(t *testing.T) {
	d := open(t, limited())
	d.add(t, "mallory")
	looked := 0
	for i := range 500 {
		if d.try(t, try{fmt.Sprintf("user-%d", i), "Winter2026", home, ""}) == wrong {
			looked++
		}
		if i%10 == 9 {
			d.try(t, try{"mallory", secret, home, ""})
		}
	}
	if looked > 60 {
		t.Errorf("%d accounts were tried from one address, want at most 60", looked)
	}
}

func TestAnOfficeBehindOneAddressSignsIn(t *testing.T) {
	d := open(t, limited())
	for i := range 200 {
		name := fmt.Sprintf("user-%d", i)
		d.add(t, name)
		d.want(t, 1, try{name, "a slip", office, ""}, wrong)
		d.want(t, 1, try{name, secret, office, ""}, in)
		d.now = d.now.Add(time.Second)
	}
}

// However long and from wherever an account is attacked, its owner gets in: in a known browser at once,
// even at the attacker's address, and from any other address within a few tries.
func TestNobodyIsLockedOut(t *testing.T) {
	d := open(t, limited())
	d.add(t, "ann")
	d.want(t, 1, try{"ann", secret, home, "laptop"}, in)
	looked := 0
	for i := range 100 {
		for range 8 {
			if d.try(t, try{"ann", "a guess", address(i), ""}) == wrong {
				looked++
			}
		}
		d.now = d.now.Add(time.Second)
	}
	if looked < 300 || looked > 350 { // 5 of each address at first, then 3
		t.Errorf("%d guesses from 100 addresses were looked at", looked)
	}
	attacker := address(99)
	d.want(t, 4, try{"ann", "a slip", attacker, "laptop"}, wrong)
	d.want(t, 1, try{"ann", secret, attacker, "laptop"}, in)
	d.want(t, 2, try{"ann", "a slip", office, ""}, wrong)
	d.want(t, 1, try{"ann", secret, office, ""}, in)
}

// From many addresses, an account under attack gives each of them less than it would otherwise.
func TestAnAccountUnderAttackSlowsDownStrangers(t *testing.T) {
	d := open(t, limited())
	for i := range 20 {
		d.want(t, 3, try{"ann", "a guess", address(i), ""}, wrong)
	}
	d.want(t, 3, try{"ann", "a guess", home, ""}, wrong)
	if got := d.try(t, try{"ann", "a guess", home, ""}); got.what != password.Throttled || got.wait < time.Minute {
		t.Errorf("the fourth try from an address: %+v, want a wait of more than a minute", got)
	}
	d.want(t, 5, try{"bob", "a guess", office, ""}, wrong) // another account
}

func TestKnownBrowser(t *testing.T) {
	d := open(t, limited())
	d.add(t, "ann")
	d.add(t, "bob")
	flood := func() {
		t.Helper()
		for range 30 {
			d.try(t, try{"ann", "a guess", home, ""})
		}
	}
	flood()
	if got := d.try(t, try{"ann", secret, home, "new"}); got.what != password.Throttled {
		t.Errorf("a browser that never signed in, at the attacker's address: %+v", got)
	}
	d.want(t, 1, try{"ann", secret, office, "laptop"}, in)
	d.want(t, 1, try{"ann", secret, home, "laptop"}, in)

	// Being known to one account says nothing to another.
	d.want(t, 1, try{"bob", secret, address(1), "bobs"}, in)
	if got := d.try(t, try{"ann", secret, home, "bobs"}); got.what != password.Throttled {
		t.Errorf("a browser that is known to another account: %+v", got)
	}
	// A name of its own for every try buys none.
	for i := range 20 {
		if got := d.try(t, try{"ann", secret, home, fmt.Sprint("browser-", i)}); got.what != password.Throttled {
			t.Fatalf("a browser with a new name: %+v", got)
		}
	}
	// Whoever has the known browser cannot guess without end either.
	d.want(t, 5, try{"ann", "a guess", home, "laptop"}, wrong)
	d.want(t, 1, try{"ann", "a guess", home, "laptop"}, throttled(2*time.Second))
	d.want(t, 1, try{"ann", secret, office, ""}, in)

	d.now = d.now.Add(181 * 24 * time.Hour)
	flood()
	if got := d.try(t, try{"ann", secret, home, "laptop"}); got.what != password.Throttled {
		t.Errorf("a browser that signed in 181 days ago: %+v", got)
	}
}

func TestProvidersCountForThemselves(t *testing.T) {
	d := open(t, limited())
	d.add(t, "ann")
	d.want(t, 5, try{"ann", "a guess", home, ""}, wrong)
	d.provider = d.reopen(t, "other", limited())
	d.want(t, 5, try{"ann", secret, home, ""}, wrong) // no account of this provider
}

func TestLimitsCanBeLifted(t *testing.T) {
	d := open(t, unlimited())
	d.add(t, "ann")
	d.want(t, 100, try{"ann", "a guess", home, ""}, wrong)
	d.want(t, 100, try{"ann", secret, home, "laptop"}, in)

	byAddress := limited()
	byAddress.Limits.Account = 0
	d.provider = d.reopen(t, "local", byAddress)
	d.want(t, 30, try{"ann", "a guess", home, ""}, wrong)
	d.want(t, 1, try{"ann", "a guess", home, ""}, throttled(2*time.Second))
	d.want(t, 100, try{"ann", "a guess", home, "laptop"}, wrong)

	byAccount := limited()
	byAccount.Limits.Address = 0
	d.provider = d.reopen(t, "local", byAccount)
	for i := range 100 {
		d.want(t, 1, try{fmt.Sprintf("user-%d", i), "Winter2026", office, ""}, wrong)
	}
}
