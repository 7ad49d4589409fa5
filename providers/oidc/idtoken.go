package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/providers"
)

const (
	maxToken  = 64 << 10
	skew      = time.Minute     // how far a clock may be off where a token ends
	drift     = 2 * time.Minute // and where it begins, or the person signed in
	maxIssued = 8 * time.Minute // how old a token may be that was made for this very request; some date it back by five
	maxLife   = 24 * time.Hour  // from iat to exp
)

// expectation is what an ID token has to answer to.
type expectation struct {
	attempt *providers.Attempt
	issuer  string // as discovered
	nonce   string
	code    string
}

// readIDToken returns the claims of an ID token that may be believed (OpenID Connect Core 1.0, section
// 3.1.3.7). go-oidc's Verify is not asked: it checks issuer, audience and algorithm as is done here, but
// neither nonce, sub, iat, azp, typ nor hashes, and it reads claims without regard to case.
func (p *provider) readIDToken(ctx context.Context, t tokens, want expectation) (claims, error) {
	jws, err := p.parse(t.id, "JWT")
	if err != nil {
		return nil, err
	}
	payload, err := p.verify(ctx, jws)
	if err != nil {
		return nil, err
	}
	c, err := decode(payload)
	if err != nil {
		return nil, err
	}
	for _, check := range []func() error{
		func() error { return p.checkParties(c, want.issuer) },
		func() error { return p.checkTimes(c, maxIssued) },
		func() error { return checkPerson(c) },
		func() error { return checkBinding(c, want, t.access, jws.Signatures[0].Protected.Algorithm) },
		func() error { return p.checkAuthentication(c, want.attempt) },
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// parse takes a token apart without believing it: compact form only, an allowed algorithm, and a header
// that asks for nothing. jwk, x5c, jku and x5u are never looked at for a key; jwk is refused outright. A typ
// must be one of types.
func (p *provider) parse(raw string, types ...string) (*jose.JSONWebSignature, error) {
	if len(raw) > maxToken {
		return nil, providers.Refuse("malformed", "token has %d bytes", len(raw))
	}
	// JSON serialisation, a JWE (five parts), and white space that some decoders skip.
	if strings.Count(raw, ".") != 2 || strings.Trim(raw, compact) != "" {
		return nil, providers.Refuse("malformed", "token is not a compact JWS")
	}
	jws, err := jose.ParseSignedCompact(raw, p.algs)
	var alg *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &alg):
		return nil, providers.Refuse("alg", "token has alg %.20q", string(alg.Got))
	case err != nil || len(jws.Signatures) != 1:
		return nil, providers.Refuse("malformed", "token cannot be parsed")
	}
	header := jws.Signatures[0].Protected
	if header.JSONWebKey != nil {
		return nil, providers.Refuse("sig", "token brings its own key")
	}
	for _, name := range []jose.HeaderKey{"crit", "b64"} {
		if _, there := header.ExtraHeaders[name]; there {
			return nil, providers.Refuse("malformed", "token has the header %s", name)
		}
	}
	if typ, there := header.ExtraHeaders["typ"]; there {
		// A logout or access token of the same upstream is signed by the same key.
		s, _ := typ.(string)
		if !slices.ContainsFunc(types, func(t string) bool { return strings.EqualFold(s, t) }) {
			return nil, providers.Refuse("typ", "token has typ %.40q", s)
		}
	}
	return jws, nil
}

// compact are the characters of a JWS in compact form (RFC 7515, section 7.1).
const compact = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

// claims are an ID token's, by exact name.
type claims map[string]any

func decode(payload []byte) (claims, error) { return authcode.Claims(payload) }

// seconds returns a claim that is a number of seconds.
func (c claims) seconds(name string) (float64, bool) {
	n, ok := c[name].(float64)
	return n, ok && !math.IsNaN(n) && math.Abs(n) < 1<<40
}

func (c claims) time(name string) (time.Time, bool) {
	n, ok := c.seconds(name)
	return time.UnixMilli(int64(n * 1000)), ok
}

// checkParties: who speaks, and to whom.
func (p *provider) checkParties(c claims, issuer string) error {
	if iss, _ := c["iss"].(string); !p.issued(iss, issuer) {
		return providers.Refuse("iss", "token is of issuer %.200q", iss)
	}
	us, others := p.audience(c["aud"])
	if !us {
		return providers.Refuse("aud", "token is not for us")
	}
	azp, there := c["azp"]
	switch {
	case there && azp != p.conf.ClientID:
		return providers.Refuse("azp", "token was made for another client")
	case !there && others:
		return providers.Refuse("azp", "token has several audiences and no azp")
	}
	return nil
}

// audience tells whether aud names us, and whether it names anyone else or is no proper aud.
func (p *provider) audience(aud any) (us, others bool) {
	switch v := aud.(type) {
	case string:
		return v == p.conf.ClientID, false
	case []any:
		for _, one := range v {
			if one == p.conf.ClientID {
				us = true
			} else {
				others = true
			}
		}
	}
	return us, others
}

// checkTimes: a token of now, made no longer ago than oldest. One from the future or the past means that it was
// kept, or that a clock is wrong.
func (p *provider) checkTimes(c claims, oldest time.Duration) error {
	now := p.env.Now()
	exp, ok := c.time("exp")
	if !ok {
		return providers.Refuse("exp", "ID token has no exp that is a number")
	}
	iat, ok := c.time("iat")
	if !ok {
		return providers.Refuse("iat", "ID token has no iat that is a number")
	}
	switch {
	case iat.After(now.Add(drift)):
		return providers.Refuse("iat", "ID token is from %v ahead: is a clock wrong?", iat.Sub(now).Round(time.Second))
	case !exp.After(now.Add(-skew)):
		return providers.Refuse("exp", "ID token ended %v ago: is a clock wrong?", now.Sub(exp).Round(time.Second))
	case iat.Before(now.Add(-oldest)):
		return providers.Refuse("iat", "ID token is %v old: is a clock wrong?", now.Sub(iat).Round(time.Second))
	case exp.After(iat.Add(maxLife)):
		return providers.Refuse("exp", "ID token lives longer than %v", maxLife)
	}
	if _, there := c["nbf"]; there {
		if nbf, ok := c.time("nbf"); !ok || nbf.After(now.Add(drift)) {
			return providers.Refuse("nbf", "ID token is not valid yet")
		}
	}
	return nil
}

func checkPerson(c claims) error {
	sub, _ := c["sub"].(string)
	if sub == "" || len(sub) > 255 || strings.ContainsFunc(sub, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return providers.Refuse("sub", "ID token has no sub of 1 to 255 bytes")
	}
	return nil
}

// checkBinding: this token belongs to this attempt, and to the code and access token it came with.
func checkBinding(c claims, want expectation, access, alg string) error {
	nonce, ok := c["nonce"].(string)
	if !ok || subtle.ConstantTimeCompare([]byte(nonce), []byte(want.nonce)) != 1 {
		return providers.Refuse("nonce", "ID token has another nonce, or none")
	}
	for name, value := range map[string]string{"at_hash": access, "c_hash": want.code} {
		if hash, there := c[name]; there && hash != halfHash(alg, value) {
			return providers.Refuse(name, "ID token has a %s of something else", name)
		}
	}
	return nil
}

// halfHash is at_hash and c_hash (OpenID Connect Core 1.0, section 3.3.2.11).
func halfHash(alg, value string) string {
	var sum []byte
	switch {
	case strings.HasSuffix(alg, "384"):
		h := sha512.Sum384([]byte(value))
		sum = h[:]
	case strings.HasSuffix(alg, "512"), alg == "EdDSA":
		h := sha512.Sum512([]byte(value))
		sum = h[:]
	default:
		h := sha256.Sum256([]byte(value))
		sum = h[:]
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// authTime is when the person signed in, as far as the upstream tells.
func (p *provider) authTime(c claims) (time.Time, bool) {
	if _, there := c["auth_time"]; !there && p.conf.AuthTimeFromIat {
		return c.time("iat")
	}
	return c.time("auth_time")
}

// checkAuthentication: the person signed in when and how they were asked to. The upstream is free to ignore
// prompt, max_age and acr_values, so what it says it did is what counts.
func (p *provider) checkAuthentication(c claims, a *providers.Attempt) error {
	at, known := p.authTime(c)
	if _, there := c["auth_time"]; there && !known {
		return providers.Refuse("malformed", "ID token has an auth_time that is no number")
	}
	oldest := time.Time{}
	switch {
	case a.ForceLogin:
		oldest = a.Begun
	case p.maxAge(a) > 0:
		oldest = p.env.Now().Add(-p.maxAge(a))
	}
	if !oldest.IsZero() && (!known || at.Before(oldest.Add(-drift))) {
		return providers.Refuse("stale_auth", "the person signed in before %v, or nobody says when", oldest.UTC())
	}
	acr, _ := c["acr"].(string)
	if len(p.conf.ACRValues) > 0 && !slices.Contains(p.conf.ACRValues, acr) {
		return providers.Refuse("weak_acr", "ID token has acr %.40q", acr)
	}
	return nil
}
