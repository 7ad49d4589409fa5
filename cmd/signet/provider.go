package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/store"
)

// providerCommand looks after the providers of the database.
type providerCommand struct {
	Add     providerAdd     `cmd:"" help:"Register a provider beside those of the configuration file. Running brokers offer it within seconds."`
	List    providerList    `cmd:"" help:"List all providers, those of the configuration file too."`
	Show    providerShow    `cmd:"" help:"Show a provider without its secrets."`
	Check   providerCheck   `cmd:"" help:"Try each provider as far as that goes without a person, and say what to change."`
	Disable providerDisable `cmd:"" help:"Let nobody in by a provider, also not who is signing in just now."`
	Enable  providerEnable  `cmd:"" help:"Let people in by a provider again."`
	Remove  providerRemove  `cmd:"" help:"Remove a provider, and the domains that were proven for it. The people who came by it stay known."`
}

// providerFlag names a provider of the database.
type providerFlag struct {
	ID string `arg:"" help:"The provider's id."`
}

// with opens the database for a provider that is not of the configuration file.
func (f providerFlag) with(ctx context.Context, path string, do func(s *signet) error) error {
	cfg, s, err := openWithConfig(ctx, path)
	if err != nil {
		return err
	}
	defer s.close()
	err = do(s)
	if errors.Is(err, broker.ErrNotFound) {
		if ofFile(cfg, f.ID) != nil {
			return fmt.Errorf("provider %s is in the configuration file: change it there", f.ID)
		}
		return fmt.Errorf("there is no provider %q", f.ID)
	}
	return err
}

// openWithConfig is openQuietly for a command that needs the configuration too.
func openWithConfig(ctx context.Context, path string) (*config.Config, *signet, error) {
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, nil, err
	}
	s, err := openQuietly(ctx, path)
	return cfg, s, err
}

func ofFile(cfg *config.Config, id string) *config.Provider {
	i := slices.IndexFunc(cfg.Providers, func(p config.Provider) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return &cfg.Providers[i]
}

// providerEvent says that somebody has changed a provider by a command.
func (s *signet) providerEvent(kind, provider, detail string) broker.Event {
	return broker.Event{ID: rand.Text(), Time: s.now(), Type: kind, Provider: provider, Detail: detail}
}

type providerDisable struct {
	configFlag
	providerFlag
}

// Run implements the command.
func (c *providerDisable) Run(ctx context.Context) error { return c.set(ctx, c.Config, true) }

type providerEnable struct {
	configFlag
	providerFlag
}

// Run implements the command.
func (c *providerEnable) Run(ctx context.Context) error { return c.set(ctx, c.Config, false) }

func (f providerFlag) set(ctx context.Context, path string, disabled bool) error {
	kind, done := broker.ProviderEnabled, "enabled"
	if disabled {
		kind, done = broker.ProviderDisabled, "disabled"
	}
	return f.with(ctx, path, func(s *signet) error {
		if err := s.db.SetProviderDisabled(ctx, f.ID, disabled, s.now(), s.providerEvent(kind, f.ID, "")); err != nil {
			return err
		}
		fmt.Printf("Provider %s is %s. Running brokers know within seconds.\n", f.ID, done)
		return nil
	})
}

type providerRemove struct {
	configFlag
	providerFlag
}

// Run implements the command.
func (c *providerRemove) Run(ctx context.Context) error {
	return c.with(ctx, c.Config, func(s *signet) error {
		if err := s.db.RemoveProvider(ctx, c.ID, s.providerEvent(broker.ProviderRemoved, c.ID, "")); err != nil {
			return err
		}
		fmt.Printf("Provider %s is removed.\n", c.ID)
		return nil
	})
}

type providerList struct {
	configFlag
	JSON bool `help:"As JSON."`
}

// shownProvider is a provider as commands show it.
type shownProvider struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind"`
	Name     string          `json:"name"`
	Source   string          `json:"source"` // file or database
	Disabled bool            `json:"disabled"`
	Register string          `json:"register,omitempty"` // what its operator wants to know of us
	Domains  []shownDomain   `json:"domains,omitempty"`
	Created  time.Time       `json:"created,omitzero"`
	Updated  time.Time       `json:"updated,omitzero"`
	Document json.RawMessage `json:"document,omitempty"` // without its secrets
}

const (
	fromFile     = "file"
	fromDatabase = "database"
)

// wayBack is the address that an upstream must know; "" for accounts kept here.
func wayBack(issuer, kind, id string) string {
	switch kind {
	case "saml":
		return issuer + "/saml/" + id + "/metadata"
	case passwordKind:
		return ""
	}
	return issuer + "/callback/" + id
}

func shownOfFile(cfg *config.Config, p *config.Provider) shownProvider {
	out := shownProvider{ID: p.ID, Kind: p.Kind, Name: p.Name, Source: fromFile, Disabled: p.Disabled, Register: wayBack(cfg.Issuer, p.Kind, p.ID)}
	for _, d := range p.Domains {
		out.Domains = append(out.Domains, shownDomain{Domain: d, Provider: p.ID, Verified: true})
	}
	return out
}

func shownOfRow(cfg *config.Config, p store.Provider, domains []store.Domain) shownProvider {
	out := shownProvider{
		ID: p.ID, Kind: p.Kind, Name: p.Name, Source: fromDatabase, Disabled: p.Disabled,
		Register: wayBack(cfg.Issuer, p.Kind, p.ID), Created: p.Created, Updated: p.Updated,
	}
	for _, d := range domains {
		if d.Provider == p.ID {
			out.Domains = append(out.Domains, shownOf(d))
		}
	}
	return out
}

// Run implements the command.
func (c *providerList) Run(ctx context.Context) error {
	cfg, s, err := openWithConfig(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	rows, err := s.db.Providers(ctx)
	if err != nil {
		return err
	}
	domains, err := s.db.Domains(ctx)
	if err != nil {
		return err
	}
	all := []shownProvider{}
	for i := range cfg.Providers {
		all = append(all, shownOfFile(cfg, &cfg.Providers[i]))
	}
	of := map[string][]store.Domain{}
	for _, d := range domains {
		of[d.Provider] = append(of[d.Provider], d)
	}
	for _, row := range rows {
		all = append(all, shownOfRow(cfg, row, of[row.ID]))
	}
	if c.JSON {
		return printJSON(all)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tKIND\tNAME\tSOURCE\tSTATE\tDOMAINS")
	for _, p := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", p.ID, p.Kind, p.Name, p.Source, p.state(), strings.Join(p.domains(), " "))
	}
	return w.Flush()
}

func (p *shownProvider) state() string {
	if p.Disabled {
		return "disabled"
	}
	return "enabled"
}

func (p *shownProvider) domains() (list []string) {
	for _, d := range p.Domains {
		if d.Verified {
			list = append(list, d.Domain)
		} else {
			list = append(list, d.Domain+" (not proven)")
		}
	}
	return list
}

type providerShow struct {
	configFlag
	providerFlag
	JSON bool `help:"As JSON."`
}

// Run implements the command.
func (c *providerShow) Run(ctx context.Context) error {
	cfg, s, err := openWithConfig(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	p, err := c.find(ctx, cfg, s)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "id\t%s\nkind\t%s\nname\t%s\nsource\t%s\nstate\t%s\n", p.ID, p.Kind, p.Name, p.Source, p.state())
	if p.Register != "" {
		fmt.Fprintf(w, "register there\t%s\n", p.Register)
	}
	for _, d := range p.domains() {
		fmt.Fprintf(w, "domain\t%s\n", d)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Println()
	return printJSON(p.Document)
}

func (c *providerShow) find(ctx context.Context, cfg *config.Config, s *signet) (p shownProvider, err error) {
	if f := ofFile(cfg, c.ID); f != nil {
		p = shownOfFile(cfg, f)
		p.Document, err = f.Shown(kinds(nil)[f.Kind].Config())
		return p, err
	}
	row, err := s.db.Provider(ctx, c.ID)
	if errors.Is(err, broker.ErrNotFound) {
		return p, fmt.Errorf("there is no provider %q", c.ID)
	} else if err != nil {
		return p, err
	}
	domains, err := s.db.Domains(ctx)
	if err != nil {
		return p, err
	}
	p = shownOfRow(cfg, row, domains)
	read, faults, err := s.unseal(row)
	switch {
	case err != nil:
		return p, err
	case read == nil:
		return p, faults
	}
	p.Document, err = read.Shown(read.own)
	return p, err
}

// Help implements kong's HelpProvider.
func (*providerList) Help() string {
	return `Example:
  signet provider list --json | jq -r '.[] | select(.disabled) | .id'`
}

// Help implements kong's HelpProvider.
func (*providerShow) Help() string {
	return `Example:
  signet provider show acme --json | jq .document`
}

// Help implements kong's HelpProvider.
func (*providerDisable) Help() string {
	return `Example:
  signet provider disable acme`
}

// Help implements kong's HelpProvider.
func (*providerEnable) Help() string {
	return `Example:
  signet provider enable acme`
}

// Help implements kong's HelpProvider.
func (*providerRemove) Help() string {
	return `Example:
  signet provider remove acme`
}
