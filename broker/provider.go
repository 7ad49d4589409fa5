package broker

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/signet-broker/signet/providers"
)

// Provider is a registered provider with what is known of it before it is opened.
type Provider struct {
	ID       string
	Kind     string
	Name     string
	Domains  []string // lower case
	Password bool     // accounts are kept here
	// Registered: it is a row of the database, not a word of whoever runs Signet. What it says of people
	// outside its Domains is not believed.
	Registered bool
	*Opener
}

// The types of events of registered providers, and of the domains that they prove to be theirs.
const (
	ProviderAdded    = "provider.added"
	ProviderDisabled = "provider.disabled"
	ProviderEnabled  = "provider.enabled"
	ProviderRemoved  = "provider.removed"
	DomainAdded      = "domain.added"
	DomainVerified   = "domain.verified"
	DomainRemoved    = "domain.removed"
)

// Opened is what a login needs of a provider.
type Opened struct {
	Upstream providers.Provider
	Mapping  *Mapping
}

// Opener opens a provider when it is first needed.
type Opener struct {
	open func(context.Context) (*Opened, error)
	done atomic.Pointer[Opened]
	mu   sync.Mutex
}

// NewOpener returns an Opener that calls open until it succeeds once, never twice at the same time. Its
// errors are an *Error.
func NewOpener(open func(context.Context) (*Opened, error)) *Opener { return &Opener{open: open} }

// Ready is an Opener of what is open already.
func Ready(o *Opened) *Opener {
	r := &Opener{}
	r.done.Store(o)
	return r
}

// IsOpen tells whether it has been opened.
func (o *Opener) IsOpen() bool { return o.done.Load() != nil }

// Open returns what is opened: the same each time. It does not wait for the upstream.
func (o *Opener) Open(ctx context.Context) (*Opened, error) {
	if got := o.done.Load(); got != nil {
		return got, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if got := o.done.Load(); got != nil {
		return got, nil
	}
	got, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	o.done.Store(got)
	return got, nil
}
