package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The apps of withKeyApps. Every one has the redirect_uris of callbackURI and secondURI.
const (
	keyApp     = "signed"  // private_key_jwt by any of its keys, which are in the configuration
	es256App   = "es256"   // the same, by ES256 alone
	sharedApp  = "shared"  // client_secret_jwt
	basicApp   = "basic"   // client_secret_basic alone
	postApp    = "post"    // client_secret_post alone
	movingApp  = "moving"  // has a second secret
	nobodyApp  = "none"    // none, said aloud
	farApp     = "far"     // private_key_jwt by keys that it publishes
	pushApp    = "pushing" // private_key_jwt, its requests must be pushed
	sealedApp  = "sealed"  // has a secret, its requests must be signed
	nextSecret = "the-next-secret-of-32-characters-or-more"
	secondURI  = "https://app.example.com/second"
)

// appKey is a key of an app.
type appKey struct {
	kid string
	alg jose.SignatureAlgorithm
	key any
}

// appKeys are those of every app with keys, and of somebody else.
var appKeys = sync.OnceValue(func() map[string]appKey {
	curve := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return k
	}
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return map[string]appKey{
		"es": {"es", jose.ES256, curve()}, "rs": {"rs", jose.RS256, large}, "ps": {"rs", jose.PS256, large}, "ed": {"ed", jose.EdDSA, ed},
		"stranger": {"es", jose.ES256, curve()}, "unknown": {"new", jose.ES256, curve()},
	}
})

// publicKeys is a key set of some of them.
func publicKeys(names ...string) string {
	var set jose.JSONWebKeySet
	for _, name := range names {
		k := appKeys()[name]
		jwk := jose.JSONWebKey{Key: k.key, KeyID: k.kid, Use: "sig"}
		set.Keys = append(set.Keys, jwk.Public())
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// publishedKeys is where farApp publishes its keys.
type publishedKeys struct {
	*httptest.Server
	asked atomic.Int32
	serve atomic.Pointer[http.HandlerFunc]
}

var farKeys = sync.OnceValue(func() *publishedKeys {
	p := &publishedKeys{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		(*p.serve.Load())(w, r)
	}))
	p.honest("es")
	return p
})

func (p *publishedKeys) honest(names ...string) {
	p.does(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(publicKeys(names...))) })
}

func (p *publishedKeys) does(h http.HandlerFunc) {
	p.serve.Store(&h)
	p.asked.Store(0)
}

func withKeyApps(text string) string {
	uris := "redirect_uris: [" + callbackURI + ", " + secondURI + "]"
	apps := "apps:\n"
	for id, more := range map[string]string{
		keyApp:    "auth: private_key_jwt, jwks: " + publicKeys("es", "rs", "ed"),
		es256App:  "auth: private_key_jwt, assertion_algs: [ES256], jwks: " + publicKeys("es", "rs"),
		sharedApp: "auth: client_secret_jwt, secret: " + appSecret + ", secret_next: " + nextSecret,
		basicApp:  "auth: client_secret_basic, secret: " + appSecret,
		postApp:   "auth: client_secret_post, secret: " + appSecret,
		movingApp: "secret: " + appSecret + ", secret_next: " + nextSecret,
		nobodyApp: "auth: none",
		farApp:    "auth: private_key_jwt, jwks_uri: " + `"` + farKeys().URL + `/keys"`,
		pushApp:   "auth: private_key_jwt, require_par: true, jwks: " + publicKeys("es"),
		sealedApp: "secret: " + appSecret + ", require_signed_request: true, jwks: " + publicKeys("es"),
	} {
		apps += fmt.Sprintf("  - {id: %s, %s, %s}\n", id, uris, more)
	}
	return strings.Replace(text, "apps:\n", apps, 1)
}

// draft is a JWT of an app before it is signed.
type draft struct {
	appKey
	header map[jose.HeaderKey]any
	claims map[string]any
}

// draft is an honest assertion of an app (RFC 7523).
func (w *world) draft(app string) *draft {
	now := w.now()
	return &draft{appKeys()["es"], map[jose.HeaderKey]any{}, map[string]any{
		"iss": app, "sub": app, "aud": w.URL, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}}
}

// object is an honest request object of an app (RFC 9101), with overrides.
func (w *world) object(app string, with map[string]any) *draft {
	d := w.draft(app)
	delete(d.claims, "sub")
	for name, v := range authorizeQuery(app, nil) {
		d.claims[name] = v[0]
	}
	maps.Copy(d.claims, with)
	return d
}

func (d *draft) sign() string {
	payload, err := json.Marshal(d.claims)
	if err != nil {
		panic(err)
	}
	if d.alg == "none" {
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
	}
	options := &jose.SignerOptions{ExtraHeaders: d.header}
	if d.kid != "" {
		options = options.WithHeader("kid", d.kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: d.alg, Key: d.key}, options)
	if err != nil {
		panic(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return raw
}

// asserted adds an assertion to a form.
func asserted(form url.Values, assertion string) url.Values {
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
	return form
}

// secretKey is a secret as a key.
func secretKey(secret string) appKey { return appKey{"", jose.HS256, []byte(secret)} }
