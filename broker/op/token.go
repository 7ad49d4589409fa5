package op

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
)

// tokenResponse is RFC 6749 §5.1's, with OpenID's id_token.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope"`
	IssuedType   string `json:"issued_token_type,omitempty"` // RFC 8693 §2.2.1
}

// token is the token endpoint: one pipeline that no grant can leave.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	set, err := p.exchange(w, r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	w.Header().Set("Pragma", "no-cache")
	writeJSON(w, http.StatusOK, tokenResponse{
		AccessToken: set.Access, TokenType: set.Type, ExpiresIn: int(set.ExpiresIn.Seconds()),
		RefreshToken: set.Refresh, IDToken: set.ID, Scope: strings.Join(set.Scope, " "), IssuedType: set.IssuedType,
	})
}

func (p *Provider) exchange(w http.ResponseWriter, r *http.Request) (token.Set, error) {
	form, err := web.Form(w, r, web.FormLimit)
	if err != nil {
		return token.Set{}, err
	}
	app, err := p.authenticate(r, form)
	if err != nil {
		return token.Set{}, err
	}
	from := callerOf(app.ID, web.RequestInfo(r.Context()).Addr)
	if err := p.codes.check(from, p.Now()); err != nil {
		return token.Set{}, err
	}
	pr, err := p.provenKey(w, r, app)
	if err != nil {
		return token.Set{}, err
	}
	set, err := p.issue(r.Context(), app, form, &pr)
	if errors.Is(err, errRaced) {
		set, err = p.issue(r.Context(), app, form, &pr)
	}
	if errors.Is(err, errUnknownCode) {
		p.codes.note(from, p.Now())
	}
	return set, err
}

// issue is the pipeline from the grant on. pr is of the key that the app has proven.
func (p *Provider) issue(ctx context.Context, app *broker.App, form url.Values, pr *dpopProof) (token.Set, error) {
	a, err := p.grant(ctx, app, form)
	if err != nil {
		return token.Set{}, err
	}
	info := web.RequestInfo(ctx)
	info.Provider, info.User = a.Family.Provider, a.User.ID
	if err := p.stillAllowed(a); err != nil {
		return token.Set{}, err
	}
	if a.Bound != "" && a.Bound != pr.key {
		return token.Set{}, oauth("invalid_grant", "the grant is bound to another key").because(fmt.Errorf("proof by key %q, not %q", pr.key, a.Bound))
	}
	a.Key = pr.key
	if a.Certificate, err = certificateOf(ctx, app); err != nil {
		return token.Set{}, err
	}
	if a.API, err = p.narrow(a, form); err != nil {
		return token.Set{}, err
	}
	if err := p.take(ctx, pr); err != nil {
		return token.Set{}, err
	}
	return p.Issuer.Issue(ctx, a)
}

func (p *Provider) grant(ctx context.Context, app *broker.App, form url.Values) (token.Authorization, error) {
	kind, err := web.Single(form, "grant_type")
	if err != nil || kind == "" {
		return token.Authorization{}, oauth("invalid_request", "grant_type must be given once")
	}
	g := p.grants[kind]
	if g == nil {
		return token.Authorization{}, oauth("unsupported_grant_type", "grant_type is none of those that are supported")
	}
	// Nobody is there to be asked at an exchange, and an app that has to ask must not get round it.
	unasked := app.ThirdParty && (kind == tokenExchange || kind == jwtBearer)
	if !app.Uses(kind) || unasked {
		return token.Authorization{}, oauth("unauthorized_client", "the app may not use this grant_type")
	}
	return g.Authorize(ctx, app, form)
}

// stillAllowed refuses what was allowed at sign-in and is not any more: the user, and the provider that
// vouched for them.
func (p *Provider) stillAllowed(a token.Authorization) error {
	switch {
	case a.Family.ID == "": // the app's own: nobody has signed in
	case a.User.Disabled:
		return oauth("invalid_grant", "the user is disabled")
	case p.Registry.Provider(a.Family.Provider) == nil || !a.App.May(a.Family.Provider):
		return oauth("invalid_grant", "the sign-in's provider may not be used any more").because(fmt.Errorf("provider %q", a.Family.Provider))
	}
	return nil
}
