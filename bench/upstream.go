package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/signet-broker/signet/internal/idptest"
)

// upstream is an OpenID provider that signs everyone in at once, as one of many numbered people in turn.
type upstream struct {
	issuer string
	alg    string
	signer jose.Signer
	keys   jose.JSONWebKeySet
	people uint64
	turn   atomic.Uint64
	codes  sync.Map // code -> signIn
}

type signIn struct{ subject, client, nonce string }

func runUpstream(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("bench upstream", flag.ExitOnError)
	addr := fs.String("addr", "127.0.0.1:9900", "listen address")
	alg := fs.String("alg", "RS256", "what ID tokens are signed with: RS256 or ES256")
	people := fs.Uint64("people", 1000, "how many different people sign in, in turn")
	ailing := fs.Bool("ailing", false, "POST /health?is=hangs has it hang, and so on; see ailment.go")
	untilEOF := fs.Bool("until-eof", false, "end when standard input ends")
	fs.Parse(args)
	if *people == 0 {
		return fmt.Errorf("-people is more than 0")
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	u := &upstream{issuer: "http://" + listener.Addr().String(), alg: *alg, people: *people}
	if err := u.makeKey(); err != nil {
		return err
	}
	handler := u.handler()
	if *ailing {
		handler = newHealth().wrap(handler)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: timeout}
	go func() {
		if *untilEOF {
			io.Copy(io.Discard, os.Stdin)
		} else {
			<-ctx.Done()
		}
		server.Close()
	}()
	saml, err := idptest.StartSAML(idptest.SAMLOptions{SignIn: "peter"})
	if err != nil {
		return err
	}
	defer saml.Close()
	fmt.Println(u.issuer, saml.EntityID)
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func (u *upstream) makeKey() (err error) {
	var key crypto.Signer
	switch u.alg {
	case "RS256":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		return fmt.Errorf("-alg is RS256 or ES256")
	}
	if err != nil {
		return err
	}
	const id = "upstream"
	u.keys.Keys = []jose.JSONWebKey{{Key: key.Public(), KeyID: id, Algorithm: u.alg, Use: "sig"}}
	signing := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(u.alg), Key: jose.JSONWebKey{Key: key, KeyID: id}}
	u.signer, err = jose.NewSigner(signing, (&jose.SignerOptions{}).WithType("JWT"))
	return err
}

func (u *upstream) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", u.discovery)
	mux.HandleFunc("GET /authorize", u.authorize)
	mux.HandleFunc("POST /token", u.token)
	mux.HandleFunc("GET /userinfo", u.userinfo)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, u.keys) })
	return mux
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func (u *upstream) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, 200, map[string]any{
		"issuer":                                         u.issuer,
		"authorization_endpoint":                         u.issuer + "/authorize",
		"token_endpoint":                                 u.issuer + "/token",
		"userinfo_endpoint":                              u.issuer + "/userinfo",
		"jwks_uri":                                       u.issuer + "/keys",
		"response_types_supported":                       []string{"code"},
		"subject_types_supported":                        []string{"public"},
		"scopes_supported":                               []string{"openid", "email", "profile"},
		"id_token_signing_alg_values_supported":          []string{u.alg},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post"},
		"authorization_response_iss_parameter_supported": true,
	})
}

// authorize sends the browser straight back.
func (u *upstream) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || !back.IsAbs() {
		http.Error(w, "redirect_uri", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	subject := "user-" + strconv.FormatUint(u.turn.Add(1)%u.people, 10)
	u.codes.Store(code, signIn{subject, q.Get("client_id"), q.Get("nonce")})
	v := back.Query()
	v.Set("code", code)
	v.Set("state", q.Get("state"))
	v.Set("iss", u.issuer)
	back.RawQuery = v.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// token redeems a code; a refresh token is good for ever, for brokers that pass refreshes on.
func (u *upstream) token(w http.ResponseWriter, r *http.Request) {
	var s signIn
	if err := r.ParseForm(); err != nil {
		answer(w, 400, map[string]string{"error": "invalid_request"})
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "refresh_token":
		s.subject, s.client = r.PostForm.Get("refresh_token"), r.PostForm.Get("client_id")
		if id, _, ok := r.BasicAuth(); ok {
			s.client = id
		}
	default:
		found, ok := u.codes.LoadAndDelete(r.PostForm.Get("code"))
		if !ok {
			answer(w, 400, map[string]string{"error": "invalid_grant"})
			return
		}
		s = found.(signIn)
	}
	id, err := u.idToken(s)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, 200, map[string]any{
		"token_type": "Bearer", "access_token": s.subject, "refresh_token": s.subject, "expires_in": 3600, "id_token": id, "scope": "openid email profile",
	})
}

func (u *upstream) idToken(s signIn) (string, error) {
	now := time.Now().Unix()
	claims := person(s.subject)
	claims["iss"], claims["aud"] = u.issuer, s.client
	claims["iat"], claims["auth_time"], claims["exp"] = now, now, now+3600
	if s.nonce != "" {
		claims["nonce"] = s.nonce
	}
	return jwt.Signed(u.signer).Claims(claims).Serialize()
}

// person is what the upstream says of a subject.
func person(subject string) map[string]any {
	return map[string]any{
		"sub": subject, "email": subject + "@corp.example", "email_verified": true,
		"name": "User " + subject, "given_name": "User", "family_name": subject, "preferred_username": subject,
		"groups": []string{"staff", "eng"},
	}
}

func (u *upstream) userinfo(w http.ResponseWriter, r *http.Request) {
	const scheme = "Bearer "
	subject := r.Header.Get("Authorization")
	if len(subject) <= len(scheme) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	answer(w, 200, person(subject[len(scheme):]))
}
