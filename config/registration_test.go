package config

import (
	"strings"
	"testing"
)

func TestRegistrationFaults(t *testing.T) {
	for block, want := range map[string]string{
		"{mode: sometimes}": "registration.mode: must be closed, token or open",
		"{mode: open}":      "registration.redirect_hosts: is missing",
		"{mode: open, redirect_hosts: [https://app.example.com]}":                  "registration.redirect_hosts.0: must be a host",
		"{mode: open, redirect_hosts: [app.example.com/callback]}":                 "registration.redirect_hosts.0: must be a host",
		"{mode: token, redirect_hosts: [\"*example.com\"]}":                        "registration.redirect_hosts.0: must be a host",
		"{mode: token, redirect_hosts: [\"javascript:\"]}":                         "registration.redirect_hosts.0: must be a host",
		"{mode: token, redirect_hosts: [localhost]}":                               "registration.redirect_hosts.0: must be a host",
		"{mode: token, per_hour: 0}":                                               "registration.per_hour: must be between",
		"{mode: token, most: -1}":                                                  "registration.most: must be between",
		"{mode: token, grants: [urn:ietf:params:oauth:grant-type:token-exchange]}": "registration.grants.0: must be",
		"{mode: token, grants: [password]}":                                        "registration.grants.0: must be",
		"{mode: token, scopes: [\"a b\"]}":                                         "registration.scopes.0: must be",
		"{mode: token, providers: [\"No Such\"]}":                                  "registration.providers.0: no provider",
		"{mode: token, pkce: never}":                                               "registration.pkce: must be",
		"{mode: token, certificates: true}":                                        "registration.certificates: needs tls",
		"{mode: token, tokens: {signing: none}}":                                   "registration.tokens.signing: must be",
		"{mode: token, tokens: {userinfo: none}}":                                  "registration.tokens.userinfo: must be",
		"{open: true}": "registration.open: unknown key",
	} {
		_, err := registrationOf(t, "registration: "+block)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", block, err, want)
		}
	}
	c, err := registrationOf(t, `registration: {mode: open, redirect_hosts: [app.example.com, "*.apps.example", loopback, "com.example.app:", 192.0.2.7, "*"]}`)
	if err != nil || !c.Registers() || c.Registration.PerHour != 20 || c.Registration.Most != 1000 || len(c.Warnings) != 1 {
		t.Errorf("%+v, %v, %v", c.Registration, c.Warnings, err)
	}
	if c, err = registrationOf(t, ""); err != nil || c.Registers() {
		t.Errorf("registration is open where nothing is said: %v, %v", c.Registration, err)
	}
}

// registrationOf loads a configuration with a block.
func registrationOf(t *testing.T, block string) (*Config, error) {
	t.Helper()
	return Load(write(t, `issuer: https://login.example.com
apps: [{id: web, redirect_uris: ["https://a.example/cb"]}]
providers: [{id: corp, kind: oidc}]
`+block+"\n"))
}
