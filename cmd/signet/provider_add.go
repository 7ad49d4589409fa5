package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/store"
)

// maxBlock is the most bytes that a provider's block may have; metadata of large federations is fetched.
const maxBlock = 4 << 20

type providerAdd struct {
	configFlag
	File      string `arg:"" help:"A YAML or JSON file with one provider as it would stand in the configuration, or - for standard input."`
	KeepUsers bool   `help:"Who signed in at a former provider with this id signs in as the same user by this one."`
	JSON      bool   `help:"As JSON."`
}

// Help implements kong's HelpProvider.
func (*providerAdd) Help() string {
	return `Examples:
  signet provider add acme.yaml
  signet provider add - --json < acme.json | jq -r .register

where acme.yaml says, for one:
  id: acme
  kind: oidc
  name: Acme Corp
  issuer: https://acme.okta.com
  client_id: 0oa1b2c3
  client_secret_file: acme.secret               read now and kept, sealed, in the database
  domains: [acme.com]                           counts once signet domain verify has seen its DNS

Standard input may name no files: who wrote it need not be who may read them.`
}

// Run implements the command.
func (c *providerAdd) Run(ctx context.Context) error {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	p, document, err := c.read(cfg)
	if err != nil {
		return err
	}
	s, err := openQuietly(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	row, domains, err := c.add(ctx, s, p, document)
	if err != nil {
		return err
	}
	out := shownOfRow(cfg, row, domains)
	if c.JSON {
		return printJSON(out)
	}
	fmt.Printf("Added %s (%s).\n", out.ID, out.Name)
	fmt.Printf("Register there: %s\n", out.Register)
	for _, d := range out.Domains {
		fmt.Printf("To send the people of %s there, let its DNS show\n  %s TXT %s\nand run: signet domain verify %s\n", d.Domain, d.Record, d.Value, d.Domain)
	}
	return nil
}

// read returns the provider as it will be kept. Every fault is told at once.
func (c *providerAdd) read(cfg *config.Config) (*prepared, []byte, error) {
	name, dir := c.File, filepath.Dir(c.File)
	in := io.Reader(os.Stdin)
	if name == "-" {
		name, dir = "standard input", ""
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxBlock+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read the provider: %w", err)
	}
	if len(data) > maxBlock {
		return nil, nil, fmt.Errorf("%s is larger than %d bytes", name, maxBlock)
	}
	p, faults := registered(name, dir, data)
	if p != nil {
		faults = append(faults, p.conflicts(cfg)...)
		faults = append(faults, p.outside(cfg)...)
		faults = append(faults, p.unsolicited(cfg)...)
	}
	if len(faults) == 0 {
		faults = p.Inline(p.kind.Config())
	}
	if len(faults) > 0 {
		return nil, nil, refused(faults)
	}
	document, err := p.Document()
	if err != nil {
		return nil, nil, err
	}
	// What is kept is read from what is kept: it must say the same without this machine's files.
	kept, faults := registered(name, "", document)
	if len(faults) > 0 {
		return nil, nil, refused(faults)
	}
	return kept, document, nil
}

// refused shows faults as signet check does.
func refused(faults config.Faults) error {
	faults.Sort()
	for _, f := range faults {
		fmt.Fprintln(os.Stderr, f)
	}
	return errShown
}

// peer names an upstream and our registration there: two providers with the same one would be two ways for
// the same proof. "" when the configuration does not say.
func (p *prepared) peer() string {
	if c, ok := p.own.(interface{ Peer() string }); ok {
		if peer := c.Peer(); peer != "" {
			return p.Kind + " " + peer
		}
	} else if id := p.Text("client_id"); id != "" {
		return p.Kind + " " + p.Text("token_url") + " " + id
	}
	return ""
}

// conflicts finds what the configuration has already.
func (p *prepared) conflicts(cfg *config.Config) (faults config.Faults) {
	if ofFile(cfg, p.ID) != nil {
		faults = append(faults, p.FaultAt("id", p.ID+" is in the configuration file already"))
	}
	all, _ := prepare(cfg, nil)
	for _, other := range all {
		if peer := p.peer(); peer != "" && peer == other.peer() {
			faults = append(faults, p.FaultAt("id", "provider "+other.ID+" of the configuration file is the same registration at the same upstream"))
		}
		for i, d := range p.Domains {
			if owns(other.Provider, d) {
				faults = append(faults, p.FaultAt(fmt.Sprintf("domains.%d", i), d+" belongs to provider "+other.ID+" of the configuration file"))
			}
		}
	}
	return faults
}

// fetched are the keys with addresses that Signet itself asks.
var fetched = []string{"issuer", "metadata_url", "token_url", "userinfo_url", "jwks_url"}

// outside finds addresses that could never be reached from here, or that must not be: names are looked at
// when they are dialled. It also holds the code to where the person signed in: an upstream that begins
// at an honest address and redeems at another would be handed honest codes.
func (p *prepared) outside(cfg *config.Config) (faults config.Faults) {
	may := registeredOut(egress.Options{}, cfg).May
	for _, key := range fetched {
		u, err := url.Parse(p.Text(key))
		if err != nil || u.Host == "" {
			continue
		}
		addr, err := netip.ParseAddr(u.Hostname())
		if err != nil && egress.Loopback(u) {
			addr, err = netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
		}
		if err == nil && may(addr) != nil {
			faults = append(faults, p.FaultAt(key, "is at an address that is not public; egress.allow in the configuration file has what registered providers may reach"))
		}
	}
	from, err := url.Parse(p.Text("authorization_url"))
	to, err2 := url.Parse(p.Text("token_url"))
	if err == nil && err2 == nil && from.Host != "" && !strings.EqualFold(from.Host, to.Host) {
		faults = append(faults, p.FaultAt("token_url", "must be at the host of authorization_url; where they differ, the provider belongs into the configuration file"))
	}
	return faults
}

// add writes the provider.
func (c *providerAdd) add(ctx context.Context, s *signet, p *prepared, document []byte) (store.Provider, []store.Domain, error) {
	none := store.Provider{}
	if err := c.free(ctx, s, p); err != nil {
		return none, nil, err
	}
	sealed, err := s.box.Seal(documentPurpose(p.ID), document)
	if err != nil {
		return none, nil, err
	}
	now := s.now()
	row := store.Provider{ID: p.ID, Kind: p.Kind, Name: p.Name, Peer: p.peer(), Disabled: p.Disabled, Created: now, Updated: now, Sealed: sealed}
	var domains []store.Domain
	for _, d := range p.Domains {
		domains = append(domains, store.Domain{Domain: d, Provider: p.ID, Token: rand.Text(), Created: now})
	}
	err = s.db.AddProvider(ctx, row, domains, s.providerEvent(broker.ProviderAdded, p.ID, p.Kind))
	if errors.Is(err, broker.ErrConflict) {
		return none, nil, fmt.Errorf("provider %s, or its registration at its upstream, was added meanwhile", p.ID)
	}
	return row, domains, err
}

// free refuses an id and an upstream that are taken.
func (c *providerAdd) free(ctx context.Context, s *signet, p *prepared) error {
	if _, err := s.db.Provider(ctx, p.ID); err == nil {
		return fmt.Errorf("there is a provider %s already", p.ID)
	} else if !errors.Is(err, broker.ErrNotFound) {
		return err
	}
	if peer := p.peer(); peer != "" {
		other, err := s.db.ProviderWithPeer(ctx, peer)
		if err != nil {
			return err
		}
		if other != "" {
			return fmt.Errorf("provider %s is the same registration at the same upstream", other)
		}
	}
	// Links are by the provider's id: a new upstream under an old id could say that its people are the old
	// one's, and would be believed.
	known, err := s.db.HasLinks(ctx, p.ID)
	if err != nil {
		return err
	}
	if known && !c.KeepUsers {
		return fmt.Errorf("people have signed in at a former provider %s: take another id, or --keep-users if this one is to speak for them", p.ID)
	}
	return nil
}
