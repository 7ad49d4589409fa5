package op

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer" //nolint:gosec // a name of the standard

// TrustedIssuer is somebody whose assertions are taken as grants (RFC 7523 §2.1).
type TrustedIssuer struct {
	ID     string // of the configuration; without a colon
	Issuer string // iss
	Keys   broker.Keys
	Algs   []string
	Apps   []string // ids of those that may bring its assertions
	// Provider is whose people its subjects are; "": they are services, called by ID and sub.
	Provider string
	Create   bool     // somebody unknown becomes a user
	Subjects []string // who is taken: each is a sub, or the beginning of one and a *; none: everybody
}

// takes tells whether an app may bring an assertion about a subject.
func (t *TrustedIssuer) takes(app *broker.App, sub string) bool {
	return slices.Contains(t.Apps, app.ID) && (len(t.Subjects) == 0 || slices.ContainsFunc(t.Subjects, func(s string) bool {
		if start, any := strings.CutSuffix(s, "*"); any {
			return strings.HasPrefix(sub, start)
		}
		return sub == s
	}))
}

// service is what a service is called here: no user and no app has a colon in its id.
func (t *TrustedIssuer) service(sub string) string { return t.ID + ":" + sub }

// AssertionGrant is the JWT bearer grant (RFC 7523 §2.1): what a trusted issuer says of a person or a service is
// enough for an access token. There is no refresh token: a new assertion is as good.
type AssertionGrant struct {
	Provider *Provider
}

// Type implements Grant.
func (g *AssertionGrant) Type() string { return jwtBearer }

func badAssertion(format string, args ...any) *Error {
	return oauth("invalid_grant", "the assertion is not valid").because(fmt.Errorf(format, args...))
}

// Authorize implements Grant.
func (g *AssertionGrant) Authorize(ctx context.Context, app *broker.App, form url.Values) (token.Authorization, error) {
	raw, err := web.Single(form, "assertion")
	if err != nil || raw == "" {
		return token.Authorization{}, oauth("invalid_request", "assertion must be given once")
	}
	scope, err := readScope(form)
	if err != nil {
		return token.Authorization{}, err
	}
	from, c, err := g.read(ctx, raw)
	if err != nil {
		return token.Authorization{}, err
	}
	if !from.takes(app, c.Subject) {
		return token.Authorization{}, badAssertion("app %q may not bring what %q says of %.100q", app.ID, from.ID, c.Subject)
	}
	v := vouching{
		provider: from.Provider, identity: providers.Identity{Subject: c.Subject, Claims: c.all}, create: from.Create,
		scope: scope, targets: form["resource"], how: "an assertion of " + from.ID, bad: badAssertion,
	}
	grant := g.Provider.admit
	if from.Provider == "" {
		v.identity.Subject, grant = from.service(c.Subject), g.service
	}
	a, err := grant(ctx, app, v)
	if err != nil {
		return a, err
	}
	a.App, a.AccessOnly = app, true
	commit := a.Commit
	a.Commit = func(ctx context.Context) error {
		// A space is in no provider's id, whose names share this memory.
		err := g.Provider.Store.Remember(ctx, "jwt-bearer "+from.ID, c.ID, c.Expires.Time().Add(assertionAhead))
		if errors.Is(err, broker.ErrReplay) {
			return badAssertion("jti %.64q was used before", c.ID)
		} else if err != nil {
			return err
		}
		return commit(ctx)
	}
	return a, nil
}

// service is what a service may have: as an app's own token, it is good until it expires.
func (g *AssertionGrant) service(_ context.Context, app *broker.App, v vouching) (token.Authorization, error) {
	p := g.Provider
	own, err := p.own(app, v.scope, v.targets)
	if err != nil {
		return token.Authorization{}, err
	}
	return token.Authorization{
		User: broker.User{ID: v.identity.Subject}, Family: token.Family{App: app.ID, Scope: own.scope}, Resources: own.ids,
		Commit: func(ctx context.Context) error {
			return p.Broker.Store.Record(ctx, p.issued(ctx, token.Family{App: app.ID}, v.how))
		},
	}, nil
}

// statement is what a trusted issuer says.
type statement struct {
	assertion
	all map[string]any
}

// read returns who has signed an assertion and what it says, once it may be believed. The audience is the issuer
// as one text, as with the assertions of apps.
func (g *AssertionGrant) read(ctx context.Context, raw string) (*TrustedIssuer, statement, error) {
	var c statement
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || len(raw) > maxAssertion {
		return nil, c, badAssertion("%d bytes in %d parts", len(raw), len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		c.assertion, err = readAssertion(payload)
	}
	if err != nil {
		return nil, c, badAssertion("%w", err)
	}
	from := g.Provider.trusted(func(t *TrustedIssuer) bool { return t.Issuer == c.Issuer })
	if from == nil {
		return nil, c, badAssertion("iss %.100q", c.Issuer)
	}
	typ, payload, err := from.Keys.Verify(ctx, raw, from.Algs)
	if down := (*providers.Error)(nil); errors.As(err, &down) {
		return nil, c, (&vouching{bad: badAssertion}).refuse(err)
	} else if err == nil {
		err = isA("authorization-grant+jwt", typ)
	}
	if err == nil {
		err = errors.Join(json.Unmarshal(payload, &c.assertion), json.Unmarshal(payload, &c.all))
	}
	if err == nil {
		err = c.checkUse(g.Provider.Issuer.URL, g.Provider.Now())
	}
	if err != nil {
		return nil, c, badAssertion("%w", err)
	}
	if c.Subject == "" || len(c.Subject) > maxJTI-1 || strings.ContainsFunc(c.Subject, unicode.IsControl) {
		return nil, c, badAssertion("a sub of %d bytes", len(c.Subject))
	}
	return from, c, nil
}

// trusted finds an issuer; nil: there is none.
func (p *Provider) trusted(is func(*TrustedIssuer) bool) *TrustedIssuer {
	for i := range p.Issuers {
		if is(&p.Issuers[i]) {
			return &p.Issuers[i]
		}
	}
	return nil
}

// stillTrusted refuses the token of a service whose issuer, or whose app, is not what it was.
func (p *Provider) stillTrusted(app *broker.App, subject string) error {
	id, sub, _ := strings.Cut(subject, ":")
	t := p.trusted(func(t *TrustedIssuer) bool { return t.ID == id })
	if t == nil || t.Provider != "" || !t.takes(app, sub) || !app.Uses(jwtBearer) {
		return fmt.Errorf("service %.100q of app %q is not trusted", subject, app.ID)
	}
	return nil
}
