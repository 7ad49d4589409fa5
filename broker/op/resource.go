package op

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
)

const (
	maxScope     = 4 << 10
	maxResources = 10
)

func badTarget(format string, args ...any) *Error {
	return oauth("invalid_target", "resource names no API that this app may use").because(fmt.Errorf(format, args...))
}

// access reads what an authentication request wants tokens for: scope, resource and dpop_jkt.
func (p *Provider) access(v url.Values, app *broker.App, req *request) error {
	if !app.Uses("authorization_code") {
		return oauth("unauthorized_client", "the app may not use the authorization code grant")
	}
	asked := strings.Fields(clip(v.Get("scope"), maxScope))
	own, err := p.resources(app, asked, v["resource"])
	if err != nil {
		return err
	}
	req.Resources = own.ids
	if req.Scope = append(granted(app, asked), own.scope...); !app.Uses("refresh_token") {
		req.Scope = slices.DeleteFunc(req.Scope, func(s string) bool { return s == "offline_access" })
	}
	if req.Key = v.Get("dpop_jkt"); req.Key != "" && !isDigest(req.Key) {
		return oauth("invalid_request", "dpop_jkt must be the SHA-256 thumbprint of a key in base64url")
	}
	return nil
}

// granted are the scopes of a request that mean something to Signet itself and that the app may ask for.
func granted(app *broker.App, asked []string) []string {
	return slices.DeleteFunc(token.Granted(asked), func(s string) bool { return !app.MayAsk(s) })
}

// wanted is what of a request is for APIs.
type wanted struct {
	ids   []string // of the APIs, or the issuer for Signet itself; none: nothing names one
	scope []string // the APIs' own
}

// resources finds the APIs that a request is for (RFC 8707 §2): those that resource names, or else those whose
// scopes are asked for. A scope of an API that the app may not use is refused; one of nobody's means nothing.
func (p *Provider) resources(app *broker.App, asked, named []string) (wanted, error) {
	named = slices.DeleteFunc(slices.Clone(named), func(id string) bool { return id == "" })
	if len(p.APIs) == 0 && len(named) == 0 {
		return wanted{}, nil
	}
	if len(named) > maxResources {
		return wanted{}, badTarget("%d resources", len(named))
	}
	var w wanted
	for _, id := range named {
		if api := p.APIs[id]; id != p.Issuer.URL && (api == nil || !api.Serves(app)) {
			return wanted{}, badTarget("resource %.200q", id)
		}
		if !slices.Contains(w.ids, id) {
			w.ids = append(w.ids, id)
		}
	}
	for _, s := range asked {
		if slices.Contains(token.Scopes, s) || slices.Contains(w.scope, s) || !app.MayAsk(s) {
			continue
		}
		mine, others := p.owners(app, s)
		switch {
		case len(mine)+len(others) == 0:
			continue
		case len(mine) == 0:
			return wanted{}, oauth("invalid_scope", "a scope is of an API that this app may not use").because(fmt.Errorf("scope %.100q", s))
		case len(named) == 0:
			w.ids = append(w.ids, slices.DeleteFunc(mine, func(id string) bool { return slices.Contains(w.ids, id) })...)
		case !slices.ContainsFunc(mine, func(id string) bool { return slices.Contains(w.ids, id) }):
			continue
		}
		w.scope = append(w.scope, s)
	}
	slices.Sort(w.ids)
	return w, nil
}

// owners are the APIs that have a scope: those that an app may use, and the others.
func (p *Provider) owners(app *broker.App, scope string) (mine, others []string) {
	for id, api := range p.APIs {
		switch {
		case !slices.Contains(api.Scopes, scope):
		case api.Serves(app):
			mine = append(mine, id)
		default:
			others = append(others, id)
		}
	}
	return mine, others
}

// narrow chooses the one API that an access token is for, of those that were granted (RFC 8707 §2.2). nil is
// Signet itself. An API that is gone, or that the app may not use any more, gets none.
func (p *Provider) narrow(a token.Authorization, form url.Values) (*broker.API, error) {
	named := slices.DeleteFunc(slices.Clone(form["resource"]), func(id string) bool { return id == "" })
	id := p.Issuer.URL
	switch {
	case len(named) > 1:
		return nil, oauth("invalid_target", "an access token is for one API: name one resource")
	case len(named) == 1:
		// Whoever signs in may always be looked up at userinfo.
		if id = named[0]; id != p.Issuer.URL && !slices.Contains(a.Resources, id) {
			return nil, badTarget("resource %.200q was not granted", id)
		}
	case len(a.Resources) == 1:
		id = a.Resources[0]
	case len(a.Resources) > 1:
		return nil, oauth("invalid_target", "several APIs were granted: name one of them as resource")
	}
	if id == p.Issuer.URL {
		return nil, nil
	}
	api := p.APIs[id]
	if api == nil || !api.Serves(a.App) {
		return nil, badTarget("resource %.200q is gone", id)
	}
	return api, nil
}
