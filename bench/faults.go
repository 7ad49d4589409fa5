package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// wellAgain is a second slice without an ailment, to show what chance makes.
const wellAgain = "well again"

// settle is how long an upstream is in a new state before that is measured: Signet asks one that was ill once a
// second whether it is well.
const settle = 1500 * time.Millisecond

// faults is the load: people of a healthy provider, and people of one that is ill at times, who come evenly
// whatever becomes of those before them.
type faults struct {
	issuer, patient *issuer
	upstream        string        // of the patient
	slice           time.Duration // how long a state is measured
	rate, others    float64       // logins a second, at the healthy provider and at the other
}

// state is what was measured while the one upstream was in it.
type state struct {
	p50, p99 spread // ms of a login at the healthy provider, by round
	all      spread // of all rounds
	failed   int
	first    error
	others   atomic.Int64 // logins at the other upstream that got their tokens
}

// runFaults finds out whether logins at one provider take longer while the upstream of another is ill. Both always
// have their people: only how the one upstream answers changes, slice by slice.
func runFaults(ctx context.Context, args []string) error {
	var f faults
	fs := flag.NewFlagSet("bench faults", flag.ExitOnError)
	rounds := fs.Int("rounds", 10, "slices of each state")
	fs.DurationVar(&f.slice, "slice", 4*time.Second, "how long a slice is")
	fs.Float64Var(&f.rate, "rate", 30, "logins a second at the healthy provider")
	fs.Float64Var(&f.others, "others", 5, "logins a second at the one that is ill at times")
	bin := fs.String("bin", "", "measure this signet binary; else one is built")
	fs.Parse(args)
	if f.rate <= 0 || f.others <= 0 || f.slice <= 0 {
		return errors.New("-rate, -others and -slice are more than 0")
	}
	b, done, err := newBed(ctx, *bin, "ES256")
	if err != nil {
		return err
	}
	defer done()
	var stop func()
	if b.ill, _, stop, err = startUpstream(ctx, "-alg", "ES256", "-ailing"); err != nil {
		return err
	}
	defer stop()
	f.upstream = b.ill
	c, err := b.configure("faults", "sqlite:"+filepath.Join(b.dir, "faults.db"))
	if err != nil {
		return err
	}
	p, _, err := b.start(ctx, c)
	if err != nil {
		return err
	}
	defer p.stop()
	f.issuer = &issuer{URL: c.Issuer, ClientID: "ES256-open", Redirect: redirectURI, Scope: scope, Authorize: url.Values{"provider": {"corp"}}}
	if err := f.issuer.discover(ctx); err != nil {
		return err
	}
	ill := *f.issuer
	ill.Authorize = url.Values{"provider": {"ill"}}
	f.patient = &ill
	for _, i := range []*issuer{f.issuer, f.patient} {
		if _, _, err := i.login(ctx); err != nil {
			return errors.Join(fmt.Errorf("first login: %w", err), p.complaint())
		}
	}
	return f.measure(ctx, *rounds)
}

func (f *faults) measure(ctx context.Context, rounds int) error {
	names := append([]string{well, wellAgain}, slices.Sorted(maps.Keys(ailments))...)
	states := map[string]*state{}
	for _, name := range names {
		states[name] = &state{}
	}
	for n := range rounds {
		progress("round %d of %d", n+1, rounds)
		for k := range names {
			name := names[(k+n)%len(names)]
			if err := f.try(ctx, name, states[name]); err != nil {
				return err
			}
		}
	}
	tellFaults(names, states)
	return nil
}

// try measures one slice.
func (f *faults) try(ctx context.Context, name string, s *state) error {
	is := name
	if is == wellAgain {
		is = well
	}
	if err := be(ctx, f.upstream, is); err != nil {
		return err
	}
	during, leave := context.WithCancel(ctx) // people leave when they have waited until the end
	var people sync.WaitGroup
	people.Go(func() {
		arrive(during, f.others, func(ctx context.Context) {
			if _, _, err := f.patient.login(ctx); err == nil {
				s.others.Add(1)
			}
		})
	})
	time.Sleep(settle)
	var mu sync.Mutex
	var took spread
	measured, over := context.WithTimeout(ctx, f.slice)
	arrive(measured, f.rate, func(context.Context) {
		start := time.Now()
		_, _, err := f.issuer.login(ctx)
		mu.Lock()
		defer mu.Unlock()
		if took = append(took, ms(time.Since(start))); err != nil {
			s.failed++
			s.first = errors.Join(s.first, err)
		}
	})
	over()
	leave()
	people.Wait()
	s.p50, s.p99, s.all = append(s.p50, took.at(.5)), append(s.p99, took.at(.99)), append(s.all, took...)
	return ctx.Err()
}

// arrive has somebody come so many times a second until ctx ends, and waits for all of them.
func arrive(ctx context.Context, rate float64, do func(context.Context)) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			wg.Go(func() { do(ctx) })
		}
	}
}

func tellFaults(names []string, states map[string]*state) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "the other upstream\tlogins\tfailed\tp50 ms\tp99 ms\tp50 to well\tp99 to well\tp99 to well, all slices together\twithin 10 %\tlogins there\t")
	base := states[well]
	for _, name := range names {
		s := states[name]
		ratio, met := s.p99.over(base.p99), "met"
		if ratio.at(.5) > 1+mostChange || s.failed > 0 {
			met = "MISSED"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f\t%.1f\t%v\t%v\t%.3f\t%s\t%d\t\n", name, len(s.all), s.failed, s.p50.at(.5), s.p99.at(.5),
			s.p50.over(base.p50), ratio, s.all.at(.99)/base.all.at(.99), met, s.others.Load())
	}
	w.Flush()
	for _, name := range names {
		if s := states[name]; s.failed > 0 {
			fmt.Printf("  failed while the other %s: %.300v\n", name, s.first)
		}
	}
}
