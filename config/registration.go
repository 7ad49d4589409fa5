package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Registration is who may register apps at /register (RFC 7591), and what such apps may have.
type Registration struct {
	Mode          string   `yaml:"mode" doc:"closed: nobody; token: who has an initial access token (signet app token add); open: anybody, at redirect_hosts. Apps that are registered work while it is not closed"`
	RedirectHosts []string `yaml:"redirect_hosts" doc:"where redirect URIs may be: app.example.com, *.example.com for what is below it, loopback for programs on people's machines, com.example.app: for a scheme, * for any host; absent with mode token: anywhere"`
	PerHour       int      `yaml:"per_hour" doc:"how often one address may try to register an app without a token, within an hour and at one node"`
	Most          int      `yaml:"most" doc:"how many apps there may be that came without a token"`
	Scopes        []string `yaml:"scopes" doc:"what registered apps may ask people for; an API counts for them only where one of its scopes is named"`
	Grants        []string `yaml:"grants" doc:"the grant types they may use, of authorization_code, refresh_token, client_credentials and urn:ietf:params:oauth:grant-type:device_code"`
	Providers     []string `yaml:"providers" doc:"ids of the providers their people may use; absent: all"`
	PKCE          string   `yaml:"pkce" doc:"required or optional, for those with a secret"`
	Tokens        Tokens   `yaml:"tokens" doc:"what their tokens are like; signing is for those that ask for nothing else"`
	Certificates  bool     `yaml:"certificates" doc:"they may authenticate with certificates: callers, and so browsers, are asked for one"`
}

// What Registration.Mode may be.
const (
	RegistrationClosed = "closed"
	RegistrationToken  = "token"
	RegistrationOpen   = "open"
)

const (
	maxPerHour    = 10_000
	maxRegistered = 1_000_000
)

// registrable are the grant types of registered apps. At an exchange nobody is asked, and they must ask.
var registrable = []string{GrantCode, grantReturn, GrantSelf, grantDevice}

// DefaultRegistration is what a registration means that says nothing.
func DefaultRegistration() Registration {
	return Registration{
		Mode: RegistrationClosed, PerHour: 20, Most: 1000, Scopes: []string{"openid", "profile", "email", "offline_access"},
		Grants: []string{GrantCode, grantReturn}, PKCE: PKCERequired,
		Tokens: Tokens{Access: 15 * time.Minute, ID: time.Hour, Refresh: 30 * day, Signing: "RS256"},
	}
}

// Registers tells whether there may be registered apps.
func (c *Config) Registers() bool { return c.Registration.Mode != RegistrationClosed }

func (k *checker) registration(providers map[string]bool) {
	r := &k.Registration
	switch r.Mode {
	case RegistrationClosed, RegistrationToken:
	case RegistrationOpen:
		if len(r.RedirectHosts) == 0 {
			k.fault("registration.redirect_hosts", "is missing: with mode open it says where redirect URIs may be")
		}
	default:
		k.fault("registration.mode", "must be %s, %s or %s", RegistrationClosed, RegistrationToken, RegistrationOpen)
	}
	for i, host := range r.RedirectHosts {
		if problem := hostPatternProblem(host); problem != "" {
			k.fault(fmt.Sprintf("registration.redirect_hosts.%d", i), "%s", problem)
		}
		if host == "*" && r.Mode == RegistrationOpen {
			k.warn(fmt.Sprintf("registration.redirect_hosts.%d", i), "lets anybody register an app at any host: people alone decide whom they trust")
		}
	}
	k.count("registration.per_hour", r.PerHour, maxPerHour)
	k.count("registration.most", r.Most, maxRegistered)
	for i, g := range r.Grants {
		if !slices.Contains(registrable, g) {
			k.fault(fmt.Sprintf("registration.grants.%d", i), "must be %s", strings.Join(registrable, ", "))
		}
	}
	for i, s := range r.Scopes {
		if !scopeName.MatchString(s) {
			k.fault(fmt.Sprintf("registration.scopes.%d", i), `must be 1 to 100 visible ASCII characters without " and \`)
		}
	}
	for i, id := range r.Providers {
		if !providers[id] && !providerID.MatchString(id) {
			k.fault(fmt.Sprintf("registration.providers.%d", i), "no provider has this id")
		}
	}
	if r.PKCE != PKCERequired && r.PKCE != PKCEOptional {
		k.fault("registration.pkce", "must be %s or %s", PKCERequired, PKCEOptional)
	}
	if r.Certificates && k.TLS == (TLS{}) && k.ClientCertificateHeader == "" {
		k.fault("registration.certificates", "needs tls, or a proxy that does it and client_certificate_header")
	}
	k.tokens(&r.Tokens, "registration.tokens")
}

func (k *checker) count(key string, n, most int) {
	if n < 1 || n > most {
		k.fault(key, "must be between 1 and %d", most)
	}
}

// hostPatternProblem says what is wrong with an item of redirect_hosts.
func hostPatternProblem(text string) string {
	scheme, own := strings.CutSuffix(text, ":")
	switch {
	case text == "*", text == "loopback":
		return ""
	case own && strings.Contains(scheme, ".") && isDomain(scheme):
		return ""
	case !own && isHost(strings.TrimPrefix(text, "*.")) && text != "localhost":
		return ""
	}
	return "must be a host in lower case such as app.example.com, *.example.com, loopback, a scheme such as com.example.app:, or *"
}
