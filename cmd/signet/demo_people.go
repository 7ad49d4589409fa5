package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers/password"
)

// The people of the demo are made up. Their passwords are no secret: the demo listens on loopback and
// forgets everything at its end.
var (
	globexPeople = []idptest.Person{
		{Username: "hana", Name: "Hana Scorpio", Email: "hana@globex.example", EmailVerified: true, Groups: []string{"staff", "admins"}},
		{Username: "marek", Name: "Marek Dunne", Email: "marek@globex.example", EmailVerified: true, Groups: []string{"staff", "finance"}},
		{Username: "odile", Name: "Odile Brandt", Email: "odile@globex.example", Groups: []string{"contractors"}},
	}
	initechPeople = []idptest.Person{
		{Username: "petra", Name: "Petra Gibson", Email: "petra@initech.example", Groups: []string{"engineering"}},
		{Username: "milo", Name: "Milo Waddell", Email: "milo@initech.example", Groups: []string{"facilities", "staplers"}},
	}
	demoAccounts = []demoAccount{
		{"ann", "violet-teapot-7", "Ann Archer", "ann@example.com", []string{"friends", "admins"}},
		{"ben", "quiet-harbour-9", "Ben Okafor", "ben@example.com", []string{"friends"}},
	}
)

type demoAccount struct {
	username, password, name, email string
	groups                          []string
}

// accounts adds the accounts that are kept here.
func (d *demo) accounts(ctx context.Context, s *signet) error {
	p, err := passwordProvider(d.cfg, "")
	if err != nil {
		return err
	}
	for _, a := range demoAccounts {
		hash, err := password.Hash(p.own.(*password.Config).Argon2, a.password)
		if err != nil {
			return err
		}
		groups := make([]any, len(a.groups))
		for i, g := range a.groups {
			groups[i] = g
		}
		claims := map[string]any{"preferred_username": a.username, "name": a.name, "email": a.email, "email_verified": true, "groups": groups}
		attrs, err := p.mapping.Apply(ctx, claims)
		if err != nil {
			return err
		}
		now := time.Now()
		u := broker.User{ID: rand.Text(), Attributes: attrs, Created: now, Updated: now}
		account := password.Account{Provider: p.ID, Username: a.username, Subject: rand.Text(), Hash: hash, Claims: claims}
		link := broker.Link{Provider: p.ID, Subject: account.Subject, User: u.ID, Created: now}
		err = s.db.CreateAccount(ctx, account, u, link, broker.Event{ID: rand.Text(), Time: now, Type: broker.UserCreated, User: u.ID, Provider: p.ID})
		if err != nil {
			return fmt.Errorf("account %s: %w", a.username, err)
		}
	}
	return nil
}

// tell says where to begin and as whom.
func (d *demo) tell() {
	fmt.Fprintf(d.out, "\nOpen this in a browser:  %s\n\n", d.app.URL)
	w := tabwriter.NewWriter(d.out, 0, 4, 3, ' ', 0)
	for i, a := range demoAccounts {
		fmt.Fprintf(w, "%s\t%s\tpassword %s\n", label("Signet account", i), a.username, a.password)
	}
	for i, p := range globexPeople {
		fmt.Fprintf(w, "%s\t%s\t%s\n", label("Globex (OpenID)", i), p.Name, strings.Join(p.Groups, ", "))
	}
	for i, p := range initechPeople {
		fmt.Fprintf(w, "%s\t%s\t%s\n", label("Initech (SAML)", i), p.Name, strings.Join(p.Groups, ", "))
	}
	w.Flush()
	fmt.Fprintln(d.out)
	fmt.Fprintf(w, "Second app\t%s\n", d.second.URL)
	fmt.Fprintf(w, "Discovery\t%s/.well-known/openid-configuration\n", d.issuer)
	fmt.Fprintf(w, "Metrics\t%s/metrics\n", d.admin)
	fmt.Fprintf(w, "Configuration\t%s\n", d.file)
	w.Flush()
	fmt.Fprintln(d.out, "\nCtrl-C ends it.")
}

// label names only the first of a group.
func label(name string, i int) string {
	if i > 0 {
		return ""
	}
	return name
}
