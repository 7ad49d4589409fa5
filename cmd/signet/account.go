package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/providers/password"
)

// accountFlags name an account kept here.
type accountFlags struct {
	configFlag
	Provider      string `help:"The password provider; only needed where there are several."`
	Username      string `required:"" help:"What the person types to sign in."`
	PasswordStdin bool   `help:"Read the password from standard input; else one is made and printed."`
}

// newAccount is an account whose name and password are good.
type newAccount struct {
	provider *prepared
	user     string // the ID of a user to be made
	username string
	hash     string
	file     *config.Config
}

// checkAccount makes a newAccount of a name and a password that are good.
func checkAccount(p *prepared, username, word string) (a newAccount, err error) {
	a = newAccount{provider: p, user: rand.Text()}
	if a.username, err = password.Username(username); err != nil {
		return a, err
	}
	if err := password.CheckNew(a.username, word); err != nil {
		return a, err
	}
	a.hash, err = password.Hash(p.own.(*password.Config).Argon2, word)
	return a, err
}

// person is what an account says of whom it belongs to.
type person struct {
	name, email string
	verified    bool // the address was checked to be theirs
	groups      []string
}

func (p person) claims(username string) map[string]any {
	claims := map[string]any{"preferred_username": username}
	if p.name != "" {
		claims["name"] = p.name
	}
	if p.email != "" {
		claims["email"], claims["email_verified"] = p.email, p.verified
	}
	if len(p.groups) > 0 {
		groups := make([]any, len(p.groups))
		for i, g := range p.groups {
			groups[i] = g
		}
		claims["groups"] = groups
	}
	return claims
}

// create adds the account and its user.
func (a newAccount) create(ctx context.Context, s *signet, p person) error {
	claims := p.claims(a.username)
	attrs, err := a.provider.mapping.Apply(ctx, claims)
	if err != nil {
		return err
	}
	now := s.now()
	u := broker.User{ID: a.user, Attributes: attrs, Created: now, Updated: now}
	account := password.Account{Provider: a.provider.ID, Username: a.username, Subject: rand.Text(), Hash: a.hash, Claims: claims}
	link := broker.Link{Provider: account.Provider, Subject: account.Subject, User: u.ID, Created: now}
	err = s.db.CreateAccount(ctx, account, u, link, broker.Event{ID: rand.Text(), Time: now, Type: broker.UserCreated, User: u.ID, Provider: account.Provider})
	if errors.Is(err, broker.ErrConflict) {
		return fmt.Errorf("provider %s has an account %s already", account.Provider, a.username)
	}
	return err
}

// elsewhere returns the provider that keeps the domain of an address to itself, "" when it is free or the
// account's own provider has it: at a login, the account would be refused with that address.
func (a newAccount) elsewhere(ctx context.Context, s *signet, email string) (domain, provider string, err error) {
	domain = strings.ToLower(email[strings.LastIndex(email, "@")+1:])
	if slices.Contains(a.provider.Domains, domain) {
		return domain, "", nil
	}
	for i := range a.file.Providers {
		if p := &a.file.Providers[i]; owns(p, domain) {
			return domain, p.ID, nil
		}
	}
	proven, err := s.db.Domains(ctx)
	for _, d := range proven {
		if d.Domain == domain && !d.Verified.IsZero() {
			return domain, d.Provider, err
		}
	}
	return domain, "", err
}

// with checks the name and the password, opens the database, and hands do both.
func (c *accountFlags) with(ctx context.Context, word string, do func(s *signet, a newAccount) error) error {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	p, err := passwordProvider(cfg, c.Provider)
	if err != nil {
		return err
	}
	a, err := checkAccount(p, c.Username, word)
	if err != nil {
		return err
	}
	a.file = cfg
	s, err := openQuietly(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	return do(s, a)
}

// passwordProvider finds the provider that keeps accounts: the one that is named, or the only one.
func passwordProvider(cfg *config.Config, id string) (*prepared, error) {
	all, _ := prepare(cfg, nil)
	var found []*prepared
	for i := range all {
		if all[i].Kind == passwordKind && (id == "" || all[i].ID == id) {
			found = append(found, &all[i])
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case id != "":
		return nil, fmt.Errorf("%q is no provider of kind password", id)
	case len(found) == 0:
		return nil, errors.New("no provider is of kind password: add one to the configuration")
	}
	return nil, errors.New("several providers are of kind password: name one with --provider")
}

// password reads a password from standard input, or makes one.
func (c *accountFlags) password() (word string, made bool, err error) {
	if !c.PasswordStdin {
		return strings.ToLower(rand.Text()[:20]), true, nil
	}
	line, err := bufio.NewReader(io.LimitReader(os.Stdin, 4<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", false, fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), false, nil
}
