package config

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/internal/secret"
)

// API is a resource server, whose access tokens are made here.
type API struct {
	ID      string        `yaml:"id" doc:"its identifier, an absolute URI: what apps name as resource, and the aud of its access tokens"`
	Name    string        `yaml:"name" doc:"what people read; the id when absent"`
	Scopes  []Scope       `yaml:"scopes" doc:"what an access token can allow there"`
	Access  time.Duration `yaml:"access" doc:"lifetime of its access tokens: 1m to 24h"`
	Signing string        `yaml:"signing" doc:"RS256, ES256, EdDSA or PS256"`
	Secret  secret.String `yaml:"secret" doc:"its own secret, by which it may ask at /introspect about tokens that are for it; absent: it may not"`
	Apps    []string      `yaml:"apps" doc:"ids of the apps that may have tokens for it; absent: all"`
}

// Scope is one right at an API.
type Scope struct {
	Name        string `yaml:"name" doc:"as apps ask for it"`
	Description string `yaml:"description" doc:"what people read of it"`
}

// DefaultAPI is what an API means that says nothing.
func DefaultAPI() API { return API{Access: 15 * time.Minute, Signing: "RS256"} }

func (a *API) setDefaults() { *a = DefaultAPI() }

// What App.Grants may name.
const (
	GrantCode   = "authorization_code"
	GrantSelf   = "client_credentials"
	grantReturn = "refresh_token"
	grantDevice = "urn:ietf:params:oauth:grant-type:device_code"
)

var grants = []string{GrantCode, grantReturn, GrantSelf, grantDevice, GrantExchange, GrantAssertion}

// What App.DPoP may be.
const (
	DPoPOptional = "optional"
	DPoPRequired = "required"
)

const minAPIToken = time.Minute

// scopeName is a scope-token (RFC 6749 §3.3).
var scopeName = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]{1,100}$`)

// standardScopes are Signet's own.
var standardScopes = []string{"openid", "profile", "email", "phone", "address", "groups", "offline_access"}

func (k *checker) apis() {
	at := map[string]string{}
	for i := range k.APIs {
		a := &k.APIs[i]
		key := fmt.Sprintf("apis.%d", i)
		if problem := identifierProblem(a.ID); problem != "" {
			k.fault(key+".id", "%s", problem)
		} else if a.ID == k.Issuer {
			k.fault(key+".id", "is the issuer, which is no API")
		} else if first := at[a.ID]; first != "" {
			k.fault(key+".id", "id %s is used at %s already", a.ID, first)
		}
		at[a.ID] = key
		a.Name = cmp.Or(a.Name, a.ID)
		k.scopes(key+".scopes", a.Scopes)
		k.within(key+".access", a.Access, minAPIToken, maxToken)
		if !slices.Contains(signing, a.Signing) {
			k.fault(key+".signing", "must be %s", strings.Join(signing, ", "))
		}
		if a.Secret != "" && len(a.Secret) < minSecret {
			k.warn(key+".secret", "has fewer than %d characters; take a long random one", minSecret)
		}
		for j, id := range a.Apps {
			if !slices.ContainsFunc(k.Apps, func(app App) bool { return app.ID == id }) {
				k.fault(fmt.Sprintf("%s.apps.%d", key, j), "no app has this id")
			}
		}
	}
}

func (k *checker) scopes(key string, scopes []Scope) {
	at := map[string]string{}
	for i, s := range scopes {
		key := fmt.Sprintf("%s.%d.name", key, i)
		switch {
		case !scopeName.MatchString(s.Name):
			k.fault(key, `must be 1 to 100 visible ASCII characters without " and \`)
		case slices.Contains(standardScopes, s.Name):
			k.fault(key, "%s means something else in OpenID Connect", s.Name)
		case at[s.Name] != "":
			k.fault(key, "%s is at %s already", s.Name, at[s.Name])
		}
		at[s.Name] = key
	}
}

// identifierProblem says what is wrong with an API's identifier (RFC 8707 §2).
func identifierProblem(id string) string {
	u, err := url.Parse(id)
	switch {
	case id == "":
		return "is missing"
	case err != nil || u.Scheme == "" || u.Host == "" && u.Opaque == "" || strings.ContainsAny(id, " \t\r\n"):
		return "must be an absolute URI such as https://api.example.com or urn:example:orders"
	case strings.Contains(id, "#"):
		return "may have no fragment"
	case len(id) > 255:
		return "is longer than 255 bytes"
	}
	return ""
}

// access checks how an app gets its tokens.
func (k *checker) access(a *App, key string, public bool) {
	for i, g := range a.Grants {
		at := fmt.Sprintf("%s.grants.%d", key, i)
		switch {
		case !slices.Contains(grants, g):
			k.fault(at, "must be %s", strings.Join(grants, ", "))
		case g == GrantSelf && public:
			k.fault(at, "%s needs a secret", g)
		}
	}
	if a.CertificateBound && public {
		k.fault(key+".certificate_bound", "needs an app that authenticates")
	}
	if a.DPoP != DPoPOptional && a.DPoP != DPoPRequired {
		k.fault(key+".dpop", "must be %s or %s", DPoPOptional, DPoPRequired)
	}
}

// SignsIn tells whether the app sends people here.
func (a *App) SignsIn() bool { return len(a.Grants) == 0 || slices.Contains(a.Grants, GrantCode) }
