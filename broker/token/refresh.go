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
}

func (i *Issuer) seal(f Family) (string, error) {
	content, err := json.Marshal(refresh{f.ID, f.Generation, f.App, f.Expires.UnixMilli()})
	if err != nil {
		return "", err
	}
	return i.Keys.Encrypt(content)
}

var errExpired = errors.New("expired")

// OpenRefresh returns what a refresh token names, once it is certain that it was made here, for this app,
// and has not expired. Whether it is still good, the family says.
func (i *Issuer) OpenRefresh(ctx context.Context, token, app string) (family string, generation int64, err error) {
	content, err := i.Keys.Decrypt(ctx, token)
	if err != nil {
		return "", 0, err
	}
	var r refresh
	if err := json.Unmarshal(content, &r); err != nil {
		return "", 0, err
	}
	switch {
	case r.App != app:
		return "", 0, errors.New("made for another app")
	case i.Now().UnixMilli() >= r.Expires:
		return "", 0, errExpired
	}
	return r.Family, r.Generation, nil
}
