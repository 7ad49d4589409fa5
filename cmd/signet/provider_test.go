package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
)

func TestProviderCommands(t *testing.T) {
	w := newWorld(t, withLoopback)
	f := w.oidc("Umbrella")
	const word = "globex-secret"
	if err := os.WriteFile(filepath.Join(w.dir, "client.secret"), []byte(word+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := w.blockFile(strings.Replace(block("umbrella", f, "domains: [umbrella.example]"), "client_secret: globex-secret", "client_secret_file: client.secret", 1))
	var added shownProvider
	if err := json.Unmarshal([]byte(w.mustRun("provider", "add", path, "--json")), &added); err != nil {
		t.Fatal(err)
	}
	if added.ID != "umbrella" || added.Register != w.URL+"/callback/umbrella" || len(added.Domains) != 1 || added.Domains[0].Verified || !strings.HasPrefix(added.Domains[0].Value, challengeValue) {
		t.Errorf("added = %+v", added)
	}
	w.follow()
	if got := w.browser().at("umbrella", f, "ann"); got.location == nil || !strings.HasPrefix(got.location.String(), callbackURI+"?code=") {
		t.Fatalf("a login = %v\n%s", got, w.log)
	}

	for _, args := range [][]string{{"show", "umbrella"}, {"show", "umbrella", "--json"}, {"show", "globex"}, {"list"}, {"list", "--json"}} {
		out := w.mustRun(append([]string{"provider"}, args...)...)
		if strings.Contains(out, word) || !strings.Contains(out, "globex") && !strings.Contains(out, "umbrella") {
			t.Errorf("provider %v = %s", args, out)
		}
	}
	if out := w.mustRun("provider", "show", "umbrella"); !strings.Contains(out, `"client_secret": "[secret]"`) || !strings.Contains(out, f.Issuer) {
		t.Errorf("show = %s", out)
	}
	if out := w.mustRun("provider", "list"); !strings.Contains(out, "umbrella.example (not proven)") || !strings.Contains(out, "globex") {
		t.Errorf("list = %s", out)
	}
	for _, file := range []string{"signet.db", "signet.db-wal"} {
		if data, err := os.ReadFile(filepath.Join(w.dir, file)); err == nil && bytes.Contains(data, []byte(word)) {
			t.Errorf("%s has the client's secret in it", file)
		}
	}

	for _, row := range []struct {
		args []string
		says string
	}{
		{[]string{"add", path}, "already"},
		{[]string{"add", filepath.Join(w.dir, "none.yaml")}, "no such file"},
		{[]string{"disable", "globex"}, "configuration file"},
		{[]string{"remove", "nobody"}, "no provider"},
		{[]string{"show", "nobody"}, "no provider"},
	} {
		if out, code := w.command(append([]string{"provider"}, row.args...)...); code != exitFailed || !strings.Contains(out, row.says) {
			t.Errorf("provider %v = exit %d %s", row.args, code, out)
		}
	}
	var events int
	w.mustRun("provider", "remove", "umbrella")
	if err := w.db().QueryRow(`SELECT COUNT(*) FROM events WHERE provider = 'umbrella' AND type IN ('provider.added', 'provider.removed')`).Scan(&events); err != nil || events != 2 {
		t.Errorf("%d events of its life, %v", events, err)
	}
}

// An upstream that comes under the id of another must not have that one's users without a word of the
// operator's: links are by id.
func TestAnIDThatPeopleCameByIsNotGivenAway(t *testing.T) {
	w := newWorld(t, withLoopback)
	first, second := w.oidc("First"), w.oidc("Second")
	w.register(block("acme", first))
	subject := func(f *idptest.OIDC) string {
		p := w.browser().at("acme", f, "ann")
		var c struct{ Sub string }
		decodeClaims(t, w.redeem(webApp, p.location.Query().Get("code"), nil).ID, &c)
		return c.Sub
	}
	was := subject(first)
	w.mustRun("provider", "remove", "acme")
	path := w.blockFile(block("acme", second))
	if out, code := w.command("provider", "add", path); code != exitFailed || !strings.Contains(out, "--keep-users") {
		t.Fatalf("add = exit %d %s", code, out)
	}
	w.mustRun("provider", "add", path, "--keep-users")
	w.follow()
	if is := subject(second); is != was {
		t.Errorf("with --keep-users ann is %s, was %s", is, was)
	}
}

func TestEveryFaultOfABlockAtOnce(t *testing.T) {
	w := newWorld(t)
	out, code := w.command("provider", "add", w.blockFile("id: Evil\nkind: oidc\nissuer: https://evil.example\nclient: x\ndomains: [hooli.example]\nmap: {email: 'claims.email +'}\n"))
	for _, want := range []string{"block.yaml:1: id:", "block.yaml:4: client: unknown key", "block.yaml:5: domains.0: hooli.example belongs to provider hooli", "block.yaml:6: map.email:"} {
		if code != exitFailed || !strings.Contains(out, want) {
			t.Errorf("exit %d, without %q: %s", code, want, out)
		}
	}
	for _, kind := range []string{"password", "nonsense"} {
		if out, code := w.command("provider", "add", w.blockFile("id: evil\nkind: "+kind+"\n")); code != exitFailed || !strings.Contains(out, "block.yaml:2: kind:") {
			t.Errorf("kind %s = exit %d %s", kind, code, out)
		}
	}
}

func TestDomainsCountOnceTheirDNSShowsThem(t *testing.T) {
	w := newWorld(t, withLoopback)
	dns := newNameServer(t)
	f, other := w.oidc("Umbrella"), w.oidc("Other")
	w.register(block("umbrella", f, "domains: [umbrella.example]"))
	w.register(block("other", other))
	record := func(args ...string) shownDomain {
		var d shownDomain
		if err := json.Unmarshal([]byte(w.mustRun(append([]string{"domain", "add", "--json"}, args...)...)), &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	mine := record("Umbrella.example", "--provider", "umbrella")
	theirs := record("umbrella.example", "--provider", "other")
	if mine.Value == theirs.Value || mine.Record != "_signet-challenge.umbrella.example" {
		t.Fatalf("records = %+v, %+v", mine, theirs)
	}
	verify := func(provider string) (string, int) {
		return w.command("domain", "verify", "umbrella.example", "--provider", provider, "--dns", dns.addr)
	}
	goes := func() string { // where somebody with such an address is sent
		p := w.browser().authorize(webApp, url.Values{"login_hint": {"ann@UMBRELLA.example"}})
		if p.location == nil {
			t.Fatalf("authorize = %v", p)
		}
		return p.location.String()
	}

	for _, shown := range [][]string{nil, {"something else"}, {mine.Value + " "}, {theirs.Value}, {"v=spf1 " + mine.Value}} {
		if shown != nil {
			dns.show(mine.Record, shown...)
		}
		if out, code := verify("umbrella"); code != exitFailed || !strings.Contains(out, mine.Record) {
			t.Errorf("with %q shown: exit %d %s", shown, code, out)
		}
	}
	w.follow()
	if to := goes(); strings.HasPrefix(to, f.Issuer) {
		t.Error("a domain counts that was not proven")
	}
	dns.show(mine.Record, "v=spf1 -all", mine.Value)
	if out, code := verify("umbrella"); code != 0 {
		t.Fatalf("verify = exit %d %s", code, out)
	}
	w.follow()
	if to := goes(); !strings.HasPrefix(to, f.Issuer) {
		t.Errorf("sent to %s", to)
	}
	dns.show(mine.Record, mine.Value, theirs.Value)
	if out, code := verify("other"); code != exitFailed || !strings.Contains(out, "another provider") {
		t.Errorf("a second owner: exit %d %s", code, out)
	}
	if out := w.mustRun("domain", "list"); !strings.Contains(out, "since 20") || !strings.Contains(out, "not proven") {
		t.Errorf("list = %s", out)
	}
	for _, args := range [][]string{{"add", "hooli.example", "--provider", "other"}, {"verify", "hooli.example"}, {"add", "no domain", "--provider", "other"}, {"add", "a.example", "--provider", "globex"}, {"verify", "b.example"}} {
		if out, code := w.command(append([]string{"domain"}, args...)...); code != exitFailed {
			t.Errorf("domain %v = exit %d %s", args, code, out)
		}
	}
	w.mustRun("domain", "remove", "umbrella.example", "--provider", "umbrella")
	w.follow()
	if to := goes(); strings.HasPrefix(to, f.Issuer) {
		t.Error("a domain counts that was taken away")
	}
}

// Providers of the database are many and each other's rivals: a page that lists them is none.
func TestRegisteredProvidersAreFoundNotListed(t *testing.T) {
	w := newWorld(t, withLoopback, func(config string) string {
		return strings.Replace(config, "providers: [globex]}", "providers: [globex, umbrella, absent]}", 1)
	})
	f := w.oidc("Umbrella")
	w.register(block("umbrella", f, "domains: [umbrella.example]"), "umbrella.example")
	p := w.browser().choosePage()
	if strings.Contains(p.body, "umbrella") || !p.has("email") {
		t.Errorf("the choose page has %v", p.buttons())
	}
	b := w.browser()
	action, form := b.choosePage().form()
	form.Set("email", "ann@umbrella.example")
	if p := b.post(action, form); p.location == nil || !strings.HasPrefix(p.location.String(), f.Issuer) {
		t.Errorf("by e-mail address: %v", p)
	}
	// Who has been there finds it again.
	b.at("umbrella", f, "ann")
	b.keep(sessionCookie, "")
	if got := b.choosePage().buttons(); got[0] != "umbrella" {
		t.Errorf("after a sign-in there, %v is offered", got)
	}
	b = w.browser()
	p = b.authorize(localApp, nil)
	if got := strings.Join(b.get(p.location.String()).buttons(), " "); got != "globex umbrella" {
		t.Errorf("an app with a list of its own offers %q", got)
	}
}

// What was opened is kept while others come and go; a provider of the file hides one with its id.
func TestWhatIsUnchangedStaysOpen(t *testing.T) {
	w := newWorld(t, withLoopback)
	f := w.oidc("Umbrella")
	w.register(block("umbrella", f))
	w.browser().at("umbrella", f, "ann")
	w.register(block("another", w.oidc("Another")))
	w.mustRun("provider", "disable", "umbrella")
	w.follow()
	w.mustRun("provider", "enable", "umbrella")
	w.follow()
	w.browser().at("umbrella", f, "ann")
	if n := f.Requests("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("discovery was read %d times", n)
	}
	w.config = strings.Replace(w.config, "  - {id: hooli,", fmt.Sprintf("  - {id: umbrella, kind: oidc, name: Of the file, issuer: %q, client_id: signet, client_secret: globex-secret}\n  - {id: hooli,", w.oidc("File").Issuer), 1)
	if err := os.WriteFile(w.configFile(), []byte(w.config), 0o600); err != nil {
		t.Fatal(err)
	}
	w.restart()
	if p := w.signet.registry.Provider("umbrella"); p.Name != "Of the file" || p.Registered {
		t.Errorf("the database's goes before the file's: %+v", p)
	}
	if !strings.Contains(w.log.String(), "left out") {
		t.Error("the log does not say so")
	}
}

// TestRegisteredProvidersReachEveryNode has two processes on one database.
func TestRegisteredProvidersReachEveryNode(t *testing.T) {
	one := newProcess(t, "")
	listen, admin := freeAddr(t), freeAddr(t)
	two := &process{t: t, dir: t.TempDir(), URL: "http://" + listen, admin: "http://" + admin, globex: one.globex}
	config := fmt.Sprintf(processConfig, listen, admin, "sqlite:"+filepath.Join(one.dir, "signet.db"), one.globex.Issuer)
	two.write(config + "master_key_file: " + filepath.Join(one.dir, "signet.key") + "\negress: {allow: [127.0.0.1]}\n")
	two.start()
	t.Cleanup(two.kill)

	f, err := idptest.StartOIDC(idptest.OIDCOptions{Name: "Umbrella"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	path := filepath.Join(two.dir, "block.yaml")
	if err := os.WriteFile(path, []byte(block("umbrella", f)), 0o600); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	within := func(what string, known bool) {
		t.Helper()
		for deadline := time.Now().Add(3 * followEvery); ; time.Sleep(50 * time.Millisecond) {
			to, err := hop(t.Context(), client, two.URL+"/authorize?"+authorizeQuery(webApp, url.Values{"provider": {"umbrella"}}).Encode())
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(to.String(), f.Issuer) == known {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: after %v a node sends people to %v", what, 3*followEvery, to)
			}
		}
	}
	for _, step := range []struct {
		args  []string
		known bool
	}{
		{[]string{"provider", "add", path}, true},
		{[]string{"provider", "disable", "umbrella"}, false},
		{[]string{"provider", "enable", "umbrella"}, true},
		{[]string{"provider", "remove", "umbrella"}, false},
	} {
		if out, code := two.run(step.args...); code != 0 {
			t.Fatalf("signet %v = exit %d %s", step.args, code, out)
		}
		within(strings.Join(step.args[:2], " "), step.known)
	}
}
