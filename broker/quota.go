package broker

import (
	"net/netip"
	"sync"
	"time"
)

// Events are kept for good, and anyone can be refused as often as they like: what strangers can make us keep
// is bounded. What is beyond that is still in the log and counted.
const (
	quotaPeriod  = time.Hour
	quotaAddress = 1000   // refusals of one address in a period
	quotaAll     = 50_000 // and of all, which bounds the memory as well
)

// quota counts the refusals of a period.
type quota struct {
	mu    sync.Mutex
	since time.Time
	all   int
	of    map[netip.Prefix]int
}

// take tells whether one more refusal of an address is kept; first is the first in a period that is not.
func (q *quota) take(addr string, now time.Time) (ok, first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if age := now.Sub(q.since); age < 0 || age >= quotaPeriod {
		q.since, q.all, q.of = now, 0, map[netip.Prefix]int{}
	}
	from := network(addr)
	if q.all >= quotaAll {
		q.all++
		return false, q.all == quotaAll+1
	}
	if q.of[from]++; q.of[from] > quotaAddress {
		return false, q.of[from] == quotaAddress+1
	}
	q.all++
	return true, false
}

// network is what counts as one address: an IPv4 address, or a /64 of IPv6, which is what one person gets.
func network(addr string) netip.Prefix {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.Prefix{}
	}
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.WithZone("").Prefix(bits)
	return p
}
