package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/internal/pgtest"
)

// asSignet makes this test binary behave as the signet command, so that tests have a real process to kill.
const asSignet = "SIGNET_TEST_AS_COMMAND"

func init() {
	if os.Getenv(asSignet) != "" {
		main()
		os.Exit(0)
	}
}

// process is a broker in a process of its own.
type process struct {
	t      testing.TB
	dir    string
	URL    string
	admin  string
	globex *idptest.OIDC
	cmd    *exec.Cmd
	stderr *logBuffer
}

const processConfig = `
issuer: http://%[1]s
listen: %[1]s
admin_listen: %[2]s
database: %[3]s
apps:
  - {id: web, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback]}
providers:
  - {id: globex, kind: oidc, name: Globex, issuer: "%[4]s", client_id: signet, client_secret: globex-secret}
`

// newProcess writes a configuration and starts a broker on it. database "" is a new SQLite file.
func newProcess(t testing.TB, database string) *process {
	t.Helper()
	p := &process{t: t, dir: t.TempDir()}
	var err error
	if p.globex, err = idptest.StartOIDC(idptest.OIDCOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.globex.Close() })
	if database == "" {
		database = "sqlite:signet.db"
	} else if err := os.WriteFile(filepath.Join(p.dir, "signet.key"), []byte(strings.Repeat("A", 43)+"=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	listen, admin := freeAddr(t), freeAddr(t)
	p.URL, p.admin = "http://"+listen, "http://"+admin
	p.write(fmt.Sprintf(processConfig, listen, admin, database, p.globex.Issuer))
	p.start()
	t.Cleanup(func() { p.kill() })
	return p
}

func (p *process) write(config string) {
	if err := os.WriteFile(filepath.Join(p.dir, "signet.yaml"), []byte(config), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// signetCommand is the signet command with arguments, in dir.
func signetCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	// With the race detector each process would wait a second before it ends, for reports of threads it has left.
	cmd.Dir, cmd.Env = dir, append(os.Environ(), asSignet+"=1", "GORACE=atexit_sleep_ms=0")
	return cmd
}

// start runs the broker and returns how long it took until it was ready.
func (p *process) start() time.Duration {
	p.t.Helper()
	p.stderr = &logBuffer{}
	p.cmd = signetCommand(context.WithoutCancel(p.t.Context()), p.dir, "serve", "--log-level", "warn")
	p.cmd.Stderr = p.stderr
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	for time.Since(began) < 10*time.Second {
		if p.ready() {
			return time.Since(began)
		}
		time.Sleep(5 * time.Millisecond)
	}
	p.t.Fatalf("not ready after 10 s: %s", p.stderr)
	return 0
}

func (p *process) ready() bool {
	resp, err := http.Get(p.admin + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// login signs somebody in and returns the code. It returns an error, because the broker may die meanwhile.
func (p *process) login(ctx context.Context) (string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	c := &http.Client{Jar: jar, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	at, err := hop(ctx, c, p.URL+"/authorize?"+authorizeQuery(webApp, nil).Encode())
	if err != nil {
		return "", err
	}
	back, err := p.globex.SignIn(ctx, at.String(), "ann")
	if err != nil {
		return "", err
	}
	end, err := hop(ctx, c, back.String())
	if err != nil {
		return "", err
	}
	code := end.Query().Get("code")
	if code == "" {
		return "", fmt.Errorf("the app got %v", end)
	}
	return code, nil
}

func hop(ctx context.Context, c *http.Client, address string) (*url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSeeOther {
		return nil, fmt.Errorf("%s: %d %.300s", req.URL.Path, resp.StatusCode, body)
	}
	return resp.Location()
}

// token calls the token endpoint.
func (p *process) token(ctx context.Context, form url.Values) (tokenAnswer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return tokenAnswer{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(webApp, appSecret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return tokenAnswer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return tokenAnswer{}, err
	}
	a := tokenAnswer{status: resp.StatusCode, body: string(body)}
	return a, json.Unmarshal(body, &a)
}

func (p *process) redeem(ctx context.Context, code string) (tokenAnswer, error) {
	return p.token(ctx, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}})
}

func (p *process) refresh(ctx context.Context, token string) (tokenAnswer, error) {
	return p.token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// TestNothingIsLostByAKill kills the broker in the middle of 200 logins. What an app was given before works
// afterwards, and nothing works twice.
func TestNothingIsLostByAKill(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			database := ""
			if engine == "postgres" {
				database = pgtest.Start(t)
			}
			killed(t, newProcess(t, database))
		})
	}
}

// given is what the apps were told before and after the kill.
type given struct {
	mu       sync.Mutex
	codes    []string // not redeemed by anybody
	unsure   []string // redeemed, and the answer was lost
	spent    []string // redeemed
	refresh  []string // good ones
	failures atomic.Int32
}

func (g *given) add(list *[]string, s string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	*list = append(*list, s)
}

func killed(t *testing.T, p *process) {
	ctx := t.Context()
	const logins = 200
	g := &given{}
	var done atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := done.Add(1); n <= logins; n = done.Add(1) {
				if err := one(ctx, p, g, n%2 == 0); err != nil {
					g.failures.Add(1)
					time.Sleep(200 * time.Millisecond) // as a person would; the start takes a moment
				}
			}
		})
	}
	for done.Load() < logins/2 {
		time.Sleep(time.Millisecond)
	}
	p.kill()
	if took := p.start(); took > 5*time.Second {
		t.Errorf("ready %v after the kill, want 5 s at most", took)
	}
	wg.Wait()
	t.Logf("%d codes kept, %d unsure, %d spent, %d refresh tokens, %d logins failed in the kill", len(g.codes), len(g.unsure), len(g.spent), len(g.refresh), g.failures.Load())
	if len(g.codes) < 20 || len(g.refresh) < 20 || g.failures.Load() > logins/2 {
		t.Fatal("too few logins got through to say anything")
	}
	for _, code := range g.codes {
		want(t, p, "code", code, p.redeem, true)
	}
	for _, code := range g.unsure {
		atMostOnce(t, p, code)
	}
	for _, token := range g.refresh {
		want(t, p, "refresh token", token, p.refresh, true)
	}
	for _, code := range g.spent { // last, because it revokes what the code was spent for
		want(t, p, "spent code", code, p.redeem, false)
	}
}

// one is a login. Every second one keeps its code for later.
func one(ctx context.Context, p *process, g *given, keep bool) error {
	code, err := p.login(ctx)
	if err != nil {
		return err
	}
	if keep {
		g.add(&g.codes, code)
		return nil
	}
	a, err := p.redeem(ctx, code)
	switch {
	case err != nil:
		g.add(&g.unsure, code)
		return err
	case a.status != http.StatusOK:
		return errors.New(a.body)
	}
	g.add(&g.spent, code)
	g.add(&g.refresh, a.Refresh)
	return nil
}

// want presents something, twice when it is a code that must work.
func want(t *testing.T, p *process, what, s string, present func(context.Context, string) (tokenAnswer, error), works bool) {
	t.Helper()
	a, err := present(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if (a.status == http.StatusOK) != works {
		t.Errorf("%s after the kill = %d %s, want works %v", what, a.status, a.Error, works)
	}
	if what == "code" {
		if a, err := present(t.Context(), s); err != nil || a.status == http.StatusOK {
			t.Errorf("a code works twice (%v)", err)
		}
	}
}

func atMostOnce(t *testing.T, p *process, code string) {
	t.Helper()
	worked := 0
	for range 3 {
		if a, err := p.redeem(t.Context(), code); err == nil && a.status == http.StatusOK {
			worked++
		}
	}
	if worked > 1 {
		t.Errorf("a code whose answer was lost works %d times", worked)
	}
}

// TestStopFailsNoRequest tells a broker to stop while people use it. Those who look at /readyz, as a load
// balancer does, never see a failed request.
func TestStopFailsNoRequest(t *testing.T) {
	p := newProcess(t, "")
	var requests, failed atomic.Int32
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for !stopped.Load() {
				var err error
				if i == 0 {
					_, err = p.login(t.Context())
				} else {
					err = get(t.Context(), p.URL+"/jwks")
				}
				requests.Add(1)
				if err != nil {
					failed.Add(1)
					t.Log(err)
				}
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for p.ready() {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond) // as slow as a load balancer
	stopped.Store(true)
	wg.Wait()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the broker ended with %v: %s", err, p.stderr)
	}
	if failed.Load() > 0 || requests.Load() < 50 {
		t.Errorf("%d of %d requests failed", failed.Load(), requests.Load())
	}
}

func get(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d", req.URL.Path, resp.StatusCode)
	}
	return nil
}

// TestWhatStopsAStart holds that each is one plain sentence and exit code 1.
func TestWhatStopsAStart(t *testing.T) {
	p := newProcess(t, "")
	config, err := os.ReadFile(filepath.Join(p.dir, "signet.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, to string) func() {
		return func() { p.write(strings.Replace(string(config), old, to, 1)) }
	}
	listen := strings.TrimPrefix(p.URL, "http://")
	rows := []struct {
		name    string
		prepare func()
		says    string
	}{
		{"a port that is taken", func() {}, "another program listens on " + listen},
		{"a master key that is missing beside a database", func() {
			p.write(string(config) + "master_key_file: missing.key\n")
		}, "is missing, and the database"},
		{"another master key", func() {
			os.WriteFile(filepath.Join(p.dir, "other.key"), []byte(strings.Repeat("A", 43)+"=\n"), 0o600)
			p.write(string(config) + "master_key_file: other.key\n")
		}, "was sealed with master key"},
		{"a master key file that is none", func() {
			os.WriteFile(filepath.Join(p.dir, "bad.key"), []byte("no key"), 0o600)
			p.write(string(config) + "master_key_file: bad.key\n")
		}, "bad.key"},
		{"a database in a folder that is not there", edit("sqlite:signet.db", "sqlite:nowhere/signet.db"), "nowhere"},
		{"PostgreSQL that does not answer", func() {
			os.WriteFile(filepath.Join(p.dir, "signet.key"), []byte(strings.Repeat("A", 43)+"=\n"), 0o600)
			edit("sqlite:signet.db", "postgres://nobody@127.0.0.1:1/none")()
		}, "database"},
		{"no configuration", func() { os.Remove(filepath.Join(p.dir, "signet.yaml")) }, "signet.yaml"},
	}
	for _, r := range rows {
		key, err := os.ReadFile(filepath.Join(p.dir, "signet.key"))
		if err != nil {
			t.Fatal(err)
		}
		r.prepare()
		out, code := p.run("serve")
		if code != exitFailed || !strings.Contains(out, r.says) || strings.Count(out, "\n") > 3 {
			t.Errorf("%s: exit %d, %q; want exit 1 and a sentence with %q", r.name, code, out, r.says)
		}
		if err := os.WriteFile(filepath.Join(p.dir, "signet.key"), key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a command of signet in the broker's folder and returns what it printed.
func (p *process) run(args ...string) (string, int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	cmd := signetCommand(ctx, p.dir, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("signet %v: %v", args, err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// TestADeadUpstreamStopsNothing starts a broker whose upstream is away.
func TestADeadUpstreamStopsNothing(t *testing.T) {
	p := newProcess(t, "")
	p.kill()
	p.globex.Down()
	p.start()
	resp, err := http.Get(p.URL + "/authorize?" + authorizeQuery(webApp, nil).Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadGateway {
		t.Errorf("a login at a dead upstream = %d, want 502", resp.StatusCode)
	}
	if err := p.globex.Up(); err != nil {
		t.Fatal(err)
	}
	// That it is away is remembered for a few seconds, so that not every login waits for it.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		_, err := p.login(t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a login after the upstream is back: %v", err)
		}
	}
}
