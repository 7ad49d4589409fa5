package oidc

import (
	"context"
	"mime"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/providers"
)

// addUserInfo adds claims of the userinfo endpoint that the ID token does not have (OpenID Connect Core 1.0,
// section 5.3). The ID token's stay: they are signed.
func (p *provider) addUserInfo(ctx context.Context, m *metadata, access string, person claims) error {
	if m.UserInfoURL == "" {
		return authcode.Broken("discovery document has no userinfo_endpoint")
	}
	body, contentType, err := p.read(ctx, m.UserInfoURL, access)
	if err != nil {
		return err
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return providers.Refuse("malformed", "userinfo has no type")
	}
	var info claims
	switch media {
	case "application/json":
		info, err = decode(body)
	case "application/jwt":
		info, err = p.readUserInfoJWT(ctx, m, string(body))
	default:
		return providers.Refuse("malformed", "userinfo is %.40q", media)
	}
	if err != nil {
		return err
	}
	// Whoever can swap the access token would otherwise lend this login another person's e-mail address.
	if info["sub"] != person["sub"] {
		return providers.Refuse("sub_mismatch", "userinfo is about somebody else")
	}
	for name, value := range info {
		if _, there := person[name]; !there && !protocol[name] {
			person[name] = value
		}
	}
	return nil
}

// protocol are claims that speak about a token or a login; userinfo has no say in them.
var protocol = map[string]bool{
	"iss": true, "aud": true, "azp": true, "exp": true, "iat": true, "nbf": true, "jti": true, "nonce": true,
	"acr": true, "amr": true, "auth_time": true, "sid": true, "at_hash": true, "c_hash": true,
}

// readUserInfoJWT reads a signed answer: the signature alone would let an ID token for another client pass.
func (p *provider) readUserInfoJWT(ctx context.Context, m *metadata, raw string) (claims, error) {
	jws, err := p.parse(raw, "JWT")
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
	if err := p.checkParties(c, m.Issuer); err != nil {
		return nil, err
	}
	if _, there := c["exp"]; there {
		if exp, ok := c.time("exp"); !ok || !exp.After(p.env.Now().Add(-skew)) {
			return nil, providers.Refuse("exp", "userinfo has ended")
		}
	}
	return c, nil
}
