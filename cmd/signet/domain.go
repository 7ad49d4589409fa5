package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/store"
)

// domainCommand looks after the domains of registered providers.
type domainCommand struct {
	Add    domainAdd    `cmd:"" help:"Say that an e-mail domain is a provider's, and get what its DNS must show."`
	Verify domainVerify `cmd:"" help:"Look whether the DNS shows it. From then on, people of the domain are sent to the provider, and no other may speak for them."`
	List   domainList   `cmd:"" help:"List the domains of the database."`
	Remove domainRemove `cmd:"" help:"Take a domain from a provider."`
}

const (
	challengeLabel = "_signet-challenge."
	challengeValue = "signet-verification="
	lookupTime     = 10 * time.Second
)

// shownDomain is a domain as commands show it.
type shownDomain struct {
	Domain   string    `json:"domain"`
	Provider string    `json:"provider"`
	Verified bool      `json:"verified"`
	Since    time.Time `json:"since,omitzero"`
	Record   string    `json:"record,omitempty"` // the name of the TXT record to be shown
	Value    string    `json:"value,omitempty"`
}

func shownOf(d store.Domain) shownDomain {
	return shownDomain{
		Domain: d.Domain, Provider: d.Provider, Verified: !d.Verified.IsZero(), Since: d.Verified,
		Record: challengeLabel + d.Domain, Value: challengeValue + d.Token,
	}
}

// owns tells whether a provider of the configuration has a domain.
func owns(p *config.Provider, domain string) bool { return slices.Contains(p.Domains, domain) }

type domainFlags struct {
	configFlag
	Domain   string `arg:"" help:"The e-mail domain, such as example.com."`
	Provider string `required:"" placeholder:"ID" help:"The provider's id."`
}

type domainAdd struct {
	domainFlags
	JSON bool `help:"As JSON."`
}

// Help implements kong's HelpProvider.
func (*domainAdd) Help() string {
	return `Example:
  signet domain add acme.com --provider acme    prints the TXT record to be shown`
}

// Run implements the command.
func (c *domainAdd) Run(ctx context.Context) error {
	domain := strings.ToLower(c.Domain)
	if problem := config.DomainProblem(domain); problem != "" {
		return fmt.Errorf("%q %s", c.Domain, problem)
	}
	cfg, s, err := openWithConfig(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	if err := notOfFile(cfg, domain); err != nil {
		return err
	}
	d := store.Domain{Domain: domain, Provider: c.Provider, Token: rand.Text(), Created: s.now()}
	err = s.db.AddDomain(ctx, d, s.providerEvent(broker.DomainAdded, c.Provider, domain))
	if errors.Is(err, broker.ErrNotFound) {
		return fmt.Errorf("there is no provider %q in the database", c.Provider)
	} else if err != nil {
		return err
	}
	// It may have been there, with the token that somebody has published since.
	kept, err := s.claims(ctx, domain, c.Provider)
	if err != nil || len(kept) == 0 {
		return err
	}
	out := shownOf(kept[0])
	if c.JSON {
		return printJSON(out)
	}
	fmt.Printf("Let the DNS of %s show\n  %s TXT %s\nand run: signet domain verify %s\n", domain, out.Record, out.Value, domain)
	return nil
}

func notOfFile(cfg *config.Config, domain string) error {
	for i := range cfg.Providers {
		if owns(&cfg.Providers[i], domain) {
			return fmt.Errorf("%s belongs to provider %s of the configuration file", domain, cfg.Providers[i].ID)
		}
	}
	return nil
}

// claims are the rows of a domain: of a provider, or with "" of all.
func (s *signet) claims(ctx context.Context, domain, provider string) ([]store.Domain, error) {
	all, err := s.db.Domains(ctx)
	return slices.DeleteFunc(all, func(d store.Domain) bool {
		return d.Domain != domain || provider != "" && d.Provider != provider
	}), err
}

type domainVerify struct {
	configFlag
	Domain   string `arg:"" help:"The e-mail domain."`
	Provider string `placeholder:"ID" help:"The provider's id; only needed where several say that the domain is theirs."`
	DNS      string `name:"dns" placeholder:"HOST:PORT" help:"Ask this name server instead of the system's, e.g. the domain's own, which knows of a new record at once."`
}

// Help implements kong's HelpProvider.
func (*domainVerify) Help() string {
	return `Examples:
  signet domain verify acme.com
  signet domain verify acme.com --dns ns1.acme.com:53`
}

// Run implements the command.
func (c *domainVerify) Run(ctx context.Context) error {
	cfg, s, err := openWithConfig(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	domain := strings.ToLower(c.Domain)
	if err := notOfFile(cfg, domain); err != nil {
		return err
	}
	claims, err := s.claims(ctx, domain, c.Provider)
	switch {
	case err != nil:
		return err
	case len(claims) == 0:
		return fmt.Errorf("no provider says that %s is its own: signet domain add %s --provider ID", domain, domain)
	case len(claims) > 1:
		return fmt.Errorf("%d providers say that %s is theirs: name one with --provider", len(claims), domain)
	}
	d := claims[0]
	if err := c.lookup(ctx, d); err != nil {
		return err
	}
	err = s.db.VerifyDomain(ctx, d, s.now(), s.providerEvent(broker.DomainVerified, d.Provider, domain))
	if errors.Is(err, broker.ErrConflict) {
		return fmt.Errorf("%s was proven for another provider: signet domain remove takes it from there", domain)
	} else if err != nil {
		return err
	}
	fmt.Printf("%s belongs to provider %s.\n", domain, d.Provider)
	return nil
}

// lookup asks the DNS. Only the exact value counts, in a record of its own.
func (c *domainVerify) lookup(ctx context.Context, d store.Domain) error {
	resolver := net.DefaultResolver
	if c.DNS != "" {
		resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, c.DNS)
		}}
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	want := shownOf(d)
	found, err := resolver.LookupTXT(ctx, want.Record+".") // the dot: no search domain of this machine's is tried
	var dns *net.DNSError
	if err != nil && (!errors.As(err, &dns) || !dns.IsNotFound) {
		return fmt.Errorf("the DNS could not be asked for %s: %w", want.Record, err)
	}
	if !slices.Contains(found, want.Value) {
		return fmt.Errorf("the DNS does not show it (yet): %s must have a TXT record %s", want.Record, want.Value)
	}
	return nil
}

type domainList struct {
	configFlag
	JSON bool `help:"As JSON."`
}

// Help implements kong's HelpProvider.
func (*domainList) Help() string {
	return `Example:
  signet domain list --json | jq '.[] | select(.verified | not)'`
}

// Run implements the command.
func (c *domainList) Run(ctx context.Context) error {
	s, err := openQuietly(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	domains, err := s.db.Domains(ctx)
	if err != nil {
		return err
	}
	all := []shownDomain{}
	for _, d := range domains {
		all = append(all, shownOf(d))
	}
	if c.JSON {
		return printJSON(all)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "DOMAIN\tPROVIDER\tSTATE\tTXT RECORD")
	for _, d := range all {
		state := "not proven"
		if d.Verified {
			state = "since " + d.Since.UTC().Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s %s\n", d.Domain, d.Provider, state, d.Record, d.Value)
	}
	return w.Flush()
}

type domainRemove struct {
	domainFlags
}

// Help implements kong's HelpProvider.
func (*domainRemove) Help() string {
	return `Example:
  signet domain remove acme.com --provider acme`
}

// Run implements the command.
func (c *domainRemove) Run(ctx context.Context) error {
	s, err := openQuietly(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	domain := strings.ToLower(c.Domain)
	err = s.db.RemoveDomain(ctx, domain, c.Provider, s.providerEvent(broker.DomainRemoved, c.Provider, domain))
	if errors.Is(err, broker.ErrNotFound) {
		return fmt.Errorf("provider %q does not have %s", c.Provider, domain)
	} else if err != nil {
		return err
	}
	fmt.Printf("%s is taken from provider %s.\n", domain, c.Provider)
	return nil
}
