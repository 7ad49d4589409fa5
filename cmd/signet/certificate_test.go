package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	pinnedApp = "pinned" // self_signed_tls_client_auth
	namedApp  = "named"  // tls_client_auth by its subject
	sanApp    = "san"    // tls_client_auth by a DNS name
)

// party is somebody with a certificate.
type party struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// certify makes a certificate of by; nil: its own.
func certify(t testing.TB, name string, by *party, change func(*x509.Certificate)) *party {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name, Organization: []string{"Acme"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &party{c, key}
}

func (p *party) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Raw}))
}

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
}

// certified are the certificates of a test.
type certified struct{ ca, pinned, named, san, stranger, impostor, server, old *party }

func newCertified(t testing.TB) *certified {
	ca, evil := certify(t, "Acme CA", nil, authority), certify(t, "Acme CA", nil, authority)
	return &certified{
		ca: ca, pinned: certify(t, "pinned", nil, nil), stranger: certify(t, "pinned", nil, nil),
		named: certify(t, "named", ca, nil), impostor: certify(t, "named", evil, nil),
		san:    certify(t, "x", ca, func(c *x509.Certificate) { c.DNSNames = []string{"san.acme.example"} }),
		server: certify(t, "named", ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
		old:    certify(t, "named", ca, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
	}
}

// config adds apps that prove themselves by them; more is put on top.
func (c *certified) config(t testing.TB, more string) func(string) string {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	uris := "redirect_uris: [" + callbackURI + "]"
	apps := "client_ca_file: " + write("ca.pem", c.ca.pem()) + "\n" + more + "apps:\n" +
		"  - {id: " + pinnedApp + ", auth: self_signed_tls_client_auth, " + uris + ", certificate_files: [" + write("pinned.pem", c.pinned.pem()) + "]}\n" +
		"  - {id: " + namedApp + ", auth: tls_client_auth, " + uris + ", certificate: {dn: 'CN=named,O=Acme'}}\n" +
		"  - {id: " + sanApp + ", auth: tls_client_auth, " + uris + ", certificate: {dns: san.acme.example}}\n"
	return func(text string) string { return strings.Replace(text, "apps:\n", apps, 1) }
}

// certifiedCases say who may prove to be whom.
func (c *certified) cases() map[string]struct {
	app  string
	by   *party
	good bool
} {
	type one = struct {
		app  string
		by   *party
		good bool
	}
	return map[string]one{
		"its own certificate": {pinnedApp, c.pinned, true}, "one of the same name": {pinnedApp, c.stranger, false},
		"one of another app": {pinnedApp, c.named, false}, "none": {pinnedApp, nil, false},
		"its name by the authority": {namedApp, c.named, true}, "its name by another authority": {namedApp, c.impostor, false},
		"another name by the authority": {namedApp, c.san, false}, "its name by itself": {namedApp, c.pinned, false},
		"its name, for servers": {namedApp, c.server, false}, "its name, expired": {namedApp, c.old, false}, "none of the authority": {namedApp, nil, false},
		"its DNS name by the authority": {sanApp, c.san, true}, "another DNS name": {sanApp, c.named, false},
	}
}

var certifiedForm = url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}

// An app that has proven itself is told that its refresh token is none.
func (w *trial) certifiedAs(name string, p *page, good bool) {
	w.t.Helper()
	want := map[bool]string{true: "invalid_grant", false: "invalid_client"}[good]
	if got := w.reason(p); got != want {
		w.t.Errorf("%s: %q, want %q", name, got, want)
	}
}

func TestAppsProveThemselvesByCertificatesInTLS(t *testing.T) {
	c := newCertified(t)
	lender := certify(t, "server", nil, nil)
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(lender.key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: lender.Raw}, "key.pem": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := &trial{world: newWorld(t, c.config(t, "tls: {cert_file: "+dir+"/cert.pem, key_file: "+dir+"/key.pem}\n"))}
	addr, roots := w.serveTLS()
	for name, one := range c.cases() {
		conf := &tls.Config{RootCAs: roots, ServerName: "example.com"}
		if one.by != nil {
			pair := &tls.Certificate{Certificate: [][]byte{one.by.Raw}, PrivateKey: one.by.key}
			conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
		}
		b := w.browser()
		transport := &http.Transport{TLSClientConfig: conf}
		b.client.Transport = transport
		form := url.Values{"client_id": {one.app}, "grant_type": certifiedForm["grant_type"], "refresh_token": certifiedForm["refresh_token"]}
		req := b.request(http.MethodPost, "https://"+addr+"/token", form.Encode())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Host = strings.TrimPrefix(w.URL, "http://")
		w.certifiedAs(name, b.do(req), one.good)
		transport.CloseIdleConnections()
	}
}

// P-76: a header is a word, unless a trusted proxy says it.
func TestAppsProveThemselvesByCertificatesAtAProxy(t *testing.T) {
	c := newCertified(t)
	w := &trial{world: newWorld(t, c.config(t, "trusted_proxies: [127.0.0.2]\nclient_certificate_header: X-Client-Cert\n"))}
	send := func(from, app string, headers ...string) *page {
		b := w.from(from)
		b.header["X-Client-Cert"] = headers
		return b.post("/token", url.Values{"client_id": {app}, "grant_type": certifiedForm["grant_type"], "refresh_token": certifiedForm["refresh_token"]})
	}
	for name, one := range c.cases() {
		var headers []string
		if one.by != nil {
			headers = []string{url.PathEscape(one.by.pem())}
		}
		w.certifiedAs(name, send("127.0.0.2", one.app, headers...), one.good)
		w.certifiedAs(name+", said by a stranger", send("127.0.0.1", one.app, headers...), false)
	}
	good := c.pinned.pem()
	for name, text := range map[string]string{
		"nginx": url.QueryEscape(strings.ReplaceAll(good, " ", "%20")), "Envoy": `Hash=ab;Cert="` + url.PathEscape(good) + `";Subject="CN=x"`,
		"RFC 9440": ":" + base64.StdEncoding.EncodeToString(c.pinned.Raw) + ":",
	} {
		if name == "nginx" {
			text = strings.ReplaceAll(url.QueryEscape(good), "+", "%20")
		}
		w.certifiedAs(name, send("127.0.0.2", pinnedApp, text), true)
	}
	escaped := url.PathEscape(good)
	for name, texts := range map[string][]string{
		"two headers": {escaped, escaped}, "no certificate": {"x"}, "half of one": {escaped[:len(escaped)/2]}, "two proxies": {`Cert="` + escaped + `",Cert="` + escaped + `"`},
		"a key": {url.PathEscape("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")}, "empty": {""},
	} {
		w.certifiedAs(name, send("127.0.0.2", pinnedApp, texts...), false)
	}
	// The name of the header with an underscore is another header.
	b := w.from("127.0.0.2")
	b.header["X_Client_Cert"] = []string{escaped}
	w.certifiedAs("underscores", b.post("/token", url.Values{"client_id": {pinnedApp}, "grant_type": {"refresh_token"}, "refresh_token": {"x"}}), false)
}
