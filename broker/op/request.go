package op

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

// request is an authentication request (OpenID Connect Core §3.1.2.1), as the login remembers it.
type request struct {
	RedirectURI  string   `json:"redirect_uri"`
	ResponseMode string   `json:"response_mode,omitempty"` // see mode
	Pushed       []byte   `json:"pushed,omitempty"`        // broker.Request.Hash of what it came in (RFC 9126)
	State        string   `json:"state,omitempty"`
	Nonce        string   `json:"nonce,omitempty"`
	Scope        []string `json:"scope"`
	Resources    []string `json:"resources,omitempty"` // identifiers of the APIs that are asked for (RFC 8707)
	Key          string   `json:"dpop_jkt,omitempty"`  // the thumbprint of the key that redeems the code (RFC 9449 §10)
	Challenge    string   `json:"challenge,omitempty"` // PKCE S256 (RFC 7636); "" only for an app that need not

	Claims token.Claims `json:"claims,omitzero"` // about the person, asked for one by one
}

const (
	maxState  = 8 << 10
	maxNonce  = 512
	maxHint   = 255
	maxClaims = 4 << 10
	maxMaxAge = 10 * 365 * 24 * 3600 // seconds
)

// hints are the parameters that name a provider, ours and those of the brokers that apps come from.
var hints = []string{"provider", "identity_provider", "idp_identifier", "connector_id", "kc_idp_hint"}

// once are the parameters that must not be repeated. Others of OAuth and OpenID would be ignored anyway.
var once = append([]string{
	"response_type", "response_mode", "scope", "state", "nonce", "display", "prompt", "max_age", "ui_locales", "claims_locales",
	"id_token_hint", "login_hint", "acr_values", "claims", "code_challenge", "code_challenge_method", "dpop_jkt", "request", "request_uri", "registration",
}, hints...)

// client finds the app.
func (p *Provider) client(v url.Values) (*broker.App, error) {
	id, err := web.Single(v, "client_id")
	if err != nil {
		return nil, err
	}
	app := p.Registry.App(id)
	if app == nil {
		return nil, providers.Refuse("unknown_app", "client_id %.80q", id)
	}
	return app, nil
}

// target finds where the app's answer goes. As long as that is not certain, nothing is redirected (RFC 9700
// §4.11): a person sees the error.
func (p *Provider) target(app *broker.App, v url.Values) (request, error) {
	uri, err := web.Single(v, "redirect_uri")
	if err != nil {
		return request{}, err
	}
	if !slices.ContainsFunc(app.RedirectURIs, func(registered string) bool { return matchRedirect(registered, uri) }) {
		return request{}, providers.Refuse("bad_redirect_uri", "app %q, redirect_uri %.200q", app.ID, uri)
	}
	if state := v.Get("state"); len(state) > maxState || !utf8.ValidString(state) {
		return request{}, providers.Refuse("invalid_request", "state of %d bytes that cannot come back as it is", len(state))
	}
	req := request{RedirectURI: uri, ResponseMode: mode(v, uri)}
	if len(v["state"]) == 1 {
		req.State = v.Get("state")
	}
	if req.ResponseMode == "form_post" && strings.ContainsAny(req.State, "\x00\r\n") {
		return request{}, providers.Refuse("invalid_request", "state that no form brings back as it is")
	}
	return req, nil
}

// webAddress tells whether a page can submit a form to an address: not to an app of the person's machine.
func webAddress(uri string) bool {
	return strings.HasPrefix(uri, "https://") || strings.HasPrefix(uri, "http://")
}

// matchRedirect compares byte for byte. Only the port of a loopback address may differ, for apps on a
// person's machine that get theirs when they start (RFC 8252 §7.3).
func matchRedirect(registered, got string) bool {
	if registered == got {
		return got != ""
	}
	prefix, rest, ok := loopback(registered)
	gotPrefix, gotRest, gotOK := loopback(got)
	return ok && gotOK && prefix == gotPrefix && rest == gotRest
}

// loopback splits "http://127.0.0.1:port/path" into what is before and after the port.
func loopback(uri string) (prefix, rest string, ok bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		tail, found := strings.CutPrefix(uri, host)
		if !found {
			continue
		}
		cut := strings.IndexAny(tail, "/?#")
		if cut < 0 {
			cut = len(tail)
		}
		port := tail[:cut]
		if port != "" {
			if _, err := netip.ParseAddrPort("127.0.0.1" + port); err != nil || port[0] != ':' {
				return "", "", false
			}
		}
		return host, tail[cut:], true
	}
	return "", "", false
}

// parse reads the rest of a request. Its errors go to the app.
func (p *Provider) parse(ctx context.Context, app *broker.App, v url.Values, req *request) (broker.Login, error) {
	for _, name := range once {
		if _, err := web.Single(v, name); err != nil {
			return broker.Login{}, oauth("invalid_request", "%s must not be repeated", name)
		}
	}
	l := broker.Login{Door: Name, App: app.ID, Locales: strings.Fields(clip(v.Get("ui_locales"), 200)), LoginHint: hint(v.Get("login_hint"))}
	for _, read := range []func(url.Values, *broker.App, *request) error{unsupported, responseType, challenge} {
		if err := read(v, app, req); err != nil {
			return l, err
		}
	}
	claims, err := wishes(v)
	if err != nil {
		return l, err
	}
	if err := authenticationContext(v, claims, &l); err != nil {
		return l, err
	}
	if len(l.ACR) == 0 {
		l.ACR = words(slices.Clone(app.DefaultACR))
	}
	if req.Nonce = v.Get("nonce"); len(req.Nonce) > maxNonce || !utf8.ValidString(req.Nonce) {
		return l, oauth("invalid_request", "nonce must be UTF-8 of at most %d bytes", maxNonce)
	}
	if err := p.access(v, app, req); err != nil {
		return l, err
	}
	if err := p.interaction(ctx, v, app, &l); err != nil {
		return l, err
	}
	if slices.Contains(req.Scope, "openid") {
		if req.Claims, err = claims.individual(app); err != nil {
			return l, err
		}
	}
	l.Scopes = covering(req.Scope, req.Claims)
	if app.Public() && !strings.HasPrefix(req.RedirectURI, "https://") {
		// Any program on the person's machine can pose as this app (RFC 8252 §8.6).
		l.AskAgain = true
	}
	return l, p.providerHint(v, app, &l)
}

// unsupported refuses what must not be ignored. A parameter without a value counts as none (RFC 6749 §3.1).
func unsupported(v url.Values, _ *broker.App, _ *request) error {
	switch {
	case v.Get("request") != "":
		return oauth("request_not_supported", "the app has no keys to sign requests with")
	case v.Get("request_uri") != "":
		return oauth("request_uri_not_supported", "the app has registered no request_uris")
	case v.Get("registration") != "":
		return oauth("registration_not_supported", "registration is not supported")
	case len(v.Get("claims")) > maxClaims:
		return oauth("invalid_request", "claims is longer than %d bytes", maxClaims)
	}
	return nil
}

func responseType(v url.Values, _ *broker.App, req *request) error {
	if t := v.Get("response_type"); t != "code" {
		return oauth("unsupported_response_type", "response_type must be code")
	}
	switch mode := v.Get("response_mode"); mode {
	case "", "query", "jwt", "query.jwt":
		return nil
	case "form_post", "form_post.jwt":
		if req.ResponseMode != mode {
			return oauth("invalid_request", "response_mode=%s needs a redirect_uri of http or https", mode)
		}
		return nil
	}
	return oauth("invalid_request", "response_mode must be query, form_post, jwt, query.jwt or form_post.jwt")
}

// base64url are the characters of the encoding (RFC 4648 §5).
const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// isDigest tells whether s has the form of a SHA-256 in base64url.
func isDigest(s string) bool { return len(s) == 43 && strings.Trim(s, base64url) == "" }

// challenge reads PKCE's (RFC 7636 §4.3), of which only S256 is taken: 43 characters of base64url.
func challenge(v url.Values, app *broker.App, req *request) error {
	c, method := v.Get("code_challenge"), v.Get("code_challenge_method")
	switch {
	case c == "" && method == "" && app.PKCEOptional && !app.Public():
		return nil
	case c == "":
		return oauth("invalid_request", "code_challenge is required (PKCE, with S256)")
	case method != "S256":
		return oauth("invalid_request", "code_challenge_method must be S256")
	case !isDigest(c):
		return oauth("invalid_request", "code_challenge must be the SHA-256 of the verifier in base64url")
	}
	req.Challenge = c
	return nil
}

// interaction reads what the app wants to happen with the person (OpenID Connect Core §3.1.2.1).
func (p *Provider) interaction(ctx context.Context, v url.Values, app *broker.App, l *broker.Login) error {
	prompts := strings.Fields(v.Get("prompt"))
	for _, prompt := range prompts {
		switch prompt {
		case "none":
			if len(prompts) > 1 {
				return oauth("invalid_request", "prompt=none goes with no other")
			}
			l.NoInput = true
		case "login":
			l.ForceLogin = true
		case "select_account":
			l.SelectUser = true
		case "consent": // for a first-party app the operator has consented
			l.AskAgain = true
		default:
			return oauth("invalid_request", "prompt must be none, login, consent or select_account")
		}
	}
	if v.Get("max_age") != "" {
		age, err := strconv.ParseUint(v.Get("max_age"), 10, 32) // digits alone, no sign
		if err != nil || age > maxMaxAge {
			return oauth("invalid_request", "max_age must be a number of seconds")
		}
		l.HasMaxAge, l.MaxAge = true, time.Duration(age)*time.Second
	} else if app.DefaultMaxAge != nil {
		l.HasMaxAge, l.MaxAge = true, *app.DefaultMaxAge
	}
	if h := v.Get("id_token_hint"); h != "" {
		read, err := p.Issuer.ReadHint(ctx, h)
		if err != nil || read.App != app.ID {
			return oauth("invalid_request", "id_token_hint is not an ID token of this app")
		}
		if l.ExpectedUser != "" && l.ExpectedUser != read.Subject {
			return oauth("invalid_request", "id_token_hint and claims name two people")
		}
		l.ExpectedUser = read.Subject
	}
	return nil
}

// providerHint narrows the login to the provider that the app names.
func (p *Provider) providerHint(v url.Values, app *broker.App, l *broker.Login) error {
	for _, name := range hints {
		id := v.Get(name)
		if id == "" {
			continue
		}
		if p.Registry.Provider(id) == nil || !app.May(id) {
			return oauth("invalid_request", "%s names no provider of this app", name)
		}
		l.Only = []string{id}
		return nil
	}
	return nil
}

// hint returns a login_hint that can be shown; one that is too long or odd is as good as none.
func hint(s string) string {
	if len(s) > maxHint || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) {
		return ""
	}
	return s
}

func clip(s string, n int) string { return s[:min(len(s), n)] }
