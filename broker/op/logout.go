package op

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

// logoutRequest is one of OpenID Connect RP-Initiated Logout §2, with what is certain about it.
type logoutRequest struct {
	app   *broker.App
	uri   string // where the app wants the browser back; registered, or ""
	state string
	hint  *token.Hint
	form  url.Values // as it came, for the page that asks
}

// logout ends the browser's session. Only a hint that names this very session ends it at once; anything
// else could be another site's image, so the person is asked.
func (p *Provider) logout(w http.ResponseWriter, r *http.Request) error {
	v, err := values(w, r)
	if err != nil {
		return err
	}
	req, err := p.readLogout(r, v)
	if err != nil {
		return err
	}
	visitor, err := p.Site.Visitor(r)
	if err != nil {
		return err
	}
	if p.foreign(r, visitor) {
		return p.again(w, r, "/logout", v)
	}
	switch {
	case visitor.Session == nil, p.names(&req, visitor):
	case r.Method == http.MethodPost && v.Has("confirm"):
		if err := p.Site.CheckForm(r, visitor, v.Get("csrf")); err != nil {
			return err
		}
	default:
		p.Site.Known(w, r, &visitor)
		return p.Site.ConfirmLogout(w, r, visitor, req.app, req.form)
	}
	return p.Site.SignOut(w, r, visitor, req.after())
}

// after is where the app wants its person afterwards.
func (req *logoutRequest) after() broker.After {
	a := broker.After{URI: req.uri, State: req.state, Locales: strings.Fields(req.form.Get("ui_locales"))}
	if req.app != nil {
		a.App = req.app.ID
	}
	return a
}

// names tells whether a hint is about the visitor's own session. An ID token of an earlier session of the
// same person is not.
func (p *Provider) names(req *logoutRequest, v broker.Visitor) bool {
	h := req.hint
	if h == nil || h.Session == "" {
		return false
	}
	sub, err := p.Issuer.Subject(req.app, v.Session.User)
	sid, sidErr := p.Issuer.SID(req.app, v.Session.ID)
	return err == nil && sidErr == nil && h.Session == sid && h.Subject == sub
}

func (p *Provider) readLogout(r *http.Request, v url.Values) (logoutRequest, error) {
	req := logoutRequest{form: url.Values{}}
	for _, name := range []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"} {
		value, err := web.Single(v, name)
		if err != nil {
			return req, err
		}
		if value != "" {
			req.form.Set(name, value)
		}
	}
	id := v.Get("client_id")
	if raw := v.Get("id_token_hint"); raw != "" {
		// A hint that cannot be read (its key may be long gone) is none: the person is asked.
		if h, err := p.Issuer.ReadHint(r.Context(), raw); err == nil {
			if id != "" && id != h.App {
				return req, providers.Refuse("bad_logout_hint", "id_token_hint is of app %q, client_id is %.80q", h.App, id)
			}
			req.hint, id = &h, h.App
		}
	}
	if id != "" {
		if req.app = p.Registry.App(id); req.app == nil {
			return req, providers.Refuse("unknown_app", "client_id %.80q", id)
		}
		web.RequestInfo(r.Context()).App = id
	}
	return req, p.readReturn(v, &req)
}

// readReturn takes a post_logout_redirect_uri that is registered, byte for byte. Which app it belongs to
// must be known.
func (p *Provider) readReturn(v url.Values, req *logoutRequest) error {
	uri := v.Get("post_logout_redirect_uri")
	if uri == "" {
		return nil
	}
	if req.app == nil || !slices.Contains(req.app.PostLogoutRedirectURIs, uri) {
		return providers.Refuse("bad_logout_uri", "post_logout_redirect_uri %.200q", uri)
	}
	req.uri, req.state = uri, v.Get("state")
	return nil
}
