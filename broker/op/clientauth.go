package op

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
)

// authenticate says which app is calling (RFC 6749 §2.3.1): by client_secret_basic, client_secret_post or,
// for an app without a secret, by its client_id alone. One method a request.
func (p *Provider) authenticate(r *http.Request, form url.Values) (*broker.App, error) {
	if r.URL.Query().Has("client_secret") || r.URL.Query().Has("client_id") {
		return nil, oauth("invalid_request", "credentials belong into the header or the body, not the address")
	}
	id, err := web.Single(form, "client_id")
	if err != nil {
		return nil, oauth("invalid_request", "client_id must not be repeated")
	}
	secret, err := web.Single(form, "client_secret")
	if err != nil {
		return nil, oauth("invalid_request", "client_secret must not be repeated")
	}
	if form.Get("client_assertion") != "" {
		// Not to be taken for a public app that sends none.
		return nil, oauth("invalid_client", "client assertions are not supported")
	}
	secrets := []string{secret}
	if r.Header.Get("Authorization") != "" {
		user, passwords, ok := basic(r)
		switch {
		case !ok:
			return nil, oauth("invalid_client", "the Authorization header is not of the Basic scheme")
		case secret != "": // an empty one counts as none (RFC 6749 §3.2)
			return nil, oauth("invalid_request", "the app authenticates in two ways at once")
		case id != "" && id != user:
			return nil, oauth("invalid_client", "two different apps are named")
		}
		id, secrets = user, passwords
	}
	app := p.Registry.App(id)
	if app == nil {
		return nil, oauth("invalid_client", "unknown app or wrong secret").because(errors.New("unknown client_id"))
	}
	web.RequestInfo(r.Context()).App = app.ID
	if !slices.ContainsFunc(secrets, func(s string) bool { return knows(app, s) }) {
		return nil, oauth("invalid_client", "unknown app or wrong secret").because(errors.New("wrong secret"))
	}
	return app, nil
}

// knows compares a secret with all that are good, in the same time whatever it is. A public app has none,
// and must not send one.
func knows(app *broker.App, secret string) bool {
	if app.Public() {
		return secret == ""
	}
	sum := sha256.Sum256([]byte(secret))
	match := 0
	for _, h := range app.SecretHashes {
		match |= subtle.ConstantTimeCompare(sum[:], h)
	}
	return match == 1
}

// basic reads the Basic scheme, whose parts are urlencoded (RFC 6749 §2.3.1). Many apps forget that, so the
// password as it stands is a candidate too.
func basic(r *http.Request) (user string, passwords []string, ok bool) {
	user, raw, ok := r.BasicAuth()
	if !ok {
		return "", nil, false
	}
	if u, err := url.QueryUnescape(user); err == nil {
		user = u
	}
	passwords = []string{raw}
	if decoded, err := url.QueryUnescape(raw); err == nil && decoded != raw {
		passwords = append(passwords, decoded)
	}
	return user, passwords, true
}
