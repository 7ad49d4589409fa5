package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/internal/pgtest"
)

const rotationConfig = `
issuer: %[1]s
admin_listen: ""
database: "%[2]s"
apps:
  - {id: RS256, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback]}
  - {id: ES256, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], tokens: {signing: ES256}}
  - {id: EdDSA, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], tokens: {signing: EdDSA}}
  - {id: PS256, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], tokens: {signing: PS256}}
providers:
  - {id: globex, kind: oidc, name: Globex, issuer: "%[3]s", client_id: signet, client_secret: globex-secret}
`

// pace is a day of a fleet in fast motion.
type pace struct {
	keys.Schedule
	cache time.Duration // how long a gateway uses the key set that it has
	life  time.Duration // of an access and ID token
	skew  time.Duration // how far the second node's clock is ahead
	run   time.Duration
}

// paceOf is fast by unit: keys change every twenty of them.
func paceOf(unit, run time.Duration) pace {
	p := pace{cache: 5 * unit, life: 20 * unit, skew: unit / 2, run: run}
	p.Every, p.Ahead, p.Poll = 20*unit, 9*unit, unit
	p.Keep = p.life + p.Poll + p.skew + 2*time.Second // a token's times are whole seconds
	return p
}

// TestNoTokenIsRefusedUnderLoadWhileKeysRotate (P-100): with two nodes on one PostgreSQL, whose clocks differ and
// which see each other's keys by looking for them, no valid token is refused: by either node, or by gateways
// that have the key set of a while ago. Keys rotate by schedule, and twice in a row by hand.
// go test -run WhileKeysRotate ./cmd/signet -soak 2m does it for two minutes.
func TestNoTokenIsRefusedUnderLoadWhileKeysRotate(t *testing.T) {
	p := paceOf(200*time.Millisecond, 9*time.Second)
	// Small keys, because new ones are wanted all the time and the race detector makes that slow.
	p.RSA = func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 1024) }
	if *soak > 0 {
		p = paceOf(500*time.Millisecond, *soak)
	}
	former := keys.Default
	keys.Default = p.Schedule
	t.Cleanup(func() { keys.Default = former })
	f := newFleet(t, p)
	ctx, stop := context.WithTimeout(t.Context(), p.run)
	defer stop()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { f.customer(ctx, i) })
	}
	wg.Go(func() { f.rotateTwice(ctx) })
	wg.Wait()
	f.report()
}

// fleet is two nodes and those who check their tokens.
type fleet struct {
	t        *testing.T
	pace     pace
	issuer   string
	config   string
	globex   *idptest.OIDC
	nodes    []*fleetNode
	gateways []*gateway

	mu       sync.Mutex
	faults   []string
	kids     map[string]bool
	logins   atomic.Int64
	verified atomic.Int64
	asked    atomic.Int64
}

// fleetNode is a broker, and the way to it: the issuer's address leads to either.
type fleetNode struct {
	signet *signet
	client *http.Client
}

func newFleet(t *testing.T, p pace) *fleet {
	t.Helper()
	f := &fleet{t: t, pace: p, kids: map[string]bool{}}
	var err error
	if f.globex, err = idptest.StartOIDC(idptest.OIDCOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.globex.Close() })
	var sockets []net.Listener
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		sockets = append(sockets, l)
	}
	f.issuer = "http://" + sockets[0].Addr().String()
	dir := t.TempDir()
	f.config = filepath.Join(dir, "signet.yaml")
	text := fmt.Sprintf(rotationConfig, f.issuer, pgtest.Start(t), f.globex.Issuer)
	err = errors.Join(os.WriteFile(f.config, []byte(text), 0o600), os.WriteFile(filepath.Join(dir, "signet.key"), []byte(strings.Repeat("A", 43)+"=\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range sockets {
		f.nodes = append(f.nodes, f.node(l, time.Duration(i)*p.skew))
	}
	for i := range 6 {
		f.gateways = append(f.gateways, &gateway{keep: p.cache, url: f.issuer + "/jwks", client: f.nodes[i%2].client})
	}
	return f
}

// node starts a broker whose clock is ahead.
func (f *fleet) node(l net.Listener, ahead time.Duration) *fleetNode {
	f.t.Helper()
	cfg, err := loadConfig(f.config)
	if err != nil {
		f.t.Fatal(err)
	}
	for i := range cfg.Apps {
		cfg.Apps[i].Tokens.Access, cfg.Apps[i].Tokens.ID = f.pace.life, f.pace.life
	}
	log := slog.New(slog.NewTextHandler(f.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := openAt(f.t.Context(), cfg, log, func() time.Time { return time.Now().Add(ahead) }, egress.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(f.t.Context()))
	var ring sync.WaitGroup
	ring.Go(func() { s.ring.Run(ctx) })
	srv := &http.Server{Handler: s.site, ReadHeaderTimeout: 5 * time.Second}
	go srv.Serve(l)
	f.t.Cleanup(func() {
		srv.Close()
		stop()
		ring.Wait()
		s.close()
	})
	return &fleetNode{signet: s, client: &http.Client{
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{MaxIdleConnsPerHost: 16, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if "http://"+addr == f.issuer {
				addr = l.Addr().String()
			}
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}},
	}}
}

// rotateTwice is somebody at a shell who is not sure that it worked.
func (f *fleet) rotateTwice(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(f.pace.run / 3):
	}
	for range 2 {
		c := keysRotate{Use: "tokens"}
		c.Config = f.config
		f.check("signet keys rotate", c.Run(context.WithoutCancel(ctx)))
	}
}

func (f *fleet) check(what string, err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, fmt.Sprintf("%s: %v", what, err))
}

func (f *fleet) report() {
	f.t.Logf("%d sign-ins and refreshes, %d tokens checked by gateways, %d by Signet, %d keys", f.logins.Load(), f.verified.Load(), f.asked.Load(), len(f.kids))
	for _, fault := range f.faults[:min(len(f.faults), 10)] {
		f.t.Error(fault)
	}
	if n := len(f.faults); n > 0 {
		f.t.Errorf("%d in all", n)
	}
	// Of the four algorithms, beside those that were there at first or were brought in by hand.
	if want := 4 * int(f.pace.run/f.pace.Every); len(f.kids) < want {
		f.t.Errorf("%d keys were used, want %d at least", len(f.kids), want)
	}
	if f.logins.Load() < 50 {
		f.t.Error("too little was done to say anything")
	}
}

// held is what an app was given, good until a time.
type held struct {
	access, id string
	until      time.Time
}

// customer signs in, refreshes, and uses what it has until ctx ends, each time at the other node.
func (f *fleet) customer(ctx context.Context, n int) {
	app := keys.Algorithms[n%len(keys.Algorithms)]
	jar, err := cookiejar.New(nil)
	f.check("cookies", err)
	var have []held
	hint := ""
	for turn := n / 4; ctx.Err() == nil; turn++ {
		a, b := f.visitor(turn, jar), f.visitor(turn+1, jar)
		got, err := f.signIn(a, b, app, hint)
		if err != nil {
			f.check("sign in", err)
			return
		}
		hint, have = got.ID, f.add(have, got)
		if got, err = f.token(a, app, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}}); err != nil {
			f.check("refresh", err)
			return
		}
		have = f.add(have, got)
		have = slices.DeleteFunc(have, func(h held) bool { return time.Now().After(h.until) })
		for _, h := range have {
			f.use(h)
		}
		if len(have) > 0 {
			f.present(b, app, have[0]) // the oldest
			f.present(a, app, have[len(have)-1])
		}
	}
}

// visitor is a browser at a node.
func (f *fleet) visitor(turn int, jar http.CookieJar) *http.Client {
	c := *f.nodes[turn%2].client
	c.Jar = jar
	return &c
}

func (f *fleet) add(have []held, a tokenAnswer) []held {
	f.logins.Add(1)
	var c struct {
		Expires int64 `json:"exp"`
	}
	for _, token := range []string{a.Access, a.ID} {
		t, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA, jose.PS256})
		if err == nil {
			err = t.UnsafeClaimsWithoutVerification(&c)
		}
		if err != nil {
			f.check("parse", err)
			return have
		}
		f.mu.Lock()
		f.kids[t.Headers[0].KeyID] = true
		f.mu.Unlock()
	}
	// The other node's clock is ahead.
	return append(have, held{a.Access, a.ID, time.Unix(c.Expires, 0).Add(-f.pace.skew)})
}

// refused notes a refusal of a token that is still good now.
func (f *fleet) refused(what string, h held, err error) {
	if time.Now().Before(h.until) {
		f.check(what, err)
	}
}

// use has every gateway check a token.
func (f *fleet) use(h held) {
	for _, g := range f.gateways {
		f.refused("gateway: access token", h, g.verify(h.access))
		f.refused("gateway: ID token", h, g.verify(h.id))
		f.verified.Add(2)
	}
}

// present gives a token back to Signet.
func (f *fleet) present(c *http.Client, app string, h held) {
	req, err := http.NewRequest(http.MethodGet, f.issuer+"/userinfo", http.NoBody)
	if err != nil {
		f.check("userinfo", err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+h.access)
	_, err = fetch(c, req)
	f.refused("userinfo", h, err)
	body, err := f.post(c, app, "/introspect", url.Values{"token": {h.access}})
	if err == nil && !bytes.Contains(body, []byte(`"active":true`)) {
		err = errors.New(string(body))
	}
	f.refused("introspect", h, err)
	f.asked.Add(2)
}

// signIn signs in at one node and redeems at the other. Where the browser has a session, that and the hint are enough.
func (f *fleet) signIn(a, b *http.Client, app, hint string) (tokenAnswer, error) {
	with := url.Values{}
	if hint != "" {
		with.Set("id_token_hint", hint)
		with.Set("prompt", "none")
		f.asked.Add(1)
	}
	at, err := hop(context.Background(), a, f.issuer+"/authorize?"+authorizeQuery(app, with).Encode())
	if err != nil {
		return tokenAnswer{}, err
	}
	if !strings.HasPrefix(at.String(), callbackURI) {
		back, err := f.globex.SignIn(context.Background(), at.String(), "ann")
		if err != nil {
			return tokenAnswer{}, err
		}
		if at, err = hop(context.Background(), a, back.String()); err != nil {
			return tokenAnswer{}, err
		}
	}
	code := at.Query().Get("code")
	if code == "" {
		return tokenAnswer{}, fmt.Errorf("the app got %v", at)
	}
	return f.token(b, app, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}})
}

func (f *fleet) token(c *http.Client, app string, form url.Values) (a tokenAnswer, err error) {
	body, err := f.post(c, app, "/token", form)
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	return a, err
}

func (f *fleet) post(c *http.Client, app, path string, form url.Values) ([]byte, error) {
	req, err := http.NewRequest(http.MethodPost, f.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(app, appSecret)
	return fetch(c, req)
}

// fetch returns the body of an answer that is 200.
func fetch(c *http.Client, req *http.Request) ([]byte, error) {
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d %.300s", resp.StatusCode, body)
	}
	return body, err
}
