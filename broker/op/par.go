package op

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

// pushedPrefix begins the name of a pushed request (RFC 9126 §2.2).
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// pushedLife is how long a person may take to get here with a pushed request.
const pushedLife = 2 * time.Minute

const (
	// maxPushed is how many bytes of a request are kept: more than anything that is read of one can have.
	maxPushed = 24 << 10
	// publicPush is how many pushes one of an app without a secret counts for: it comes from a person's own
	// machine, and anybody can send it.
	publicPush = 20
)

// RequestStore keeps what apps have pushed. Errors as in broker.Store.
type RequestStore interface {
	// AddRequest keeps a request. It may be lost with the machine's power.
	AddRequest(ctx context.Context, r broker.Request) error
	// Request returns one that has not expired and was not answered. A login that finishes with an
	// Artifact.Request has answered it.
	Request(ctx context.Context, hash []byte) (broker.Request, error)
}

// pushed is the answer to a pushed request.
type pushed struct {
	URI       string `json:"request_uri"`
	ExpiresIn int    `json:"expires_in"` // seconds
}

// push is the pushed authorization request endpoint (RFC 9126).
func (p *Provider) push(w http.ResponseWriter, r *http.Request) {
	answer, err := p.keep(w, r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, answer)
}

func pushCost(app *broker.App) int {
	if app.Public() {
		return publicPush
	}
	return 1
}

// keep checks a request as the authorization endpoint would, and keeps it.
func (p *Provider) keep(w http.ResponseWriter, r *http.Request) (pushed, error) {
	form, err := web.Form(w, r, web.FormLimit)
	if err != nil {
		return pushed{}, err
	}
	app, err := p.authenticate(r, form)
	if err != nil {
		return pushed{}, err
	}
	from := callerOf(app.ID, web.RequestInfo(r.Context()).Addr)
	if err := p.pushes.check(from, p.Now()); err != nil {
		return pushed{}, err
	}
	for range pushCost(app) {
		p.pushes.note(from, p.Now())
	}
	if form.Has("request_uri") {
		return pushed{}, oauth("invalid_request", "request_uri cannot be pushed")
	}
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		form.Del(name)
	}
	form.Set("client_id", app.ID)
	a := asked{values: form}
	if err := p.unsign(r.Context(), app, &a); err != nil {
		return pushed{}, err
	}
	pr, err := p.bindPushed(w, r, app, a.values)
	if err != nil {
		return pushed{}, err
	}
	req, err := p.target(app, a.values)
	if err != nil {
		return pushed{}, err
	}
	if app.Credentials.MustSign && !a.signed {
		return pushed{}, oauth("invalid_request", "the app's requests must be signed")
	}
	if _, err := p.parse(r.Context(), app, a.values, &req); err != nil {
		return pushed{}, err
	}
	if err := p.take(r.Context(), &pr); err != nil {
		return pushed{}, err
	}
	return p.keepValues(r.Context(), app, a.values)
}

// bindPushed has the code of a request bound to the key of the proof that came with it, as dpop_jkt would (RFC 9449
// §10.1). Where both are there, they must mean the same key. It returns the proof, which is still to be taken.
func (p *Provider) bindPushed(w http.ResponseWriter, r *http.Request, app *broker.App, v url.Values) (dpopProof, error) {
	if len(r.Header.Values("DPoP")) == 0 {
		return dpopProof{}, nil
	}
	pr, err := p.provenKey(w, r, app)
	if err != nil {
		return dpopProof{}, err
	}
	switch asked, err := web.Single(v, "dpop_jkt"); {
	case err != nil:
		return dpopProof{}, oauth("invalid_request", "dpop_jkt must not be repeated")
	case asked != "" && asked != pr.key:
		return dpopProof{}, badProof("by key %q, dpop_jkt is %.80q", pr.key, asked)
	}
	v.Set("dpop_jkt", pr.key)
	return pr, nil
}

func (p *Provider) keepValues(ctx context.Context, app *broker.App, v url.Values) (pushed, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return pushed{}, err
	}
	if len(data) > maxPushed {
		return pushed{}, oauth("invalid_request", "the request is longer than %d bytes", maxPushed)
	}
	secret := rand.Text() + rand.Text()
	hash := sha256.Sum256([]byte(secret))
	err = p.Requests.AddRequest(ctx, broker.Request{Hash: hash[:], App: app.ID, Data: data, Expires: p.Now().Add(pushedLife)})
	return pushed{pushedPrefix + secret, int(pushedLife.Seconds())}, err
}

// asked is an authentication request with its parameters, whichever way they came.
type asked struct {
	values url.Values
	signed bool
	pushed []byte // broker.Request.Hash; nil: it was not pushed
}

// pull reads the parameters of a request that was pushed before. Anybody can have seen its name in a
// browser: it is only good for the app that has pushed it.
func (p *Provider) pull(ctx context.Context, app *broker.App, a *asked) error {
	bad := func(format string, args ...any) error {
		return oauth("invalid_request_uri", "request_uri is unknown, expired or used").because(providers.Refuse("invalid_request_uri", format, args...))
	}
	hash := sha256.Sum256([]byte(strings.TrimPrefix(a.values.Get("request_uri"), pushedPrefix)))
	r, err := p.Requests.Request(ctx, hash[:])
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return bad("unknown, expired or answered")
	case err != nil:
		return err
	case r.App != app.ID:
		return bad("pushed by app %q, used by %q", r.App, app.ID)
	}
	a.pushed, a.values = hash[:], nil
	if err := json.Unmarshal(r.Data, &a.values); err != nil {
		return fmt.Errorf("pushed request: %w", err)
	}
	return nil
}

// unsign replaces the parameters by those of a signed request, if there is one. An app without keys has none.
func (p *Provider) unsign(ctx context.Context, app *broker.App, a *asked) error {
	if !a.values.Has("request") || a.values.Get("request") == "" && len(a.values["request"]) == 1 || app.Credentials.Keys == nil {
		return nil
	}
	inside, err := p.signed(ctx, app, a.values)
	if err != nil {
		return err
	}
	a.values, a.signed = inside, true
	return nil
}

// open replaces the parameters by those of a signed request, which comes beside them or stands where they say.
func (p *Provider) open(ctx context.Context, app *broker.App, a *asked) error {
	if a.values.Get("request_uri") != "" && mayRefer(app) {
		var err error
		if a.values, err = p.fetch(ctx, app, a.values); err != nil {
			return err
		}
	}
	return p.unsign(ctx, app, a)
}

// ask finds out what an app asks for and where its answer goes. With an error, a request without a
// RedirectURI says that nobody may be sent to the app.
func (p *Provider) ask(ctx context.Context, app *broker.App, v url.Values) (asked, request, error) {
	a := asked{values: v}
	if len(v["request_uri"]) == 1 && strings.HasPrefix(v.Get("request_uri"), pushedPrefix) {
		if err := p.pull(ctx, app, &a); err != nil {
			return a, request{}, err
		}
	} else if err := p.open(ctx, app, &a); err != nil {
		req, terr := p.target(app, v)
		if terr != nil {
			req = request{}
		}
		return a, req, err
	}
	req, err := p.target(app, a.values)
	if err != nil {
		return a, request{}, err
	}
	req.Pushed = a.pushed
	switch c := &app.Credentials; {
	case c.MustPush && a.pushed == nil:
		return a, req, oauth("invalid_request", "the app's requests must be pushed")
	case c.MustSign && a.pushed == nil && !a.signed:
		return a, req, oauth("invalid_request", "the app's requests must be signed")
	}
	return a, req, nil
}
