package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/internal/awskms"
)

// keysCommand looks after the key ring.
type keysCommand struct {
	List   keysList   `cmd:"" help:"List the keys."`
	Rotate keysRotate `cmd:"" help:"Take the keys that stand ready into use. No token is refused for it; running brokers follow within seconds."`
}

type keysList struct {
	configFlag
	JSON bool `help:"As JSON."`
}

// Run implements the command.
func (c *keysList) Run(ctx context.Context) error {
	s, err := openQuietly(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	all := s.ring.List()
	if c.JSON {
		return printJSON(all)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "USE\tALG\tSTATUS\tSINCE\tEXPIRES\tKID\tKEPT IN")
	for _, k := range all {
		expires := "-"
		if !k.Expires.IsZero() {
			expires = k.Expires.UTC().Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Use, k.Alg, k.Status, k.Active.UTC().Format(time.DateTime), expires, k.ID, cmp.Or(k.Remote, "the database"))
	}
	return w.Flush()
}

type keysRotate struct {
	configFlag
	Use string `help:"What for: tokens, saml for the certificate that SAML identity providers know us by, or oidc-client for the key that OpenID providers know us by (token_auth: private_key_jwt)." enum:"tokens,saml,oidc-client" default:"tokens"`
	Now bool   `help:"With --use saml or oidc-client: take the next one into use at once. Each provider that checks our signatures must have it."`
}

// Run implements the command.
func (c *keysRotate) Run(ctx context.Context) error {
	if c.Now && c.Use == "tokens" {
		return errors.New("--now goes with --use saml or oidc-client: the keys of tokens come into use as soon as apps can have seen them")
	}
	s, err := openQuietly(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	if c.Use != "tokens" {
		return c.certificate(ctx, s.ring)
	}
	done, err := s.ring.Rotate(ctx)
	if err != nil {
		return err
	}
	if done.At.After(time.Now()) {
		fmt.Printf("Some of the next keys were made or named so recently that apps may not have seen them: the last comes into use at %s.\n", done.At.UTC().Format(time.DateTime+" MST"))
	} else {
		fmt.Println("New keys are in use. The old ones stay published until the last token they signed has expired.")
	}
	if len(done.Without) > 0 {
		return fmt.Errorf("the key of %s stays as it is: AWS KMS keeps it, and no next one is named. Add it at the end of keys.kms.%s, and restart Signet or run this again", strings.Join(done.Without, " and "), done.Without[0])
	}
	return nil
}

// certificate makes the next certificate of a use, or takes it into use.
func (c *keysRotate) certificate(ctx context.Context, ring *keys.Ring) error {
	k, err := ring.RotateCertificate(ctx, c.Use, c.Now)
	if err != nil {
		return err
	}
	at := k.Active.UTC().Format(time.DateTime + " MST")
	switch {
	case c.Use == "saml" && k.Status != "next":
		fmt.Printf("Certificate %s is in use, until %s. The former one decrypts for another month.\n", k.ID, k.Expires.UTC().Format(time.DateOnly))
	case c.Use == "saml":
		fmt.Printf(`Certificate %s stands ready and is in our metadata from now on.
Identity providers that read our metadata by its address take it by themselves. Give the others the metadata anew.
It comes into use at %s, or as soon as you say so with --now.
`, k.ID, at)
	case k.Status != "next":
		fmt.Println("The new key is in use. The former one stays published for another month.")
	default:
		fmt.Printf(`The next key stands ready and is at /callback/{provider}/jwks from now on.
Providers that read it there take it by themselves. Give it to the others.
It comes into use at %s, or as soon as you say so with --now.
`, at)
	}
	return nil
}

// elsewhere says which signing keys AWS KMS keeps. A configuration that has a kms block and names none still reaches
// those that it named before, until their successors in the database have been published for long enough.
func elsewhere(cfg *config.Config) keys.Elsewhere {
	c := cfg.Keys.KMS
	if c.RS256 == nil && c.ES256 == nil && c.PS256 == nil {
		return keys.Elsewhere{}
	}
	return keys.Elsewhere{Remote: awskms.New(c.Endpoint), Names: c.Names()}
}
