package oidc

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

// FuzzCallback: whatever a browser brings, it is refused in order and without a panic.
func FuzzCallback(f *testing.F) {
	up := upstream(f, time.Now)
	p := openFor(f, up, time.Now, nil)
	f.Add("GET", "state=x&code=y&iss=z")
	f.Add("POST", "state=x&error=access_denied")
	f.Add("GET", "%zz;&=&state&state")
	f.Fuzz(func(t *testing.T, method, query string) {
		values, _ := url.ParseQuery(query)
		a := providertest.Attempt()
		if _, err := p.Begin(t.Context(), &a); err != nil {
			t.Fatal(err)
		}
		next, err := p.Continue(t.Context(), &a, providers.Reply{Method: method, Values: values})
		if err == nil {
			t.Fatalf("%s %q gives %T", method, query, next)
		}
		if e := providers.AsError(err); e.Kind != providers.Invalid {
			t.Fatalf("%s %q: kind %d, %v", method, query, e.Kind, err)
		}
	})
}

// FuzzIDTokenClaims: whatever an upstream signs, claims are believed only if they name exactly this login.
func FuzzIDTokenClaims(f *testing.F) {
	p := open(providers.Env{Now: time.Now, Client: &http.Client{}}, Config{Issuer: "https://idp.example", ClientID: "signet"}, Options{})
	f.Add(`{"iss":"https://idp.example","aud":"signet","sub":"ann","nonce":"n","iat":1,"exp":2}`)
	f.Add(`{"sub":"ann","SUB":"victim","ſub":"victim"}`)
	f.Add(`{"aud":["signet",["signet"],null],"exp":1e400}`)
	f.Add(`[[[[`)
	f.Fuzz(func(t *testing.T, payload string) {
		c, err := decode([]byte(payload))
		if err != nil {
			return
		}
		a := providertest.Attempt()
		checks := []error{p.checkParties(c, p.conf.Issuer), p.checkTimes(c, maxIssued), checkPerson(c), checkBinding(c, expectation{attempt: &a, nonce: "n"}, "t", "RS256"), p.checkAuthentication(c, &a)}
		for _, err := range checks {
			if err != nil && providers.AsError(err).Kind != providers.Invalid {
				t.Fatalf("%q: %v", payload, err)
			}
		}
		if checks[2] == nil {
			if sub, ok := c["sub"].(string); !ok || len(sub) < 1 || len(sub) > 255 {
				t.Fatalf("%q: sub passed", payload)
			}
		}
		p.identify(&providers.Identity{}, c)
	})
}
