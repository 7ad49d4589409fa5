package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2" //nolint:depguard // for load of chance, which is no secret
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/internal/pgtest"
)

// cluster is two brokers in processes of their own on one PostgreSQL. Nothing listens at their issuer's address:
// whoever sends a request says to which of them, as a load balancer would.
type cluster struct {
	*world  // what makes proofs and assertions for the issuer, and nothing else
	nodes   [2]*node
	globex  *idptest.OIDC // keeps its people signed in when they sign out here
	hooli   *idptest.OIDC // signs them out too
	initech *idptest.SAML
	db      *sql.DB
}

// node is one of them, which may be killed at any time.
type node struct {
	*process
	http  *http.Transport // leads to it, whatever the address
	up    atomic.Bool
	kills atomic.Int32
	logs  []*logBuffer
}

const nodesConfig = `
issuer: %[1]s
listen: %[2]s
admin_listen: %[3]s
database: %[4]s
apps:
  - {id: web, secret: a-secret-of-32-characters-or-more, redirect_uris: [https://app.example.com/callback], post_logout_redirect_uris: [https://app.example.com/bye]}
  - {id: cron, secret: a-secret-of-32-characters-or-more, grants: [client_credentials]}
  - {id: signed, auth: private_key_jwt, jwks: %[5]s, redirect_uris: [https://app.example.com/callback], grants: [authorization_code, client_credentials]}
  - {id: tv, name: Living Room, grants: ["urn:ietf:params:oauth:grant-type:device_code", refresh_token]}
  - {id: deploy, secret: a-secret-of-32-characters-or-more, grants: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]}
apis:
  - {id: "https://orders.example.com/v1", scopes: [{name: "orders:read"}]}
trusted_issuers:
  - {id: build, issuer: "https://build.example", apps: [deploy], subjects: [nightly], jwks: %[5]s}
providers:
  - {id: globex, kind: oidc, name: Globex, issuer: "%[6]s", client_id: signet, client_secret: globex-secret}
  - {id: hooli, kind: oidc, name: Hooli, logout: true, issuer: "%[7]s", client_id: signet, client_secret: globex-secret}
  - {id: initech, kind: saml, name: Initech, metadata_url: "%[8]s"}
`

func newCluster(t *testing.T) *cluster {
	t.Helper()
	issuer, dsn := "http://"+freeAddr(t), pgtest.Start(t)
	c := &cluster{world: &world{t: t, URL: issuer}}
	upstream := func(name string) *idptest.OIDC {
		f, err := idptest.StartOIDC(idptest.OIDCOptions{Name: name, CodesLast: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	c.globex, c.hooli = upstream("Globex"), upstream("Hooli")
	c.initech = idptest.NewSAML(t, idptest.SAMLOptions{SignIn: "peter", ServiceProvider: func(_ context.Context, id string) ([]byte, error) {
		p, err := c.visitor().get(c.any(), id)
		if err != nil {
			return nil, err
		}
		return []byte(p.body), nil
	}})
	for i := range c.nodes {
		n := &node{process: &process{t: t, dir: t.TempDir()}}
		listen, admin := freeAddr(t), freeAddr(t)
		n.admin = "http://" + admin
		n.http = &http.Transport{MaxIdleConnsPerHost: 32, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, listen)
		}}
		if err := os.WriteFile(filepath.Join(n.dir, "signet.key"), []byte(strings.Repeat("A", 43)+"=\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		n.write(fmt.Sprintf(nodesConfig, issuer, listen, admin, dsn, publicKeys("es"), c.globex.Issuer, c.hooli.Issuer, c.initech.URL+"/metadata"))
		n.begin()
		t.Cleanup(n.kill)
		c.nodes[i] = n
	}
	var err error
	if c.db, err = sql.Open("pgx", dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.db.Close() })
	return c
}

// begin starts a node and returns how long it took until it was ready.
func (n *node) begin() time.Duration {
	took := n.start()
	n.logs = append(n.logs, n.stderr)
	n.up.Store(true)
	return took
}

// kill ends a node as a machine's death does: it finishes nothing.
func (n *node) kill() {
	n.up.Store(false)
	n.kills.Add(1)
	n.process.kill()
	n.http.CloseIdleConnections()
}

// any is a node that is up, as a load balancer would choose it.
func (c *cluster) any() *node {
	for {
		if n := c.nodes[rand.N(2)]; n.up.Load() {
			return n
		}
	}
}

// visitor is a person's browser, or an app, whose requests go to any node.
type visitor struct {
	c   *cluster
	jar http.CookieJar // nil: none
}

func (c *cluster) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it returns none
	}
	return &visitor{c, jar}
}

// errCut says that an answer was lost because its node was killed.
var errCut = errors.New("the node was killed")

// send sends a request to a node. A connection that fails although its node was alive all the time is an error
// like any other.
func (v *visitor) send(n *node, req *http.Request) (*page, error) {
	up, kills := n.up.Load(), n.kills.Load()
	p, err := v.try(n, req)
	if err != nil && (!up || n.kills.Load() != kills) {
		return nil, errCut
	}
	return p, err
}

func (v *visitor) try(n *node, req *http.Request) (*page, error) {
	client := http.Client{Transport: n.http, Jar: v.jar, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	p := &page{w: v.c.world, url: req.URL, status: resp.StatusCode, header: resp.Header, body: string(body)}
	p.location, _ = resp.Location()
	return p, nil
}

// get opens an address: absolute, or a path of Signet's.
func (v *visitor) get(n *node, address string) (*page, error) {
	return v.send(n, v.request(http.MethodGet, address, nil))
}

// post submits a form as a page of ours would.
func (v *visitor) post(n *node, address string, form url.Values) (*page, error) {
	return v.send(n, v.request(http.MethodPost, address, form))
}

func (v *visitor) request(method, address string, form url.Values) *http.Request {
	if strings.HasPrefix(address, "/") {
		address = v.c.URL + address
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(v.c.t.Context()), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		panic(err) // the test's own mistake
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req
}

// asApp posts to an endpoint as an app with a secret, e.g. with a DPoP proof; "" for none.
func (c *cluster) asApp(n *node, app, path string, form url.Values, proof string) (*page, error) {
	v := &visitor{c: c}
	req := v.request(http.MethodPost, path, form)
	if app != "" {
		req.SetBasicAuth(app, appSecret)
	}
	if proof != "" {
		req.Header.Set("DPoP", proof)
	}
	return v.send(n, req)
}

// tokens reads the answer of the token endpoint.
func (p *page) tokens() (a tokenAnswer) {
	a = tokenAnswer{status: p.status, header: p.header, body: p.body}
	if json.Unmarshal([]byte(p.body), &a) != nil {
		a.Error = "no JSON"
	}
	return a
}

func (c *cluster) redeemAt(n *node, code string) (*page, error) {
	return c.asApp(n, webApp, "/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}, "")
}

func (c *cluster) refreshAt(n *node, token string) (*page, error) {
	return c.asApp(n, webApp, "/token", refreshForm(token), "")
}

// unexpected is an answer that nobody has promised.
func unexpected(doing string, p *page) error {
	return fmt.Errorf("%s: %v %.300s", doing, p, p.body)
}

// back signs a browser in as far as the address that its upstream sends it back to.
func (c *cluster) back(v *visitor, provider, person string) (string, error) {
	p, err := v.get(c.any(), "/authorize?"+authorizeQuery(webApp, url.Values{"provider": {provider}}).Encode())
	if err != nil {
		return "", err
	}
	upstream := map[string]*idptest.OIDC{"globex": c.globex, "hooli": c.hooli}[provider]
	switch {
	case hasCode(p): // signed in already, and the answer was lost
		return p.location.String(), nil
	case p.location == nil || !strings.HasPrefix(p.location.String(), upstream.Issuer):
		return "", unexpected("authorize", p)
	}
	u, err := upstream.SignIn(c.t.Context(), p.location.String(), person)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// code signs a browser in at an OpenID upstream. Whoever's node dies meanwhile begins again.
func (c *cluster) code(v *visitor, provider, person string) (string, error) {
	return retried(func() (string, error) {
		back, err := c.back(v, provider, person)
		if err != nil {
			return "", err
		}
		if rest, done := strings.CutPrefix(back, callbackURI+"?"); done {
			q, err := url.ParseQuery(rest)
			return q.Get("code"), err
		}
		p, err := v.get(c.any(), back)
		if err != nil {
			return "", err
		}
		if !hasCode(p) {
			return "", unexpected("callback", p)
		}
		return p.location.Query().Get("code"), nil
	})
}

// signIn is what a browser's app gets.
func (c *cluster) signIn(v *visitor, provider, person string) (a tokenAnswer, err error) {
	return retried(func() (tokenAnswer, error) {
		code, err := c.code(v, provider, person)
		if err != nil {
			return tokenAnswer{}, err
		}
		p, err := c.redeemAt(c.any(), code)
		if err != nil {
			return tokenAnswer{}, err
		}
		if p.status != http.StatusOK {
			return tokenAnswer{}, unexpected("token", p)
		}
		return p.tokens(), nil
	})
}

// retried does something until no node dies under it.
func retried[T any](do func() (T, error)) (v T, err error) {
	for range 10 {
		if v, err = do(); !errors.Is(err, errCut) {
			return v, err
		}
	}
	return v, err
}

func hasCode(p *page) bool {
	return p.status == http.StatusSeeOther && p.location != nil && strings.HasPrefix(p.location.String(), callbackURI) && p.location.Query().Get("code") != ""
}

// refusedWith tells whether a page, or an endpoint for programs, refuses as documented.
func refusedWith(status ...int) func(*page) bool {
	return func(p *page) bool {
		for _, s := range status {
			if p.status == s && p.has("error") && p.has("reason") && p.has("request-id") {
				return true
			}
		}
		return false
	}
}

func errorIs(status int, code string) func(*page) bool {
	return func(p *page) bool { return p.status == status && p.tokens().Error == code }
}

func succeeds(p *page) bool { return p.status == http.StatusOK && p.tokens().Access != "" }

// goTogether runs functions at the same moment.
func goTogether(all ...func()) {
	var start, done sync.WaitGroup
	start.Add(1)
	for _, f := range all {
		done.Go(func() { start.Wait(); f() })
	}
	start.Done()
	done.Wait()
}
