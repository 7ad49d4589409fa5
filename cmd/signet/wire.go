package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/backchannel"
	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/broker/login"
	"github.com/signet-broker/signet/broker/op"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/seal"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/apple"
	"github.com/signet-broker/signet/providers/github"
	"github.com/signet-broker/signet/providers/google"
	"github.com/signet-broker/signet/providers/microsoft"
	"github.com/signet-broker/signet/providers/oauth2"
	"github.com/signet-broker/signet/providers/oidc"
	"github.com/signet-broker/signet/providers/password"
	"github.com/signet-broker/signet/providers/saml"
	"github.com/signet-broker/signet/providers/social"
	"github.com/signet-broker/signet/static"
	"github.com/signet-broker/signet/store"
	"github.com/signet-broker/signet/templates"
)

const passwordKind = "password"

// kinds are the sorts of provider. db may be nil where none is opened.
func kinds(db *store.DB) map[string]providers.Kind {
	return map[string]providers.Kind{
		"oidc":       oidc.Kind(),
		"google":     google.Kind(),
		"apple":      apple.Kind(),
		"microsoft":  microsoft.Kind(),
		"oauth2":     oauth2.Kind(),
		"github":     github.Kind(),
		"gitlab":     social.GitLab(),
		"facebook":   social.Facebook(),
		"linkedin":   social.LinkedIn(),
		"amazon":     social.Amazon(),
		"discord":    social.Discord(),
		"slack":      social.Slack(),
		"saml":       saml.Kind(),
		passwordKind: password.Kind(db),
	}
}

// signet is one broker with everything it works with.
type signet struct {
	db   *store.DB
	box  *seal.Box
	ring *keys.Ring
	site *web.Site
	tell *backchannel.Sender
	log  *slog.Logger
	now  func() time.Time
	out  egress.Options

	registry *registry
}

// close gives everything back.
func (s *signet) close() {
	if s.registry != nil {
		s.registry.Whole() // what still reads the database
	}
	if err := s.db.Close(); err != nil {
		s.log.Error("the database was not closed cleanly", "error", err)
	}
}

// openStore opens the database and what unseals it. A database that was sealed with another master key is
// refused before anything is made in it.
func openStore(ctx context.Context, cfg *config.Config, log *slog.Logger) (*store.DB, *seal.Box, error) {
	dsn := cfg.Database.Reveal()
	path, isFile := strings.CutPrefix(dsn, "sqlite:")
	info, err := os.Stat(path)
	there := isFile && err == nil && info.Size() > 0
	// A new key would not open a database that is there, and would stand in the way of the right one.
	master, err := seal.LoadOrCreateKey(cfg.MasterKeyFile, isFile && !there)
	if there && errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("master_key_file: %s is missing, and the database %s is there already: give it the file that it was sealed with", cfg.MasterKeyFile, path)
	}
	var exposed *seal.Exposed
	if errors.As(err, &exposed) {
		log.Warn("master_key_file", "problem", err.Error())
	} else if err != nil {
		return nil, nil, fmt.Errorf("master_key_file: %w", err)
	}
	box, err := seal.New(master)
	if err != nil {
		return nil, nil, fmt.Errorf("master_key_file: %w", err)
	}
	db, err := store.Open(ctx, dsn)
	if err != nil {
		return nil, nil, fmt.Errorf("database: %w", err)
	}
	db.Notify(notified(cfg), cfg.Registers())
	sealedWith, err := db.Meta(ctx, "master_key", box.KeyID())
	if err == nil && sealedWith != box.KeyID() {
		err = fmt.Errorf("the database was sealed with master key %s, master_key_file %s holds %s: give it the file that belongs to it", sealedWith, cfg.MasterKeyFile, box.KeyID())
	}
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, box, nil
}

// open puts a broker together.
func open(ctx context.Context, cfg *config.Config, log *slog.Logger) (*signet, error) {
	return openAt(ctx, cfg, log, time.Now, egress.Options{})
}

// openAt is open with another clock and another way out.
func openAt(ctx context.Context, cfg *config.Config, log *slog.Logger, now func() time.Time, out egress.Options) (*signet, error) {
	db, box, err := openStore(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	db.Now = now
	s := &signet{db: db, box: box, log: log, now: now, out: out}
	if err := s.wire(ctx, cfg); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *signet) wire(ctx context.Context, cfg *config.Config) error {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	if s.ring, err = keys.Open(ctx, s.db, s.box, s.now, s.log, keys.Default, elsewhere(cfg)); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if s.registry, err = newRegistry(ctx, s, cfg); err != nil {
		return err
	}
	pages, err := templates.New(func(name string) string { return strings.TrimSuffix(issuer.Path, "/") + static.URL(name) })
	if err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	metrics := web.NewMetrics()
	core := &broker.Broker{
		Store: s.db, Registry: s.registry, Doors: map[string]broker.Door{}, Now: s.now, Log: s.log, Observe: metrics.Event,
		Sessions: broker.SessionLimits{Idle: cfg.Sessions.Idle, Absolute: cfg.Sessions.Absolute},
	}
	s.site = &web.Site{
		Issuer: issuer, Broker: core, Pages: pages, Metrics: metrics, Log: s.log, Trusted: cfg.TrustedProxies, CertificateHeader: cfg.ClientCertificateHeader,
		Sessions: &web.Sessions{Store: s.db, Secure: issuer.Scheme == "https", MaxAge: cfg.Sessions.Absolute},
	}
	s.site.Static("/static/", static.Handler())
	(&login.Pages{Site: s.site, Broker: core}).Register()
	tokens := &token.Issuer{URL: cfg.Issuer, Keys: s.ring, Store: s.db, Apps: s.registry, Now: s.now}
	core.Names = tokens
	out := s.out
	out.Timeout = backchannel.Timeout
	s.tell = &backchannel.Sender{
		Store: s.db, Registry: s.registry, Issuer: tokens, Client: egress.Client(out), Public: s.outToApps(cfg, backchannel.Timeout), Now: s.now, Log: s.log, Observe: metrics.Event, Count: metrics.Notice,
	}
	known := apis(cfg)
	door := &op.Provider{
		APIs: known,
		Site: s.site, Broker: core, Registry: s.registry, Store: s.db, Issuer: tokens, Keys: s.ring, Now: s.now,
		Requests: s.db, ClientCAs: cfg.ClientCAs, Objects: egress.Client(s.outToObjects(cfg)), ByReference: cfg.Refers() || cfg.Registers(),
		Registers: cfg.Registers(),
		Grants: []op.Grant{
			&op.CodeGrant{Store: s.db, APIs: known, Now: s.now},
			&op.RefreshGrant{Issuer: tokens, Store: s.db, Now: s.now},
		},
	}
	door.Issuers = s.trusted(cfg)
	door.Grants = append(door.Grants, &op.ClientCredentialsGrant{Provider: door}, &op.TokenExchangeGrant{Provider: door}, &op.AssertionGrant{Provider: door})
	core.Doors[op.Name] = door
	devices := &op.Devices{Provider: door, Store: s.db}
	devices.Register()
	door.Grants = append(door.Grants, &op.DeviceGrant{Devices: devices})
	if apps := s.registry.apps; apps != nil {
		(&op.Registrar{Provider: door, Store: s.db, Terms: apps.terms, Changed: apps.changed}).Register()
	}
	return door.Register()
}

// app is a configured app as the core knows it.
func app(c *config.App) *broker.App {
	a := &broker.App{
		ID: c.ID, Name: c.Name, RedirectURIs: c.RedirectURIs, RequestURIs: c.RequestURIs, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs,
		InitiateLoginURI: c.InitiateLoginURI, BackchannelLogoutURI: c.BackchannelLogoutURI, FrontchannelLogoutURI: c.FrontchannelLogoutURI,
		Providers: c.Providers, PKCEOptional: c.PKCE == config.PKCEOptional,
		Tokens: broker.Lifetimes{
			Access: c.Tokens.Access, ID: c.Tokens.ID, Refresh: c.Tokens.Refresh, RefreshCap: c.Tokens.RefreshCap, Code: config.CodeLifetime,
		},
		Signing: c.Tokens.Signing, UserinfoSigning: c.Tokens.Userinfo, Grants: c.Grants, Exchange: exchange(c), DPoPRequired: c.DPoP == config.DPoPRequired, DPoPNonce: c.DPoPNonce,
		CertificateBound: c.CertificateBound, Sector: c.Sector, ThirdParty: !c.FirstParty,
	}
	a.SecretHashes = secretHashes(c)
	return a
}

// notified are the apps that are told of ended sessions.
func notified(cfg *config.Config) (ids []string) {
	for _, a := range cfg.Apps {
		if a.BackchannelLogoutURI != "" {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// prepared is a provider whose whole configuration has been read.
type prepared struct {
	*config.Provider
	kind    providers.Kind
	own     any // the kind's configuration
	mapping *broker.Mapping
}

// prepare reads what belongs to each provider's kind, and tells every fault. Disabled providers are checked
// and left out.
func prepare(cfg *config.Config, db *store.DB) ([]prepared, config.Faults) {
	var all []prepared
	var faults config.Faults
	known := kinds(db)
	for i := range cfg.Providers {
		c := &cfg.Providers[i]
		kind, ok := known[c.Kind]
		if !ok {
			if c.Kind != "" {
				names := slices.Sorted(maps.Keys(known))
				faults = append(faults, c.FaultAt("kind", "no such kind; there are "+strings.Join(names, ", ")))
			}
			continue
		}
		p := prepared{Provider: c, kind: kind, own: kind.Config()}
		faults = append(faults, p.read()...)
		faults = append(faults, p.unsolicited(cfg)...)
		if !c.Disabled {
			all = append(all, p)
		}
	}
	return all, faults
}

func (p *prepared) read() config.Faults {
	faults := p.Decode(p.own)
	if checker, ok := p.own.(interface{ Check() []providers.Fault }); ok && len(faults) == 0 {
		for _, f := range checker.Check() {
			faults = append(faults, p.FaultAt(f.Key, f.Problem))
		}
	}
	var err error
	p.mapping, err = broker.NewMapping(p.Map.Over(p.kind.Map), p.Map.Attributes)
	var wrong broker.MappingFaults
	if errors.As(err, &wrong) {
		for _, f := range wrong {
			faults = append(faults, p.FaultAt("map."+f.Key, f.Problem))
		}
	}
	return faults
}

// loadConfig reads the configuration with what belongs to its providers. All faults at once.
func loadConfig(path string) (*config.Config, error) {
	cfg, err := config.Load(path)
	var faults config.Faults
	if err != nil && !errors.As(err, &faults) {
		return nil, err
	}
	if cfg != nil {
		_, more := prepare(cfg, nil)
		faults = append(faults, more...)
	}
	if len(faults) == 0 {
		return cfg, nil
	}
	faults.Sort()
	for _, f := range faults {
		fmt.Fprintln(os.Stderr, f)
	}
	return nil, errShown
}

// openQuietly opens a broker's parts for a command that is not a server.
func openQuietly(ctx context.Context, path string) (*signet, error) {
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	db, box, err := openStore(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	s := &signet{db: db, box: box, log: log, now: time.Now}
	if s.ring, err = keys.Open(ctx, db, box, time.Now, log, keys.Default, elsewhere(cfg)); err != nil {
		s.close()
		return nil, fmt.Errorf("keys: %w", err)
	}
	return s, nil
}
