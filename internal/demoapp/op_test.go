package demoapp

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// op is an OpenID provider that does what a test wants.
type op struct {
	*httptest.Server
	t   *testing.T
	key *rsa.PrivateKey

	mu        sync.Mutex
	challenge string // of the last authorization request
	nonce     string
	asked     []url.Values // what the token endpoint got
	basic     string       // its Authorization header
	revoked   []url.Values
	alter     func(claims map[string]any) // the next ID tokens
	sign      func(claims map[string]any) string
	answer    func(doc map[string]any) // the next token responses
	status    int                      // of the next token responses, if not 200
	generate  int
}

var testKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

const (
	clientID     = "demo-app"
	clientSecret = "a secret / with = odd + characters"
)

func newOP(t *testing.T) *op {
	key, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	o := &op{t: t, key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 200, map[string]any{
			"issuer": o.URL, "authorization_endpoint": o.URL + "/authorize", "token_endpoint": o.URL + "/token",
			"jwks_uri": o.URL + "/jwks", "end_session_endpoint": o.URL + "/logout", "revocation_endpoint": o.URL + "/revoke",
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &o.key.PublicKey, KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", o.token)
	mux.HandleFunc("POST /revoke", func(_ http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		o.revoked = append(o.revoked, r.PostForm)
	})
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	return o
}

func writeJSON(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(doc)
}

func (o *op) token(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r.ParseForm()
	o.asked = append(o.asked, r.PostForm)
	o.basic = r.Header.Get("Authorization")
	if o.status >= 500 {
		w.WriteHeader(o.status)
		return
	}
	if o.status != 0 {
		writeJSON(w, o.status, map[string]any{"error": "invalid_grant", "error_description": "the code is <b>spent</b>"})
		return
	}
	o.generate++
	access := o.jwt(map[string]any{"iss": o.URL, "jti": rand.Text(), "iat": time.Now().Unix(), "exp": time.Now().Add(15 * time.Minute).Unix()})
	claims := map[string]any{
		"iss": o.URL, "sub": "u1", "aud": clientID, "azp": clientID, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		"auth_time": 1700000000, "jti": rand.Text(), "at_hash": halfHash(access), "name": "Ann Archer",
	}
	if r.PostForm.Get("grant_type") == "authorization_code" {
		claims["nonce"] = o.nonce
	}
	if o.alter != nil {
		o.alter(claims)
	}
	sign := o.jwt
	if o.sign != nil {
		sign = o.sign
	}
	doc := map[string]any{"token_type": "Bearer", "expires_in": 900, "access_token": access, "id_token": sign(claims), "refresh_token": rand.Text()}
	if o.answer != nil {
		o.answer(doc)
	}
	writeJSON(w, 200, doc)
}

func halfHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func (o *op) jwt(claims map[string]any) string { return signed(o.t, o.key, claims) }

func signed(t *testing.T, key *rsa.PrivateKey, claims map[string]any) string {
	unsigned := part(t, map[string]any{"alg": "RS256", "kid": "k1"}) + "." + part(t, claims)
	sum := sha256.Sum256([]byte(unsigned))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return unsigned + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func part(t *testing.T, doc any) string {
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// visitor is a browser at the app: it keeps cookies and follows nothing.
type visitor struct {
	t   *testing.T
	app *App
	jar map[string]string
}

type page struct {
	status   int
	body     string
	location *url.URL
	cookies  []*http.Cookie
}

func (v *visitor) do(method, path string, header http.Header) page {
	v.t.Helper()
	r := httptest.NewRequestWithContext(v.t.Context(), method, "http://127.0.0.1:5555"+path, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	for name, value := range v.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	v.app.ServeHTTP(w, r)
	resp := w.Result()
	for _, c := range resp.Cookies() {
		v.jar[c.Name] = c.Value
	}
	to, err := resp.Location()
	if err != nil {
		to = &url.URL{}
	}
	return page{resp.StatusCode, w.Body.String(), to, resp.Cookies()}
}

func (v *visitor) get(path string) page  { v.t.Helper(); return v.do(http.MethodGet, path, nil) }
func (v *visitor) post(path string) page { v.t.Helper(); return v.do(http.MethodPost, path, nil) }

// begin starts a sign-in and returns what the provider was asked.
func (v *visitor) begin(o *op) url.Values {
	v.t.Helper()
	p := v.get("/login")
	q := p.location.Query()
	if p.status != http.StatusSeeOther || q.Get("state") == "" {
		v.t.Fatalf("GET /login = %d to %q", p.status, p.location)
	}
	o.mu.Lock()
	o.challenge, o.nonce = q.Get("code_challenge"), q.Get("nonce")
	o.mu.Unlock()
	return q
}

// back is the provider's honest answer.
func (o *op) back(q url.Values) url.Values {
	return url.Values{"state": {q.Get("state")}, "code": {"c1"}, "iss": {o.URL}}
}

// signIn signs in without any trouble.
func (v *visitor) signIn(o *op) {
	v.t.Helper()
	if p := v.get("/callback?" + o.back(v.begin(o)).Encode()); p.status != http.StatusSeeOther || p.location.Path != "/" {
		v.t.Fatalf("callback = %d to %q\n%s", p.status, p.location, p.body)
	}
	if !v.signedIn() {
		v.t.Fatal("nobody is signed in after an honest sign-in")
	}
}

func (v *visitor) signedIn() bool {
	v.t.Helper()
	return containsID(v.get("/").body, "sign-out")
}
