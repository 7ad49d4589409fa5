package saml

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
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
	return p, &source{env: testEnv("initech", c.now), url: p.URL}, c
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

// TestSourceRefreshes: a login never waits for a refresh, a failed one leaves the last good copy, for a day.
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
	c.add(22 * time.Hour)
	if _, err := s.get(t.Context()); err != nil {
		t.Errorf("get after 23 hours down = %v, want the last good copy", err)
	}
	s.settled()
	c.add(2 * time.Hour)
	_, err := s.get(t.Context())
	wantUpstream(t, err)
	p.set(string(idp.Metadata()))
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
