// Bench measures how much work a login broker does: complete browser logins, refreshes, userinfo and JWKS.
//
//	go run ./bench                          Signet on SQLite and on PostgreSQL, against its targets
//	go run ./bench -issuer URL -pid N ...   any other OpenID provider that brokers logins
//	go run ./bench providers                Signet with 10,000 registered providers against Signet with ten
//	go run ./bench faults                   logins while another upstream is ill against those while it is well
//	go run ./bench upstream -addr ADDR      the upstream alone, which consents at once
//
// The figure that counts is the broker's own CPU time for one operation, in units of one RSA-2048 signature
// measured in the same run: it means the same on every machine, and on a busy one, where a rate does not.
//
// Read in this order: signet.go and issuer.go (what is measured), operation.go, device.go, browser.go and app.go (what is
// done), phase.go (how), process.go (what it cost), report.go, target.go; upstream.go is the other side.
// providers.go, faults.go and spread.go hold Signet against itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var commands = map[string]func(ctx context.Context, args []string) error{
	"upstream": runUpstream, "providers": runProviders, "faults": runFaults,
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		if command, ok := commands[args[0]]; ok {
			return command(ctx, args[1:])
		}
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.issuer.URL != "" {
		return measureIssuer(ctx, o)
	}
	return measureSignet(ctx, o)
}

// options are the flags.
type options struct {
	load   load
	only   string // sqlite, postgres or "" for both
	bin    string // a signet binary; "" builds one
	alg    string // what the upstream signs with
	json   string
	issuer issuer // URL "" measures Signet
	pid    int
}

// The phases, in the order that they are measured in.
var (
	ofSignet = []string{
		"login", "saml", "par", "device", "device_poll", "refresh", "dpop_refresh", "client_credentials", "introspection", "userinfo", "jwks",
	}
	ofAnybody = []string{"login", "refresh", "userinfo", "jwks"} // what every issuer can do
)

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("bench", flag.ExitOnError)
	fs.DurationVar(&o.load.duration, "duration", 6*time.Second, "how long each phase is measured")
	fs.DurationVar(&o.load.warmup, "warmup", time.Second, "how long each phase runs before that")
	fs.IntVar(&o.load.browsers, "browsers", 8, "browsers at once")
	fs.IntVar(&o.load.devices, "devices", 2000, "devices that wait in phase device_poll")
	phases := fs.String("phases", "", "what is measured, in this order; else "+strings.Join(ofSignet, ",")+", or with -issuer "+strings.Join(ofAnybody, ","))
	fs.StringVar(&o.json, "json", "", "also write the figures to this file, as JSON")
	fs.StringVar(&o.only, "only", "", "sqlite or postgres; else both")
	fs.StringVar(&o.bin, "bin", "", "measure this signet binary; else one is built")
	fs.StringVar(&o.alg, "upstream-alg", "RS256", "what the upstream signs its ID tokens with: RS256 or ES256")

	fs.StringVar(&o.issuer.URL, "issuer", "", "measure this OpenID provider instead of Signet")
	fs.StringVar(&o.issuer.ClientID, "client-id", "app", "with -issuer: the app")
	fs.StringVar(&o.issuer.Secret, "client-secret", "secret", "with -issuer: its secret")
	fs.StringVar(&o.issuer.Redirect, "redirect-uri", redirectURI, "with -issuer: its redirect URI, which is never fetched")
	fs.StringVar(&o.issuer.Scope, "scope", scope, "with -issuer: what is asked for")
	fs.BoolVar(&o.issuer.SecretInForm, "secret-in-form", false, "with -issuer: client_secret_post; else client_secret_basic")
	authorize := fs.String("authorize", "", "with -issuer: more authorize parameters, as a query string")
	fill := fs.String("fill", "", "with -issuer: fields of forms on the way, as a query string")
	fs.IntVar(&o.pid, "pid", 0, "with -issuer: its process, for CPU and memory")
	fs.Parse(args)

	var err error
	switch {
	case *phases != "":
		o.load.phases = strings.Split(*phases, ",")
	case o.issuer.URL != "":
		o.load.phases = ofAnybody
	default:
		o.load.phases = ofSignet
	}
	switch {
	case fs.NArg() > 0:
		return o, fmt.Errorf("what is %q?", fs.Arg(0))
	case o.only != "" && o.only != sqlite && o.only != postgres:
		return o, fmt.Errorf("-only is %s or %s", sqlite, postgres)
	case o.load.browsers < 1 || o.load.devices < 1 || o.load.duration <= 0:
		return o, fmt.Errorf("-browsers, -devices and -duration are more than 0")
	}
	if o.issuer.Authorize, err = url.ParseQuery(*authorize); err != nil {
		return o, fmt.Errorf("-authorize: %w", err)
	}
	if o.issuer.Fill, err = url.ParseQuery(*fill); err != nil {
		return o, fmt.Errorf("-fill: %w", err)
	}
	return o, nil
}
