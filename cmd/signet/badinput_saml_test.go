package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/internal/idptest"
)

const acs = "/saml/initech/acs"

// samlRows are what comes to the assertion consumer service: the whole catalogue, and what a catalogue of
// Responses cannot have.
func samlRows() []row {
	var rows []row
	for i := range idptest.SAMLRows {
		rows = append(rows, samlRow(&idptest.SAMLRows[i]))
	}
	for _, more := range [][]row{acsRows(), samlConfigRows(), samlBrowserRows(), samlTenantRows(), samlUserRows(), relayStateRows(), samlMetadataRows(), samlEncryptionRows()} {
		rows = append(rows, more...)
	}
	return rows
}

// number is the id of a catalogue's row without the letter that tells its inputs apart.
func number(id string) string { return strings.TrimRight(id, "abcdefghijklmnopqrstuvwxyz") }

// samlRow sends a Response of the catalogue twice: across sites, as most browsers do, without the cookie of
// the browser that has begun the login, and then with it.
func samlRow(s *idptest.SAMLRow) row {
	r := row{id: number(s.ID), name: s.ID + ": " + s.Name, control: s.Control, status: http.StatusBadRequest, reason: s.Reason, event: s.Reason, harsh: s.Fast && !s.Control}
	if s.ID == "S-72c" || s.ID == "S-83b" { // as a form, it is more than is read
		r.status, r.reason, r.event = http.StatusRequestEntityTooLarge, "too_large", "too_large"
	}
	wish := url.Values{"provider": {"initech"}}
	if s.Forced {
		wish.Set("prompt", "login")
	}
	if s.Control {
		r.status = http.StatusSeeOther
		r.do = func(w *trial) *page {
			b := w.browser()
			return w.welcome(b.get(b.atInitech(b.authorize(webApp, wish), s).location.String()))
		}
		return r
	}
	r.do = func(w *trial) *page {
		b := w.browser()
		form := w.answer(b.authorize(webApp, wish), s)
		send := func() *page { return w.crossSite(acs, form) }
		if s.Fast {
			send = func() *page {
				return w.within(slowed(200*time.Millisecond), func() *page { return w.crossSite(acs, form) })
			}
		}
		r.refused(w, send())
		return w.noted(b.post(acs, form))
	}
	return r
}

// slowed is a time with what the race detector costs. The clock runs on while others have the processor;
// the tests of package saml hold each of these rows to 50 ms of processor time.
func slowed(d time.Duration) time.Duration {
	if raceEnabled {
		d *= 5
	}
	return d
}

// welcome is the answer of a login that has to end in the app.
func (w *trial) welcome(p *page) *page {
	w.t.Helper()
	if !p.toApp() || p.location.Query().Get("code") == "" {
		w.t.Errorf("no code for the app: %v", p)
	}
	return p
}

// refused checks an answer that is not the row's last.
func (r row) refused(w *trial, p *page) {
	w.t.Helper()
	r.check(w, w.noted(p))
}

// noted checks that a refusal has left one event behind, and tells the browser nothing of what was sent.
func (w *trial) noted(p *page) *page {
	w.t.Helper()
	var n int
	if err := w.db().QueryRow("SELECT count(*) FROM events WHERE request_id = ?", p.header.Get("X-Request-Id")).Scan(&n); err != nil || n != 1 {
		w.t.Errorf("%d events (%v), want 1: %v", n, err, p)
	}
	if p.location != nil {
		w.t.Errorf("sends the browser on: %v", p)
	}
	for _, s := range []string{"SECRET", "<script>alert", "evil.example", "evil.test"} {
		if strings.Contains(p.body, s) {
			w.t.Errorf("the page repeats %q", s)
		}
	}
	return p
}

// answer is the form by which initech answers the request that a page sends the browser with.
func (w *trial) answer(p *page, s *idptest.SAMLRow) url.Values {
	w.t.Helper()
	form, err := w.initech.AnswerURL(p.location.String(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	return form
}

// altered is an answer that is honest but for one thing.
func altered(alter func(*idptest.Answer)) *idptest.SAMLRow { return &idptest.SAMLRow{Alter: alter} }

// atSAML begins a login at initech in a new browser and has it answered.
func (w *trial) atSAML(s *idptest.SAMLRow) (*browser, url.Values) {
	w.t.Helper()
	b := w.browser()
	return b, w.answer(b.authorize(webApp, url.Values{"provider": {"initech"}}), s)
}

// crossSite posts a form from a page of another site: without Lax cookies.
func (w *trial) crossSite(path string, form url.Values) *page {
	w.t.Helper()
	b := w.browser()
	b.header = http.Header{"Origin": {w.initech.URL}, "Sec-Fetch-Site": {"cross-site"}}
	return b.post(path, form)
}

// acsRows are requests that no form with a Response is.
func acsRows() []row {
	sends := func(id, name string, status int, reason string, alter func(*http.Request, url.Values) *http.Request) row {
		r := row{id: id, name: name, status: status, reason: reason, event: reason, harsh: true}
		r.do = func(w *trial) *page {
			b, form := w.atSAML(nil)
			req := b.request(http.MethodPost, acs, form.Encode())
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return w.noted(b.do(alter(req, form)))
		}
		return r
	}
	sized := func(n int) func(*http.Request, url.Values) *http.Request {
		return func(req *http.Request, form url.Values) *http.Request {
			text := "x=&" + form.Encode()
			return resent(req, "x="+strings.Repeat("A", n-len(text))+text[2:])
		}
	}
	header := func(name, value string) func(*http.Request, url.Values) *http.Request {
		return func(req *http.Request, _ url.Values) *http.Request { req.Header.Set(name, value); return req }
	}
	return []row{
		{id: "S-48", name: "a Response at the logout endpoint", status: http.StatusBadRequest, reason: "wrong_type", do: func(w *trial) *page {
			_, form := w.atSAML(nil)
			return w.crossSite("/saml/initech/slo", form)
		}},
		{id: "S-62", name: "nothing was fetched because of a document", do: func(w *trial) *page {
			if n := w.initech.Probes(); n != 0 {
				w.t.Errorf("%d requests, want none", n)
			}
			return nil
		}},
		{id: "S-76", name: "a Response in the address of a GET", status: http.StatusMethodNotAllowed, reason: "method_not_allowed", do: func(w *trial) *page {
			b, form := w.atSAML(nil)
			p := b.get(acs + "?" + form.Encode())
			if p.header.Get("Allow") != http.MethodPost {
				w.t.Errorf("Allow = %q", p.header.Get("Allow"))
			}
			return p
		}},
		sends("S-72", "a million '=' as they are", http.StatusBadRequest, "malformed", func(req *http.Request, form url.Values) *http.Request {
			return resent(req, "RelayState="+form.Get("RelayState")+"&SAMLResponse="+strings.Repeat("=", 1_000_000))
		}),
		sends("S-76", "a Response in the address of a POST", http.StatusBadRequest, "unsolicited", func(req *http.Request, form url.Values) *http.Request {
			req.URL.RawQuery = form.Encode()
			return resent(req, "")
		}),
		sends("S-83", "a form of one byte too many", http.StatusRequestEntityTooLarge, "too_large", sized(1<<20+1)),
		{id: "S-83", name: "a form of just the most bytes", control: true, status: http.StatusSeeOther, do: func(w *trial) *page {
			b, form := w.atSAML(nil)
			req := b.request(http.MethodPost, acs, "")
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return w.welcome(b.do(sized(1<<20)(req, form)))
		}},
		sends("S-84", "a gzipped form", http.StatusUnsupportedMediaType, "encoding_unsupported", header("Content-Encoding", "gzip")),
		sends("S-84", "a form in another type", http.StatusBadRequest, "invalid_request", header("Content-Type", "text/plain")),
		sends("S-84", "a form without a type", http.StatusBadRequest, "invalid_request", header("Content-Type", "")),
		{id: "S-97", name: "the address of another host in the request line", status: http.StatusMisdirectedRequest, reason: "misdirected", do: func(w *trial) *page {
			b, form := w.atSAML(altered(func(a *idptest.Answer) { a.Response.CreateAttr("Destination", "http://other.example"+acs) }))
			us, err := url.Parse(w.URL)
			if err != nil {
				w.t.Fatal(err)
			}
			b.client.Transport = &http.Transport{Proxy: http.ProxyURL(us), DisableKeepAlives: true} // to a proxy, clients write the whole address
			return b.post("http://other.example"+acs, form)
		}},
	}
}

// resent is a request with another body.
func resent(req *http.Request, body string) *http.Request {
	again, err := http.NewRequest(req.Method, req.URL.String(), strings.NewReader(body))
	if err != nil {
		panic(err) // the address was good before
	}
	again.Header = req.Header
	return again
}

// samlConfigRows are configurations that would let somebody in who should not be.
func samlConfigRows() []row {
	const initech = "{id: initech, kind: saml, name: Initech, metadata_url: "
	faulty := func(id, name, key string, more func(w *trial) string) row {
		return row{id: id, name: name, do: func(w *trial) *page {
			start := strings.Index(w.config, initech)
			end := start + strings.Index(w.config[start:], "}")
			text := w.config[:start] + "{id: initech, kind: saml, name: Initech, " + more(w) + w.config[end:]
			if !faultyProvider(w.t, text, "providers.2."+key) {
				w.t.Error("may be configured")
			}
			return nil
		}}
	}
	byHand := func(cert func() []byte) func(*trial) string {
		return func(*trial) string {
			return `entity_id: x, sso_url: "https://idp.example", certificates: [` + strconv.Quote(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert()}))) + `]`
		}
	}
	inMetadata := func(cert func() []byte) func(*trial) string {
		return func(w *trial) string {
			weak := "<X509Certificate>" + base64.StdEncoding.EncodeToString(cert()) + "<"
			return "metadata: " + strconv.Quote(regexp.MustCompile("<X509Certificate>[^<]*<").ReplaceAllString(string(w.initech.Metadata()), weak))
		}
	}
	return []row{
		faulty("S-16", "RSA of 1024 bits", "certificates.0", byHand(weakRSA)),
		faulty("S-16", "P-224", "certificates.0", byHand(weakEC)),
		faulty("S-16", "RSA of 1024 bits in metadata", "metadata", inMetadata(weakRSA)),
		faulty("S-16", "P-224 in metadata", "metadata", inMetadata(weakEC)),
		{id: "S-16", name: "P-256 in metadata", control: true, do: func(w *trial) *page {
			if faultyProvider(w.t, w.config, "providers") {
				w.t.Error("is refused")
			}
			return nil
		}},
		faulty("S-126", "a transient NameID that names people", "name_id_format", func(w *trial) string {
			return `metadata_url: "https://idp.example", name_id_format: "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"`
		}),
	}
}

// faultyProvider tells whether a configuration is refused because of a key of a provider.
func faultyProvider(t testing.TB, text, key string) bool {
	t.Helper()
	cfg, err := config.Load(writeConfig(t, text))
	if err != nil {
		t.Fatal(err)
	}
	_, faults := prepare(cfg, nil)
	return len(faults) > 0 && strings.Contains(faults.Error(), key)
}

func weakRSA() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err) // no randomness
	}
	return certificateOf(key)
}

func weakEC() []byte {
	key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return certificateOf(key)
}

func certificateOf(key crypto.Signer) []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err) // the template is wrong
	}
	return der
}
