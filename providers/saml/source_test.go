package saml

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

// publisher serves metadata that a test can exchange.
type publisher struct {
	*httptest.Server
	fetches  atomic.Int32
	document atomic.Pointer[string] // nil: it is down
	delay    time.Duration
}

func publish(t *testing.T, document string) *publisher {
	p := &publisher{}
	p.document.Store(&document)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.fetches.Add(1)
		time.Sleep(p.delay)
		if d := p.document.Load(); d != nil {
			fmt.Fprint(w, *d)
			return
		}
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) set(document string) { p.document.Store(&document) }

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func testSource(t *testing.T, document string) (*publisher, *source, *clock) {
	c := &clock{t: time.Now()}
	p := publish(t, document)
	return p, &source{env: testEnv("initech", c.now), client: http.DefaultClient, url: p.URL, overlap: time.Hour}, c
}

// settled waits for the fetch behind the logins.
func (s *source) settled() {
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if running != nil {
		<-running
	}
}

func wantUpstream(t *testing.T, err error) {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) || e.Kind != providers.Upstream {
		t.Errorf("error = %v, want an Upstream", err)
	}
}

func TestSourceIsShared(t *testing.T) {
	idp := idptest.NewSAML(t, idptest.SAMLOptions{})
	p, s, _ := testSource(t, string(idp.Metadata()))
	p.delay = 50 * time.Millisecond
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := s.get(t.Context()); err != nil {
				t.Errorf("get = %v", err)
			}
		})
	}
	wg.Wait()
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches for 50 logins, want 1", n)
	}
}

// TestSourceRefreshes: a login never waits for a refresh, a failed one leaves the last good copy, for a week.
func TestSourceRefreshes(t *testing.T) {
	idp := idptest.NewSAML(t, idptest.SAMLOptions{})
	p, s, c := testSource(t, string(idp.Metadata()))
	if _, err := s.get(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.add(59 * time.Minute)
	s.get(t.Context())
	s.settled()
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches within the hour, want 1", n)
	}
	c.add(2 * time.Minute)
	p.document.Store(nil)
	if _, err := s.get(t.Context()); err != nil {
		t.Errorf("get with the address down = %v, want the last good copy", err)
	}
	s.settled()
	if n := p.fetches.Load(); n < 2 {
		t.Errorf("%d fetches after the hour, want another", n)
	}
	c.add(6 * 24 * time.Hour)
	if _, err := s.get(t.Context()); err != nil {
		t.Errorf("get after 6 days down = %v, want the last good copy", err)
	}
	s.settled()
	c.add(24 * time.Hour)
	_, err := s.get(t.Context())
	wantUpstream(t, err)
	p.set(string(idp.Metadata()))
	c.add(longestPause)
	if _, err := s.get(t.Context()); err != nil {
		t.Errorf("get when it is back = %v", err)
	}
}

func TestSourceFollowsNewKeys(t *testing.T) {
	before, after := idptest.NewSAML(t, idptest.SAMLOptions{}), idptest.NewSAML(t, idptest.SAMLOptions{Name: "New"})
	p, s, c := testSource(t, string(before.Metadata()))
	first, err := s.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.set(strings.ReplaceAll(string(after.Metadata()), after.EntityID, before.EntityID))
	c.add(61 * time.Minute)
	s.get(t.Context())
	s.settled()
	second, err := s.get(t.Context())
	if err != nil || sameCertificates(first, second) {
		t.Errorf("get = %v with the same certificates, want the new ones", err)
	}

	// Another entity ID at the same address is another identity provider: it is not taken (S-174).
	p.set(string(after.Metadata()))
	c.add(61 * time.Minute)
	s.get(t.Context())
	s.settled()
	if third, err := s.get(t.Context()); err != nil || third.entityID != before.EntityID {
		t.Errorf("get = %v, want the entity ID of before", err)
	}
}

func TestSourceRefuses(t *testing.T) {
	idp := idptest.NewSAML(t, idptest.SAMLOptions{})
	good := string(idp.Metadata())
	for name, document := range map[string]string{
		"20 MB (S-172)":           good + strings.Repeat(" ", 20<<20),
		"past validUntil (S-173)": strings.Replace(good, "entityID=", `validUntil="2020-01-01T00:00:00Z" entityID=`, 1),
		"javascript: (S-176)":     strings.ReplaceAll(good, `Location="`+idp.URL+`/sso"`, `Location="javascript:alert(1)"`),
		"data: (S-176)":           strings.ReplaceAll(good, `Location="`+idp.URL+`/sso"`, `Location="data:text/html,x"`),
		"plain http":              strings.ReplaceAll(good, `Location="`+idp.URL+`/sso"`, `Location="http://idp.example/sso"`),
		"encryption only (S-179)": strings.ReplaceAll(good, `use="signing"`, `use="encryption"`),
		"no keys":                 strings.ReplaceAll(strings.ReplaceAll(good, "KeyDescriptor", "x"), "IDPSSODescriptor>", "IDPSSODescriptor>"),
		"a document type":         `<!DOCTYPE x>` + good,
		"a service provider":      strings.ReplaceAll(good, "IDPSSODescriptor", "SPSSODescriptor"),
		"HTML":                    "<html><body>Not found</body></html>",
		"nothing":                 "",
		"two identity providers":  `<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata">` + good + strings.Replace(good, idp.EntityID, "https://b.example", 1) + `</EntitiesDescriptor>`,
	} {
		_, s, _ := testSource(t, document)
		_, err := s.get(t.Context())
		t.Run(name, func(t *testing.T) { wantUpstream(t, err) })
	}
}

func TestSourceTakes(t *testing.T) {
	idp := idptest.NewSAML(t, idptest.SAMLOptions{})
	good := string(idp.Metadata())
	group := func(attrs string, documents ...string) string {
		return `<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"` + attrs + `>` + strings.Join(documents, "") + `</EntitiesDescriptor>`
	}
	second := strings.Replace(good, idp.EntityID, "https://b.example", 1)
	for name, document := range map[string]string{
		"one of two by its entity ID": group("", group("", good), second),
		"comment and declaration":     `<?xml version="1.0" encoding="UTF-8"?><!-- ours -->` + good,
		"keys without a use":          strings.ReplaceAll(good, ` use="signing"`, ""),
		"a broken certificate beside": strings.Replace(good, `<KeyDescriptor use="signing">`, `<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>AAAA</X509Certificate></X509Data></KeyInfo></KeyDescriptor><KeyDescriptor use="signing">`, 1),
	} {
		_, s, _ := testSource(t, document)
		s.entityID = idp.EntityID
		if got, err := s.get(t.Context()); err != nil || got.entityID != idp.EntityID || len(got.certs) != 2 {
			t.Errorf("%s: get = %+v, %v", name, got, err)
		}
	}
	// A whole federation's validity holds for each of its members.
	_, s, _ := testSource(t, group(` validUntil="2020-01-01T00:00:00Z"`, good))
	_, err := s.get(t.Context())
	wantUpstream(t, err)
}

// TestSourceExpires: validUntil and cacheDuration are kept to while running, too.
func TestSourceExpires(t *testing.T) {
	idp := idptest.NewSAML(t, idptest.SAMLOptions{})
	until := time.Now().Add(90 * time.Minute).UTC().Format(time.RFC3339)
	p, s, c := testSource(t, strings.Replace(string(idp.Metadata()), "entityID=", `cacheDuration="PT10M" validUntil="`+until+`" entityID=`, 1))
	if _, err := s.get(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.add(11 * time.Minute)
	s.get(t.Context())
	s.settled()
	if n := p.fetches.Load(); n != 2 {
		t.Errorf("%d fetches after cacheDuration, want 2", n)
	}
	p.document.Store(nil)
	c.add(80 * time.Minute)
	_, err := s.get(t.Context())
	wantUpstream(t, err)
}

// TestSourcePauses: an upstream that is down is not asked by every login.
func TestSourcePauses(t *testing.T) {
	p, s, c := testSource(t, "")
	p.document.Store(nil)
	fetches := func() int32 {
		before := p.fetches.Load()
		for range 5 {
			_, err := s.get(t.Context())
			wantUpstream(t, err)
		}
		return p.fetches.Load() - before
	}
	if n := fetches(); n < 1 || n > 2 { // Go's client tries a dropped connection twice
		t.Fatalf("%d fetches at first, want one", n)
	}
	for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
		c.add(pause - time.Millisecond)
		if n := fetches(); n != 0 {
			t.Errorf("%d fetches before %s are over, want none", n, pause)
		}
		c.add(time.Millisecond)
		if n := fetches(); n < 1 || n > 2 {
			t.Errorf("%d fetches after %s, want one", n, pause)
		}
	}
	idp := idptest.NewSAML(t, idptest.SAMLOptions{})
	p.set(string(idp.Metadata()))
	c.add(longestPause)
	if _, err := s.get(t.Context()); err != nil {
		t.Errorf("get when it is up = %v", err)
	}
}

// TestSourceKeepsForAtLeast: metadata that wants to be fetched each second is fetched each five minutes, and
// what a whole federation says holds for each of its members.
func TestSourceKeepsForAtLeast(t *testing.T) {
	idp := idptest.NewSAML(t, idptest.SAMLOptions{})
	for attrs, want := range map[string]time.Duration{
		`cacheDuration="PT1S"`: 5 * time.Minute, `cacheDuration="P30D"`: 24 * time.Hour, `cacheDuration="PT2H"`: 2 * time.Hour, ``: time.Hour,
	} {
		for _, grouped := range []bool{false, true} {
			document := strings.Replace(string(idp.Metadata()), "entityID=", attrs+" entityID=", 1)
			if grouped {
				document = `<EntitiesDescriptor xmlns="` + nsMetadata + `" ` + attrs + `>` + string(idp.Metadata()) + `</EntitiesDescriptor>`
			}
			p, s, c := testSource(t, document)
			for _, step := range []struct {
				after   time.Duration
				fetches int32
			}{{0, 1}, {want - time.Second, 1}, {2 * time.Second, 2}} {
				c.add(step.after)
				if _, err := s.get(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.settled()
				if n := p.fetches.Load(); n != step.fetches {
					t.Errorf("%s grouped=%v: %d fetches after %s more, want %d", attrs, grouped, n, step.after, step.fetches)
				}
			}
		}
	}
}

// TestSourceOverlap (S-178): a certificate that leaves the metadata is told of in the log, and taken for a while.
func TestSourceOverlap(t *testing.T) {
	before, after := idptest.NewSAML(t, idptest.SAMLOptions{}), idptest.NewSAML(t, idptest.SAMLOptions{Name: "New"})
	p, s, c := testSource(t, string(before.Metadata()))
	var log strings.Builder
	s.env.Log = slog.New(slog.NewTextHandler(&log, nil))
	s.overlap = 90 * time.Minute
	first, err := s.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refreshed := func(document string) *identityProvider {
		t.Helper()
		p.set(document)
		c.add(61 * time.Minute)
		s.get(t.Context())
		s.settled()
		idp, err := s.get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return idp
	}
	second := strings.ReplaceAll(string(after.Metadata()), after.EntityID, before.EntityID)
	got := refreshed(second)
	if n := len(got.certs); n != 4 {
		t.Errorf("%d certificates after the change, want the 2 old ones beside the 2 new ones", n)
	}
	for _, f := range append(fingerprints(first.certs), fingerprints(got.certs)...) {
		if !strings.Contains(log.String(), f) {
			t.Errorf("the log does not name %s: %s", f, log.String())
		}
	}
	log.Reset()
	if n := len(refreshed(second).certs); n != 4 || log.Len() > 0 && strings.Contains(log.String(), "changed") {
		t.Errorf("%d certificates an hour later, want 4, and no further word: %s", n, log.String())
	}
	c.add(30 * time.Minute)
	got, err = s.get(t.Context())
	if err != nil || len(got.certs) != 2 || sameCertificates(got, first) {
		t.Errorf("after the overlap: %d certificates (%v), want the 2 new ones", len(got.certs), err)
	}
	if got = refreshed(string(before.Metadata())); len(got.certs) != 4 {
		t.Errorf("%d certificates after the change back, want 4", len(got.certs))
	}
	if got = refreshed(string(before.Metadata())); len(got.certs) != 4 {
		t.Errorf("%d certificates after an hour, want 4", len(got.certs))
	}
	c.add(time.Hour)
	if got, err = s.get(t.Context()); err != nil || !sameCertificates(got, first) {
		t.Errorf("%d certificates (%v), want those of the beginning", len(got.certs), err)
	}
}

// TestNewKeyIsFetched: an identity provider that signs with a key of today is known without a wait; strangers
// who sign with their own do not cause more than one more fetch each minute.
func TestNewKeyIsFetched(t *testing.T) {
	b := openTest(t, nil)
	moved := idptest.NewSAML(t, idptest.SAMLOptions{Name: "Moved", Now: b.now})
	old := strings.ReplaceAll(string(moved.Metadata()), moved.EntityID, b.idp.EntityID)
	p := publish(t, strings.ReplaceAll(old, moved.URL, b.idp.URL))
	c := &clock{t: time.Now()}
	b.now = c.now
	b.p = openConfig(t, testEnv("initech", c.now), func(c *Config) { c.MetadataURL = p.URL })
	attempt, sent := b.begin(t, providers.Attempt{})
	reply := b.answer(t, sent, nil)
	for range 5 {
		_, err := b.p.Continue(t.Context(), attempt, reply)
		wantReason(t, err, "sig_untrusted")
	}
	if n := p.fetches.Load(); n != 2 {
		t.Errorf("%d fetches within a minute, want 2", n)
	}
	p.set(string(b.idp.Metadata()))
	c.add(renewAfter)
	if _, err := b.p.Continue(t.Context(), attempt, reply); err != nil {
		t.Errorf("Continue = %v, want the new key to be found", err)
	}
	if n := p.fetches.Load(); n != 3 {
		t.Errorf("%d fetches, want 3", n)
	}
}

// TestKeyChangesRightAfterAFetch: a login is not refused because the metadata without its key is young.
func TestKeyChangesRightAfterAFetch(t *testing.T) {
	b := openTest(t, nil)
	moved := idptest.NewSAML(t, idptest.SAMLOptions{Name: "Moved", Now: b.now})
	old := strings.ReplaceAll(string(moved.Metadata()), moved.EntityID, b.idp.EntityID)
	p := publish(t, strings.ReplaceAll(old, moved.URL, b.idp.URL))
	b.p = openConfig(t, testEnv("initech", b.now), func(c *Config) { c.MetadataURL = p.URL })
	attempt, sent := b.begin(t, providers.Attempt{})
	p.set(string(b.idp.Metadata()))
	if _, err := b.p.Continue(t.Context(), attempt, b.answer(t, sent, nil)); err != nil {
		t.Errorf("Continue = %v, want the new key to be found", err)
	}
}

func sameCertificates(a, b *identityProvider) bool {
	return slices.Equal(slices.Sorted(slices.Values(fingerprints(a.certs))), slices.Sorted(slices.Values(fingerprints(b.certs))))
}

// TestSourceForgetsCertificates: an identity provider that has other certificates each time does not make
// every message be tried with all of them.
func TestSourceForgetsCertificates(t *testing.T) {
	_, s, c := testSource(t, "")
	has := func(name string) bool {
		return slices.ContainsFunc(s.kept.certs, func(c *x509.Certificate) bool { return string(c.Raw) == name })
	}
	const rounds = 10 * maxCertificates
	for i := range rounds {
		s.replace(&identityProvider{entityID: "https://b.example", certs: []*x509.Certificate{{Raw: []byte(strconv.Itoa(i))}}}, c.now())
	}
	if n := len(s.kept.certs); n > 2*maxCertificates {
		t.Errorf("%d certificates are taken", n)
	}
	if !has(strconv.Itoa(rounds-1)) || !has(strconv.Itoa(rounds-2)) || has("0") {
		t.Error("not the newest and those just before it are taken")
	}
}
