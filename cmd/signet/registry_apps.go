package main

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/op"
	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/jwks"
)

// lookTime is how long a database is waited for that may know an app which this node has not heard of yet.
const lookTime = 2 * time.Second

// registeredApps are the apps of the database, kept in memory. What changes is read again; an app that was
// registered at another node just now is looked for when it is first named.
type registeredApps struct {
	signet *signet
	terms  *op.Terms

	refreshing sync.Mutex // held by a refresh, which alone changes seen

	mu   sync.RWMutex
	seen int64 // the number of the last change that is in
	by   map[string]*registeredApp
}

// registeredApp is one of them; app is nil while it is disabled, or when its row cannot be read.
type registeredApp struct {
	change int64
	app    *broker.App
}

// terms are what the configuration lets registered apps be and have; nil: there are none.
func (s *signet) terms(cfg *config.Config) *op.Terms {
	if !cfg.Registers() {
		return nil
	}
	c := &cfg.Registration
	out := s.outToKeys(cfg)
	client := egress.Client(out)
	return &op.Terms{
		Open: c.Mode == config.RegistrationOpen, Hosts: c.RedirectHosts, PerHour: c.PerHour, Most: c.Most,
		Scopes: c.Scopes, Grants: c.Grants, Providers: c.Providers, PKCEOptional: c.PKCE == config.PKCEOptional,
		Tokens: broker.Lifetimes{
			Access: c.Tokens.Access, ID: c.Tokens.ID, Refresh: c.Tokens.Refresh, RefreshCap: c.Tokens.RefreshCap, Code: config.CodeLifetime,
		},
		Signing: c.Tokens.Signing, Userinfo: c.Tokens.Userinfo, Certificates: c.Certificates, Authorities: cfg.ClientCAs != nil,
		Published: func(uri string) broker.Keys { return jwks.At(uri, client, s.now) },
		May:       out.May, Client: client, Box: s.box,
	}
}

// find returns an app that is registered and not disabled; nil when there is none.
func (r *registeredApps) find(id string) *broker.App {
	if r == nil || !strings.HasPrefix(id, broker.RegisteredPrefix) {
		return nil
	}
	r.mu.RLock()
	known := r.by[id]
	r.mu.RUnlock()
	if known == nil {
		known = r.look(id)
	}
	return known.app
}

// look reads an app that this node has not heard of. It is kept unless something else was learned meanwhile: that it
// is gone, perhaps.
func (r *registeredApps) look(id string) *registeredApp {
	r.mu.RLock()
	before := r.seen
	r.mu.RUnlock()
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	row, err := r.signet.db.RegisteredApp(ctx, id)
	if err != nil {
		if !errors.Is(err, broker.ErrNotFound) {
			r.signet.log.Warn("a registered app could not be looked for", "error", err)
		}
		return &registeredApp{}
	}
	made := r.made(&row)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == before && r.by[id] == nil {
		r.by[id] = made
	}
	return made
}

// made is what a row says, as the core knows it.
func (r *registeredApps) made(row *broker.Registered) *registeredApp {
	made := &registeredApp{change: row.Change}
	if row.Disabled {
		return made
	}
	app, err := r.terms.App(row)
	if err != nil {
		r.signet.log.Error("a registered app cannot be used", "app", row.ID, "error", err)
		return made
	}
	made.app = app
	return made
}

// refresh takes over what has changed in the database.
func (r *registeredApps) refresh(ctx context.Context) error {
	r.refreshing.Lock()
	defer r.refreshing.Unlock()
	// First the number: what is changed while the rest is read has another, and is read again.
	n, err := r.signet.db.AppsChanged(ctx)
	if err != nil || n == r.seen {
		return err
	}
	rows, err := r.signet.db.AppsSince(ctx, r.seen)
	if err != nil {
		return err
	}
	ids, err := r.signet.db.AppIDs(ctx)
	if err != nil {
		return err
	}
	r.take(n, rows, ids)
	return nil
}

// take is the state after the change n: rows are what is new, ids is what is there. What was registered after n may
// be missing among them.
func (r *registeredApps) take(n int64, rows []broker.Registered, ids []string) {
	made := make(map[string]*registeredApp, len(rows))
	for i := range rows {
		made[rows[i].ID] = r.made(&rows[i])
	}
	there := make(map[string]bool, len(ids))
	for _, id := range ids {
		there[id] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.Copy(r.by, made)
	for id, known := range r.by {
		if !there[id] && known.change <= n {
			delete(r.by, id)
		}
	}
	r.seen = n
}

// changed has this node know at once what it has changed itself.
func (r *registeredApps) changed(ctx context.Context) {
	if err := r.refresh(context.WithoutCancel(ctx)); err != nil {
		r.signet.log.Warn("the registered apps could not be read; they stay as they were", "error", err)
	}
}

// App implements broker.Registry: what the configuration has goes before.
func (r *registry) App(id string) *broker.App {
	if a := r.Live.App(id); a != nil {
		return a
	}
	return r.apps.find(id)
}

// outToApps is the way to registered apps that are told of ended sessions.
func (s *signet) outToApps(cfg *config.Config, timeout time.Duration) *http.Client {
	out := registeredOut(s.out, cfg)
	out.Timeout = timeout
	return egress.Client(out)
}
