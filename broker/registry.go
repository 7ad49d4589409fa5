package broker

import "slices"

// Fixed is a Registry whose apps and providers do not change while it is used.
type Fixed struct {
	apps      map[string]*App
	byID      map[string]*Provider
	providers []*Provider
}

// NewFixed returns a registry of apps and providers, each in the order in which people are shown them.
func NewFixed(apps []*App, providers []*Provider) *Fixed {
	f := &Fixed{apps: map[string]*App{}, byID: map[string]*Provider{}, providers: slices.Clone(providers)}
	for _, a := range apps {
		f.apps[a.ID] = a
	}
	for _, p := range providers {
		f.byID[p.ID] = p
	}
	return f
}

// App implements Registry.
func (f *Fixed) App(id string) *App { return f.apps[id] }

// Provider implements Registry.
func (f *Fixed) Provider(id string) *Provider { return f.byID[id] }

// Providers implements Registry.
func (f *Fixed) Providers() []*Provider { return f.providers }
