package op

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/internal/jwks"
)

// assertionType is the only client_assertion_type (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const (
	maxAssertion  = 16 << 10        // bytes
	maxJTI        = 256             // bytes
	assertionLife = 5 * time.Minute // what exp may be ahead
	// assertionAhead is how much faster than ours an app's clock may be.
	assertionAhead = 10 * time.Second
)

// asserted reads who an assertion says it is of. Nothing of it is believed yet.
func asserted(form url.Values) (credential, error) {
	raw := form.Get("client_assertion")
	if t := form.Get("client_assertion_type"); t != assertionType {
		return credential{}, unproven("client_assertion_type %.80q", t)
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || len(raw) > maxAssertion {
		return credential{}, unproven("a client_assertion of %d bytes in %d parts", len(raw), len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return credential{}, unproven("client_assertion: %w", err)
	}
	c, err := readAssertion(payload)
	if err != nil {
		return credential{}, unproven("client_assertion: %w", err)
	}
	if id := form.Get("client_id"); id != "" && id != c.Subject {
		return credential{}, unproven("client_id %.80q, sub %.80q", id, c.Subject)
	}
	return credential{app: c.Subject, assertion: raw}, nil
}

// assertion is what a JWT of an app says about itself (RFC 7523 §3).
type assertion struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  any              `json:"aud"`
	Expires   *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	Issued    *jwt.NumericDate `json:"iat"`
	ID        string           `json:"jti"`
}

// readAssertion decodes one: its names count in their own case, and none may come twice.
func readAssertion(payload []byte) (assertion, error) {
	var c assertion
	err := json.Unmarshal(payload, &c)
	return c, err
}

// check holds what an app says of itself against what must be.
func (c *assertion) check(app, issuer string, now time.Time) error {
	if c.Issuer != app || c.Subject != app {
		return fmt.Errorf("iss %.80q, sub %.80q", c.Issuer, c.Subject)
	}
	return c.checkUse(issuer, now)
}

// checkUse tells whether it is for here, for now and for a single time. The audience is the issuer as one text,
// as nothing else is certain not to be meant for another server (audience injection).
func (c *assertion) checkUse(issuer string, now time.Time) error {
	if c.ID == "" || len(c.ID) > maxJTI {
		return fmt.Errorf("a jti of %d bytes", len(c.ID))
	}
	if aud, ok := c.Audience.(string); !ok || aud != issuer {
		return errors.New("aud is not the issuer alone")
	}
	return inTime(c.Expires, c.NotBefore, c.Issued, assertionLife, now)
}

// inTime tells whether a JWT is good now, and for no longer than life.
func inTime(expires, notBefore, issued *jwt.NumericDate, life time.Duration, now time.Time) error {
	switch {
	case expires == nil:
		return errors.New("no exp")
	case !now.Before(expires.Time()):
		return fmt.Errorf("expired at %v", expires.Time())
	case expires.Time().Sub(now) > life+assertionAhead:
		return fmt.Errorf("exp is more than %s ahead", life)
	case notBefore != nil && notBefore.Time().Sub(now) > assertionAhead:
		return fmt.Errorf("not before %v", notBefore.Time())
	case issued != nil && issued.Time().Sub(now) > assertionAhead:
		return fmt.Errorf("issued at %v", issued.Time())
	}
	return nil
}

// signedByApp returns the payload of a JWT that an app has signed: with its secret for client_secret_jwt,
// else with one of its keys. The algorithm is the app's, not the token's, so that no public key passes for a
// secret (RFC 8725 §3.1).
func signedByApp(ctx context.Context, app *broker.App, raw string) ([]byte, error) {
	c := &app.Credentials
	if c.Method == broker.AuthSecretJWT {
		return signedBySecret(c.Secrets(), raw)
	}
	if c.Keys == nil {
		return nil, errors.New("the app has no keys")
	}
	typ, payload, err := c.Keys.Verify(ctx, raw, c.Algs)
	if err != nil {
		return nil, err
	}
	return payload, isA("client-authentication+jwt", typ)
}

func signedBySecret(secrets [][]byte, raw string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return nil, err
	}
	typ, err := jwks.Plain(jws)
	if err != nil {
		return nil, err
	}
	for _, secret := range secrets {
		if payload, err := jws.Verify(secret); err == nil {
			return payload, isA("client-authentication+jwt", typ)
		}
	}
	return nil, errors.New("no secret verifies it")
}

// isA refuses a JWT that says that it is of another sort (RFC 8725 §3.11). Most say nothing, or JWT.
func isA(want, typ string) error {
	typ = strings.ToLower(typ)
	if typ != "" && typ != "jwt" && strings.TrimPrefix(typ, "application/") != want {
		return fmt.Errorf("typ %.40q", typ)
	}
	return nil
}
