package op

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
)

// inquirer is who asks about a token: an app, or an API.
type inquirer struct {
	id      string
	app     *broker.App
	api     *broker.API
	signing string
}

// introspect is the introspection endpoint (RFC 7662). A token is active only for the API it is for and the app
// it was issued to; for anybody else, and whatever is wrong with it, the answer is the same.
func (p *Provider) introspect(w http.ResponseWriter, r *http.Request) {
	form, err := web.Form(w, r, web.FormLimit)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	who, err := p.inquirer(r, form)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	raw, err := web.Single(form, "token")
	if err != nil || raw == "" {
		p.fail(w, r, oauth("invalid_request", "token must be given once"))
		return
	}
	answer := map[string]any{"active": false}
	claims, err := p.inspect(r.Context(), who, raw)
	switch {
	case err == nil:
		answer = claims
		answer["active"] = true
	case errors.Is(err, token.ErrInvalid):
		web.RequestInfo(r.Context()).Err = err
	default:
		p.fail(w, r, err)
		return
	}
	p.tell(w, r, who, answer)
}

// tell answers as JSON, or signed when that is asked for (RFC 9701 §5).
func (p *Provider) tell(w http.ResponseWriter, r *http.Request, who inquirer, answer map[string]any) {
	const signed = "application/token-introspection+jwt"
	if !slices.ContainsFunc(strings.Split(r.Header.Get("Accept"), ","), func(t string) bool {
		t, _, _ = strings.Cut(t, ";")
		return strings.EqualFold(strings.TrimSpace(t), signed)
	}) {
		writeJSON(w, http.StatusOK, answer)
		return
	}
	jwt, err := p.Keys.Sign(r.Context(), who.signing, keys.TypeIntrospection, map[string]any{
		"iss": p.Issuer.URL, "aud": who.id, "iat": p.Now().Unix(), "token_introspection": answer,
	})
	if err != nil {
		p.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", signed)
	w.Write([]byte(jwt))
}

// inquirer says who is asking: an API by its identifier and secret, else an app that has a secret.
func (p *Provider) inquirer(r *http.Request, form url.Values) (inquirer, error) {
	id, secrets := form.Get("client_id"), form["client_secret"]
	user, passwords, isBasic := basic(r)
	if isBasic {
		id, secrets = user, append(passwords, secrets...)
	}
	api := p.APIs[id]
	if api == nil {
		app, err := p.authenticate(r, form)
		if err == nil && app.Public() {
			err = oauth("invalid_client", "an app without a secret may not ask")
		}
		if err != nil {
			return inquirer{}, err
		}
		return inquirer{id: app.ID, app: app, signing: app.Signing}, nil
	}
	switch {
	case isBasic && form.Has("client_secret"), len(form["client_id"]) > 1, len(form["client_secret"]) > 1:
		return inquirer{}, oauth("invalid_request", "the API authenticates in two ways at once")
	case form.Get("client_id") != "" && form.Get("client_id") != id:
		return inquirer{}, oauth("invalid_client", "two different APIs are named")
	case !slices.ContainsFunc(secrets, func(s string) bool { return opens(api.SecretHashes, s) }):
		return inquirer{}, oauth("invalid_client", "unknown API or wrong secret").because(fmt.Errorf("API %q: wrong secret", id))
	}
	return inquirer{id: id, api: api, signing: api.Signing}, nil
}

// opens tells whether a secret is one of those whose hashes are given, in the same time whichever it is.
func opens(hashes [][]byte, secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	match := 0
	for _, h := range hashes {
		match |= subtle.ConstantTimeCompare(sum[:], h)
	}
	return match == 1
}

// inspect returns what there is to say of a token to who asks. Errors wrap token.ErrInvalid when there is
// nothing to say.
func (p *Provider) inspect(ctx context.Context, who inquirer, raw string) (map[string]any, error) {
	in, err := p.Issuer.Inspect(ctx, raw, who.appID())
	switch {
	case err != nil:
		return nil, err
	case who.app != nil && in.App != who.app.ID, who.api != nil && in.Audience != who.api.ID:
		return nil, fmt.Errorf("%w: %q is neither who got it nor whom it is for", token.ErrInvalid, who.id)
	}
	if err := p.stillGranted(in); err != nil {
		return nil, fmt.Errorf("%w: %w", token.ErrInvalid, err)
	}
	return in.Claims, nil
}

func (i inquirer) appID() string {
	if i.app == nil {
		return ""
	}
	return i.app.ID
}

// stillGranted refuses tokens that would not be issued any more: the app, the provider or the API is gone.
func (p *Provider) stillGranted(in token.Inspection) error {
	app := p.Registry.App(in.App)
	if app == nil {
		return fmt.Errorf("app %q is gone", in.App)
	}
	if in.Audience != "" && in.Audience != p.Issuer.URL {
		if api := p.APIs[in.Audience]; api == nil || !api.Serves(app) {
			return fmt.Errorf("API %q is gone", in.Audience)
		}
	}
	if in.Family.ID != "" {
		return p.stillUsed(in.Family)
	}
	if in.Subject != app.ID {
		return p.stillTrusted(app, in.Subject)
	}
	if !app.Uses(clientCredentials) {
		return fmt.Errorf("app %q may not use %s", in.App, clientCredentials)
	}
	return nil
}
