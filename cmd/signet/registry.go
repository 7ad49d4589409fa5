package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/store"
)

// followEvery is how often a node looks whether the providers of the database have changed.
const followEvery = 2 * time.Second

// registry has the apps and providers of the configuration, and follows those of the database. Of these it
// keeps an index; one is read and opened at its first login.
type registry struct {
	*broker.Live
	signet *signet
	issuer string
	own    *broker.Fixed   // what the configuration has
	taken  map[string]bool // its ids, also of what is disabled
	out    egress.Options  // the way out of registered providers
	client *http.Client
	apps   *registeredApps // nil: none can be registered

	mu      sync.Mutex // held by a refresh
	seen    int64      // the number of the last change that is in
	openers map[string]opener
	hidden  map[string]bool // ids in the database that the configuration has too: told once
}

// opener is what stays of a registered provider from one snapshot to the next.
type opener struct {
	*broker.Opener
	version int64
	created time.Time
}

// newRegistry opens every provider of the configuration. None waits for its upstream, so one that is down
// stops nothing.
func newRegistry(ctx context.Context, s *signet, cfg *config.Config) (*registry, error) {
	r := &registry{signet: s, issuer: cfg.Issuer, taken: map[string]bool{}, out: registeredOut(s.out, cfg), openers: map[string]opener{}, hidden: map[string]bool{}}
	r.client = egress.Client(r.out)
	if terms := s.terms(cfg); terms != nil {
		r.apps = &registeredApps{signet: s, terms: terms, by: map[string]*registeredApp{}}
	}
	var apps []*broker.App
	for i := range cfg.Apps {
		apps = append(apps, app(&cfg.Apps[i]))
		apps[i].Credentials = s.credentials(cfg, &cfg.Apps[i])
	}
	for _, p := range cfg.Providers {
		r.taken[p.ID] = true
	}
	prepared, faults := prepare(cfg, s.db)
	if len(faults) > 0 {
		return nil, faults
	}
	client := egress.Client(s.out)
	var all []*broker.Provider
	for _, p := range prepared {
		upstream, err := p.kind.Open(ctx, s.env(p, cfg.Issuer, client, s.out), p.own)
		if err != nil {
			return nil, config.Faults{p.FaultAt("", err.Error())}
		}
		all = append(all, &broker.Provider{
			ID: p.ID, Kind: p.Kind, Name: p.Name, Domains: p.Domains, Password: p.Kind == passwordKind,
			Opener: broker.Ready(&broker.Opened{Upstream: upstream, Mapping: p.mapping}),
		})
	}
	r.own = broker.NewFixed(apps, all).With(nil, keptBack(cfg))
	r.Live = broker.NewLive(r.own)
	return r, r.first(ctx)
}

// keptBack are the domains of what is disabled, by their provider's id: no other may speak for its people.
func keptBack(cfg *config.Config) map[string]string {
	domains := map[string]string{}
	for i := range cfg.Providers {
		if p := &cfg.Providers[i]; p.Disabled {
			for _, d := range p.Domains {
				domains[d] = p.ID
			}
		}
	}
	return domains
}

// first looks for registered providers. Thousands are read behind the start: whoever asks for one waits.
func (r *registry) first(ctx context.Context) error {
	n, err := r.signet.db.ProvidersChanged(ctx)
	if err != nil || n == 0 && r.apps == nil {
		r.Looked()
		return err
	}
	go func() {
		defer r.Looked()
		if err := r.refresh(context.WithoutCancel(ctx)); err != nil {
			r.signet.log.Error("the registered providers could not be read", "error", err)
		}
	}()
	return nil
}

// registeredOut is the way out of providers that are registered in the database: to public addresses, and to
// what the configuration allows.
func registeredOut(out egress.Options, cfg *config.Config) egress.Options {
	out.PublicOnly, out.Allow = true, cfg.Egress.Allow
	return out
}

// env is what a provider gets that goes out by client, and by out where it trusts other authorities.
func (s *signet) env(p prepared, issuer string, client *http.Client, out egress.Options) providers.Env {
	return providers.Env{
		ID: p.ID, Name: p.Name, Base: issuer, Client: client, Now: s.now,
		Trusting: func(roots *x509.CertPool) *http.Client {
			out := out
			out.Roots = roots
			return egress.Client(out)
		},
		Log: s.log.With("provider", p.ID), Certificate: s.ring.Certificate, Certificates: s.ring.Certificates,
	}
}

// run follows the database until ctx ends.
func (r *registry) run(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := r.refresh(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			r.signet.log.Warn("the registered providers could not be read; they stay as they were", "error", err)
		}
		failing = err != nil
	}
}

// refresh takes over what has changed in the database.
func (r *registry) refresh(ctx context.Context) error {
	if r.apps != nil {
		if err := r.apps.refresh(ctx); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// First the number: what is changed while the rest is read has another, and is read again.
	n, err := r.signet.db.ProvidersChanged(ctx)
	if err != nil || n == r.seen {
		return err
	}
	rows, err := r.signet.db.Providers(ctx)
	if err != nil {
		return err
	}
	domains, err := r.signet.db.Domains(ctx)
	if err != nil {
		return err
	}
	r.take(rows, domains)
	r.seen = n
	return nil
}

// take makes a snapshot. What was opened stays open unless its document is another.
func (r *registry) take(rows []store.Provider, domains []store.Domain) {
	owners, proven := map[string]string{}, map[string][]string{}
	for _, d := range domains {
		if !d.Verified.IsZero() && r.own.ByDomain(d.Domain) == "" {
			owners[d.Domain] = d.Provider
			proven[d.Provider] = append(proven[d.Provider], d.Domain)
		}
	}
	openers := make(map[string]opener, len(rows))
	list := make([]*broker.Provider, 0, len(rows))
	for _, row := range rows {
		if r.taken[row.ID] {
			if !r.hidden[row.ID] {
				r.hidden[row.ID] = true
				r.signet.log.Warn("a provider of the database is left out: the configuration has one with its id", "provider", row.ID)
			}
			continue
		}
		o, known := r.openers[row.ID]
		if !known || o.version != row.Version || !o.created.Equal(row.Created) {
			o = opener{broker.NewOpener(func(ctx context.Context) (*broker.Opened, error) { return r.open(ctx, row.ID) }), row.Version, row.Created}
		}
		openers[row.ID] = o
		if !row.Disabled {
			list = append(list, &broker.Provider{ID: row.ID, Kind: row.Kind, Name: row.Name, Domains: proven[row.ID], Registered: true, Opener: o.Opener})
		}
	}
	r.openers = openers
	r.Set(r.own.With(list, owners))
}

// open reads and opens a registered provider.
func (r *registry) open(ctx context.Context, id string) (*broker.Opened, error) {
	row, err := r.signet.db.Provider(ctx, id)
	if errors.Is(err, broker.ErrNotFound) {
		return nil, providers.Refuse("idp_disabled", "provider %q was removed just now", id)
	} else if err != nil {
		return nil, err
	}
	p, faults, err := r.signet.unseal(row)
	if err == nil && len(faults) > 0 {
		err = faults
	}
	var o *broker.Opened
	if err == nil {
		// A browser that goes away must not leave the provider half open.
		o, err = p.open(context.WithoutCancel(ctx), r.signet.env(*p, r.issuer, r.client, r.out))
	}
	if err != nil {
		return nil, &providers.Error{Kind: providers.Internal, Reason: "idp_unreadable", Err: fmt.Errorf("provider %q in the database: %w", id, err)}
	}
	return o, nil
}

func (p *prepared) open(ctx context.Context, env providers.Env) (*broker.Opened, error) {
	upstream, err := p.kind.Open(ctx, env, p.own)
	if err != nil {
		return nil, err
	}
	return &broker.Opened{Upstream: upstream, Mapping: p.mapping}, nil
}

// documentPurpose is what a provider's document is sealed for.
func documentPurpose(id string) string { return "providers|document|" + id }

// unseal reads the document of a row, and returns what is wrong with it now.
func (s *signet) unseal(row store.Provider) (*prepared, config.Faults, error) {
	document, err := s.box.Open(documentPurpose(row.ID), row.Sealed)
	if err != nil {
		return nil, nil, err
	}
	p, faults := registered(row.ID, "", document)
	if len(faults) == 0 && p.ID != row.ID {
		return nil, nil, fmt.Errorf("its document is of provider %q", p.ID)
	}
	return p, faults, nil
}

// registered reads a provider that is not part of the configuration, with what belongs to its kind; all
// faults at once. name and dir are as with config.ParseProvider. It is nil where nothing could be read.
func registered(name, dir string, document []byte) (*prepared, config.Faults) {
	c, err := config.ParseProvider(name, dir, document)
	var faults config.Faults
	if err != nil && !errors.As(err, &faults) {
		return nil, config.Faults{{File: name, Problem: err.Error()}}
	}
	if c == nil {
		return nil, faults
	}
	kind, ok := kinds(nil)[c.Kind]
	switch {
	case !ok && c.Kind != "":
		return nil, append(faults, c.FaultAt("kind", "no such kind"))
	case c.Kind == passwordKind:
		return nil, append(faults, c.FaultAt("kind", "accounts kept here belong into the configuration file"))
	case !ok:
		return nil, faults
	}
	p := &prepared{Provider: c, kind: kind, own: kind.Config()}
	faults = append(faults, p.read()...)
	if checker, ok := p.own.(interface{ CheckRegistered() []providers.Fault }); ok {
		for _, f := range checker.CheckRegistered() {
			faults = append(faults, p.FaultAt(f.Key, f.Problem))
		}
	}
	slices.SortStableFunc(faults, func(a, b config.Fault) int { return a.Line - b.Line })
	return p, faults
}
