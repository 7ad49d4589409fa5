package saml

import (
	"context"
	"net/http"

	"github.com/beevik/etree"
	"github.com/signet-broker/signet/providers"
)

// IDPInitiated is what is taken of sign-ins that begin at the identity provider (SAML profiles §4.1.5).
type IDPInitiated struct {
	App string `yaml:"app" doc:"the id of the app that they are for; it needs an initiate_login_uri"`
}

// UnsolicitedApp names the key and the app that sign-ins which begin at the identity provider are for; "" when
// they are not taken.
func (c *Config) UnsolicitedApp() (key, app string) { return "idp_initiated.app", c.IDPInitiated.App }

var _ providers.Unsolicited = (*provider)(nil)

// Unsolicited takes a Response by HTTP-POST that answers no request (SAML profiles §4.1.5), and names the app
// that the configuration says. It is held to all that Continue demands, but that it must not answer anything:
// one that answers a request is the answer to somebody's login and not this. RelayState is not read. Every
// other input is an *providers.Error of kind Invalid.
func (p *provider) Unsolicited(ctx context.Context, r providers.Reply) (done providers.Done, app string, err error) {
	if p.cfg.IDPInitiated.App == "" {
		return done, "", providers.Refuse("unsolicited", "no request is under way")
	}
	if err := ctx.Err(); err != nil {
		return done, "", &providers.Error{Kind: providers.Internal, Reason: "canceled", Err: err}
	}
	raw, err := readUnsolicited(r)
	if err != nil {
		return done, "", err
	}
	idp, err := p.source.get(ctx)
	if err != nil {
		return done, "", err
	}
	x := p.exchange(ctx, idp)
	x.begun = x.now.Add(-deliveryTime)
	as, err := p.read(ctx, x, raw)
	if err != nil {
		return done, "", err
	}
	next, err := p.done(x, as)
	if err != nil {
		return done, "", err
	}
	return next.(providers.Done), p.cfg.IDPInitiated.App, nil
}

func readUnsolicited(r providers.Reply) ([]byte, error) {
	if r.Method != http.MethodPost {
		return nil, providers.Refuse("malformed", "not the POST binding")
	}
	if r.Values.Has("SAMLart") || len(r.Values["SAMLResponse"]) != 1 {
		return nil, providers.Refuse("malformed", "not exactly one SAMLResponse")
	}
	raw, err := decodeMessage(r.Values.Get("SAMLResponse"))
	if err != nil {
		return nil, err
	}
	response, err := parseMessage(raw, "Response")
	if err != nil {
		return nil, err
	}
	return raw, answersNothing(response)
}

// answersNothing refuses a message with InResponseTo anywhere, also where it is not read and also an empty one.
func answersNothing(el *etree.Element) error {
	for _, a := range el.Attr {
		if a.Key == "InResponseTo" {
			return providers.Refuse("in_response_to", "%s answers a request", el.Tag)
		}
	}
	for _, c := range el.ChildElements() {
		if err := answersNothing(c); err != nil {
			return err
		}
	}
	return nil
}
