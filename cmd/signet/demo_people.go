package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/signet-broker/signet/internal/idptest"
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
		account, err := checkAccount(p, a.username, a.password)
		if err != nil {
			return fmt.Errorf("account %s: %w", a.username, err)
		}
		if err := account.create(ctx, s, person{a.name, a.email, true, a.groups}); err != nil {
			return err
		}
	}
	return nil
}

// tell says where to begin and as whom.
func (d *demo) tell() {
	fmt.Fprintf(d.out, "\nOpen this in a browser:  %s\n\n", d.app.URL)
	w := tabwriter.NewWriter(d.out, 0, 4, 3, ' ', 0)
	for i, a := range demoAccounts {
		fmt.Fprintf(w, "%s\t%s\tpassword %s\n", label("Demo account", i), a.username, a.password)
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
