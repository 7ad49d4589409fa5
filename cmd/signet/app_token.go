package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/signet-broker/signet/broker"
)

// appToken looks after initial access tokens.
type appToken struct {
	Add    appTokenAdd    `cmd:"" help:"Make an initial access token and print it. It is not kept as it is: there is no second time."`
	List   appTokenList   `cmd:"" help:"List the initial access tokens, with how often they were used."`
	Remove appTokenRemove `cmd:"" help:"Remove an initial access token. The apps that came by it stay."`
}

type appTokenAdd struct {
	configFlag
	ID      string        `placeholder:"ID" help:"What it is called in lists and events; made up when absent."`
	Most    int           `default:"1" help:"How many apps it may register; 0 for any number."`
	Expires time.Duration `default:"24h" help:"How long it is good."`
	JSON    bool          `help:"As JSON."`
}

const maxInitialLife = 366 * 24 * time.Hour

var initialID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Run implements the command.
func (c *appTokenAdd) Run(ctx context.Context) error {
	cfg, s, err := openWithConfig(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	id := c.ID
	if id == "" {
		id = strings.ToLower(rand.Text()[:8])
	}
	switch {
	case !cfg.Registers():
		return errors.New("registration.mode in the configuration is closed: nobody could use it")
	case !initialID.MatchString(id):
		return errors.New("--id must be 1 to 64 of A-Z a-z 0-9 . _ -")
	case c.Most < 0 || c.Expires <= 0 || c.Expires > maxInitialLife:
		return errors.New("--most must not be negative, and --expires must be within a year")
	}
	secret := rand.Text() + rand.Text()
	hash := sha256.Sum256([]byte(secret))
	t := broker.InitialToken{ID: id, Hash: hash[:], Most: c.Most, Created: s.now(), Expires: s.now().Add(c.Expires)}
	err = s.db.AddInitialToken(ctx, t, s.appEvent(broker.AppTokenAdded, "", id))
	if errors.Is(err, broker.ErrConflict) {
		return fmt.Errorf("there is a token %q already", id)
	} else if err != nil {
		return err
	}
	if c.JSON {
		out := shownToken(t)
		out.Token = secret
		return printJSON(out)
	}
	fmt.Println(secret)
	fmt.Fprintf(os.Stderr, "Token %s registers %s at %s/register until %s.\n", id, countOf(t.Most), cfg.Issuer, t.Expires.Format(time.DateTime))
	return nil
}

func countOf(most int) string {
	switch most {
	case 0:
		return "any number of apps"
	case 1:
		return "one app"
	}
	return strconv.Itoa(most) + " apps"
}

// shownInitial is an initial access token as commands show it.
type shownInitial struct {
	ID      string    `json:"id"`
	Token   string    `json:"token,omitempty"`
	Most    int       `json:"most"`
	Used    int       `json:"used"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

func shownToken(t broker.InitialToken) shownInitial {
	return shownInitial{ID: t.ID, Most: t.Most, Used: t.Used, Created: t.Created, Expires: t.Expires}
}

type appTokenList struct {
	configFlag
	JSON bool `help:"As JSON."`
}

// Run implements the command.
func (c *appTokenList) Run(ctx context.Context) error {
	s, err := openQuietly(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	tokens, err := s.db.InitialTokens(ctx)
	if err != nil {
		return err
	}
	all := []shownInitial{}
	for _, t := range tokens {
		all = append(all, shownToken(t))
	}
	if c.JSON {
		return printJSON(all)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tMAY REGISTER\tHAS REGISTERED\tEXPIRES")
	for _, t := range all {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", t.ID, countOf(t.Most), t.Used, t.Expires.Format(time.DateTime))
	}
	return w.Flush()
}

type appTokenRemove struct {
	configFlag
	ID string `arg:"" help:"What it is called."`
}

// Run implements the command.
func (c *appTokenRemove) Run(ctx context.Context) error {
	s, err := openQuietly(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	err = s.db.RemoveInitialToken(ctx, c.ID, s.appEvent(broker.AppTokenRemoved, "", c.ID))
	if errors.Is(err, broker.ErrNotFound) {
		return fmt.Errorf("there is no token %q", c.ID)
	} else if err != nil {
		return err
	}
	fmt.Printf("Token %s is removed.\n", c.ID)
	return nil
}

// Help implements kong's HelpProvider.
func (*appTokenAdd) Help() string {
	return `Examples:
  signet app token add                          one app, within a day
  signet app token add --id partner --most 20 --expires 720h

The program sends it as Authorization: Bearer … with what it registers.`
}

// Help implements kong's HelpProvider.
func (*appTokenList) Help() string {
	return `Example:
  signet app token list --json | jq -r '.[] | select(.used == 0) | .id'`
}

// Help implements kong's HelpProvider.
func (*appTokenRemove) Help() string {
	return `Example:
  signet app token remove partner`
}
