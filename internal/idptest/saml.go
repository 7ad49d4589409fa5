package idptest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	bignum "math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// SAMLOptions say what the fake is; the zero value will do.
type SAMLOptions struct {
	Addr   string   // where to listen; default 127.0.0.1 and a free port
	Name   string   // of the company, default Initech; those of one name sign with the same keys
	People []Person // default: three
	SignIn string   // the user name of the person who is signed in at once; "": a page asks
	// ServiceProvider returns the metadata of a service provider by its entity ID. Default: what answers
	// there, once for each.
	ServiceProvider func(ctx context.Context, entityID string) ([]byte, error)
	Now             func() time.Time
}

// SAML is a SAML 2.0 identity provider on loopback: /metadata, /sso and /slo. Honest by itself; Answer makes it
// whatever a row wants.
type SAML struct {
	URL      string
	EntityID string
	opts     SAMLOptions
	server   *http.Server
	key      keyPair // signs
	next     keyPair // is published beside it, as for a change of keys

	probes    atomic.Int32
	mu        sync.Mutex
	providers map[string][]byte // metadata by entity ID
	logouts   []SentLogout
}

// keyPair is a key with its certificate.
type keyPair struct {
	key  crypto.Signer
	cert []byte // DER
}

var initech = []Person{
	{Username: "peter", Name: "Peter Gibbons", Email: "peter@initech.example", Groups: []string{"engineering"}},
	{Username: "joanna", Name: "Joanna Reyes", Email: "joanna@initech.example", Groups: []string{"engineering", "admins"}},
	{Username: "milton", Name: "Milton Waddams", Email: "milton@initech.example", Groups: []string{"facilities"}},
}

// StartSAML starts a fake; Close ends it.
func StartSAML(opts SAMLOptions) (*SAML, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	if opts.Name == "" {
		opts.Name = "Initech"
	}
	if len(opts.People) == 0 {
		opts.People = initech
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	listener, err := net.Listen("tcp", opts.Addr)
	if err != nil {
		return nil, err
	}
	s := &SAML{URL: "http://" + listener.Addr().String(), opts: opts, providers: map[string][]byte{}}
	s.EntityID = s.URL + "/metadata"
	if s.key, s.next, err = keysOf(opts.Name); err != nil {
		listener.Close()
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metadata", s.metadata)
	mux.HandleFunc("GET /sso", s.sso)
	mux.HandleFunc("POST /sso", s.sso)
	mux.HandleFunc("POST /choose", s.choose)
	mux.HandleFunc("GET /slo", s.slo)
	mux.HandleFunc("POST /slo", s.slo)
	mux.HandleFunc("/dtd-probe", func(http.ResponseWriter, *http.Request) { s.probes.Add(1) })
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go s.server.Serve(listener)
	return s, nil
}

// Close stops the fake at once.
func (s *SAML) Close() error { return s.server.Close() }

// Probes is how often somebody fetched what only a document type of a row names: it must stay 0.
func (s *SAML) Probes() int { return int(s.probes.Load()) }

// TB is the part of testing.TB that NewSAML needs, so that the demo does not link package testing.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// NewSAML starts a fake that ends with the test.
func NewSAML(t TB, opts SAMLOptions) *SAML {
	t.Helper()
	s, err := StartSAML(opts)
	if err != nil {
		t.Fatalf("StartSAML = %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Metadata is the fake's own metadata.
func (s *SAML) Metadata() []byte {
	key := func(p keyPair) string {
		return `<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` +
			base64.StdEncoding.EncodeToString(p.cert) + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor>`
	}
	return []byte(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + s.EntityID + `">` +
		`<IDPSSODescriptor WantAuthnRequestsSigned="true" protocolSupportEnumeration="` + nsProtocol + `">` + key(s.next) + key(s.key) +
		`<SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="` + s.URL + `/slo"/>` +
		`<SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="` + s.URL + `/slo"/>` +
		`<NameIDFormat>` + formatPersistent + `</NameIDFormat>` +
		`<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="` + s.URL + `/sso"/>` +
		`<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="` + s.URL + `/sso"/>` +
		`</IDPSSODescriptor></EntityDescriptor>`)
}

// Certificate is what the fake signs with, DER.
func (s *SAML) Certificate() []byte { return s.key.cert }

func (s *SAML) metadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	w.Write(s.Metadata())
}

// serviceProvider is what the fake reads of a service provider's metadata.
type serviceProvider struct {
	EntityID string `xml:"entityID,attr"`
	Role     struct {
		Keys []struct {
			Use  string `xml:"use,attr"`
			Cert string `xml:"KeyInfo>X509Data>X509Certificate"`
		} `xml:"KeyDescriptor"`
		ACS []struct {
			Location string `xml:"Location,attr"`
		} `xml:"AssertionConsumerService"`
		SLO []struct {
			Location string `xml:"Location,attr"`
		} `xml:"SingleLogoutService"`
	} `xml:"SPSSODescriptor"`
}

func (s *SAML) serviceProvider(ctx context.Context, entityID string) (*serviceProvider, error) {
	s.mu.Lock()
	document := s.providers[entityID]
	s.mu.Unlock()
	if document == nil {
		fetch := s.opts.ServiceProvider
		if fetch == nil {
			fetch = fetchMetadata
		}
		var err error
		if document, err = fetch(ctx, entityID); err != nil {
			return nil, fmt.Errorf("metadata of the service provider: %w", err)
		}
		s.mu.Lock()
		s.providers[entityID] = document
		s.mu.Unlock()
	}
	var sp serviceProvider
	if err := xml.Unmarshal(document, &sp); err != nil {
		return nil, err
	}
	if sp.EntityID != entityID || len(sp.Role.ACS) == 0 {
		return nil, errors.New("metadata of another service provider")
	}
	return &sp, nil
}

func fetchMetadata(ctx context.Context, entityID string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, entityID, nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	return io.ReadAll(io.LimitReader(response.Body, 1<<20))
}

// keys returns the certificates that the service provider signs with.
func (sp *serviceProvider) keys() []*x509.Certificate {
	var certs []*x509.Certificate
	for _, k := range sp.Role.Keys {
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(k.Cert), ""))
		if err != nil || k.Use == "encryption" {
			continue
		}
		if cert, err := x509.ParseCertificate(der); err == nil {
			certs = append(certs, cert)
		}
	}
	return certs
}

var (
	companiesMu sync.Mutex
	companies   = map[string][2]keyPair{}
)

// keysOf returns a company's keys. Making them is slow: fakes of one name share theirs.
func keysOf(name string) (key, next keyPair, err error) {
	companiesMu.Lock()
	defer companiesMu.Unlock()
	if known, ok := companies[name]; ok {
		return known[0], known[1], nil
	}
	if key, err = newRSA(name); err == nil {
		next, err = newEC(name)
	}
	if err == nil {
		companies[name] = [2]keyPair{key, next}
	}
	return key, next, err
}

func newRSA(name string) (keyPair, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return keyPair{}, err
	}
	return certify(name, key)
}

func newEC(name string) (keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keyPair{}, err
	}
	return certify(name, key)
}

// certify makes a self-signed certificate. All of one name have the same subject and serial number.
func certify(name string, key crypto.Signer) (keyPair, error) {
	template := &x509.Certificate{
		SerialNumber: bignum.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return keyPair{key, der}, err
}
