package op

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

// answerLife is how long a signed answer is good: its way is one redirect.
const answerLife = 10 * time.Minute

// mode is how an app gets its answer, refusals too: query or form_post, with .jwt behind it when it is signed
// (JWT Secured Authorization Response Mode). What is not one of them is refused by responseType.
func mode(v url.Values, uri string) string {
	if len(v["response_mode"]) != 1 {
		return "query"
	}
	switch m := v.Get("response_mode"); m {
	case "jwt", "query.jwt":
		return "query.jwt"
	case "form_post", "form_post.jwt":
		if webAddress(uri) {
			return m
		}
	}
	return "query"
}

// sign puts an answer's parameters into a JWT for the app.
func (p *Provider) sign(ctx context.Context, app string, v url.Values) (url.Values, error) {
	a := p.Registry.App(app)
	if a == nil {
		return nil, providers.Refuse("unknown_app", "app %q is gone", app)
	}
	if !v.Has("code") {
		if err := p.refusals.take(callerOf(app, web.RequestInfo(ctx).Addr), p.Now()); err != nil {
			return nil, err
		}
	}
	c := map[string]any{"iss": p.Issuer.URL, "aud": a.ID, "exp": p.Now().Add(answerLife).Unix()}
	for name := range v {
		c[name] = v.Get(name)
	}
	token, err := p.Keys.Sign(ctx, a.Signing, keys.TypeID, c)
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	return url.Values{"response": {token}}, nil
}

// answer sends an authorization response to the app. iss is in each, so that the app can tell who answers
// (RFC 9207).
func (p *Provider) answer(ctx context.Context, app string, req request, v url.Values) (providers.Next, error) {
	v.Set("iss", p.Issuer.URL)
	if req.State != "" {
		v.Set("state", req.State)
	}
	way, signed := strings.CutSuffix(req.ResponseMode, ".jwt")
	if signed {
		var err error
		if v, err = p.sign(ctx, app, v); err != nil {
			return nil, err
		}
	}
	if way == "form_post" {
		return providers.Post{URL: req.RedirectURI, Fields: v}, nil
	}
	separator := "?"
	if strings.Contains(req.RedirectURI, "?") {
		separator = "&"
	}
	return providers.Redirect{URL: req.RedirectURI + separator + v.Encode()}, nil
}
