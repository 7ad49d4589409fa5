package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/idptest"
)

// famous are the upstreams whose addresses everybody knows.
type famous struct {
	google, apple, microsoft *idptest.OIDC
	probes                   atomic.Int64 // requests to a host that nobody should ask
}

// newFamousWorld is a world on an Internet with Google, Apple and Microsoft, and some providers at each.
func newFamousWorld(t testing.TB, edit ...func(string) string) *world {
	t.Helper()
	n, err := idptest.StartInternet()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	opts := idptest.OIDCOptions{Now: time.Now}
	f := &famous{google: n.Google(opts), microsoft: n.Microsoft(opts)}
	var client *idptest.AppleClient
	if f.apple, client, err = n.Apple(opts); err != nil {
		t.Fatal(err)
	}
	n.Serve("graph.evil.example", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { f.probes.Add(1) }))
	der, err := x509.MarshalPKCS8PrivateKey(client.Key)
	if err != nil {
		t.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	const own = `
  - {id: google, kind: google, name: Google, client_id: signet, client_secret: globex-secret}
  - {id: google-globex, kind: google, name: Google, client_id: signet, client_secret: globex-secret, hosted_domains: [globex.example, globex.org]}
  - {id: apple, kind: apple, name: Apple, client_id: signet, team_id: %s, key_id: %s, private_key: %s}
  - {id: ms-common, kind: microsoft, name: Microsoft, tenant: common, client_id: signet, client_secret: globex-secret}
  - {id: ms-work, kind: microsoft, name: Microsoft, tenant: organizations, client_id: signet, client_secret: globex-secret}
  - {id: ms-listed, kind: microsoft, name: Microsoft, tenant: organizations, tenants: [%[4]s], client_id: signet, client_secret: globex-secret}
  - {id: ms-globex, kind: microsoft, name: Globex, tenant: %[4]s, verified_domains: [globex.example], client_id: signet, client_secret: globex-secret}
  - {id: ms-domain, kind: microsoft, name: Globex, tenant: globex.example, client_id: signet, client_secret: globex-secret}
`
	providers := fmt.Sprintf(own, client.TeamID, client.KeyID, strconv.Quote(string(key)), idptest.GlobexTenant)
	add := func(config string) string { return config + strings.TrimPrefix(providers, "\n") }
	w := newWorldOn(t, egress.Options{Roots: n.Roots, Route: n.Route()}, append(edit, add)...)
	w.famous = f
	return w
}

// upstreamOf is the fake behind a provider of newFamousWorld.
func (w *world) upstreamOf(provider string) *idptest.OIDC {
	switch name, _, _ := strings.Cut(provider, "-"); name {
	case "google":
		return w.famous.google
	case "apple":
		return w.famous.apple
	}
	return w.famous.microsoft
}

// atFamous signs somebody in at a provider of newFamousWorld, which answers as row says, and returns what
// the broker says then.
func (w *trial) atFamous(b *browser, provider, person string, row *idptest.OIDCRow) *page {
	w.t.Helper()
	f := w.upstreamOf(provider)
	p := b.authorize(webApp, url.Values{"provider": {provider}})
	if p.location == nil {
		return p
	}
	f.Misbehave(row)
	defer f.Honest()
	if f != w.famous.apple {
		return b.atGlobex(p, f, person)
	}
	p = w.crossSite(w.appleForm(p, person))
	if p.location == nil {
		return p
	}
	return b.get(p.location.String())
}

// appleForm is what Apple has the browser post.
func (w *trial) appleForm(p *page, person string) (action string, form url.Values) {
	w.t.Helper()
	action, form, err := w.famous.apple.SignInForm(w.t.Context(), p.location.String(), person)
	if err != nil {
		w.t.Fatal(err)
	}
	return action, form
}
