package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/config"
)

// appCommand looks after the apps of the database.
type appCommand struct {
	List    appList    `cmd:"" help:"List all apps, those of the configuration file too."`
	Show    appShow    `cmd:"" help:"Show what a registered app says of itself."`
	Disable appDisable `cmd:"" help:"Let nobody in by a registered app; what it has got is good for nothing while it is disabled."`
	Enable  appEnable  `cmd:"" help:"Let people in by a registered app again."`
	Remove  appRemove  `cmd:"" help:"Remove a registered app with all that it has got and all that people have allowed it."`
	Token   appToken   `cmd:"" help:"Look after the initial access tokens, by which programs register apps."`
}

// appFlag names an app of the database.
type appFlag struct {
	ID string `arg:"" help:"The app's client_id."`
}

// with opens the database for an app that is not of the configuration file.
func (f appFlag) with(ctx context.Context, path string, do func(s *signet) error) error {
	cfg, s, err := openWithConfig(ctx, path)
	if err != nil {
		return err
	}
	defer s.close()
	err = do(s)
	if errors.Is(err, broker.ErrNotFound) {
		if slices.ContainsFunc(cfg.Apps, func(a config.App) bool { return a.ID == f.ID }) {
			return fmt.Errorf("app %s is in the configuration file: change it there", f.ID)
		}
		return fmt.Errorf("there is no registered app %q", f.ID)
	}
	return err
}

// appEvent says that somebody has changed an app by a command.
func (s *signet) appEvent(kind, app, detail string) broker.Event {
	return broker.Event{ID: rand.Text(), Time: s.now(), Type: kind, App: app, Detail: detail}
}

type appDisable struct {
	configFlag
	appFlag
}

// Run implements the command.
func (c *appDisable) Run(ctx context.Context) error { return c.set(ctx, c.Config, true) }

type appEnable struct {
	configFlag
	appFlag
}

// Run implements the command.
func (c *appEnable) Run(ctx context.Context) error { return c.set(ctx, c.Config, false) }

func (f appFlag) set(ctx context.Context, path string, disabled bool) error {
	kind, done := broker.AppEnabled, "enabled"
	if disabled {
		kind, done = broker.AppDisabled, "disabled"
	}
	return f.with(ctx, path, func(s *signet) error {
		if err := s.db.SetAppDisabled(ctx, f.ID, disabled, s.now(), s.appEvent(kind, f.ID, "")); err != nil {
			return err
		}
		fmt.Printf("App %s is %s. Running brokers know within seconds.\n", f.ID, done)
		return nil
	})
}

type appRemove struct {
	configFlag
	appFlag
}

// Run implements the command.
func (c *appRemove) Run(ctx context.Context) error {
	return c.with(ctx, c.Config, func(s *signet) error {
		if err := s.db.RemoveApp(ctx, c.ID, s.appEvent(broker.AppRemoved, c.ID, "")); err != nil {
			return err
		}
		fmt.Printf("App %s is removed.\n", c.ID)
		return nil
	})
}

type appList struct {
	configFlag
	JSON bool `help:"As JSON."`
}

// listedApp is an app as commands show it.
type listedApp struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Source   string          `json:"source"` // file or database
	Via      string          `json:"via,omitempty"`
	Disabled bool            `json:"disabled"`
	Created  time.Time       `json:"created,omitzero"`
	Updated  time.Time       `json:"updated,omitzero"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

func listedRow(a *broker.Registered) listedApp {
	return listedApp{ID: a.ID, Name: a.Name, Source: fromDatabase, Via: a.Via, Disabled: a.Disabled, Created: a.Created, Updated: a.Updated}
}

func (a *listedApp) state() string {
	if a.Disabled {
		return "disabled"
	}
	return "enabled"
}

// Run implements the command.
func (c *appList) Run(ctx context.Context) error {
	cfg, s, err := openWithConfig(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	rows, err := s.db.AppsSince(ctx, 0)
	if err != nil {
		return err
	}
	all := []listedApp{}
	for _, a := range cfg.Apps {
		all = append(all, listedApp{ID: a.ID, Name: a.Name, Source: fromFile})
	}
	for i := range rows {
		all = append(all, listedRow(&rows[i]))
	}
	if c.JSON {
		return printJSON(all)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tSOURCE\tVIA\tSTATE")
	for _, a := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.ID, a.Name, a.Source, a.Via, a.state())
	}
	return w.Flush()
}

type appShow struct {
	configFlag
	appFlag
	JSON bool `help:"As JSON."`
}

// Run implements the command.
func (c *appShow) Run(ctx context.Context) error {
	return c.with(ctx, c.Config, func(s *signet) error {
		row, err := s.db.RegisteredApp(ctx, c.ID)
		if err != nil {
			return err
		}
		a := listedRow(&row)
		a.Metadata = row.Document
		if c.JSON {
			return printJSON(a)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
		fmt.Fprintf(w, "id\t%s\nname\t%s\nstate\t%s\nregistered\t%s\n", a.ID, a.Name, a.state(), a.Created.Format(time.DateTime))
		if a.Via != "" {
			fmt.Fprintf(w, "by the token\t%s\n", a.Via)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		fmt.Println()
		return printJSON(a.Metadata)
	})
}

// Help implements kong's HelpProvider.
func (*appList) Help() string {
	return `Example:
  signet app list --json | jq -r '.[] | select(.source == "database") | .id'`
}

// Help implements kong's HelpProvider.
func (*appShow) Help() string {
	return `Example:
  signet app show dyn-4X7… --json | jq .metadata.redirect_uris`
}

// Help implements kong's HelpProvider.
func (*appDisable) Help() string {
	return `Example:
  signet app disable dyn-4X7…`
}

// Help implements kong's HelpProvider.
func (*appEnable) Help() string {
	return `Example:
  signet app enable dyn-4X7…`
}

// Help implements kong's HelpProvider.
func (*appRemove) Help() string {
	return `Example:
  signet app remove dyn-4X7…`
}
