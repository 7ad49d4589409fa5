package broker

import (
	"slices"
	"time"
)

// API is a resource server: a program that takes access tokens made here (RFC 9068).
type API struct {
	ID           string // an absolute URI: what resource names (RFC 8707 §2), and the aud of its tokens
	Name         string
	Scopes       []string
	Access       time.Duration // lifetime of its access tokens
	Signing      string        // the JWS alg of its access tokens
	SecretHashes [][]byte      // SHA-256 of each secret it may ask about tokens with; none: it may not ask
	Apps         []string      // ids of those that may have tokens for it; none: all
}

// Serves tells whether an app may have tokens for the API. One that has registered itself is none of all: it may
// where it may ask for one of the API's scopes.
func (a *API) Serves(app *App) bool {
	if app.Registered {
		return len(a.Apps) == 0 && slices.ContainsFunc(a.Scopes, app.MayAsk)
	}
	return len(a.Apps) == 0 || slices.Contains(a.Apps, app.ID)
}

// APIs are by ID.
type APIs map[string]*API
