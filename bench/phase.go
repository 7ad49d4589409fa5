package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// load says how much is asked of an issuer.
type load struct {
	browsers         int
	warmup, duration time.Duration
	phases           []string
	devices          int // that wait while their questions are measured; each asks as often as it may
}

// Figure is what one operation was measured to be.
type Figure struct {
	Operation    string  `json:"operation"`
	Tokens       string  `json:"tokens,omitempty"` // the signature of the app's tokens
	PerSecond    float64 `json:"per_second"`
	P50          float64 `json:"p50_ms"`
	P99          float64 `json:"p99_ms"`
	CPU          float64 `json:"cpu_ms"`         // of the issuer's process, for one operation; 0 when unknown
	Unit         float64 `json:"rsa2048_ms"`     // CPU of one RSA-2048 signature beside this load
	Signatures   float64 `json:"rsa_signatures"` // CPU in those
	Count        int     `json:"count"`
	Failed       int     `json:"failed"`
	FirstFailure string  `json:"first_failure,omitempty"`
	Resident     float64 `json:"resident_mb"` // at the end of the phase
	Peak         float64 `json:"peak_mb"`     // since the process was started
}

// measure runs all phases of a load against an issuer and returns how many requests it got for one login.
func measure(ctx context.Context, i *issuer, l load, pid int, alg string) (figures []Figure, requests int, err error) {
	if err := i.discover(ctx); err != nil {
		return nil, 0, err
	}
	// One login by itself first, which fails loudly.
	t, requests, err := i.login(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("first login: %w", err)
	}
	if _, err := i.verifier.Verify(ctx, t.ID); err != nil {
		return nil, 0, fmt.Errorf("first login: ID token: %w", err)
	}
	i.waiting = l.devices
	held := make([]tokens, l.browsers)
	for n := range held {
		if held[n], _, err = i.login(ctx); err != nil {
			return nil, 0, fmt.Errorf("first login of browser %d: %w", n, err)
		}
	}
	for _, name := range l.phases {
		op, err := i.operation(ctx, name, held)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", name, err)
		}
		f, err := l.run(ctx, op, pid)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", name, err)
		}
		f.Operation, f.Tokens = name, alg
		figures = append(figures, f)
	}
	return figures, requests, nil
}

// run measures one phase.
func (l load) run(ctx context.Context, op operation, pid int) (Figure, error) {
	l.drive(ctx, l.warmup, op)
	before, err := usageOf(pid)
	if err != nil {
		return Figure{}, err
	}
	stop := make(chan struct{})
	unit, err := unitBeside(stop)
	if err != nil {
		return Figure{}, err
	}
	start := time.Now()
	s := l.drive(ctx, l.duration, op)
	took := time.Since(start)
	close(stop)
	after, err := usageOf(pid)
	if err != nil {
		return Figure{}, err
	}
	if err := ctx.Err(); err != nil {
		return Figure{}, err
	}
	f := Figure{Count: len(s.took), Failed: s.failed, Resident: after.resident, Peak: after.peak}
	if s.first != nil {
		f.FirstFailure = s.first.Error()
	}
	if f.Count == 0 {
		return f, fmt.Errorf("none of %d succeeded, the first: %w", s.failed, s.first)
	}
	slices.Sort(s.took)
	at := func(q float64) float64 { return ms(s.took[int(q*float64(f.Count-1))]) }
	f.P50, f.P99 = at(.5), at(.99)
	f.PerSecond = float64(f.Count) / took.Seconds()
	f.CPU = ms(after.cpu-before.cpu) / float64(f.Count)
	if f.Unit = <-unit; f.Unit > 0 {
		f.Signatures = f.CPU / f.Unit
	}
	return f, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// outcome is what became of many operations.
type outcome struct {
	took   []time.Duration // each that succeeded
	failed int
	first  error
}

// drive has every browser do op, over and over, until d has passed.
func (l load) drive(ctx context.Context, d time.Duration, op operation) (all outcome) {
	end := time.Now().Add(d)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for b := range l.browsers {
		wg.Go(func() {
			var mine outcome
			for ctx.Err() == nil && time.Now().Before(end) {
				start := time.Now()
				if err := op(ctx, b); errors.Is(err, errEarly) {
					continue
				} else if err != nil {
					mine.failed++
					if mine.first == nil {
						mine.first = err
					}
					time.Sleep(time.Millisecond) // a refusal is quick: do not drown the rest in them
					continue
				}
				mine.took = append(mine.took, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			all.took = append(all.took, mine.took...)
			all.failed += mine.failed
			if all.first == nil {
				all.first = mine.first
			}
		})
	}
	wg.Wait()
	return all
}
