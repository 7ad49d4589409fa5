package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"text/template"
	"time"

	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/internal/demoapp"
	"github.com/signet-broker/signet/internal/idptest"
)

// demoCommand runs a broker with all that is needed to try it, on loopback and in a temporary folder.
type demoCommand struct{}

// Run implements the command.
func (c *demoCommand) Run(ctx context.Context) error {
	d := demo{out: os.Stdout, log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), ports: demoPorts}
	defer d.close()
	fmt.Fprintln(d.out, "Starting: making keys, a database and two companies …")
	if err := d.start(ctx); err != nil {
		return err
	}
	d.tell()
	<-ctx.Done()
	fmt.Fprintln(d.out, "\nEnded. Nothing is left of it.")
	return nil
}

//go:embed demo.yaml
var demoYAML string

var demoConfig = template.Must(template.New("demo.yaml").Parse(demoYAML))

// ports are those of the demo; 0 is any that is free.
type ports struct{ app, signet, admin, second, globex, initech int }

// demoPorts are the same each time, so that an address in a browser's history works again.
var demoPorts = ports{app: 5555, signet: 5556, admin: 5557, second: 5558, globex: 5560, initech: 5561}

// demo is everything that runs.
type demo struct {
	out   io.Writer
	log   *slog.Logger
	ports ports

	dir, file     string // of the configuration
	cfg           *config.Config
	app, second   demoClient
	undo          []func() // what ends it, in the order of its start
	globex        *idptest.OIDC
	initech       *idptest.SAML
	globexSecret  string
	issuer, admin string
}

// demoClient is one app of the demo.
type demoClient struct {
	ID, Name, Secret, URL string
	color                 string
	listener              net.Listener
}

// close ends everything, the last that was started first.
func (d *demo) close() {
	for i := len(d.undo) - 1; i >= 0; i-- {
		d.undo[i]()
	}
	d.undo = nil
}

func (d *demo) start(ctx context.Context) error {
	for _, step := range []func(context.Context) error{d.addresses, d.upstreams, d.configure, d.broker, d.apps} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// addresses finds a port for everything, because each is told the addresses of others.
func (d *demo) addresses(context.Context) error {
	d.app = demoClient{ID: "demo-app", Name: "Demo App", color: "teal"}
	d.second = demoClient{ID: "demo-app-two", Name: "Demo App Two", color: "plum"}
	for _, a := range []struct {
		client *demoClient
		port   int
	}{{&d.app, d.ports.app}, {&d.second, d.ports.second}} {
		l, err := d.listen(a.client.Name, a.port)
		if err != nil {
			return err
		}
		d.undo = append(d.undo, func() { l.Close() })
		a.client.listener, a.client.URL, a.client.Secret = l, "http://"+l.Addr().String(), rand.Text()+rand.Text()
	}
	var held []net.Listener // until all are known: a free port is given out once
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for _, a := range []struct {
		name string
		port *int
	}{{"Signet", &d.ports.signet}, {"Signet's health", &d.ports.admin}, {"Globex", &d.ports.globex}, {"Initech", &d.ports.initech}} {
		l, err := d.listen(a.name, *a.port)
		if err != nil {
			return err
		}
		held = append(held, l)
		*a.port = l.Addr().(*net.TCPAddr).Port
	}
	d.issuer, d.admin = "http://"+loopback(d.ports.signet), "http://"+loopback(d.ports.admin)
	return nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// listen takes a port, or a free one where another program has it.
func (d *demo) listen(name string, port int) (net.Listener, error) {
	l, err := net.Listen("tcp", loopback(port))
	if err == nil {
		return l, nil
	}
	l, second := net.Listen("tcp", loopback(0))
	if second != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(d.out, "Port %d is taken: %s has %d instead.\n", port, name, l.Addr().(*net.TCPAddr).Port)
	return l, nil
}

// upstreams starts the two companies.
func (d *demo) upstreams(context.Context) error {
	var err error
	d.globexSecret = rand.Text() + rand.Text()
	d.globex, err = idptest.StartOIDC(idptest.OIDCOptions{
		Addr: loopback(d.ports.globex), Name: "Globex", People: globexPeople,
		ClientSecret: d.globexSecret, RedirectURIs: []string{d.issuer + "/callback/globex"},
	})
	if err != nil {
		return err
	}
	d.undo = append(d.undo, func() { d.globex.Close() })
	d.initech, err = idptest.StartSAML(idptest.SAMLOptions{Addr: loopback(d.ports.initech), Name: "Initech", People: initechPeople})
	if err != nil {
		return err
	}
	d.undo = append(d.undo, func() { d.initech.Close() })
	return nil
}

// configure writes a configuration file and reads it as serve does.
func (d *demo) configure(context.Context) error {
	var err error
	if d.dir, err = os.MkdirTemp("", "signet-demo-"); err != nil {
		return err
	}
	d.undo = append(d.undo, func() {
		if err := os.RemoveAll(d.dir); err != nil {
			d.log.Warn("the demo's folder is still there", "error", err)
		}
	})
	d.file = filepath.Join(d.dir, "signet.yaml")
	f, err := os.OpenFile(d.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = demoConfig.Execute(f, map[string]any{
		"Issuer": d.issuer, "Listen": loopback(d.ports.signet), "Admin": loopback(d.ports.admin), "Apps": []demoClient{d.app, d.second},
		"Globex": d.globex.Issuer, "GlobexSecret": d.globexSecret, "Initech": d.initech.URL,
	})
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	d.cfg, err = loadConfig(d.file)
	return err
}

// broker runs Signet. It ends at once: nobody balances load to a demo.
func (d *demo) broker(ctx context.Context) error {
	s, err := open(ctx, d.cfg, d.log)
	if err != nil {
		return err
	}
	d.undo = append(d.undo, s.close)
	if err := d.accounts(ctx, s); err != nil {
		return err
	}
	servers, err := s.listen(d.cfg)
	if err != nil {
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { s.ring.Run(background) })
	work.Go(func() { s.sweep(background) })
	work.Go(func() { s.tell.Run(background) })
	d.undo = append(d.undo, func() { stop(); work.Wait() })
	d.serve(servers.public, servers.sockets[0])
	d.serve(servers.admin, servers.sockets[1])
	servers.ready.Store(true)
	return nil
}

// serve runs a server until close.
func (d *demo) serve(srv *http.Server, l net.Listener) {
	go srv.Serve(l) //nolint:errcheck // it ends with the server
	d.undo = append(d.undo, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			srv.Close()
		}
	})
}

// apps runs the two apps.
func (d *demo) apps(context.Context) error {
	ways := []demoapp.Way{
		{ID: "globex", Name: "Globex", About: "A company with an OpenID provider. Pick one of its people."},
		{ID: "initech", Name: "Initech", About: "A company with a SAML identity provider. Pick one of its people."},
		{ID: "local", Name: "Demo account", About: "Kept by Signet itself."},
	}
	for _, a := range demoAccounts {
		ways[2].Accounts = append(ways[2].Accounts, demoapp.Account{Username: a.username, Password: a.password})
	}
	for _, pair := range [][2]demoClient{{d.app, d.second}, {d.second, d.app}} {
		c, other := pair[0], pair[1]
		app, err := demoapp.New(demoapp.Options{
			Name: c.Name, URL: c.URL, Issuer: d.issuer, ClientID: c.ID, ClientSecret: c.Secret, Color: c.color,
			Ways: ways, Other: &demoapp.Link{Name: other.Name, URL: other.URL + "/login"}, Log: d.log,
		})
		if err != nil {
			return err
		}
		d.serve(&http.Server{Handler: app, ReadHeaderTimeout: 5 * time.Second}, c.listener)
	}
	return nil
}
