package op

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
)

// userinfo is the UserInfo endpoint (OpenID Connect Core §5.3). The token is looked up each time, so that
// one that was revoked is refused at once.
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	a, err := p.presented(w, r)
	if err == nil && !slices.Contains(a.Scope, "openid") {
		err = oauth("insufficient_scope", "the access token lacks the scope openid")
	}
	if err != nil {
		p.challenge(w, r, err)
		return
	}
	info := web.RequestInfo(r.Context())
	info.App, info.User = a.Family.App, a.User.ID
	claims := token.UserClaims(a.User, a.Scope, a.Claims)
	claims["sub"] = a.Subject
	if app := p.Registry.App(a.Family.App); app != nil && app.UserinfoSigning != "" {
		p.signedUserinfo(w, r, app, claims)
		return
	}
	writeJSON(w, http.StatusOK, claims)
}

// signedUserinfo answers with a JWT (OpenID Connect Core §5.3.2), for the app that wants to be certain who says so.
func (p *Provider) signedUserinfo(w http.ResponseWriter, r *http.Request, app *broker.App, claims map[string]any) {
	claims["iss"], claims["aud"], claims["iat"] = p.Issuer.URL, app.ID, p.Now().Unix()
	signed, err := p.Keys.Sign(r.Context(), app.UserinfoSigning, keys.TypeUserinfo, claims)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	io.WriteString(w, signed)
}

// presented returns the access token that a request to Signet itself brings, once it is good and so is whoever
// brings it.
func (p *Provider) presented(w http.ResponseWriter, r *http.Request) (token.Access, error) {
	scheme, raw, err := bearer(w, r)
	if err != nil {
		return token.Access{}, err
	}
	a, err := p.Issuer.VerifyAccess(r.Context(), raw)
	if errors.Is(err, token.ErrInvalid) {
		err = badToken(err)
	}
	if err == nil {
		err = p.stillUsed(a.Family)
	}
	if err == nil {
		err = p.bearerProves(w, r, a, scheme, raw)
	}
	if err == nil {
		err = p.shows(r, a)
	}
	return a, err
}

func badToken(why error) *Error {
	return oauth("invalid_token", "the access token is not valid").because(why)
}

// stillUsed refuses tokens of an app, or of a sign-in at a provider, that the operator has taken away since.
func (p *Provider) stillUsed(f token.Family) error {
	app := p.Registry.App(f.App)
	if app == nil || p.Registry.Provider(f.Provider) == nil || !app.May(f.Provider) {
		return badToken(fmt.Errorf("app %q or provider %q is gone", f.App, f.Provider))
	}
	return nil
}

// bearer returns the token of a request (RFC 6750 §2, RFC 9449 §7.1) and the scheme it comes by, bearer or dpop:
// from its header, or from the form of a POST; never from the query, and not from two places.
func bearer(w http.ResponseWriter, r *http.Request) (scheme, raw string, err error) {
	var form url.Values
	if r.Method == http.MethodPost && r.Header.Get("Content-Type") != "" {
		if form, err = web.Form(w, r, web.FormLimit); err != nil {
			return "", "", err
		}
	}
	headers := r.Header.Values("Authorization")
	switch {
	case r.URL.Query().Has("access_token"):
		return "", "", oauth("invalid_request", "an access token does not belong into the address")
	case len(headers)+len(form["access_token"]) > 1:
		return "", "", oauth("invalid_request", "more than one access token")
	case len(headers) == 0 && !form.Has("access_token"):
		return "", "", &Error{Status: http.StatusUnauthorized, Err: errors.New("no access token")}
	case len(headers) == 0:
		return "bearer", form.Get("access_token"), nil
	}
	scheme, raw, _ = strings.Cut(headers[0], " ")
	if scheme = strings.ToLower(scheme); scheme != "bearer" && scheme != "dpop" {
		return "", "", &Error{Status: http.StatusUnauthorized, Err: errors.New("not a bearer token")}
	}
	return scheme, strings.TrimSpace(raw), nil
}

// challenge refuses as RFC 6750 §3 and RFC 9449 §7.1 say, in the scheme that was tried. Who sent no token is
// only told that one is needed.
func (p *Provider) challenge(w http.ResponseWriter, r *http.Request, err error) {
	e := wire(err)
	if e.Status >= http.StatusInternalServerError {
		p.fail(w, r, err)
		return
	}
	dpop := `DPoP realm="signet", algs="` + strings.Join(proofAlgorithms, " ") + `"`
	header := `Bearer realm="signet"`
	if scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "DPoP") {
		header = dpop
	}
	if e.Code != "" {
		header += `, error="` + e.Code + `", error_description="` + e.Description + `"`
	} else if header != dpop {
		w.Header().Add("WWW-Authenticate", header)
		header = dpop
	}
	w.Header().Add("WWW-Authenticate", header)
	p.fail(w, r, err)
}
