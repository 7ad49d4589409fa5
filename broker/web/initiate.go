package web

import (
	"net/url"

	"github.com/signet-broker/signet/broker"
)

// Initiate is where a login of an app's begins (OpenID Connect Core §4): its address with iss, and with hint as
// login_hint unless that is "". Without iss an app of several issuers would not know whom to ask. "" for an app
// that has no such address.
func (s *Site) Initiate(app *broker.App, hint string) string {
	to, err := url.Parse(app.InitiateLoginURI)
	if err != nil || app.InitiateLoginURI == "" {
		return ""
	}
	q := to.Query()
	q.Set("iss", s.Issuer.String())
	if hint != "" {
		q.Set("login_hint", hint)
	}
	to.RawQuery = q.Encode()
	return to.String()
}
