package op

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxPaces bounds a pace's memory. Beyond it devices are not slowed down: each of their questions is one read.
const maxPaces = 50_000

// pace remembers when each device that waits has asked, and how long it has to wait. It is this node's alone:
// where there are several, a device that asks too often is found out a little later. The zero value is ready.
type pace struct {
	mu sync.Mutex
	of map[[sha256.Size]byte]step
}

type step struct {
	last time.Time
	wait time.Duration
}

// jitter is what an honest device's question may come early, because the one before was slow on its way.
const jitter = time.Second

// keeps notes a question. One that comes too early is refused, and adds five seconds to the interval for good
// (RFC 8628 §3.5).
func (p *pace) keeps(device [sha256.Size]byte, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, known := p.of[device]
	if !known {
		p.sweep(now)
		if len(p.of) < maxPaces {
			p.of[device] = step{now, deviceInterval}
		}
		return true
	}
	early := now.Sub(s.last) < s.wait-jitter
	if early {
		s.wait = min(s.wait+deviceInterval, time.Minute)
	}
	s.last = now
	p.of[device] = s
	return !early
}

// sweep forgets the devices that have expired, when there are many; p.mu is held.
func (p *pace) sweep(now time.Time) {
	if p.of == nil {
		p.of = map[[sha256.Size]byte]step{}
	}
	if len(p.of) < maxPaces {
		return
	}
	for device, s := range p.of {
		if now.Sub(s.last) > deviceLife {
			delete(p.of, device)
		}
	}
}
