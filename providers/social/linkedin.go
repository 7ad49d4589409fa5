package social

import (
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/oauth2"
)

// LinkedIn is the kind "linkedin". It calls itself OpenID Connect, but its ID tokens carry no nonce, so they
// would prove nothing here; its userinfo endpoint is asked instead. It also fails over a code_verifier.
func LinkedIn() providers.Kind {
	return plain(oauth2.Config{ //nolint:gosec // addresses
		AuthorizationURL: "https://www.linkedin.com/oauth/v2/authorization",
		TokenURL:         "https://www.linkedin.com/oauth/v2/accessToken",
		UserInfoURL:      "https://api.linkedin.com/v2/userinfo",
		Subject:          "sub",
		TokenAuth:        "client_secret_post",
		Scopes:           []string{"openid", "profile", "email"},
	}, func(*Client, providers.Env) oauth2.Options { return oauth2.Options{NoPKCE: true} }, map[string]string{
		"email":          "claims.email",
		"email_verified": "claims.email_verified",
		"name":           "claims.name",
		"given_name":     "claims.given_name",
		"family_name":    "claims.family_name",
		"picture":        "claims.picture",
	})
}
