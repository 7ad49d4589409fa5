package social

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"

	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/oauth2"
)

// facebookVersion is that of the Graph API: without one, Facebook serves the oldest that still lives.
const facebookVersion = "v23.0"

// Facebook is the kind "facebook". Nothing in Facebook's documentation says that an address was verified, so
// none is taken to be.
func Facebook() providers.Kind {
	return plain(oauth2.Config{
		AuthorizationURL: "https://www.facebook.com/" + facebookVersion + "/dialog/oauth",
		TokenURL:         "https://graph.facebook.com/" + facebookVersion + "/oauth/access_token",
		UserInfoURL:      "https://graph.facebook.com/" + facebookVersion + "/me",
		Subject:          "id",
		TokenAuth:        "client_secret_post",
		Scopes:           []string{"public_profile", "email"},
	}, facebookOptions, map[string]string{
		"email":       "claims.email",
		"name":        "claims.name",
		"given_name":  "claims.first_name",
		"family_name": "claims.last_name",
	})
}

func facebookOptions(c *Client, _ providers.Env) oauth2.Options {
	return oauth2.Options{Person: func(ctx context.Context, api *oauth2.API) (string, map[string]any, error) {
		query := url.Values{
			"fields": {"id,name,first_name,last_name,email"}, "appsecret_proof": {appSecretProof(c.ClientSecret.Reveal(), api.Token())},
		}
		var profile map[string]any
		if _, err := api.Get(ctx, c.upstream.UserInfoURL+"?"+query.Encode(), &profile); err != nil {
			return "", nil, err
		}
		// Facebook's ids are strings: a number has gone through something that may have rounded it.
		if _, ok := profile["id"].(string); !ok {
			return "", nil, providers.Refuse("sub", "profile has no id that is a string")
		}
		subject, err := oauth2.Subject(profile, "id")
		return subject, oauth2.Claims(profile), err
	}}
}

// appSecretProof shows that the request is the app's: a token that was stolen elsewhere is of no use without.
func appSecretProof(secret, token string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token))
	return hex.EncodeToString(mac.Sum(nil))
}
