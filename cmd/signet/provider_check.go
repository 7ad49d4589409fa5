package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
)

// watch tells of what expires at a provider.
func (s *signet) watch() *broker.Watch {
	return &broker.Watch{
		Providers: s.registry.Providers, Store: s.db, Now: s.now, Log: s.log, Observe: s.site.Metrics.Event, Found: s.site.Metrics.Inspected,
	}
}

// checkTime is how long the inspection of one provider may take.
const checkTime = 15 * time.Second

// expiresSoon is when something that ends is worth a word.
const expiresSoon = 60 * 24 * time.Hour

type providerCheck struct {
	configFlag
	ID   []string `arg:"" optional:"" help:"The providers to try; all when none is named."`
	JSON bool     `help:"As JSON."`
}

// checked is one finding as the command shows it.
type checked struct {
	Provider string    `json:"provider"`
	What     string    `json:"what"`
	OK       bool      `json:"ok"`
	Problem  string    `json:"problem,omitempty"`
	Detail   string    `json:"detail,omitempty"`
	Expires  time.Time `json:"expires,omitzero"`
}

// Run implements the command. It fails when something is wrong.
func (c *providerCheck) Run(ctx context.Context) error {
	cfg, s, err := openWithConfig(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	if s.registry, err = newRegistry(ctx, s, cfg); err != nil {
		return err
	}
	list, err := c.choose(s.registry)
	if err != nil {
		return err
	}
	all, wrong := []checked{}, 0
	for i, p := range list {
		if !c.JSON {
			fmt.Fprintf(os.Stderr, "trying %s (%d of %d)\n", p.ID, i+1, len(list))
		}
		for _, f := range inspect(ctx, p) {
			k := checked{Provider: p.ID, What: f.Name, OK: f.Problem == "", Problem: f.Problem, Detail: f.Detail, Expires: f.Expires}
			if k.OK && !f.Expires.IsZero() && f.Expires.Before(s.now()) {
				k.OK, k.Problem = false, "has expired"
			}
			if !k.OK {
				wrong++
			}
			all = append(all, k)
		}
	}
	if err := c.print(all, s.now()); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d findings need attention", wrong, len(all))
	}
	return nil
}

func (c *providerCheck) choose(r *registry) ([]*broker.Provider, error) {
	if len(c.ID) == 0 {
		return r.Providers(), nil
	}
	var list []*broker.Provider
	for _, id := range c.ID {
		p := r.Provider(id)
		if p == nil {
			return nil, fmt.Errorf("there is no provider %q that is enabled", id)
		}
		list = append(list, p)
	}
	return list, nil
}

// inspect tries one provider.
func inspect(ctx context.Context, p *broker.Provider) []providers.Finding {
	o, err := p.Open(ctx)
	if err != nil {
		return []providers.Finding{{Name: "configuration", Problem: err.Error()}}
	}
	inspector, ok := o.Upstream.(providers.Inspector)
	if !ok {
		return []providers.Finding{{Name: "configuration", Detail: "nothing to try without a person"}}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	return inspector.Inspect(ctx)
}

func (c *providerCheck) print(all []checked, now time.Time) error {
	if c.JSON {
		return printJSON(all)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "PROVIDER\tWHAT\tSTATE\tSAYS")
	for _, k := range all {
		state, says := "good", []string{k.Problem, k.Detail}
		if left := k.Expires.Sub(now); !k.Expires.IsZero() {
			says = append(says, "until "+k.Expires.UTC().Format(time.DateOnly))
			if left < expiresSoon {
				state = fmt.Sprintf("%d days", int(left/(24*time.Hour)))
			}
		}
		if !k.OK {
			state = "WRONG"
		}
		says = slices.DeleteFunc(says, func(s string) bool { return s == "" })
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Provider, k.What, state, strings.Join(says, "; "))
	}
	return w.Flush()
}

// Help implements kong's HelpProvider.
func (*providerCheck) Help() string {
	return `Discovery, keys, metadata, certificates and the client's secret are tried. What has to be pasted at the
provider's side is shown with its exact value. The exit code is 1 when something is wrong.

Examples:
  signet provider check
  signet provider check corp --json | jq -r '.[] | select(.ok | not) | .problem'`
}
