package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/internal/seal"
	"github.com/signet-broker/signet/providers"
)

// checkCommand tells what is wrong with the configuration, or what it says.
type checkCommand struct {
	configFlag
	JSON    bool `help:"As JSON."`
	Offline bool `help:"Do not ask AWS KMS whether its keys sign."`
}

// served is what a configuration would serve.
type served struct {
	Issuer    string           `json:"issuer"`
	Discovery string           `json:"discovery"`
	Listen    string           `json:"listen"`
	Admin     string           `json:"admin_listen"`
	Apps      []servedApp      `json:"apps"`
	APIs      []servedAPI      `json:"apis,omitempty"`
	Providers []servedProvider `json:"providers"`
	Keys      []servedKey      `json:"keys,omitempty"` // those that are not in the database
	Warnings  []string         `json:"warnings"`
}

type servedApp struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Public bool   `json:"public"`
}

type servedAPI struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Scopes []string `json:"scopes"`
}

type servedProvider struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Callback string `json:"callback"` // what its operator wants to know of us; "" for accounts kept here
	Disabled bool   `json:"disabled"`
}

type servedKey struct {
	Alg  string `json:"alg"`
	Name string `json:"name"`
}

// Run implements the command.
func (c *checkCommand) Run(ctx context.Context) error {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	faults := tryMasterKey(cfg)
	if !c.Offline {
		faults = append(faults, tryKeys(ctx, cfg)...)
	}
	if len(faults) > 0 {
		faults.Sort()
		for _, f := range faults {
			fmt.Fprintln(os.Stderr, f)
		}
		return errShown
	}
	s := describe(cfg)
	if c.JSON {
		return printJSON(s)
	}
	fmt.Printf("%s is right. It would serve %s on %s.\n\n", c.Config, s.Issuer, s.Listen)
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "discovery\t%s\n", s.Discovery)
	for _, a := range s.Apps {
		sort := "confidential"
		if a.Public {
			sort = "public"
		}
		fmt.Fprintf(w, "app\t%s\t%s\t%s\n", a.ID, a.Name, sort)
	}
	for _, a := range s.APIs {
		fmt.Fprintf(w, "api\t%s\t%s\t%s\n", a.ID, a.Name, strings.Join(a.Scopes, " "))
	}
	for _, p := range s.Providers {
		state := p.Callback
		if p.Disabled {
			state = "disabled"
		}
		fmt.Fprintf(w, "provider\t%s\t%s\t%s\t%s\n", p.ID, p.Name, p.Kind, state)
	}
	for _, k := range s.Keys {
		fmt.Fprintf(w, "key\t%s\t%s\n", k.Alg, k.Name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, warning := range s.Warnings {
		fmt.Fprintln(os.Stderr, "warning:", warning)
	}
	return nil
}

func describe(cfg *config.Config) served {
	s := served{Issuer: cfg.Issuer, Discovery: cfg.Issuer + "/.well-known/openid-configuration", Listen: cfg.Listen, Admin: cfg.AdminListen}
	for _, a := range cfg.Apps {
		s.Apps = append(s.Apps, servedApp{a.ID, a.Name, a.Public()})
	}
	for _, a := range cfg.APIs {
		api := servedAPI{ID: a.ID, Name: cmp.Or(a.Name, a.ID)}
		for _, scope := range a.Scopes {
			api.Scopes = append(api.Scopes, scope.Name)
		}
		s.APIs = append(s.APIs, api)
	}
	for _, p := range cfg.Providers {
		callback := cfg.Issuer + "/callback/" + p.ID
		switch p.Kind {
		case "saml":
			callback = cfg.Issuer + "/saml/" + p.ID + "/metadata"
		case passwordKind:
			callback = ""
		}
		s.Providers = append(s.Providers, servedProvider{p.ID, p.Kind, p.Name, callback, p.Disabled})
	}
	names := cfg.Keys.KMS.Names()
	for _, alg := range slices.Sorted(maps.Keys(names)) {
		for _, name := range names[alg] {
			s.Keys = append(s.Keys, servedKey{alg, name})
		}
	}
	for _, w := range cfg.Warnings {
		s.Warnings = append(s.Warnings, w.String())
	}
	return s
}

// tryMasterKey reads the master key, if it is there: with SQLite it is made at the first start.
func tryMasterKey(cfg *config.Config) config.Faults {
	_, err := seal.LoadOrCreateKey(cfg.MasterKeyFile, false)
	var exposed *seal.Exposed
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.As(err, &exposed):
		cfg.Warnings = append(cfg.Warnings, cfg.FaultAt("master_key_file", err.Error()))
		return nil
	}
	return config.Faults{cfg.FaultAt("master_key_file", err.Error())}
}

// tryKeys has each key that is kept elsewhere sign something, and tells every fault.
func tryKeys(ctx context.Context, cfg *config.Config) (faults config.Faults) {
	e := elsewhere(cfg)
	for alg, names := range e.Names {
		for i, name := range names {
			if err := keys.Try(ctx, e.Remote, name, alg); err != nil {
				faults = append(faults, cfg.FaultAt(fmt.Sprintf("keys.kms.%s.%d", alg, i), reasonOf(err)))
			}
		}
	}
	return faults
}

// reasonOf is what an error says for those who run Signet, without its word for the log.
func reasonOf(err error) string {
	var e *providers.Error
	if errors.As(err, &e) && e.Err != nil {
		err = e.Err
	}
	return err.Error()
}
