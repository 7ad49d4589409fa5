package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"text/template"
	"time"
)

const (
	sqlite   = "sqlite"
	postgres = "postgres"
)

// startups is how many starts "time until ready" is the median of.
const startups = 5

// bed is where Signet runs: a folder, a binary, an upstream.
type bed struct {
	dir      string
	bin      string
	upstream string // its issuer
	ill      string // the issuer of one that is ill at times; "": there is none
	metadata string // of the SAML identity provider beside it
}

// measureSignet measures Signet itself, on each database.
func measureSignet(ctx context.Context, o options) error {
	b, done, err := newBed(ctx, o.bin, o.alg)
	if err != nil {
		return err
	}
	defer done()
	r, err := newReport(o)
	if err != nil {
		return err
	}
	for _, engine := range []string{sqlite, postgres} {
		if o.only != "" && o.only != engine {
			continue
		}
		s, err := b.measure(ctx, engine, o.load)
		if err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
		r.Subjects = append(r.Subjects, s)
		r.Targets = append(r.Targets, s.judge()...)
	}
	r.print(os.Stdout)
	return r.save(o.json)
}

// newBed makes the folder, builds the binary unless there is one, and starts the upstream.
func newBed(ctx context.Context, bin, alg string) (b bed, done func(), err error) {
	b.bin = bin
	if b.dir, err = os.MkdirTemp("", "signet-bench-"); err != nil {
		return b, nil, err
	}
	if b.bin == "" {
		b.bin, err = build(ctx, b.dir)
	}
	stop := func() {}
	if err == nil {
		b.upstream, b.metadata, stop, err = startUpstream(ctx, "-alg", alg)
	}
	done = func() {
		if stop != nil {
			stop()
		}
		os.RemoveAll(b.dir)
	}
	if err != nil {
		done()
	}
	return b, done, err
}

func build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "signet")
	progress("building signet")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "github.com/signet-broker/signet/cmd/signet")
	cmd.Stderr, cmd.Env = os.Stderr, append(os.Environ(), "CGO_ENABLED=0") // as make build does
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build signet: %w", err)
	}
	return bin, nil
}

// startUpstream runs the upstream in a process of its own, so that its work is not taken for Signet's.
func startUpstream(ctx context.Context, args ...string) (issuer, metadata string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"upstream", "-addr", "127.0.0.1:0", "-until-eof"}, args...)...)
	cmd.Stderr = os.Stderr
	alive, err := cmd.StdinPipe() // closed by the system too, should this process die
	if err != nil {
		return "", "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", "", nil, err
	}
	stop = func() {
		alive.Close()
		cmd.Wait()
	}
	if _, err := fmt.Fscanln(bufio.NewReader(out), &issuer, &metadata); err != nil {
		stop()
		return "", "", nil, fmt.Errorf("upstream: %w", err)
	}
	return issuer, metadata, stop, nil
}

// measure runs the load on one database, with one app for each signature, and then starts Signet again.
func (b bed) measure(ctx context.Context, engine string, l load) (Subject, error) {
	s := Subject{Name: "signet on " + engine}
	database, drop, err := b.database(ctx, engine)
	if err != nil {
		return s, err
	}
	defer drop()
	config, err := b.configure(engine, database)
	if err != nil {
		return s, err
	}
	p, _, err := b.start(ctx, config)
	if err != nil {
		return s, err
	}
	defer func() { p.stop() }()
	for _, alg := range []string{"RS256", "ES256"} {
		progress("%s with %s", s.Name, alg)
		i := &issuer{
			URL: config.Issuer, ClientID: alg, Public: alg + "-public", Secret: config.Secret, Redirect: redirectURI, Scope: scope,
			Authorize: url.Values{"provider": {"corp"}}, SAML: url.Values{"provider": {"acme"}},
		}
		figures, requests, err := measure(ctx, i, l, p.cmd.Process.Pid, alg)
		if err != nil {
			return s, errors.Join(err, p.complaint())
		}
		s.Figures = append(s.Figures, figures...)
		s.Requests = max(s.Requests, requests)
	}
	ready := make([]float64, startups)
	for n := range ready {
		if err := p.stop(); err != nil {
			return s, fmt.Errorf("stop signet: %w", err)
		}
		again, took, err := b.start(ctx, config)
		if err != nil {
			return s, err
		}
		p, ready[n] = again, ms(took)
	}
	slices.Sort(ready)
	s.Ready = &ready[startups/2]
	return s, nil
}

// config is what Signet's configuration file is made from.
type config struct {
	path                                                      string
	Issuer, Listen, Admin, Database, Key                      string
	Upstream, Metadata, Secret, UpstreamSecret, Redirect, Ill string
}

var configFile = template.Must(template.New("").Parse(`issuer: {{.Issuer}}
listen: {{.Listen}}
admin_listen: {{.Admin}}
database: {{.Database}}
trusted_proxies: [127.0.0.1]
egress: {allow: [127.0.0.1]}
master_key_file: {{.Key}}
apps:
{{- range $alg := .Algorithms}}
  - id: {{$alg}}
    name: {{$alg}}
    secret: {{$.Secret}}
    redirect_uris: [{{$.Redirect}}]
    providers: [corp, acme]
    grants: [authorization_code, refresh_token, client_credentials]
    tokens: {signing: {{$alg}}}
  - id: {{$alg}}-public
    name: {{$alg}} without a secret
    redirect_uris: [{{$.Redirect}}]
    providers: [corp]
    grants: [authorization_code, refresh_token, "urn:ietf:params:oauth:grant-type:device_code"]
    tokens: {signing: {{$alg}}}
  - id: {{$alg}}-open
    name: {{$alg}} for people of all providers
    redirect_uris: [{{$.Redirect}}]
    tokens: {signing: {{$alg}}}
{{- end}}
providers:
  - id: corp
    kind: oidc
    name: Corp
    issuer: {{.Upstream}}
    client_id: signet
    client_secret: {{.UpstreamSecret}}
    scopes: [openid, email, profile]
  - id: acme
    kind: saml
    name: Acme
    metadata_url: {{.Metadata}}
{{- with .Ill}}
  - id: ill
    kind: oidc
    name: Ill
    issuer: {{.}}
    client_id: signet
    client_secret: {{$.UpstreamSecret}}
{{- end}}
`))

func (config) Algorithms() []string { return []string{"RS256", "ES256"} }

func (b bed) configure(name, database string) (config, error) {
	c := config{
		path: filepath.Join(b.dir, name+".yaml"), Key: filepath.Join(b.dir, name+".key"), Database: database,
		Upstream: b.upstream, Metadata: b.metadata, Secret: rand.Text(), UpstreamSecret: rand.Text(), Redirect: redirectURI, Ill: b.ill,
	}
	for _, addr := range []*string{&c.Listen, &c.Admin} {
		var err error
		if *addr, err = freeAddress(); err != nil {
			return c, err
		}
	}
	c.Issuer = "http://" + c.Listen
	key := make([]byte, 32)
	rand.Read(key)
	if err := os.WriteFile(c.Key, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		return c, err
	}
	f, err := os.OpenFile(c.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return c, err
	}
	return c, errors.Join(configFile.Execute(f, c), f.Close())
}

// freeAddress returns a loopback address that nobody listened on just now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// process is a running Signet.
type process struct {
	cmd  *exec.Cmd
	log  string // the file of its output
	done chan error
}

// start starts Signet and waits until it is ready. It returns how long that took.
func (b bed) start(ctx context.Context, c config) (*process, time.Duration, error) {
	p := &process{cmd: exec.Command(b.bin, "serve", "--config", c.path), log: c.path + ".log", done: make(chan error, 1)}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, 0, err
	}
	defer out.Close()
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = out, out, b.dir
	start := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, 0, err
	}
	go func() { p.done <- p.cmd.Wait() }()
	client := &http.Client{Timeout: time.Second}
	for deadline := start.Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if resp, err := client.Get("http://" + c.Admin + "/readyz"); err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return p, time.Since(start), nil
			}
		}
		select {
		case err := <-p.done:
			p.done <- err
			return nil, 0, errors.Join(fmt.Errorf("signet ended: %v", err), p.complaint())
		case <-ctx.Done():
			return nil, 0, errors.Join(ctx.Err(), p.stop())
		default:
		}
		if time.Now().After(deadline) {
			return nil, 0, errors.Join(errors.New("signet is not ready"), p.complaint(), p.stop())
		}
	}
}

// stop asks the process to end, and makes it after a while.
func (p *process) stop() error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.done:
		p.done <- err // for whoever stops it again
		return err
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("signet does not end"), p.cmd.Process.Kill())
	}
}

// complaint is the end of what the process has written.
func (p *process) complaint() error {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	if len(b) > 2000 {
		b = b[len(b)-2000:]
	}
	return fmt.Errorf("signet said:\n%s", b)
}
