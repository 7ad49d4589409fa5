package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"
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
	fmt.Fprintln(w, "USE\tALG\tSTATUS\tSINCE\tKID")
	for _, k := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.Use, k.Alg, k.Status, k.Active.UTC().Format(time.DateTime), k.ID)
	}
	return w.Flush()
}

type keysRotate struct {
	configFlag
}

// Run implements the command.
func (c *keysRotate) Run(ctx context.Context) error {
	s, err := openQuietly(ctx, c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	at, err := s.ring.Rotate(ctx)
	if err != nil {
		return err
	}
	if at.After(time.Now()) {
		fmt.Printf("The last rotation was so recent that apps may not have seen the next keys: they come into use at %s.\n", at.UTC().Format(time.DateTime+" MST"))
		return nil
	}
	fmt.Println("New keys are in use. The old ones stay published until the last token they signed has expired.")
	return nil
}
