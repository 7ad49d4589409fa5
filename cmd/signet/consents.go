package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/signet-broker/signet/broker"
)

// userConsents shows what somebody has allowed to apps that are not first-party.
type userConsents struct {
	configFlag
	userFlag
	Revoke string `placeholder:"APP" help:"Take back what the user has allowed this app: its tokens are revoked, and it has to ask again."`
	JSON   bool   `help:"As JSON."`
}

type shownConsent struct {
	App    string    `json:"app"`
	Scopes []string  `json:"scopes"`
	Since  time.Time `json:"since"`
}

// Run implements the command.
func (c *userConsents) Run(ctx context.Context) error {
	return c.find(ctx, c.Config, func(s *signet, u broker.User) error {
		if c.Revoke != "" {
			return c.revoke(ctx, s, u)
		}
		list, err := s.db.UserConsents(ctx, u.ID)
		if err != nil {
			return err
		}
		out := make([]shownConsent, len(list))
		for i, allowed := range list {
			out[i] = shownConsent{App: allowed.App, Scopes: allowed.Asked(), Since: allowed.Created}
		}
		if c.JSON {
			return printJSON(out)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "APP\tSINCE\tSCOPES")
		for _, a := range out {
			fmt.Fprintf(w, "%s\t%s\t%s\n", a.App, a.Since.UTC().Format(time.DateOnly), strings.Join(a.Scopes, " "))
		}
		return w.Flush()
	})
}

func (c *userConsents) revoke(ctx context.Context, s *signet, u broker.User) error {
	err := s.db.RevokeConsent(ctx, u.ID, c.Revoke, broker.Event{ID: rand.Text(), Time: s.now(), Type: broker.ConsentRevoked, User: u.ID, App: c.Revoke})
	if errors.Is(err, broker.ErrNotFound) {
		return fmt.Errorf("user %s has allowed nothing to an app %s", u.ID, c.Revoke)
	} else if err != nil {
		return err
	}
	fmt.Printf("App %s may do nothing any more for user %s until they allow it again.\n", c.Revoke, u.ID)
	return nil
}

// Help implements kong's HelpProvider.
func (*userConsents) Help() string {
	return `Examples:
  signet user consents ann
  signet user consents ann --revoke partner-app`
}
