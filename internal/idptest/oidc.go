package idptest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	mathbig "math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// OIDCOptions say what a fake OpenID provider is; each zero value has a usable default.
type OIDCOptions struct {
	Addr         string // to listen on; "": some free port of 127.0.0.1
	Name         string // for people; "Globex"
	People       []Person
	AutoSignIn   string // username of whoever is signed in without a page; "" shows the page
	ClientID     string // "signet"
	ClientSecret string // "globex-secret"
	RedirectURIs []string
	Now          func() time.Time
	// ClientKeys returns the JWK set that the client signs its assertions with; nil: it uses its secret.
	ClientKeys func() ([]byte, error)
	CodesLast  bool // a code may be redeemed again, so that what is single-use at the client is the client's to refuse
}

// OIDC is a fake OpenID provider: a real server, honest until told otherwise.
type OIDC struct {
	Issuer  string
	options OIDCOptions
	addr    string
	key     []byte // makes access tokens
	server  *http.Server
	browser *http.Client // a person's
	manner  OIDCRow      // what it always does, however honest
	noPKCE  bool         // it makes nothing of RFC 7636
	// secret tells whether a client secret is good; nil: it must be the one of the options.
	secret func(string) bool
	// first are parameters of a person's first way back; nil: there are none.
	first func(p Person) url.Values

	mu     sync.Mutex
	row    *OIDCRow
	signer signingKey
	codes  map[string]grant
	counts map[string]int
	evil   *http.Server
	used   map[string]bool // jti of client assertions
	known  map[string]bool // who has signed in before
}

// grant is what a code stands for.
type grant struct {
	person      Person
	redirectURI string
	nonce       string
	challenge   string
	authTime    time.Time
}

// StartOIDC starts a fake OpenID provider on loopback. Close stops it.
func StartOIDC(opts OIDCOptions) (*OIDC, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	f := newOIDC(opts)
	if err := f.Up(); err != nil {
		return nil, err
	}
	f.Issuer = "http://" + f.addr
	return f, nil
}

// newOIDC makes one that nothing serves yet.
func newOIDC(opts OIDCOptions) *OIDC {
	if opts.Name == "" {
		opts.Name = "Globex"
	}
	if opts.ClientID == "" {
		opts.ClientID = "signet"
	}
	if opts.ClientSecret == "" {
		opts.ClientSecret = "globex-secret"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if len(opts.People) == 0 {
		opts.People = []Person{
			{Username: "ann", Name: "Ann Archer", Email: "ann@globex.example", EmailVerified: true, Groups: []string{"staff", "admins"}},
			{Username: "bob", Name: "Bob Baker", Email: "bob@globex.example", EmailVerified: true, Groups: []string{"staff"}},
			{Username: "eve", Name: "Eve Elder", Email: "eve@elsewhere.example"},
		}
	}
	f := &OIDC{
		options: opts, addr: opts.Addr, key: []byte(rand.Text()), browser: browser,
		codes: map[string]grant{}, counts: map[string]int{}, used: map[string]bool{}, known: map[string]bool{},
	}
	f.signer = currentKey()
	return f
}

// Up listens again after Down, at the same address.
func (f *OIDC) Up() error {
	listener, err := net.Listen("tcp", f.addr)
	if err != nil {
		return fmt.Errorf("fake OpenID provider: %w", err)
	}
	f.addr = listener.Addr().String()
	f.server = &http.Server{Handler: f.handler(), ReadHeaderTimeout: 5 * time.Second}
	go f.server.Serve(listener)
	return nil
}

// Down makes it unreachable: nothing listens, and open connections are cut.
func (f *OIDC) Down() {
	f.server.Close()
	browser.CloseIdleConnections() // a person does not send a form down a dead connection
}

// Close stops it.
func (f *OIDC) Close() error {
	f.mu.Lock()
	evil := f.evil
	f.evil = nil
	f.mu.Unlock()
	if evil != nil {
		evil.Close()
	}
	return f.server.Close()
}

// Misbehave makes it do what row says from now on.
func (f *OIDC) Misbehave(row *OIDCRow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.row = row
}

// Honest ends Misbehave.
func (f *OIDC) Honest() { f.Misbehave(nil) }

// Rotate replaces the signing key; the one before is no longer published.
func (f *OIDC) Rotate() {
	key := newSigningKey()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signer = key
}

// Requests returns how often a path was asked for.
func (f *OIDC) Requests(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[path]
}

// ClientID and ClientSecret are the one client's.
func (f *OIDC) ClientID() string     { return f.options.ClientID }
func (f *OIDC) ClientSecret() string { return f.options.ClientSecret }

// now returns the row in force, which is never nil.
func (f *OIDC) now() *OIDCRow {
	f.mu.Lock()
	defer f.mu.Unlock()
	row := OIDCRow{}
	if f.row != nil {
		row = *f.row
	}
	row.Discovery = then(f.manner.Discovery, row.Discovery)
	row.Claims = then(f.manner.Claims, row.Claims)
	row.Callback = then(f.manner.Callback, row.Callback)
	return &row
}

// then does both, as far as there are any.
func then[T any](first, second func(*OIDC, T)) func(*OIDC, T) {
	if first == nil || second == nil {
		if first == nil {
			return second
		}
		return first
	}
	return func(f *OIDC, v T) { first(f, v); second(f, v) }
}

func (f *OIDC) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", f.discovery)
	mux.HandleFunc("GET /jwks", f.jwks)
	mux.HandleFunc("/authorize", f.authorize)
	mux.HandleFunc("POST /token", f.token)
	mux.HandleFunc("/userinfo", f.userinfo)
	mux.HandleFunc("/logout", f.endSession)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.counts[r.URL.Path]++
		f.mu.Unlock()
		if serve := f.now().Serve[r.URL.Path]; serve != nil {
			serve(f, w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (f *OIDC) discoveryDocument() map[string]any {
	return map[string]any{
		"issuer":                                         f.Issuer,
		"authorization_endpoint":                         f.Issuer + "/authorize",
		"token_endpoint":                                 f.Issuer + "/token",
		"jwks_uri":                                       f.Issuer + "/jwks",
		"userinfo_endpoint":                              f.Issuer + "/userinfo",
		"end_session_endpoint":                           f.Issuer + "/logout",
		"response_types_supported":                       []string{"code"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"RS256"},
		"scopes_supported":                               []string{"openid", "email", "profile"},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"},
		"code_challenge_methods_supported":               []string{"S256"},
		"authorization_response_iss_parameter_supported": true,
	}
}

func (f *OIDC) discovery(w http.ResponseWriter, _ *http.Request) {
	doc := f.discoveryDocument()
	if alter := f.now().Discovery; alter != nil {
		alter(f, doc)
	}
	writeJSON(w, http.StatusOK, doc)
}

func (f *OIDC) jwks(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, f.keySet())
}

func (f *OIDC) keySet() map[string]any {
	f.mu.Lock()
	key := f.signer
	f.mu.Unlock()
	doc := map[string]any{"keys": []any{key.public()}}
	if alter := f.now().JWKS; alter != nil {
		alter(f, doc)
	}
	return doc
}

// person returns somebody by username or e-mail address.
func (f *OIDC) person(name string) (Person, bool) {
	i := slices.IndexFunc(f.options.People, func(p Person) bool { return p.Username == name || p.Email == name })
	if name == "" || i < 0 {
		return Person{}, false
	}
	return f.options.People[i], true
}

// mint makes the access token of a person; it needs no memory.
func (f *OIDC) mint(p Person) string {
	name := base64.RawURLEncoding.EncodeToString([]byte(p.Username))
	mac := hmac.New(sha256.New, f.key)
	mac.Write([]byte(name))
	return name + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (f *OIDC) bearer(r *http.Request) (Person, bool) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	name, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(name)
	p, ok := f.person(string(raw))
	return p, err == nil && ok && hmac.Equal([]byte(token), []byte(f.mint(p)))
}

func writeJSON(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(doc)
}

// browser is a person's, who may wait longer than Signet does.
var browser = &http.Client{
	Timeout:       30 * time.Second,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// signingKey is an RSA key and its name.
type signingKey struct {
	id  string
	rsa *rsa.PrivateKey
}

// currentKey is made once: a fake per test must not cost a key per test.
var currentKey = sync.OnceValue(newSigningKey)

func newSigningKey() signingKey { return sizedKey(2048) }

func sizedKey(bits int) signingKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err) // the system has no randomness
	}
	return signingKey{id: rand.Text(), rsa: key}
}

func (k signingKey) public() map[string]any {
	e := mathbig.NewInt(int64(k.rsa.E)).Bytes()
	return map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": k.id,
		"n": base64.RawURLEncoding.EncodeToString(k.rsa.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(e),
	}
}
