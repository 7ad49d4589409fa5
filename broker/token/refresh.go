package token

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Grace is how long a refresh token that was just exchanged still gets the same successor: an app whose
// answer was lost on the way is no thief.
const Grace = 30 * time.Second

// refresh is the content of a refresh token. Nothing in it varies between two that stand for the same
// generation, so they are the same string.
type refresh struct {
	Family     string `json:"f"`
	Generation int64  `json:"g"`
	App        string `json:"a"`
	Expires    int64  `json:"e"` // Unix milliseconds
	// What follows is the same for a whole family.
	Resources []string `json:"r,omitempty"`
	Key       string   `json:"k,omitempty"` // the thumbprint of the key it is bound to (RFC 9449 §5)
	Claims    Claims   `json:"c,omitzero"`
}

func (i *Issuer) seal(a Authorization) (string, error) {
	f, key := a.Family, a.Bound
	if f.Generation == 1 {
		// An app that authenticates need not be bound to one key for years.
		if key = ""; a.App.Public() {
			key = a.Key
		}
	}
	content, err := json.Marshal(refresh{f.ID, f.Generation, f.App, f.Expires.UnixMilli(), a.Resources, key, a.Claims})
	if err != nil {
		return "", err
	}
	return i.Keys.Encrypt(content)
}

var errExpired = errors.New("expired")

// Refresh is what a refresh token names.
type Refresh struct {
	Family     string
	Generation int64
	Resources  []string // as in Authorization
	Key        string   // the thumbprint of the key it is bound to; "" when to none
	Expires    time.Time
	Claims     Claims
}

// OpenRefresh returns what a refresh token names, once it is certain that it was made here, for this app,
// and has not expired: with errExpired it says what it named. Whether it is still good, the family says.
func (i *Issuer) OpenRefresh(ctx context.Context, token, app string) (Refresh, error) {
	content, err := i.Keys.Decrypt(ctx, token)
	if err != nil {
		return Refresh{}, err
	}
	var r refresh
	if err := json.Unmarshal(content, &r); err != nil {
		return Refresh{}, err
	}
	if r.App != app {
		return Refresh{}, errors.New("made for another app")
	}
	named := Refresh{r.Family, r.Generation, r.Resources, r.Key, time.UnixMilli(r.Expires), r.Claims}
	if i.Now().UnixMilli() >= r.Expires {
		return named, errExpired
	}
	return named, nil
}
