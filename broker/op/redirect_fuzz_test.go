package op

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// matches is written from RFC 6749 §3.1.2.3 and RFC 8252 §7.3 and on a URL parser, as matchRedirect is not:
// the same bytes, or the same but for the port of an http URI whose host is a loopback address.
func matches(registered, got string) bool {
	if registered == got {
		return got != ""
	}
	r, err := url.Parse(registered)
	if err != nil {
		return false
	}
	g, err := url.Parse(got)
	if err != nil {
		return false
	}
	for _, u := range []*url.URL{r, g} {
		host, err := netip.ParseAddr(u.Hostname())
		if err != nil || host != netip.MustParseAddr("127.0.0.1") && host != netip.IPv6Loopback() || u.User != nil || u.Scheme != "http" {
			return false
		}
		if port := u.Port(); strings.HasSuffix(u.Host, ":") {
			return false
		} else if n, err := strconv.Atoi(port); port != "" && (err != nil || n > 65535) {
			return false
		}
	}
	bare := func(u *url.URL, text string) string { return strings.Replace(text, u.Host, u.Hostname(), 1) }
	return r.Hostname() == g.Hostname() && bare(r, registered) == bare(g, got)
}

// FuzzRedirectURI holds matchRedirect to the other one: what it takes, that one takes.
func FuzzRedirectURI(f *testing.F) {
	all := []string{"https://app.example.com/callback", "http://127.0.0.1/native", "http://[::1]:8080/native?x=1", "http://localhost/native", "com.example.app:/callback"}
	for i, r := range all {
		for _, got := range []string{
			r, r + "/", r + "/..", r + "/%2e%2e", r + "?x", r + "#x", r + ";x", r + " ", strings.ToUpper(r), "http" + strings.TrimPrefix(r, "https"),
			strings.Replace(r, "/callback", ":443/callback", 1), strings.Replace(r, "/native", ":49152/native", 1), strings.Replace(r, "/native", ":/native", 1),
			strings.Replace(r, "/native", ":+80/native", 1), strings.Replace(r, "/native", ":80@evil.example/native", 1), strings.Replace(r, "/native", ".evil.example/native", 1),
			strings.Replace(r, "/native", ":70000/native", 1), strings.Replace(r, "/native", `:80\@evil.example/native`, 1), "javascript:alert(1)", "//evil.example", "",
			"http://[::1%25lo]:8080/native?x=1", "http://[0:0:0:0:0:0:0:1]:8080/native?x=1", "http://user@127.0.0.1/native", "http://127.0.0.11:80/native", "http://127.0.0.1:80/native",
		} {
			f.Add(uint8(i), got)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, got string) {
		registered := all[int(i)%len(all)]
		if matchRedirect(registered, got) && !matches(registered, got) {
			t.Errorf("%q is taken for %q", got, registered)
		}
	})
}
