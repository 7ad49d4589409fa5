// Package redirect says which addresses browsers may be sent to, for apps of the configuration and for those that
// register themselves.
package redirect

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Problem says what is wrong with an address that browsers are sent to (RFC 6749 §3.1.2, RFC 9700 §2.1, RFC 8252
// §7); "" for nothing. It is compared exactly; no pattern is understood in it. own tells whether it may have a
// scheme of the app's own.
func Problem(text string, own bool) string {
	u, problem := Parse(text)
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
	case u.Scheme == "http" && Loopback(u.Hostname()):
		return ""
	case u.Scheme == "http":
		return "must begin with https://; http is for localhost, 127.0.0.1 and [::1] only"
	case !strings.Contains(u.Scheme, "."):
		// Also javascript: and data:, which would run in the page that sends the browser there.
		return "must begin with https://, or with a scheme that has a dot, such as com.example.app:"
	case !own:
		return "must begin with https://; a scheme of its own is for apps without a secret"
	}
	return ""
}

// Parse refuses what one reader of a URL takes for another host than the next one. The URL is returned also
// where it lacks a host.
func Parse(text string) (*url.URL, string) {
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

// Loopback tells whether a host is this machine for every reader (RFC 8252 §8.3 warns of names).
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// OverHTTP tells whether a URL is one that can be fetched.
func OverHTTP(text string) bool {
	return strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
}

// Origin is a URL's scheme, host and port; "" when it has none.
func Origin(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + strings.ToLower(u.Host)
}

// Hosts are the hosts of those URIs that have one, each once, in their order. A custom scheme's is none.
func Hosts(uris []string) (hosts []string) {
	for _, uri := range uris {
		u, err := url.Parse(uri)
		if err != nil || !OverHTTP(uri) {
			continue
		}
		if host := strings.ToLower(u.Hostname()); host != "" && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}
