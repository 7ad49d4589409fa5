package social

import (
	"net/http"

	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/oauth2"
)

// Discord is the kind "discord". verified speaks of the address.
func Discord() providers.Kind {
	return plain(oauth2.Config{ //nolint:gosec // addresses
		AuthorizationURL: "https://discord.com/oauth2/authorize",
		TokenURL:         "https://discord.com/api/v10/oauth2/token",
		UserInfoURL:      "https://discord.com/api/v10/users/@me",
		Subject:          "id",
		TokenAuth:        "client_secret_basic",
		Scopes:           []string{"identify", "email"},
	}, discordOptions, map[string]string{
		"email":              "claims.email",
		"email_verified":     "claims.verified",
		"name":               "claims.global_name",
		"preferred_username": "claims.username",
		"locale":             "claims.locale",
	})
}

// discordOptions name the caller in the form that Discord wants, else it refuses.
func discordOptions(_ *Client, env providers.Env) oauth2.Options {
	return oauth2.Options{Header: http.Header{"User-Agent": {"DiscordBot (" + env.Base + ", 1)"}}}
}
