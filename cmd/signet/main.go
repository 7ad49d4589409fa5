// Command signet is a federation broker: people sign in at their own identity provider, apps get tokens
// from here.
//
// main.go lists the commands, each in a file of its own; wire.go puts the packages together.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the build: -ldflags "-X main.version=v1.2.3".
var version = "dev"

// commands is what can be typed.
type commands struct {
	Serve    serveCommand    `cmd:"" help:"Run the broker."`
	Check    checkCommand    `cmd:"" help:"Tell every fault in the configuration at once, or what would be served."`
	Demo     demoCommand     `cmd:"" help:"Run a broker, two company identity providers and two apps on this machine, to try it out."`
	User     userCommand     `cmd:"" help:"Look after the accounts kept here, and the people who have signed in."`
	Provider providerCommand `cmd:"" help:"Look after the providers that are not in the configuration file."`
	Domain   domainCommand   `cmd:"" help:"Prove which e-mail domains belong to a registered provider."`
	App      appCommand      `cmd:"" help:"Look after the apps that programs have registered, and what lets them."`
	Keys     keysCommand     `cmd:"" help:"Look after the keys that sign tokens."`
	Map      mapCommand      `cmd:"" help:"Try what a provider's claims become."`
	Version  versionCommand  `cmd:"" help:"Tell the version."`
}

const (
	exitFailed = 1
	exitUsage  = 2
)

const description = `Signet signs people in at their own identity provider and gives apps its own tokens.

Examples:
  signet demo                                   try it: open the address that it prints
  signet check --config signet.yaml             is the configuration right?
  signet serve --config signet.yaml             run it
  signet user add --username ann --email ann@example.com
  signet provider add acme.yaml                 another provider, without a restart
  signet keys rotate                            take new signing keys into use
  signet map try --provider corp --claims claims.json`

func main() {
	var c commands
	parser, err := kong.New(&c, kong.Name("signet"), kong.Description(description), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}))
	if err != nil {
		panic(err)
	}
	chosen, err := parser.Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "signet:", err)
		fmt.Fprintln(os.Stderr, "Run signet --help for what can be done.")
		os.Exit(exitUsage)
	}
	if chosen.Command() == "serve" {
		relax() // before there are signals to lose
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	chosen.BindTo(ctx, (*context.Context)(nil))
	err = chosen.Run()
	stop()
	if err != nil {
		report(err)
		os.Exit(exitFailed)
	}
}

// report says on stderr why a command failed. errShown has been said already.
func report(err error) {
	switch {
	case errors.Is(err, errShown):
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "signet: interrupted")
	default:
		fmt.Fprintln(os.Stderr, "signet:", err)
	}
}

var errShown = errors.New("said already")

// configFlag is how every command finds the configuration.
type configFlag struct {
	Config string `short:"c" default:"signet.yaml" env:"SIGNET_CONFIG" placeholder:"FILE" help:"The configuration file (${default})."`
}

// versionCommand prints the version.
type versionCommand struct {
	JSON bool `help:"As JSON."`
}

// Run implements the command.
func (c *versionCommand) Run() error {
	if c.JSON {
		return printJSON(map[string]string{"version": version})
	}
	fmt.Println("signet", version)
	return nil
}
