package token

import (
	"encoding/base64"

	"github.com/signet-broker/signet/broker"
)

// Subject returns the sub of a user at an app (OpenID Connect Core §8): the user's ID, or where the app has a
// sector a name that only the apps of that sector know. Nothing that they see leads from one sector's to
// another's, or back to the user: Signet itself goes by the family that a token names.
func (i *Issuer) Subject(app *broker.App, user string) (string, error) {
	return i.named("subject", app, user)
}

// SID returns the sid of a session at an app. One that was the same everywhere would tell two sectors that they
// have the same person before them.
func (i *Issuer) SID(app *broker.App, session string) (string, error) {
	return i.named("session", app, session)
}

func (i *Issuer) named(what string, app *broker.App, id string) (string, error) {
	if app.Sector == "" || id == "" {
		return id, nil
	}
	mac, err := i.Keys.Lasting(what, app.Sector, id)
	return base64.RawURLEncoding.EncodeToString(mac), err
}

func (i *Issuer) names(app *broker.App, user, session string) (sub, sid string, err error) {
	if sub, err = i.Subject(app, user); err == nil {
		sid, err = i.SID(app, session)
	}
	return sub, sid, err
}

// known is an authorization with user and session as its app knows them. An app's own, and a service's, has
// neither.
func (i *Issuer) known(a Authorization) (Authorization, error) {
	if a.Family.ID == "" {
		return a, nil
	}
	var err error
	a.User.ID, a.Family.Session, err = i.names(a.App, a.User.ID, a.Family.Session)
	return a, err
}
