package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/signet-broker/signet/internal/redirect"
)

// issuerProblem says what is wrong with an issuer (OpenID Connect Discovery §3: no query, no fragment).
func issuerProblem(text string) string {
	u, err := parseURL(text)
	switch {
	case err != "":
		return err
	case u.Scheme != "https" && u.Scheme != "http":
		return "must begin with https://"
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "must begin with https://; http is for localhost, 127.0.0.1 and [::1] only"
	case strings.ContainsAny(text, "?#"):
		return "may have no query and no fragment"
	case strings.HasSuffix(text, "/"):
		return "may not end with a slash"
	case u.Host != strings.ToLower(u.Host):
		return "needs its host in lower case: it is compared letter by letter"
	case strings.ContainsAny(u.Path, "{}%") || u.RawPath != "" || strings.Contains(u.Path, "//") || strings.Contains(u.Path+"/", "/./") || strings.Contains(u.Path+"/", "/../"):
		return "needs a plain path"
	}
	return ""
}

// What addresses of apps must be like.
var (
	redirectProblem = redirect.Problem
	overHTTP        = redirect.OverHTTP
	origin          = redirect.Origin
	parseURL        = redirect.Parse
	isLoopback      = redirect.Loopback
	hostsOf         = redirect.Hosts
)

// addressProblem says what is wrong with host:port.
func addressProblem(text string) string {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "must be host:port, such as 127.0.0.1:5556"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "needs a port from 0 to 65535"
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !isDomain(strings.ToLower(host)) {
		return "has a host that is no IP address and no name"
	}
	return ""
}

// sameAddress tells whether two listeners would want the same port of the same address.
func sameAddress(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	if portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || isWildcard(hostA) || isWildcard(hostB)
}

func isWildcard(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || err == nil && a.IsUnspecified()
}
