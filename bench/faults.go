package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2" //nolint:depguard // for load of chance, which is no secret
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// settle is how long an upstream is in a new state before that is measured: Signet asks one that was ill once a
// second whether it is well.
const settle = 1500 * time.Millisecond

// faults is the load: people of a healthy provider, and people of one that is ill at times, who come evenly
// whatever becomes of those before them.
type faults struct {
	slice        time.Duration // how long a state is measured
	rate, others float64       // logins a second, at the healthy provider and at the other
}

// side is one of two Signets that get the same logins at the same moments.
type side struct {
	issuer, patient *issuer
	upstream        string // of the patient
	process         *process
}

// effect is what was measured while one side's upstream was ill, of that side against the other.
type effect struct {
	p50, p99, cpu spread // ratios, by round
	ill, well     spread // ms of each login at the healthy provider, where the other is ill and where it is well
	failed        int
	first         error
	others        atomic.Int64 // logins at the ill one that got their tokens
}

// runFaults finds out whether logins at one provider take longer while the upstream of another is ill. Two Signets
// run at once and get the same logins at the same moments. In turn, the other upstream of the one is ill while that
// of the other is well: whatever the machine does meanwhile happens to both.
func runFaults(ctx context.Context, args []string) error {
	var f faults
	fs := flag.NewFlagSet("bench faults", flag.ExitOnError)
	rounds := fs.Int("rounds", 6, "how often each ailment is measured on either side")
	fs.DurationVar(&f.slice, "slice", 4*time.Second, "how long that is each time")
	fs.Float64Var(&f.rate, "rate", 15, "logins a second at the healthy provider of each side")
	fs.Float64Var(&f.others, "others", 4, "logins a second at the one that is ill at times")
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
	var sides [2]*side
	for n := range sides {
		s, stop, err := newSide(ctx, b, fmt.Sprintf("side-%d", n))
		if err != nil {
			return err
		}
		defer stop()
		sides[n] = s
	}
	names := append([]string{well}, slices.Sorted(maps.Keys(ailments))...)
	effects := map[string]*effect{}
	for _, name := range names {
		effects[name] = &effect{}
	}
	for n := range *rounds {
		progress("round %d of %d", n+1, *rounds)
		for k := range names {
			name := names[(k+n)%len(names)]
			if err := f.try(ctx, sides, name, effects[name]); err != nil {
				return err
			}
		}
	}
	tellFaults(names, effects)
	return nil
}

func newSide(ctx context.Context, b bed, name string) (s *side, stop func(), err error) {
	s = &side{}
	var endUpstream func()
	if s.upstream, _, endUpstream, err = startUpstream(ctx, "-alg", "ES256", "-ailing"); err != nil {
		return nil, nil, err
	}
	stop = func() {
		if s.process != nil {
			s.process.stop()
		}
		endUpstream()
	}
	if err := s.start(ctx, b, name); err != nil {
		stop()
		return nil, nil, err
	}
	return s, stop, nil
}

// start starts Signet and has somebody sign in at each provider.
func (s *side) start(ctx context.Context, b bed, name string) error {
	b.ill = s.upstream
	c, err := b.configure(name, "sqlite:"+filepath.Join(b.dir, name+".db"))
	if err != nil {
		return err
	}
	if s.process, _, err = b.start(ctx, c); err != nil {
		return err
	}
	s.issuer = &issuer{URL: c.Issuer, ClientID: "ES256-open", Redirect: redirectURI, Scope: scope, Authorize: url.Values{"provider": {"corp"}}}
	if err := s.issuer.discover(ctx); err != nil {
		return err
	}
	ill := *s.issuer
	ill.Authorize = url.Values{"provider": {"ill"}}
	s.patient = &ill
	for _, i := range []*issuer{s.issuer, s.patient} {
		if _, _, err := i.login(ctx); err != nil {
			return errors.Join(fmt.Errorf("first login: %w", err), s.process.complaint())
		}
	}
	return nil
}

// try measures a slice with the ailment on either side, so that a difference between the two is none of its effects.
func (f *faults) try(ctx context.Context, sides [2]*side, is string, e *effect) error {
	var ill, healthy measured
	for n := range sides {
		if err := be(ctx, sides[n].upstream, is); err != nil {
			return err
		}
		if err := be(ctx, sides[1-n].upstream, well); err != nil {
			return err
		}
		if err := f.watch(ctx, sides[n], sides[1-n], &ill, &healthy, &e.others); err != nil {
			return err
		}
	}
	e.p50 = append(e.p50, ill.took.at(.5)/healthy.took.at(.5))
	e.p99 = append(e.p99, ill.took.at(.99)/healthy.took.at(.99))
	e.cpu = append(e.cpu, float64(ill.cpu)/float64(healthy.cpu))
	e.ill, e.well = append(e.ill, ill.took...), append(e.well, healthy.took...)
	e.failed += ill.failed + healthy.failed
	e.first = errors.Join(e.first, ill.first, healthy.first)
	return ctx.Err()
}

// measured is what became of one side's people, and what that took.
type measured struct {
	mu     sync.Mutex
	took   spread
	failed int
	first  error
	cpu    time.Duration
}

// login has somebody sign in.
func (m *measured) login(ctx context.Context, i *issuer) {
	start := time.Now()
	_, _, err := i.login(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.took = append(m.took, ms(time.Since(start))); err != nil {
		m.failed++
		m.first = errors.Join(m.first, err)
	}
}

// watch measures one slice.
func (f *faults) watch(ctx context.Context, ill, healthy *side, atIll, atHealthy *measured, others *atomic.Int64) error {
	during, leave := context.WithCancel(ctx)
	var people sync.WaitGroup
	people.Go(func() {
		arrive(during, f.others, func(ctx context.Context) {
			if _, _, err := ill.patient.login(ctx); err == nil {
				others.Add(1)
			}
		})
	})
	people.Go(func() { arrive(during, f.others, func(ctx context.Context) { healthy.patient.login(ctx) }) })
	defer people.Wait()
	defer leave() // nobody waits any longer
	time.Sleep(settle)
	var before, after [2]usage
	for n, s := range []*side{ill, healthy} {
		var err error
		if before[n], err = usageOf(s.process.cmd.Process.Pid); err != nil {
			return err
		}
	}
	slice, over := context.WithTimeout(ctx, f.slice)
	defer over()
	arrive(slice, f.rate, func(context.Context) {
		var both sync.WaitGroup
		defer both.Wait()
		first, second := func() { atIll.login(ctx, ill.issuer) }, func() { atHealthy.login(ctx, healthy.issuer) }
		if rand.IntN(2) == 0 {
			first, second = second, first
		}
		both.Go(first)
		both.Go(second)
	})
	for n, s := range []*side{ill, healthy} {
		var err error
		if after[n], err = usageOf(s.process.cmd.Process.Pid); err != nil {
			return err
		}
	}
	atIll.cpu += after[0].cpu - before[0].cpu
	atHealthy.cpu += after[1].cpu - before[1].cpu
	return nil
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

func tellFaults(names []string, effects map[string]*effect) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "the other upstream\tlogins\tfailed\tp99 ms\tbeside it\tp99 to beside it\tof all slices\tp50 to beside it\tCPU to beside it\twithin 10 %\tlogins there\t")
	for _, name := range names {
		e, met := effects[name], "met"
		if e.p99.at(.5) > 1+mostChange || e.failed > 0 {
			met = "MISSED"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f\t%.1f\t%v\t%.3f\t%v\t%v\t%s\t%d\t\n", name, len(e.ill), e.failed, e.ill.at(.99), e.well.at(.99),
			e.p99, e.ill.at(.99)/e.well.at(.99), e.p50, e.cpu, met, e.others.Load())
	}
	w.Flush()
	for _, name := range names {
		if e := effects[name]; e.failed > 0 {
			fmt.Printf("  failed while the other %s: %.300v\n", name, e.first)
		}
	}
}
