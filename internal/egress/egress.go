// Package egress is the one way out of Signet: an HTTP client for hosts that may be slow, broken or hostile.
//
// What it holds against each of them: a hang and a drip (one deadline for the whole exchange), a body or
// header without end and a compressed bomb (limits after decompression), a redirect to an internal host
// (none is followed), plain text on the network (https only, except on loopback), and addresses that only
// something inside can reach, such as a cloud's metadata service (refused when dialled, so that a name
// that changes its address is caught as well).
package egress

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// What a caller may tell apart with errors.Is.
var (
	ErrTooLarge = errors.New("response is too large")
	ErrScheme   = errors.New("only https leaves this machine")
	ErrAddress  = errors.New("address may not be dialled")
)

// Options are the limits of a client; each zero value stands for the default.
type Options struct {
	Timeout    time.Duration  // of an exchange from dialling to the last byte; 8 s
	Dial       time.Duration  // of connecting, and again of the TLS handshake; 3 s
	MaxBody    int64          // bytes of a response's body after decompression; 1 MiB
	MaxHeader  int64          // bytes of a response's header; 64 KiB
	PerHost    int            // connections to one host; 128
	Roots      *x509.CertPool // who is trusted; nil: the system
	PublicOnly bool           // refuse loopback and private addresses too
	Allow      []netip.Prefix // with PublicOnly: what may be dialled all the same
	// Route is what is dialled instead of a host and port, for tests that play an upstream under its own name.
	Route map[string]string
}

func (o Options) withDefaults() Options {
	set(&o.Timeout, 8*time.Second)
	set(&o.Dial, 3*time.Second)
	set(&o.MaxBody, 1<<20)
	set(&o.MaxHeader, 64<<10)
	set(&o.PerHost, 128)
	return o
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Client returns a client within opts. It follows no redirect (the 3xx is the response), keeps no cookies
// and uses no proxy. It is for the life of the program: each has its own connections.
func Client(opts Options) *http.Client {
	opts = opts.withDefaults()
	return &http.Client{
		Transport: &transport{
			max:     opts.MaxBody,
			timeout: opts.Timeout,
			https:   opts.transport(opts.mayDial),
			plain:   opts.transport(opts.mayDialPlain),
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport is a connection pool whose every connection has been allowed by may.
func (o Options) transport(may func(netip.Addr) error) *http.Transport {
	dialer := &net.Dialer{
		Timeout: o.Dial,
		// Asked with the address that is really connected to, after the name was resolved: checking a name
		// before leaves time for it to change (DNS rebinding).
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("%w: %s", ErrAddress, address)
			}
			return may(ap.Addr().Unmap())
		},
	}
	dial := dialer.DialContext
	if o.Route != nil {
		dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, cmp.Or(o.Route[address], address))
		}
	}
	return &http.Transport{
		Proxy:                  nil, // an HTTPS_PROXY left in the environment must not see logins
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout:    o.Dial,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 3 * time.Second},
		MaxResponseHeaderBytes: o.MaxHeader,
		MaxConnsPerHost:        o.PerHost,
		MaxIdleConnsPerHost:    o.PerHost,
		MaxIdleConns:           1024,
		IdleConnTimeout:        90 * time.Second,
	}
}

// May tells whether an address may be dialled with TLS: nil, or ErrAddress.
func (o Options) May(addr netip.Addr) error { return o.mayDial(addr.Unmap()) }

func (o Options) mayDial(addr netip.Addr) error {
	// Never an upstream, and the first aim of a forged request: 169.254.169.254 and its like.
	if addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() || addr == awsMetadata6 {
		return fmt.Errorf("%w: %s", ErrAddress, addr)
	}
	if o.PublicOnly && !public(addr) && !within(addr, o.Allow) {
		return fmt.Errorf("%w: %s is not public", ErrAddress, addr)
	}
	return nil
}

var (
	awsMetadata6 = netip.MustParseAddr("fd00:ec2::254")
	// Not public though Go's IsPrivate does not name them: shared (RFC 6598), this network, IETF,
	// benchmarks, reserved, IPv6 ranges that carry an IPv4 address (NAT64, 6to4, Teredo, and what once was its
	// own form), and site-local ones.
	notPublic = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4",
		"64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "fec0::/10")
)

func prefixes(cidrs ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, c := range cidrs {
		list = append(list, netip.MustParsePrefix(c))
	}
	return list
}

func public(addr netip.Addr) bool {
	if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.IsLoopback() {
		return false
	}
	return !within(addr, notPublic)
}

func within(addr netip.Addr, prefixes []netip.Prefix) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// mayDialPlain is for plain http: whatever "localhost" resolves to, nothing unencrypted leaves.
func (o Options) mayDialPlain(addr netip.Addr) error {
	if !addr.IsLoopback() {
		return fmt.Errorf("%w: %s without TLS", ErrAddress, addr)
	}
	return o.mayDial(addr)
}

// Loopback tells whether a URL's host names this machine: localhost, or a loopback address.
func Loopback(u *url.URL) bool {
	host := u.Hostname()
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
