package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/signet-broker/signet/broker"
)

// userCommand looks after people.
type userCommand struct {
	Add         userAdd      `cmd:"" help:"Add an account with a password."`
	List        userList     `cmd:"" help:"List everybody who has an account here or has signed in."`
	Show        userShow     `cmd:"" help:"Show a user."`
	Disable     userDisable  `cmd:"" help:"Keep a user out: sessions end and refresh tokens are revoked at once."`
	Enable      userEnable   `cmd:"" help:"Let a user in again."`
	Consents    userConsents `cmd:"" help:"Show what a user has allowed to apps that are not first-party, or take it back."`
	SetPassword userPassword `cmd:"" help:"Set an account's password; its sessions end and its refresh tokens are revoked."`
}

// userFlag names a user.
type userFlag struct {
	User string `arg:"" help:"The user's ID, username or e-mail address."`
}

type userAdd struct {
	accountFlags
	Email         string   `help:"The person's e-mail address."`
	EmailVerified bool     `help:"Say that the address was checked to be theirs."`
	Name          string   `help:"The person's full name."`
	Group         []string `help:"A group the person is in; may be given again."`
	JSON          bool     `help:"As JSON."`
}

// Run implements the command.
func (c *userAdd) Run(ctx context.Context) error {
	word, made, err := c.password()
	if err != nil {
		return err
	}
	var a newAccount
	if err := c.with(ctx, word, func(s *signet, n newAccount) error {
		a = n
		if domain, owner, err := a.elsewhere(ctx, s, c.Email); err != nil {
			return err
		} else if owner != "" {
			fmt.Fprintf(os.Stderr, "warning: %s belongs to provider %s: %s cannot sign in with an address in it\n", domain, owner, a.username)
		}
		return c.create(ctx, s, a)
	}); err != nil {
		return err
	}
	if c.JSON {
		out := map[string]string{"id": a.user, "username": a.username, "provider": a.provider.ID}
		if made {
			out["password"] = word
		}
		return printJSON(out)
	}
	fmt.Printf("Added %s (user %s).\n", a.username, a.user)
	if made {
		fmt.Printf("Password: %s\n", word)
	}
	return nil
}

func (c *userAdd) create(ctx context.Context, s *signet, a newAccount) error {
	return a.create(ctx, s, person{name: c.Name, email: c.Email, verified: c.EmailVerified, groups: c.Group})
}

type userPassword struct {
	accountFlags
}

// Run implements the command.
func (c *userPassword) Run(ctx context.Context) error {
	word, made, err := c.password()
	if err != nil {
		return err
	}
	return c.with(ctx, word, func(s *signet, a newAccount) error {
		err := s.db.SetPassword(ctx, a.provider.ID, a.username, a.hash, broker.Event{ID: rand.Text(), Time: s.now(), Type: broker.PasswordSet, Provider: a.provider.ID})
		if errors.Is(err, broker.ErrNotFound) {
			return fmt.Errorf("provider %s has no account %s", a.provider.ID, a.username)
		} else if err != nil {
			return err
		}
		fmt.Printf("The password of %s is set; all sessions have ended.\n", a.username)
		if made {
			fmt.Printf("Password: %s\n", word)
		}
		return nil
	})
}

type userList struct {
	configFlag
	JSON bool `help:"As JSON."`
}

// shownUser is a user as commands show it.
type shownUser struct {
	ID         string            `json:"id"`
	Attributes broker.Attributes `json:"attributes"`
	Created    time.Time         `json:"created"`
	Updated    time.Time         `json:"updated"`
	Disabled   bool              `json:"disabled"`
	Links      []shownLink       `json:"links,omitempty"`
}

type shownLink struct {
	Provider string    `json:"provider"`
	Subject  string    `json:"subject"`
	Since    time.Time `json:"since"`
}

func shown(u broker.User) shownUser {
	return shownUser{ID: u.ID, Attributes: u.Attributes, Created: u.Created, Updated: u.Updated, Disabled: u.Disabled}
}

// Run implements the command.
func (c *userList) Run(ctx context.Context) error {
	s, err := openQuietly(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	all := []shownUser{}
	for after := ""; ; {
		page, err := s.db.Users(ctx, after, 500)
		if err != nil {
			return err
		}
		for _, u := range page {
			all = append(all, shown(u))
			after = u.ID
		}
		if len(page) < 500 {
			break
		}
	}
	if c.JSON {
		return printJSON(all)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tE-MAIL\tSINCE\tSTATE")
	for _, u := range all {
		state := "enabled"
		if u.Disabled {
			state = "disabled"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", u.ID, u.Attributes.Name(), u.Attributes.Email(), u.Created.UTC().Format(time.DateOnly), state)
	}
	return w.Flush()
}

type userShow struct {
	configFlag
	userFlag
	JSON bool `help:"As JSON."`
}

// Run implements the command.
func (c *userShow) Run(ctx context.Context) error {
	return c.find(ctx, c.Config, func(s *signet, u broker.User) error {
		links, err := s.db.Links(ctx, u.ID)
		if err != nil {
			return err
		}
		out := shown(u)
		for _, l := range links {
			out.Links = append(out.Links, shownLink{l.Provider, l.Subject, l.Created})
		}
		if c.JSON {
			return printJSON(out)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
		fmt.Fprintf(w, "id\t%s\nstate\t%s\nsince\t%s\n", u.ID, map[bool]string{true: "disabled", false: "enabled"}[u.Disabled], u.Created.UTC().Format(time.DateTime))
		for _, name := range sortedKeys(u.Attributes) {
			fmt.Fprintf(w, "%s\t%v\n", name, u.Attributes[name])
		}
		for _, l := range out.Links {
			fmt.Fprintf(w, "signs in at\t%s\tas %s\n", l.Provider, l.Subject)
		}
		return w.Flush()
	})
}

type userDisable struct {
	configFlag
	userFlag
}

// Run implements the command.
func (c *userDisable) Run(ctx context.Context) error {
	return c.setDisabled(ctx, c.Config, true)
}

type userEnable struct {
	configFlag
	userFlag
}

// Run implements the command.
func (c *userEnable) Run(ctx context.Context) error {
	return c.setDisabled(ctx, c.Config, false)
}

func (f userFlag) setDisabled(ctx context.Context, config string, disabled bool) error {
	kind, done := broker.UserEnabled, "enabled"
	if disabled {
		kind, done = broker.UserDisabled, "disabled"
	}
	return f.find(ctx, config, func(s *signet, u broker.User) error {
		if err := s.db.SetDisabled(ctx, u.ID, disabled, broker.Event{ID: rand.Text(), Time: s.now(), Type: kind, User: u.ID}); err != nil {
			return err
		}
		fmt.Printf("User %s is %s.\n", u.ID, done)
		return nil
	})
}

// find opens the database and hands do the one user that is meant.
func (f userFlag) find(ctx context.Context, config string, do func(s *signet, u broker.User) error) error {
	s, err := openQuietly(ctx, config)
	if err != nil {
		return err
	}
	defer s.close()
	found, err := s.db.FindUsers(ctx, f.User)
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return fmt.Errorf("nobody is called %q", f.User)
	case len(found) > 1:
		return fmt.Errorf("%d users are called %q: name one by ID", len(found), f.User)
	}
	return do(s, found[0])
}
