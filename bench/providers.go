package main

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2" //nolint:depguard // for load of chance, which is no secret
	"net/http"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/internal/seal"
	"github.com/signet-broker/signet/store"
)

const (
	inUse = 10   // registered providers that people are sent to while that is measured
	later = 1000 // registered providers that somebody is sent to once, for what that adds to the memory
)

// tenancy is a Signet with registered providers.
type tenancy struct {
	name      string
	providers int
	issuer    *issuer
	process   *process
	cost      spread // CPU ms of one request, by slice
	resident  [3]float64
}

// runProviders finds out whether the CPU time of /authorize depends on how many providers are registered. Three
// Signets run at once, one with many and two with few, and get short slices of the same requests in turn: what the
// machine does meanwhile happens to all. The second one with few is there to show what chance makes.
func runProviders(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("bench providers", flag.ExitOnError)
	many := fs.Int("many", 10_000, "registered providers")
	slices := fs.Int("slices", 100, "slices of each")
	requests := fs.Int("requests", 400, "requests of a slice")
	bin := fs.String("bin", "", "measure this signet binary; else one is built")
	fs.Parse(args)
	b, done, err := newBed(ctx, *bin, "ES256")
	if err != nil {
		return err
	}
	defer done()
	all := []*tenancy{{name: "few", providers: inUse}, {name: "few again", providers: inUse}, {name: "many", providers: *many}}
	for _, t := range all {
		progress("filling %s: %d", t.name, t.providers)
		if err := t.start(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		defer t.process.stop()
	}
	progress("measuring")
	for n := range *slices + 1 {
		for k := range all {
			t := all[(k+n)%len(all)] // each comes first as often as the others
			cost, err := t.slice(ctx, *requests)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, errors.Join(err, t.process.complaint()))
			}
			if n > 0 { // the first is to warm up
				t.cost = append(t.cost, cost)
			}
		}
	}
	if err := all[2].use(ctx, min(later, *many)); err != nil {
		return err
	}
	if err := all[2].look(2); err != nil {
		return err
	}
	tellProviders(all)
	return nil
}

// start fills a database and starts Signet on it, until it knows the last provider and has opened those in use.
func (t *tenancy) start(ctx context.Context, b bed) error {
	name := strings.ReplaceAll(t.name, " ", "-")
	c, err := b.configure(name, "sqlite:"+b.dir+"/"+name+".db")
	if err != nil {
		return err
	}
	if err := fill(ctx, c, t.providers); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	if t.process, _, err = b.start(ctx, c); err != nil {
		return err
	}
	t.issuer = &issuer{URL: c.Issuer, ClientID: "ES256-open", Redirect: redirectURI, Scope: scope}
	if err := t.issuer.discover(ctx); err != nil {
		return err
	}
	// The list is read behind the start.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if err = t.authorize(ctx, t.providers-1, false); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := t.look(0); err != nil {
		return err
	}
	if err := t.use(ctx, inUse); err != nil {
		return err
	}
	return t.look(1)
}

// fill registers providers at the one upstream, each with a domain. Through the command each would be a process,
// and its domain would need a DNS record.
func fill(ctx context.Context, c config, n int) error {
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	box, err := seal.New(key)
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, c.Database)
	if err != nil {
		return err
	}
	next, failed := make(chan int), make(chan error, 64)
	var wg sync.WaitGroup
	for range cap(failed) { // the store commits together what comes together
		wg.Go(func() {
			var first error
			for i := range next {
				if err := register(ctx, db, box, i, c.Upstream); err != nil && first == nil {
					first = err
				}
			}
			failed <- first
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	close(failed)
	for e := range failed {
		err = errors.Join(err, e)
	}
	return errors.Join(err, db.Close())
}

func tenant(i int) string { return fmt.Sprintf("tenant-%d", i) }

func register(ctx context.Context, db *store.DB, box *seal.Box, i int, upstream string) error {
	id, now := tenant(i), time.Now()
	document := fmt.Sprintf("id: %s\nkind: oidc\nname: Tenant %d\nissuer: %s\nclient_id: signet-%d\nclient_secret: secret-%d\n", id, i, upstream, i, i)
	sealed, err := box.Seal("providers|document|"+id, []byte(document))
	if err != nil {
		return err
	}
	d := store.Domain{Domain: id + ".example", Provider: id, Token: "t", Created: now}
	row := store.Provider{ID: id, Kind: "oidc", Name: fmt.Sprintf("Tenant %d", i), Created: now, Updated: now, Sealed: sealed}
	if err := db.AddProvider(ctx, row, []store.Domain{d}, broker.Event{}); err != nil {
		return err
	}
	return db.VerifyDomain(ctx, d, now, broker.Event{})
}

// authorize begins a login with a hint, the provider's id or an address of its people, in a new browser.
func (t *tenancy) authorize(ctx context.Context, provider int, byAddress bool) error {
	q := (&browser{issuer: t.issuer, state: "state", verifier: "verifier"}).request()
	if byAddress {
		q.Set("login_hint", "ann@"+tenant(provider)+".example")
	} else {
		q.Set("provider", tenant(provider))
	}
	req, err := http.NewRequestWithContext(ctx, "GET", t.issuer.authorize+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := t.issuer.client.Do(req)
	if err != nil {
		return err
	}
	body, err := read(resp)
	if err != nil {
		return err
	}
	to, err := resp.Location()
	if err != nil || to.Query().Get("client_id") != fmt.Sprintf("signet-%d", provider) {
		return fmt.Errorf("%s: %s, to %v: %.300s", tenant(provider), resp.Status, to, body)
	}
	return nil
}

// slice returns the CPU ms of one of many requests, for providers in use, by both hints.
func (t *tenancy) slice(ctx context.Context, requests int) (float64, error) {
	before, err := usageOf(t.process.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	const browsers = 4
	var wg sync.WaitGroup
	failed := make(chan error, browsers)
	for range browsers {
		wg.Go(func() {
			for n := range requests / browsers {
				if err := t.authorize(ctx, rand.IntN(inUse), n%2 == 0); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
	}
	after, err := usageOf(t.process.cmd.Process.Pid)
	return ms(after.cpu-before.cpu) / float64(requests/browsers*browsers), err
}

// use begins a login at each of the first n providers.
func (t *tenancy) use(ctx context.Context, n int) error {
	for i := range n {
		if err := t.authorize(ctx, i, false); err != nil {
			return err
		}
	}
	return nil
}

// look notes how much memory the process has.
func (t *tenancy) look(when int) error {
	u, err := usageOf(t.process.cmd.Process.Pid)
	t.resident[when] = u.resident
	return err
}

func tellProviders(all []*tenancy) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\tproviders\tCPU ms of /authorize with a hint\tto few\tto few, all slices together\tresident MB\tafter %d were used\tafter %d\t\n", inUse, later)
	few, many := all[0], all[2]
	for _, t := range all {
		fmt.Fprintf(w, "%s\t%d\t%v\t%v\t%.3f\t%.0f\t%.0f\t%s\t\n", t.name, t.providers, t.cost, t.cost.over(few.cost), t.cost.sum()/few.cost.sum(),
			t.resident[0], t.resident[1], known("%.0f", t.resident[2]))
	}
	w.Flush()
	ratio, met := many.cost.over(few.cost).at(.5), "met"
	if ratio > 1+mostChange || ratio < 1-mostChange {
		met = "MISSED"
	}
	fmt.Printf("\n%d providers cost %.3f times what %d do; within %.0f %%: %s\n", many.providers, ratio, few.providers, 100*mostChange, met)
}
