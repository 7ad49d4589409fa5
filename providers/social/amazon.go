package social

import (
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/oauth2"
)

// Amazon is the kind "amazon": Login with Amazon. Its documentation does not say that addresses are verified.
func Amazon() providers.Kind {
	return plain(oauth2.Config{ //nolint:gosec // addresses
		AuthorizationURL: "https://www.amazon.com/ap/oa",
		TokenURL:         "https://api.amazon.com/auth/o2/token",
		UserInfoURL:      "https://api.amazon.com/user/profile",
		Subject:          "user_id",
		TokenAuth:        "client_secret_post",
		Scopes:           []string{"profile"},
	}, nil, map[string]string{
		"email": "claims.email",
		"name":  "claims.name",
	})
}
