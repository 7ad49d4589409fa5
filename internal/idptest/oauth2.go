package idptest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// OAuth2 is a fake upstream that speaks OAuth 2.0 without OpenID Connect: a real server, honest until told
// otherwise. The people are ann, bob and eve.
type OAuth2 struct {
	URL                    string // of one that stands on loopback
	ClientID, ClientSecret string

	pkce    pkce
	errors  func(w http.ResponseWriter, r *http.Request, code string) // answers a refused token request
	tokens  func(w http.ResponseWriter, r *http.Request, doc map[string]any)
	browser *http.Client
	addr    string
	handler http.Handler
	server  *http.Server
	socket  net.Listener

	mu     sync.Mutex
	row    OAuth2Row
	codes  map[string]oauth2Grant
	access map[string]string // access token: whose
	counts map[string]int
}

// OAuth2Row is how an OAuth2 misbehaves; each nil leaves that part honest.
type OAuth2Row struct {
	Callback func(v url.Values)
	Token    func(doc map[string]any)
	// Answer changes what the API says at a path, and may replace it.
	Answer func(path string, doc any) any
	// Serve takes a whole path over.
	Serve map[string]http.HandlerFunc
}

// pkce is what an upstream makes of RFC 7636.
type pkce int

const (
	pkceKnown   pkce = iota // it is checked
	pkceIgnored             // nothing is made of it
	pkceRefused             // a code_verifier is an error
)

type oauth2Grant struct{ person, redirectURI, challenge string }

// StartOAuth2 starts one on loopback, with /authorize, /token (HTTP Basic) and /me. Close stops it.
func StartOAuth2() (*OAuth2, error) {
	f := newOAuth2(pkceKnown)
	mux := http.NewServeMux()
	mux.HandleFunc("/authorize", f.authorize)
	mux.HandleFunc("POST /token", f.token)
	mux.HandleFunc("GET /me", f.api(func(person string, _ *http.Request) any {
		return map[string]any{"data": map[string]any{"user": map[string]any{"id": number(person), "name": person}}, "email": person + "@globex.example"}
	}))
	f.handler, f.addr = mux, "127.0.0.1:0"
	if err := f.Up(); err != nil {
		return nil, err
	}
	f.URL = "http://" + f.addr
	return f, nil
}

func newOAuth2(p pkce) *OAuth2 {
	return &OAuth2{
		ClientID: "signet", ClientSecret: "globex-secret", pkce: p, browser: browser,
		codes: map[string]oauth2Grant{}, access: map[string]string{}, counts: map[string]int{},
		errors: func(w http.ResponseWriter, _ *http.Request, code string) {
			status := http.StatusBadRequest
			if code == "invalid_client" {
				status = http.StatusUnauthorized
			}
			writeJSON(w, status, map[string]any{"error": code, "error_description": "SECRET"})
		},
		tokens: func(w http.ResponseWriter, _ *http.Request, doc map[string]any) { writeJSON(w, http.StatusOK, doc) },
	}
}

// number is what somebody is called in a database; the numbers of two people differ by less than a float64 can tell.
func number(person string) json.Number {
	return json.Number(fmt.Sprintf("90071992547409%02d", 91+strings.Index("abe", person[:1])))
}

// Up listens again after Down, at the same address.
func (f *OAuth2) Up() error {
	listener, err := net.Listen("tcp", f.addr)
	if err != nil {
		return fmt.Errorf("fake OAuth 2.0 upstream: %w", err)
	}
	f.addr, f.socket = listener.Addr().String(), listener
	f.server = &http.Server{Handler: f.counted(f.handler), ReadHeaderTimeout: 5 * time.Second}
	go f.server.Serve(listener)
	return nil
}

// Down makes it unreachable.
func (f *OAuth2) Down() {
	f.server.Close()
	f.socket.Close() // a server that has only begun to serve does not know it yet
	browser.CloseIdleConnections()
}

// Close stops it.
func (f *OAuth2) Close() error { return f.server.Close() }

// Misbehave makes it do what row says from now on.
func (f *OAuth2) Misbehave(row OAuth2Row) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.row = row
}

// Honest ends Misbehave.
func (f *OAuth2) Honest() { f.Misbehave(OAuth2Row{}) }

// Requests returns how often a path was asked for.
func (f *OAuth2) Requests(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[path]
}

func (f *OAuth2) now() OAuth2Row {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.row
}

// counted counts requests, and lets the row take paths over.
func (f *OAuth2) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.counts[r.URL.Path]++
		serve := f.row.Serve[r.URL.Path]
		f.mu.Unlock()
		if serve != nil {
			serve(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// authorize signs in whoever the form names.
func (f *OAuth2) authorize(w http.ResponseWriter, r *http.Request) {
	back, err := url.Parse(r.FormValue("redirect_uri"))
	person := r.PostFormValue("person")
	if err != nil || !back.IsAbs() || r.FormValue("client_id") != f.ClientID || r.FormValue("response_type") != "code" || person == "" ||
		f.pkce == pkceKnown && r.FormValue("code_challenge_method") != "S256" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	v := url.Values{"state": {r.FormValue("state")}, "code": {rand.Text()}}
	f.mu.Lock()
	f.codes[v.Get("code")] = oauth2Grant{person, r.FormValue("redirect_uri"), r.FormValue("code_challenge")}
	f.mu.Unlock()
	if change := f.now().Callback; change != nil {
		change(v)
	}
	query := back.Query()
	for name, values := range v {
		query[name] = values
	}
	back.RawQuery = query.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// token is the token endpoint.
func (f *OAuth2) token(w http.ResponseWriter, r *http.Request) {
	id, secret := r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	if user, pass, ok := r.BasicAuth(); ok {
		id, secret = user, pass
	}
	code := r.PostFormValue("code")
	f.mu.Lock()
	g, ok := f.codes[code]
	delete(f.codes, code)
	f.mu.Unlock()
	switch {
	case id != f.ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(f.ClientSecret)) != 1:
		f.errors(w, r, "invalid_client")
		return
	case f.pkce == pkceRefused && r.PostForm.Has("code_verifier"):
		f.errors(w, r, "invalid_request")
		return
	case !ok || r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != g.redirectURI || !f.verified(g, r):
		f.errors(w, r, "invalid_grant")
		return
	}
	access := rand.Text()
	f.mu.Lock()
	f.access[access] = g.person
	f.mu.Unlock()
	doc := map[string]any{"access_token": access, "token_type": "bearer", "expires_in": 3600}
	if change := f.now().Token; change != nil {
		change(doc)
	}
	f.tokens(w, r, doc)
}

func (f *OAuth2) verified(g oauth2Grant, r *http.Request) bool {
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	return f.pkce != pkceKnown || base64.RawURLEncoding.EncodeToString(sum[:]) == g.challenge
}

// bearer returns whom the access token of a request belongs to; "" when it is none of ours.
func (f *OAuth2) bearer(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.access[token]
}

// api answers for whoever the access token belongs to. A nil answer is a 404.
func (f *OAuth2) api(answer func(person string, r *http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		person := f.bearer(r)
		if person == "" {
			writeJSON(w, http.StatusUnauthorized, map[string]any{"message": "SECRET"})
			return
		}
		doc := answer(person, r)
		if change := f.now().Answer; change != nil {
			doc = change(r.URL.Path, doc)
		}
		if doc == nil {
			writeJSON(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
			return
		}
		writeJSON(w, http.StatusOK, doc)
	}
}

// SignIn plays a browser: it follows an authorization URL, signs person in, and returns the address that the
// browser is sent to.
func (f *OAuth2) SignIn(ctx context.Context, authorizeURL, person string) (*url.URL, error) {
	form := strings.NewReader(url.Values{"person": {person}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, authorizeURL, form)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := f.browser.Do(req)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	resp.Body.Close()
	back, err := resp.Location()
	if errors.Is(err, http.ErrNoLocation) {
		return nil, fmt.Errorf("sign in: the upstream answers %d", resp.StatusCode)
	}
	return back, err
}
