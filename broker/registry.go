package broker

import (
	"sync"
	"sync/atomic"
)

// Fixed is a Registry whose apps and providers do not change.
type Fixed struct {
	apps    map[string]*App
	byID    map[string]*Provider
	domains map[string]string // to the id of the provider that they belong to
	listed  []*Provider
	search  bool
}

// NewFixed returns a registry of apps and of the providers of the configuration, in the order in which
// people are shown them.
func NewFixed(apps []*App, listed []*Provider) *Fixed {
	f := &Fixed{apps: map[string]*App{}, byID: map[string]*Provider{}, domains: map[string]string{}, listed: listed}
	for _, a := range apps {
		f.apps[a.ID] = a
	}
	for _, p := range listed {
		f.byID[p.ID] = p
		for _, d := range p.Domains {
			f.domains[d] = p.ID
		}
	}
	return f
}

// With returns a registry that has more providers, which are not listed, and more domains, by the id of the
// provider that each belongs to. What f has goes before.
func (f *Fixed) With(more []*Provider, domains map[string]string) *Fixed {
	g := &Fixed{
		apps: f.apps, listed: f.listed,
		byID:    make(map[string]*Provider, len(f.byID)+len(more)),
		domains: make(map[string]string, len(f.domains)+len(domains)),
	}
	for _, p := range more {
		g.byID[p.ID] = p
	}
	for id, p := range f.byID {
		g.byID[id] = p
	}
	for d, id := range domains {
		g.domains[d] = id
		g.search = g.search || g.byID[id] != nil
	}
	for d, id := range f.domains {
		g.domains[d] = id
	}
	return g
}

// App implements Registry.
func (f *Fixed) App(id string) *App { return f.apps[id] }

// Provider implements Registry.
func (f *Fixed) Provider(id string) *Provider { return f.byID[id] }

// Providers implements Registry.
func (f *Fixed) Providers() []*Provider { return f.listed }

// ByDomain implements Registry.
func (f *Fixed) ByDomain(domain string) string { return f.domains[domain] }

// Searchable implements Registry.
func (f *Fixed) Searchable() bool { return f.search }

// Live is a Registry that is replaced as a whole while it is used. It begins with what is listed; whoever
// asks for more waits until the rest was looked for once.
type Live struct {
	now    atomic.Pointer[Fixed]
	looked chan struct{}
	once   sync.Once
}

// NewLive returns a registry that begins as f.
func NewLive(f *Fixed) *Live {
	l := &Live{looked: make(chan struct{})}
	l.now.Store(f)
	return l
}

// Set replaces everything.
func (l *Live) Set(f *Fixed) { l.now.Store(f) }

// Looked says that the rest was looked for, found or not.
func (l *Live) Looked() { l.once.Do(func() { close(l.looked) }) }

// Whole returns everything, once it was looked for.
func (l *Live) Whole() *Fixed {
	<-l.looked
	return l.now.Load()
}

// App implements Registry.
func (l *Live) App(id string) *App { return l.now.Load().App(id) }

// Provider implements Registry.
func (l *Live) Provider(id string) *Provider {
	if p := l.now.Load().Provider(id); p != nil || id == "" {
		return p
	}
	return l.Whole().Provider(id)
}

// Providers implements Registry.
func (l *Live) Providers() []*Provider { return l.now.Load().Providers() }

// ByDomain implements Registry.
func (l *Live) ByDomain(domain string) string {
	if id := l.now.Load().ByDomain(domain); id != "" {
		return id
	}
	return l.Whole().ByDomain(domain)
}

// Searchable implements Registry.
func (l *Live) Searchable() bool { return l.Whole().Searchable() }
