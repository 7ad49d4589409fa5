package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
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

// redirectProblem says what is wrong with an address that browsers are sent to (RFC 6749 §3.1.2, RFC 9700
// §2.1, RFC 8252 §7). It is compared exactly; no pattern is understood in it.
func redirectProblem(text string, public bool) string {
	u, problem := parseURL(text)
	if problem != "" && (u == nil || u.Scheme == "" || u.Scheme == "https" || u.Scheme == "http") {
		return problem
	}
	switch {
	case strings.Contains(text, "#"):
		return "may have no fragment"
	case strings.Contains(text, "*"):
		return "may have no wildcard: it is compared exactly"
	case u.Scheme == "https":
		return ""
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return ""
	case u.Scheme == "http":
		return "must begin with https://; http is for localhost, 127.0.0.1 and [::1] only"
	case !strings.Contains(u.Scheme, "."):
		// Also javascript: and data:, which would run in the page that sends the browser there.
		return "must begin with https://, or with a scheme that has a dot, such as com.example.app:"
	case !public:
		return "must begin with https://; a scheme of its own is for apps without a secret"
	}
	return ""
}

// overHTTP tells whether a URL is one that can be fetched.
func overHTTP(text string) bool {
	return strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
}

// origin is a URL's scheme, host and port; "" when it has none.
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + strings.ToLower(u.Host)
}

// parseURL refuses what one reader of a URL takes for another host than the next one. The URL is returned
// also where it lacks a host.
func parseURL(text string) (*url.URL, string) {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == '\\' }) {
		return nil, "has a space, a backslash or an invisible character"
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, "is no URL"
	case u.Scheme == "" || !strings.HasPrefix(text, u.Scheme+":"):
		return nil, "must be a full URL that begins with https://"
	case u.User != nil:
		return nil, "may have no user name in it"
	case u.Hostname() == "" || u.Opaque != "":
		return u, "has no host"
	case strings.HasSuffix(u.Host, ":"):
		return nil, "has no port after the colon"
	}
	return u, ""
}

// isLoopback tells whether a host is this machine for every reader (RFC 8252 §8.3 warns of names).
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

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
