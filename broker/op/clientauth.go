package op

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
)

// credential is by what a request says which app sends it (RFC 6749 §2.3).
type credential struct {
	app       string
	method    string   // client_secret_basic, client_secret_post or none; "": by an assertion
	secrets   []string // one, in every way that it may have been meant
	assertion string
}

// authenticate says which app is calling, by the one method that it may use. One method a request.
func (p *Provider) authenticate(r *http.Request, form url.Values) (*broker.App, error) {
	got, err := presented(r, form)
	if err != nil {
		return nil, err
	}
	app := p.Registry.App(got.app)
	if app == nil {
		return nil, unproven("unknown client_id")
	}
	info := web.RequestInfo(r.Context())
	info.App = app.ID
	from := callerOf(app.ID, info.Addr)
	if err := p.guesses.check(from, p.Now()); err != nil {
		return nil, err
	}
	if err := p.prove(r, app, &got); err != nil {
		if e := (*Error)(nil); errors.As(err, &e) && e.Code == "invalid_client" && !app.Public() { // of those there is nothing to guess, only people to lock out
			p.guesses.note(from, p.Now())
		}
		return nil, err
	}
	return app, nil
}

// unproven is what everybody gets who does not prove to be an app, whatever is wrong.
func unproven(format string, args ...any) *Error {
	return oauth("invalid_client", "unknown app or wrong credentials").because(fmt.Errorf(format, args...))
}

// presented reads what a request brings, and refuses one that brings two things.
func presented(r *http.Request, form url.Values) (credential, error) {
	for _, name := range []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		if len(form[name]) > 1 {
			return credential{}, oauth("invalid_request", "%s must not be repeated", name)
		}
		if r.URL.RawQuery != "" && r.URL.Query().Has(name) {
			return credential{}, oauth("invalid_request", "credentials belong into the header or the body, not the address")
		}
	}
	got := credential{app: form.Get("client_id"), method: broker.AuthNone, secrets: []string{form.Get("client_secret")}}
	if got.secrets[0] != "" { // an empty one counts as none (RFC 6749 §3.2)
		got.method = broker.AuthPost
	}
	header := r.Header.Get("Authorization") != ""
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		if header || got.method != broker.AuthNone {
			return credential{}, oauth("invalid_request", "the app authenticates in two ways at once")
		}
		return asserted(form)
	}
	if !header {
		return got, nil
	}
	user, passwords, ok := basic(r)
	switch {
	case !ok:
		return credential{}, oauth("invalid_client", "the Authorization header is not of the Basic scheme")
	case got.method != broker.AuthNone:
		return credential{}, oauth("invalid_request", "the app authenticates in two ways at once")
	case got.app != "" && got.app != user:
		return credential{}, oauth("invalid_client", "two different apps are named")
	}
	return credential{app: user, method: broker.AuthBasic, secrets: passwords}, nil
}

// prove holds what a request brought against what its app has to bring.
func (p *Provider) prove(r *http.Request, app *broker.App, got *credential) error {
	method := app.Credentials.Method
	p.noteCertificate(r)
	switch method {
	case broker.AuthTLS, broker.AuthSelfSigned:
		if got.method != broker.AuthNone {
			return otherMethod(got, method)
		}
		return p.certified(r, app)
	case broker.AuthSecretJWT, broker.AuthPrivateKey:
		if got.assertion == "" {
			return otherMethod(got, method)
		}
		return p.checkAssertion(r.Context(), app, got.assertion)
	}
	if got.assertion != "" || method != "" && got.method != method {
		return otherMethod(got, method)
	}
	if !slices.ContainsFunc(got.secrets, func(s string) bool { return knows(app, s) }) {
		return unproven("wrong secret")
	}
	return nil
}

func otherMethod(got *credential, want string) error {
	return unproven("by %s, its method is %s", cmp.Or(got.method, "an assertion"), cmp.Or(want, "a secret or none"))
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

// checkAssertion checks who has signed an assertion, what it says, and that it is here for the first time.
func (p *Provider) checkAssertion(ctx context.Context, app *broker.App, raw string) error {
	payload, err := signedByApp(ctx, app, raw)
	if err != nil {
		return unproven("assertion: %w", err)
	}
	c, err := readAssertion(payload)
	if err != nil {
		return unproven("assertion: %w", err)
	}
	if err := c.check(app.ID, p.Issuer.URL, p.Now()); err != nil {
		return unproven("assertion: %w", err)
	}
	// A space is in no provider's id, whose names share this memory.
	err = p.Store.Remember(ctx, "assertion "+app.ID, c.ID, c.Expires.Time().Add(assertionAhead))
	if errors.Is(err, broker.ErrReplay) {
		return unproven("assertion: jti %.64q was used before", c.ID)
	}
	return err
}
