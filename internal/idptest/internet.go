package idptest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

// Internet is a few hosts of the Internet on this machine, each under its own name and with a certificate of
// one authority, for upstreams whose addresses are fixed.
type Internet struct {
	Roots *x509.CertPool

	key    *ecdsa.PrivateKey
	ca     *x509.Certificate
	server *http.Server
	addr   string

	mu    sync.RWMutex
	hosts map[string]http.Handler
	certs map[string]*tls.Certificate
}

// StartInternet starts one without hosts.
func StartInternet() (*Internet, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	n := &Internet{Roots: x509.NewCertPool(), key: key, hosts: map[string]http.Handler{}, certs: map[string]*tls.Certificate{}}
	if n.ca, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	n.Roots.AddCert(n.ca)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n.addr = listener.Addr().String()
	n.server = &http.Server{
		Handler: n, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: n.certificate},
	}
	go n.server.ServeTLS(listener, "", "")
	return n, nil
}

// Close stops it.
func (n *Internet) Close() error { return n.server.Close() }

// Serve puts a host, e.g. "accounts.google.com", on it.
func (n *Internet) Serve(host string, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[host] = h
}

// Route says where the hosts are to be dialled, as egress.Options wants it.
func (n *Internet) Route() map[string]string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	route := map[string]string{}
	for host := range n.hosts {
		route[host+":443"] = n.addr
	}
	return route
}

// Client is a person's browser on it, which follows no redirect.
func (n *Internet) Client() *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: n.Roots},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, n.addr)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ServeHTTP hands a request to its host.
func (n *Internet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.RLock()
	h := n.hosts[r.Host]
	n.mu.RUnlock()
	if h == nil {
		http.NotFound(w, r)
		return
	}
	h.ServeHTTP(w, r)
}

func (n *Internet) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts[hello.ServerName] == nil {
		return nil, fmt.Errorf("no host %q", hello.ServerName)
	}
	if c := n.certs[hello.ServerName]; c != nil {
		return c, nil
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: hello.ServerName}, DNSNames: []string{hello.ServerName},
		NotBefore: n.ca.NotBefore, NotAfter: n.ca.NotAfter,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, n.ca, n.key.Public(), n.key)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: n.key}
	n.certs[hello.ServerName] = c
	return c, nil
}
