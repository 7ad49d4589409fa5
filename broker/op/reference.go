package op

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

// What the client that fetches request objects must keep to: a person's browser waits for them.
const (
	ObjectTimeout = 4 * time.Second
	MaxObject     = 64 << 10 // bytes
)

const (
	maxReference = 512 // characters of a request_uri (OpenID Connect Core §6.2)
	objectKept   = 5 * time.Minute
	objectsKept  = 256
)

func badReference(format string, args ...any) *Error {
	return oauth("invalid_request_uri", "request_uri gives no request object").because(&providers.Error{Kind: providers.Invalid, Reason: "invalid_request_uri", Err: fmt.Errorf(format, args...)})
}

// mayRefer tells whether an app may have its requests fetched. Nothing is fetched for one whose objects could
// not be verified, or that must push.
func mayRefer(app *broker.App) bool {
	return len(app.RequestURIs) > 0 && app.Credentials.Keys != nil && !app.Credentials.MustPush
}

// withoutFragment returns what a server is asked for of a request_uri; the fragment no server is told.
func withoutFragment(uri string) string {
	base, _, _ := strings.Cut(uri, "#")
	return base
}

// registered tells whether a request_uri is one that the app has registered (OpenID Connect Core §6.2): to the
// letter, or but for a fragment that names what stands there. sum is what the fragment has to be the SHA-256 of;
// nil: it may be anything, since it was registered.
func registered(app *broker.App, uri string) (sum []byte, ok bool) {
	if len(uri) > maxReference {
		return nil, false
	}
	for _, known := range app.RequestURIs {
		if known == uri {
			return nil, true
		}
		ok = ok || withoutFragment(known) == withoutFragment(uri)
	}
	_, fragment, _ := strings.Cut(uri, "#")
	sum, err := base64.RawURLEncoding.Strict().DecodeString(fragment)
	return sum, ok && err == nil && len(sum) == sha256.Size
}

// fetch replaces a request_uri by the request object that stands there (RFC 9101 §5.2). Only what the app has
// registered is ever asked for: else anybody could send Signet anywhere.
func (p *Provider) fetch(ctx context.Context, app *broker.App, v url.Values) (url.Values, error) {
	if v.Get("request") != "" || len(v["request"]) > 1 || len(v["request_uri"]) > 1 {
		return nil, oauth("invalid_request", "request and request_uri must come once, and not both")
	}
	uri := v.Get("request_uri")
	sum, ok := registered(app, uri)
	if !ok {
		return nil, badReference("%.80q is not registered", withoutFragment(uri))
	}
	object, ok := p.objects.get(sum, p.Now())
	if !ok {
		who := app.ID
		if app.Registered { // a stranger can have any number of these
			who = registering
		}
		err := p.fetches.take(callerOf(who, web.RequestInfo(ctx).Addr), p.Now())
		if err != nil {
			return nil, err
		}
		if object, err = p.download(ctx, uri, sum); err != nil {
			return nil, badReference("%.80q: %w", withoutFragment(uri), err)
		}
		p.objects.put(sum, object, p.Now())
	}
	inside := url.Values{"request": {object}}
	for _, name := range []string{"client_id", "response_type", "scope"} {
		if v.Has(name) {
			inside[name] = v[name]
		}
	}
	return inside, nil
}

// download gets what stands at an address. sum, if there is one, is its SHA-256.
func (p *Provider) download(ctx context.Context, uri string, sum []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, withoutFragment(uri), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/oauth-authz-req+jwt, application/jwt")
	resp, err := p.Objects.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxObject+1))
	if err != nil {
		return "", err
	}
	if len(body) > MaxObject {
		return "", fmt.Errorf("more than %d bytes", MaxObject)
	}
	if got := sha256.Sum256(body); sum != nil && !bytes.Equal(got[:], sum) {
		return "", errors.New("the fragment is not the SHA-256 of what stands there")
	}
	text := strings.TrimSpace(string(body))
	if text == "" {
		return "", errors.New("nothing stands there")
	}
	return text, nil
}

// objects are those that were fetched a short while ago, by their SHA-256: what has one is always the same.
// Its zero value is empty.
type objects struct {
	mu sync.Mutex
	of map[[sha256.Size]byte]keptObject
}

type keptObject struct {
	text string
	at   time.Time
}

func (o *objects) get(sum []byte, now time.Time) (string, bool) {
	if len(sum) != sha256.Size {
		return "", false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	kept, ok := o.of[[sha256.Size]byte(sum)]
	return kept.text, ok && now.Sub(kept.at) < objectKept
}

// put keeps an object that was named by its sum. When there is no more room, all of them are forgotten.
func (o *objects) put(sum []byte, text string, now time.Time) {
	if len(sum) != sha256.Size {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of == nil || len(o.of) >= objectsKept {
		o.of = map[[sha256.Size]byte]keptObject{}
	}
	o.of[[sha256.Size]byte(sum)] = keptObject{text, now}
}
