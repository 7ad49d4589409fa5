package config

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-broker/signet/internal/secret"
)

// checker looks for everything that structs of the right types may still get wrong.
type checker struct {
	*Config
	doc *document
}

func check(c *Config, d *document) {
	k := &checker{c, d}
	k.server()
	k.storage()
	k.sessions()
	providers := k.providers()
	k.apps(providers)
	k.apis()
	k.keys()
	k.registration(providers)
	k.trustedIssuers()
}

// fault reports a key, unless reading it was a fault already.
func (k *checker) fault(key, format string, args ...any) {
	if k.doc.faulty[key] {
		return
	}
	k.doc.faulty[key] = true
	k.doc.faults = append(k.doc.faults, k.doc.at(key, fmt.Sprintf(format, args...)))
}

func (k *checker) warn(key, format string, args ...any) {
	k.Warnings = append(k.Warnings, k.doc.at(key, fmt.Sprintf(format, args...)))
}

func (k *checker) server() {
	if k.Issuer == "" {
		k.fault("issuer", "is missing")
	} else if problem := issuerProblem(k.Issuer); problem != "" {
		k.fault("issuer", "%s", problem)
	}
	if problem := addressProblem(k.Listen); problem != "" {
		k.fault("listen", "%s", problem)
	}
	if k.AdminListen != "" {
		if problem := addressProblem(k.AdminListen); problem != "" {
			k.fault("admin_listen", "%s", problem)
		} else if sameAddress(k.Listen, k.AdminListen) {
			k.fault("admin_listen", "needs another port than listen")
		}
	}
	k.certificate()
	k.clientTLS()
	for i, p := range k.TrustedProxies {
		if p.IsValid() && p.Bits() == 0 {
			k.warn(fmt.Sprintf("trusted_proxies.%d", i), "believes everybody's X-Forwarded headers: anybody can claim any address")
		}
	}
	host, _, _ := net.SplitHostPort(k.Listen)
	if !isLoopback(host) && k.TLS == (TLS{}) && len(k.TrustedProxies) == 0 {
		k.warn("listen", "is reachable from other machines without TLS, and no proxy is trusted")
	}
}

func (k *checker) certificate() {
	if k.TLS == (TLS{}) {
		return
	}
	for _, f := range []struct{ key, path string }{{"tls.cert_file", k.TLS.CertFile}, {"tls.key_file", k.TLS.KeyFile}} {
		if f.path == "" {
			k.fault(f.key, "is missing; cert_file and key_file are given together")
			return
		}
		if _, err := readFile(f.path, maxFile); err != nil {
			k.fault(f.key, "%v", err)
			return
		}
	}
	if _, err := tls.LoadX509KeyPair(k.TLS.CertFile, k.TLS.KeyFile); err != nil {
		k.fault("tls", "%s", strings.TrimPrefix(err.Error(), "tls: "))
	}
}

func (k *checker) storage() {
	url := k.Database.Reveal() // may hold a password: never shown
	path, isFile := strings.CutPrefix(url, sqliteScheme)
	switch {
	case isFile && (path == "" || strings.HasPrefix(path, ":")):
		k.fault("database", "names no file; write sqlite:signet.db")
	case isFile:
		path = k.doc.resolve(path)
		k.Database = secret.String(sqliteScheme + path)
		if dir := filepath.Dir(path); !isDir(dir) {
			k.warn("database", "the folder %s does not exist on this machine", dir)
		}
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		// Made on one node, a key would seal what the others cannot open.
		if _, err := os.Stat(k.MasterKeyFile); err != nil {
			k.fault("master_key_file", "%v; PostgreSQL needs the file, with 32 random bytes in base64", plainly(err))
		}
	default:
		k.fault("database", "must be sqlite:FILE or postgres://user:password@host/name")
	}
	if k.MasterKeyFile == "" {
		k.fault("master_key_file", "is empty")
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (k *checker) sessions() {
	k.within("sessions.idle", k.Sessions.Idle, minSession, maxSession)
	k.within("sessions.absolute", k.Sessions.Absolute, minSession, maxSession)
	if k.Sessions.Absolute < k.Sessions.Idle {
		k.fault("sessions.absolute", "is shorter than sessions.idle")
	}
}

func (k *checker) within(key string, d, least, most time.Duration) {
	if d < least || d > most {
		k.fault(key, "must be between %s and %s", short(least), short(most))
	}
}

// short writes a whole duration as people do.
func short(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	case d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	}
	return d.String()
}

var (
	appID      = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`)
	providerID = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	dnsLabel   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	signing    = []string{"RS256", "ES256", "EdDSA", "PS256"}
)

// providers checks what is common to all kinds and returns the ids.
func (k *checker) providers() map[string]bool {
	ids := map[string]bool{}
	at := map[string]string{} // where an id or a domain is first
	for i := range k.Providers {
		p := &k.Providers[i]
		ids[p.ID] = true
		k.provider(p, fmt.Sprintf("providers.%d", i), at)
	}
	if len(k.Providers) == 0 {
		k.warn("providers", "is empty: nobody can sign in, but at a provider of the database")
	}
	return ids
}

// provider checks one. at has where an id or a domain is first.
func (k *checker) provider(p *Provider, key string, at map[string]string) {
	k.unique(at, join(key, "id"), "id "+p.ID, p.ID, providerID, "a-z 0-9 -", maxID)
	if p.Kind == "" {
		k.fault(join(key, "kind"), "is missing")
	}
	p.Name = cmp.Or(p.Name, p.ID)
	for j, domain := range p.Domains {
		key := join(key, fmt.Sprintf("domains.%d", j))
		if problem := DomainProblem(domain); problem != "" {
			k.fault(key, "%s", problem)
		} else if first := at["domain "+domain]; first != "" {
			k.fault(key, "%s is at %s already; its people can be sent to one provider", domain, first)
		}
		at["domain "+domain] = key
	}
}

// unique checks an id and remembers where it is.
func (k *checker) unique(at map[string]string, key, name, id string, pattern *regexp.Regexp, letters string, most int) {
	switch first := at[name]; {
	case id == "":
		k.fault(key, "is missing")
	case !pattern.MatchString(id):
		k.fault(key, "must be 1 to %d of %s", most, letters)
	case first != "":
		k.fault(key, "%s is used at %s already", id, first)
	default:
		at[name] = key
	}
}

// isDomain tells whether s is a domain name in lower case (RFC 1123 §2.1).
func isDomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if len(label) > 63 || !dnsLabel.MatchString(label) {
			return false
		}
	}
	return len(s) <= 253
}

// DomainProblem says what is wrong with an e-mail domain; "" for nothing.
func DomainProblem(domain string) string {
	switch {
	case strings.Contains(domain, "@"):
		return "must be a domain alone, what stands after the @"
	case strings.ToLower(domain) != domain:
		return "must be in lower case"
	case !isDomain(domain):
		return "is no domain name such as example.com"
	}
	return ""
}

func (k *checker) apps(providers map[string]bool) {
	at := map[string]string{}
	for i := range k.Apps {
		a := &k.Apps[i]
		key := fmt.Sprintf("apps.%d", i)
		k.unique(at, key+".id", "id "+a.ID, a.ID, appID, "A-Z a-z 0-9 . _ ~ -", maxID)
		a.Name = cmp.Or(a.Name, a.ID)
		k.app(a, key)
		for j, id := range a.Providers {
			if !providers[id] {
				if !providerID.MatchString(id) {
					k.fault(fmt.Sprintf("%s.providers.%d", key, j), "no provider has this id")
					continue
				}
				k.warn(fmt.Sprintf("%s.providers.%d", key, j), "no provider of this file has this id: it must be one of the database")
			}
		}
	}
	if len(k.Apps) == 0 {
		k.warn("apps", "is empty: there is nothing to sign in to")
	}
}

func (k *checker) app(a *App, key string) {
	// A secret that could not be read does not make a public client.
	public := a.Public() && !k.doc.faulty[key+".secret"] && !k.doc.faulty[key+".secret"+fileSuffix]
	if a.Secret != "" && len(a.Secret) < minSecret {
		k.warn(key+".secret", "has fewer than %d characters; take a long random one", minSecret)
	}
	switch {
	case a.PKCE != PKCERequired && a.PKCE != PKCEOptional:
		k.fault(key+".pkce", "must be %s or %s", PKCERequired, PKCEOptional)
	case a.PKCE == PKCEOptional && public:
		// RFC 9700 §2.1.1: nothing else protects a public client's code.
		k.fault(key+".pkce", "must be required for an app without a secret")
	}
	k.uris(key+".redirect_uris", a.RedirectURIs, public)
	k.uris(key+".post_logout_redirect_uris", a.PostLogoutRedirectURIs, public)
	if a.InitiateLoginURI != "" {
		if problem := redirectProblem(a.InitiateLoginURI, false); problem != "" {
			k.fault(key+".initiate_login_uri", "%s", problem)
		}
	}
	k.logoutURIs(a, key)
	k.access(a, key, public)
	k.exchange(a, key, public)
	if len(a.RedirectURIs) == 0 && a.SignsIn() {
		k.warn(key+".redirect_uris", "is empty: no browser can come back to this app")
	}
	k.tokens(&a.Tokens, key+".tokens")
	k.appAuth(a, key)
	k.appSubject(a, key)
}

// logoutURIs checks where an app is told of ended sessions.
func (k *checker) logoutURIs(a *App, key string) {
	if a.BackchannelLogoutURI != "" {
		if problem := redirectProblem(a.BackchannelLogoutURI, false); problem != "" {
			k.fault(key+".backchannel_logout_uri", "%s", problem)
		} else if !overHTTP(a.BackchannelLogoutURI) {
			k.fault(key+".backchannel_logout_uri", "must begin with https://")
		}
	}
	if a.FrontchannelLogoutURI == "" {
		return
	}
	same := func(uri string) bool { return origin(uri) == origin(a.FrontchannelLogoutURI) }
	if problem := redirectProblem(a.FrontchannelLogoutURI, false); problem != "" {
		k.fault(key+".frontchannel_logout_uri", "%s", problem)
	} else if !overHTTP(a.FrontchannelLogoutURI) || !slices.ContainsFunc(a.RedirectURIs, same) {
		// OpenID Connect Front-Channel Logout 1.0 §2: a page of the app, and nobody else's.
		k.fault(key+".frontchannel_logout_uri", "must have the scheme, host and port of one of redirect_uris")
	}
}

func (k *checker) tokens(t *Tokens, key string) {
	k.within(key+".access", t.Access, minToken, maxToken)
	k.within(key+".id", t.ID, minToken, maxToken)
	k.within(key+".refresh", t.Refresh, minRefresh, maxRefresh)
	if t.RefreshCap == 0 {
		t.RefreshCap = max(defaultRefreshCap, t.Refresh)
	} else {
		k.within(key+".refresh_cap", t.RefreshCap, minRefresh, maxRefresh)
	}
	if t.RefreshCap < t.Refresh {
		k.fault(key+".refresh_cap", "is shorter than refresh")
	}
	if !slices.Contains(signing, t.Signing) {
		k.fault(key+".signing", "must be %s", strings.Join(signing, ", "))
	}
	if t.Userinfo != "" && !slices.Contains(signing, t.Userinfo) {
		k.fault(key+".userinfo", "must be %s", strings.Join(signing, ", "))
	}
}

func (k *checker) uris(key string, uris []string, public bool) {
	for i, uri := range uris {
		if problem := redirectProblem(uri, public); problem != "" {
			k.fault(fmt.Sprintf("%s.%d", key, i), "%s", problem)
		}
	}
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }
