package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/signet-broker/signet/internal/jwks"
)

// Grants that are for tokens of others.
const (
	GrantExchange  = "urn:ietf:params:oauth:grant-type:token-exchange"
	GrantAssertion = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// Exchange is what an app may exchange for access tokens of its own (RFC 8693).
type Exchange struct {
	Apps      []string `yaml:"apps" doc:"ids of the apps whose access tokens it may exchange, beside its own"`
	Providers []string `yaml:"providers" doc:"ids of the providers whose ID tokens, made for Signet's client_id there, it may exchange"`
	Create    bool     `yaml:"create" doc:"who is in such an ID token and has never signed in becomes a user, as at a login"`
}

// TrustedIssuer is somebody whose assertions are taken for access tokens (RFC 7523).
type TrustedIssuer struct {
	ID       string         `yaml:"id" doc:"its name here: a-z 0-9 and -"`
	Issuer   string         `yaml:"issuer" doc:"the iss of its assertions"`
	JWKS     map[string]any `yaml:"jwks" doc:"its public keys as a JWK set: {keys: […]}"`
	JWKSURI  string         `yaml:"jwks_uri" doc:"where it publishes its public keys, in place of jwks"`
	Algs     []string       `yaml:"algs" doc:"the algorithms that it may sign with: PS256, ES256, EdDSA, RS256; absent: all of them"`
	Apps     []string       `yaml:"apps" doc:"ids of the apps that may bring its assertions; each needs the grant as well"`
	Provider string         `yaml:"provider" doc:"the provider whose people its subjects are; absent: they are services, called id:sub"`
	Create   bool           `yaml:"create" doc:"who is in an assertion and has never signed in becomes a user"`
	Subjects []string       `yaml:"subjects" doc:"the subjects that are taken; one that ends with * stands for all that begin so. Required without a provider"`

	Keys *jwks.Client `yaml:"-"` // of JWKS
}

// exchange checks what an app may exchange.
func (k *checker) exchange(a *App, key string, public bool) {
	x := a.TokenExchange
	uses := slices.Contains(a.Grants, GrantExchange)
	if !uses && (x.Create || len(x.Apps)+len(x.Providers) > 0) {
		k.fault(key+".token_exchange", "is of no use without %s in grants", GrantExchange)
	}
	if public && len(x.Apps) > 0 {
		k.fault(key+".token_exchange.apps", "needs an app that authenticates")
	}
	k.known(key+".token_exchange.apps", x.Apps, "no app has this id", k.hasApp)
	k.known(key+".token_exchange.providers", x.Providers, "no provider of this file has this id", k.hasProvider)
	for i, id := range x.Providers {
		if len(a.Providers) > 0 && !slices.Contains(a.Providers, id) {
			k.fault(fmt.Sprintf("%s.token_exchange.providers.%d", key, i), "is none of the app's providers")
		}
	}
	if x.Create && len(x.Providers) == 0 {
		k.fault(key+".token_exchange.create", "needs providers beside it")
	}
}

func (k *checker) known(key string, ids []string, problem string, has func(string) bool) {
	for i, id := range ids {
		if !has(id) {
			k.fault(fmt.Sprintf("%s.%d", key, i), "%s", problem)
		}
	}
}

func (k *checker) hasApp(id string) bool {
	return slices.ContainsFunc(k.Apps, func(a App) bool { return a.ID == id })
}

func (k *checker) hasProvider(id string) bool {
	return slices.ContainsFunc(k.Providers, func(p Provider) bool { return p.ID == id })
}

func (k *checker) trustedIssuers() {
	at := map[string]string{}
	for i := range k.TrustedIssuers {
		t := &k.TrustedIssuers[i]
		key := fmt.Sprintf("trusted_issuers.%d", i)
		k.unique(at, key+".id", "id "+t.ID, t.ID, providerID, "a-z 0-9 -", maxID)
		switch first := at["issuer "+t.Issuer]; {
		case t.Issuer == "" || len(t.Issuer) > 255:
			k.fault(key+".issuer", "must be 1 to 255 bytes: the iss of its assertions")
		case t.Issuer == k.Issuer:
			k.fault(key+".issuer", "is Signet itself")
		case first != "":
			k.fault(key+".issuer", "is at %s already", first)
		default:
			at["issuer "+t.Issuer] = key
		}
		k.issuerKeys(t, key)
		k.issuerUse(t, key)
	}
}

func (k *checker) issuerKeys(t *TrustedIssuer, key string) {
	switch {
	case (t.JWKS == nil) == (t.JWKSURI == ""):
		k.fault(key+".jwks", "or jwks_uri is wanted: one of them")
	case t.JWKS != nil:
		text, err := json.Marshal(t.JWKS)
		if err == nil {
			t.Keys, err = jwks.Fixed(text)
		}
		if err != nil {
			k.fault(key+".jwks", "%v", err)
		}
	default:
		if problem := jwksProblem(t.JWKSURI); problem != "" {
			k.fault(key+".jwks_uri", "%s", problem)
		}
	}
	for i, alg := range t.Algs {
		if !contains(AssertionAlgs, alg) {
			k.fault(fmt.Sprintf("%s.algs.%d", key, i), "must be one of %s", strings.Join(AssertionAlgs, ", "))
		}
	}
}

func (k *checker) issuerUse(t *TrustedIssuer, key string) {
	if len(t.Apps) == 0 {
		k.fault(key+".apps", "must name the apps that may bring its assertions")
	}
	k.known(key+".apps", t.Apps, "no app has this id", k.hasApp)
	switch {
	case t.Provider == "" && t.Create:
		k.fault(key+".create", "needs a provider: without one, subjects are services")
	case t.Provider == "" && len(t.Subjects) == 0:
		// Whoever runs a build somewhere can get an assertion of a public issuer.
		k.fault(key+".subjects", "must say which subjects are taken; * stands for all")
	case t.Provider != "" && !k.hasProvider(t.Provider):
		k.fault(key+".provider", "no provider of this file has this id")
	}
	for i, s := range t.Subjects {
		if s == "" {
			k.fault(fmt.Sprintf("%s.subjects.%d", key, i), "is empty")
		}
	}
}
