package op

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

// objectLife is how long a signed request may be good: it can be used until then.
const objectLife = time.Hour

// aside are the members of a request object that are no parameters of the request (RFC 9101 §4).
var aside = map[string]bool{"iss": true, "sub": true, "aud": true, "exp": true, "nbf": true, "iat": true, "jti": true}

func badObject(err error) *Error {
	return oauth("invalid_request_object", "the request object is not valid").because(&providers.Error{Kind: providers.Invalid, Reason: "invalid_request_object", Err: err})
}

// signed returns the parameters of a signed request (RFC 9101 §6). They are those of the object alone: what
// stands beside it was not signed. Only response_type and scope are taken from there where the object leaves
// them out, because OpenID Connect Core §6.1 wants them beside it; and of an app whose requests must be signed, no
// scope: who can change the address would decide what it is for.
func (p *Provider) signed(ctx context.Context, app *broker.App, v url.Values) (url.Values, error) {
	raw, err := web.Single(v, "request")
	if err != nil {
		return nil, err
	}
	algs := app.Credentials.RequestAlgs
	if len(algs) == 0 {
		algs = app.Credentials.Algs
	}
	typ, payload, err := app.Credentials.Keys.Verify(ctx, raw, algs)
	if err == nil {
		err = isA("oauth-authz-req+jwt", typ)
	}
	if err != nil {
		return nil, badObject(err)
	}
	if err := p.checkObject(payload, app); err != nil {
		return nil, badObject(err)
	}
	inside, err := parameters(payload)
	if err != nil {
		return nil, badObject(err)
	}
	for _, name := range []string{"request", "request_uri"} {
		if inside.Has(name) {
			return nil, badObject(fmt.Errorf("%s in a request object", name))
		}
	}
	for _, name := range []string{"client_id", "response_type", "scope"} {
		beside := v[name]
		switch {
		case len(beside) == 0, name == "scope" && app.Credentials.MustSign:
		case !inside.Has(name):
			inside[name] = beside
		case name != "scope" && (len(beside) != 1 || beside[0] != inside.Get(name)):
			return nil, badObject(fmt.Errorf("%s is another beside the object", name))
		}
	}
	inside.Set("client_id", app.ID)
	return inside, nil
}

// checkObject checks what a request object says about itself.
func (p *Provider) checkObject(payload []byte, app *broker.App) error {
	var c struct {
		Issuer    string           `json:"iss"`
		Subject   string           `json:"sub"`
		Client    string           `json:"client_id"`
		Audience  any              `json:"aud"`
		Expires   *jwt.NumericDate `json:"exp"`
		NotBefore *jwt.NumericDate `json:"nbf"`
		Issued    *jwt.NumericDate `json:"iat"`
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return err
	}
	list, ok := c.Audience.([]any)
	if !ok {
		list = []any{c.Audience}
	}
	switch {
	case c.Issuer != app.ID || c.Client != "" && c.Client != app.ID:
		return fmt.Errorf("iss %.80q, client_id %.80q", c.Issuer, c.Client)
	case c.Subject == app.ID:
		return errors.New("an assertion of the app is no request") // RFC 9101 §10.8
	case !slices.Contains(list, any(p.Issuer.URL)):
		return errors.New("the issuer is not in aud")
	case app.Credentials.MustSign && (c.NotBefore == nil || p.Now().Sub(c.NotBefore.Time()) > objectLife || c.Expires == nil || c.Expires.Time().Sub(c.NotBefore.Time()) > objectLife):
		// FAPI 2.0 Message Signing §5.3.1
		return errors.New("nbf is missing or long ago, or exp long after it")
	}
	return inTime(c.Expires, c.NotBefore, c.Issued, objectLife, p.Now())
}

// parameters reads the members of a request object as parameters: texts as they are, numbers and what is an
// object itself (claims) as JSON writes them.
func parameters(payload []byte) (url.Values, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(payload, &all); err != nil {
		return nil, err
	}
	v := url.Values{}
	for name, raw := range all {
		if aside[name] || len(raw) == 0 || string(raw) == "null" {
			continue
		}
		switch raw[0] {
		case '"':
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				return nil, err
			}
			v.Set(name, text)
		case '[':
			var list []string // e.g. resource (RFC 8707 §2.1)
			if err := json.Unmarshal(raw, &list); err != nil {
				return nil, fmt.Errorf("%.40q is no list of texts", name)
			}
			v[name] = list
		default:
			v.Set(name, string(raw))
		}
	}
	return v, nil
}
