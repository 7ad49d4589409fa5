package oauth2

import (
	"context"
	"encoding/json"
	"fmt"

	"golang.org/x/oauth2"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/providers"
)

// memory is what Begin leaves for Continue in Attempt.State.
type memory struct {
	Verifier string `json:"verifier"` // RFC 7636
}

// Begin sends the person to the upstream's authorization endpoint.
func (p *provider) Begin(_ context.Context, a *providers.Attempt) (providers.Next, error) {
	// OAuth has no word for when somebody signed in, so nothing that comes back could show that it was now.
	if a.ForceLogin || a.MaxAge > 0 {
		return nil, providers.Refuse("stale_auth", "the app wants to know when people sign in, and this upstream does not say")
	}
	var err error
	mem := memory{Verifier: oauth2.GenerateVerifier()}
	if a.State, err = json.Marshal(mem); err != nil {
		return nil, providers.AsError(fmt.Errorf("remember attempt: %w", err))
	}
	var options []oauth2.AuthCodeOption
	if !p.options.NoPKCE {
		options = append(options, oauth2.S256ChallengeOption(mem.Verifier))
	}
	if p.options.Wishes != nil {
		for name, values := range p.options.Wishes(a) {
			options = append(options, oauth2.SetAuthURLParam(name, values[0]))
		}
	}
	for name, value := range p.conf.Params {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	return providers.Redirect{URL: p.client.AuthCodeURL(a.ID, options...)}, nil
}

// Continue takes the upstream's answer that came through the browser, trades the code in, and asks whom the
// access token belongs to.
func (p *provider) Continue(ctx context.Context, a *providers.Attempt, r providers.Reply) (providers.Next, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var mem memory
	if err := json.Unmarshal(a.State, &mem); err != nil || mem.Verifier == "" {
		return nil, providers.Refuse("state_invalid", "attempt %s was not begun", a.ID)
	}
	code, err := authcode.Callback{State: a.ID, Iss: p.checkIss}.Code(r)
	if err != nil {
		return nil, err
	}
	var options []oauth2.AuthCodeOption
	if !p.options.NoPKCE {
		options = append(options, oauth2.VerifierOption(mem.Verifier))
	}
	t, err := authcode.Exchange(ctx, p.token, &p.client, code, options...)
	if err != nil {
		return nil, err
	}
	subject, claims, err := p.person(ctx, &API{client: p.api, token: t.AccessToken})
	if err != nil {
		return nil, err
	}
	return providers.Done{Identity: providers.Identity{Subject: subject, Claims: claims, AuthTime: p.env.Now()}}, nil
}

// checkIss is RFC 9207, section 2.4. Where no issuer is configured, the callback's own address tells the
// upstreams apart: each has one of its own.
func (p *provider) checkIss(iss string, given bool) error {
	if p.conf.Issuer != "" && (!given || iss != p.conf.Issuer) {
		return providers.Refuse("iss_mismatch", "callback is from another issuer, or does not say from which")
	}
	return nil
}

func (p *provider) person(ctx context.Context, api *API) (string, map[string]any, error) {
	if p.options.Person != nil {
		return p.options.Person(ctx, api)
	}
	var profile map[string]any
	if _, err := api.Get(ctx, p.conf.UserInfoURL, &profile); err != nil {
		return "", nil, err
	}
	subject, err := Subject(profile, p.conf.Subject)
	if err != nil {
		return "", nil, err
	}
	return subject, Claims(profile), nil
}
