package idptest

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type serve = map[string]func(f *OIDC, w http.ResponseWriter, r *http.Request)

// body answers with a fixed status, type and text.
func body(status int, contentType, text string) func(*OIDC, http.ResponseWriter, *http.Request) {
	return func(_ *OIDC, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

// flood answers with a document of n bytes, without saying so before.
func flood(status, n int) func(*OIDC, http.ResponseWriter, *http.Request) {
	return func(_ *OIDC, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, `{"error":"server_error","SECRET":"`)
		for range n >> 16 {
			if _, err := io.WriteString(w, strings.Repeat("A", 1<<16)); err != nil {
				return
			}
		}
		io.WriteString(w, `"}`)
	}
}

// otherHost is the fake under another name, so that a redirect to it leaves the origin.
func (f *OIDC) otherHost() string { return strings.Replace(f.Issuer, "127.0.0.1", "localhost", 1) }

// tokenAs lets the honest endpoint answer and sends what it said in another dress.
func tokenAs(dress func(w http.ResponseWriter, doc map[string]any)) serve {
	return serve{tokenPath: func(f *OIDC, w http.ResponseWriter, r *http.Request) {
		inner := &recorder{header: http.Header{}}
		f.token(inner, r)
		var doc map[string]any
		json.Unmarshal([]byte(inner.text.String()), &doc)
		dress(w, doc)
	}}
}

// recorder is a response that goes nowhere.
type recorder struct {
	header http.Header
	text   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(p []byte) (int, error) { return r.text.Write(p) }

func dressed(contentType string) serve {
	return tokenAs(func(w http.ResponseWriter, doc map[string]any) {
		w.Header().Set("Content-Type", contentType)
		json.NewEncoder(w).Encode(doc)
	})
}

// Token endpoint and userinfo.
var oidcEndpointRows = []OIDCRow{
	{Row: Row{ID: "R-78", Name: "userinfo about somebody else", Reason: "sub_mismatch"}, UserInfo: true, Info: setClaim("sub", "victim")},
	{Row: Row{ID: "R-78", Name: "userinfo without sub", Reason: "sub_mismatch"}, UserInfo: true, Info: dropClaim("sub")},
	{Row: Row{ID: "R-78", Name: "userinfo about the person", Control: true}, UserInfo: true},
	{Row: Row{ID: "R-79", Name: "signed userinfo of another issuer", Reason: "iss"}, UserInfo: true, SignedInfo: true,
		Info: func(f *OIDC, c map[string]any) { c["iss"], c["aud"] = "https://evil.example", f.ClientID() }},
	{Row: Row{ID: "R-79", Name: "signed userinfo for another client", Reason: "aud"}, UserInfo: true, SignedInfo: true,
		Info: func(f *OIDC, c map[string]any) { c["iss"], c["aud"] = f.Issuer, "evil" }},
	{Row: Row{ID: "R-79", Name: "signed userinfo that has ended", Reason: "exp"}, UserInfo: true, SignedInfo: true,
		Info: func(f *OIDC, c map[string]any) {
			c["iss"], c["aud"], c["exp"] = f.Issuer, f.ClientID(), at(f, -time.Hour)
		}},
	{Row: Row{ID: "R-79", Name: "signed userinfo for us", Control: true}, UserInfo: true, SignedInfo: true,
		Info: func(f *OIDC, c map[string]any) { c["iss"], c["aud"] = f.Issuer, f.ClientID() }},
	{Row: Row{ID: "R-81", Name: "token response of 3 MB", Reason: "upstream_broken", Status: http.StatusBadGateway},
		Response: func(_ *OIDC, doc map[string]any) { doc["pad"] = long(3 << 20) }},
	{Row: Row{ID: "R-82", Name: "token response a form", Reason: "malformed"}, Serve: tokenAs(func(w http.ResponseWriter, doc map[string]any) {
		form := url.Values{}
		for name, value := range doc {
			if s, ok := value.(string); ok {
				form.Set(name, s)
			}
		}
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
		io.WriteString(w, form.Encode())
	})},
	{Row: Row{ID: "R-82", Name: "token response text/html", Reason: "malformed"}, Serve: dressed("text/html")},
	{Row: Row{ID: "R-82", Name: "token response of no type", Reason: "malformed"}, Serve: dressed("")},
	{Row: Row{ID: "R-82", Name: "no token_type", Reason: "malformed"}, Response: dropClaim("token_type")},
	{Row: Row{ID: "R-82", Name: "token_type not Bearer", Reason: "malformed"}, Response: setClaim("token_type", "mac")},
	{Row: Row{ID: "R-82", Name: "no ID token", Reason: "malformed"}, Response: dropClaim("id_token")},
	{Row: Row{ID: "R-82", Name: "no access token", Reason: "malformed"}, Response: dropClaim("access_token")},
	{Row: Row{ID: "R-82", Name: "token_type in small letters", Control: true}, Response: setClaim("token_type", "bearer")},
	{Row: Row{ID: "R-83", Name: "token endpoint redirects", Reason: "upstream_broken", Status: http.StatusBadGateway},
		Serve: serve{tokenPath: func(f *OIDC, w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Host, "localhost") {
				f.token(w, r) // whoever comes here has brought code and secret along
				return
			}
			http.Redirect(w, r, f.otherHost()+tokenPath, http.StatusTemporaryRedirect)
		}}},
	{Row: Row{ID: "R-84", Name: "token endpoint refuses the client", Reason: "token_refused", Status: http.StatusBadGateway},
		Serve: serve{tokenPath: body(http.StatusUnauthorized, "application/json", `{"error":"invalid_client","error_description":"SECRET"}`)}},
	{Row: Row{ID: "R-84", Name: "token endpoint is broken", Reason: "upstream_broken", Status: http.StatusBadGateway},
		Serve: serve{tokenPath: body(http.StatusInternalServerError, "text/plain", "SECRET")}},
	{Row: Row{ID: "R-99", Name: "token endpoint refuses with 10 MB", Reason: "upstream_broken", Status: http.StatusBadGateway},
		Serve: serve{tokenPath: flood(http.StatusBadRequest, 10<<20)}},
	{Row: Row{ID: "R-99", Name: "token endpoint refuses with secrets", Reason: "token_refused"},
		Serve: serve{tokenPath: body(http.StatusBadRequest, "application/json", `{"error":"invalid_grant","error_description":"SECRET SECRET"}`)}},
	{Row: Row{ID: "R-99", Name: "error word with secrets", Reason: "token_refused", Status: http.StatusBadGateway},
		Serve: serve{tokenPath: body(http.StatusBadRequest, "application/json", `{"error":"SECRET\u001b[31m"}`)}},
}

func addKey(key func() map[string]any) func(*OIDC, map[string]any) {
	return func(_ *OIDC, doc map[string]any) { doc["keys"] = append(doc["keys"].([]any), key()) }
}

// alterKey changes the one key that is published.
func alterKey(name string, value any) func(*OIDC, map[string]any) {
	return func(_ *OIDC, doc map[string]any) { doc["keys"].([]any)[0].(map[string]any)[name] = value }
}

// publish replaces the key set.
func publish(keys ...func() map[string]any) func(*OIDC, map[string]any) {
	return func(_ *OIDC, doc map[string]any) {
		var list []any
		for _, k := range keys {
			list = append(list, k())
		}
		doc["keys"] = list
	}
}

func repoint(name, to string) func(*OIDC, map[string]any) {
	return func(_ *OIDC, doc map[string]any) { doc[name] = to }
}

// untrusted serves the honest key set by TLS with a certificate that nobody has vouched for.
func (f *OIDC) untrusted() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.evil != nil {
		return "https://" + f.evil.Addr + jwksPath
	}
	key := attackerKey()
	der, _ := base64.StdEncoding.DecodeString(certificate(key))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // no loopback
	}
	f.evil = &http.Server{
		Addr: listener.Addr().String(), Handler: http.HandlerFunc(f.jwks), ReadHeaderTimeout: 5 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key.rsa}}},
		ErrorLog:  quiet,
	}
	go f.evil.ServeTLS(listener, "", "")
	return "https://" + f.evil.Addr + jwksPath
}

func hugeKey() map[string]any {
	n := make([]byte, 16384/8)
	rand.Read(n)
	n[0], n[len(n)-1] = n[0]|0x80, n[len(n)-1]|1
	k := attackerKey().public()
	k["n"] = encodeRaw(n)
	return k
}

const badGateway = http.StatusBadGateway

// Discovery document and key set.
var oidcDocumentRows = []OIDCRow{
	{Row: Row{ID: "R-86", Name: "discovery document of 64 MB", Reason: "upstream_broken", Status: badGateway},
		Serve: serve{discoveryPath: flood(http.StatusOK, 64<<20)}},
	{Row: Row{ID: "R-86", Name: "discovery document is no JSON", Reason: "upstream_broken", Status: badGateway},
		Serve: serve{discoveryPath: body(http.StatusOK, "text/html", "<html>SECRET</html>")}},
	{Row: Row{ID: "R-86", Name: "discovery answers 500", Reason: "upstream_broken", Status: badGateway},
		Serve: serve{discoveryPath: body(http.StatusInternalServerError, "text/plain", "SECRET")}},
	{Row: Row{ID: "R-87", Name: "key set of 64 MB", Reason: "jwks"}, Serve: serve{jwksPath: flood(http.StatusOK, 64<<20)}},
	{Row: Row{ID: "R-87", Name: "key set of 10,000 keys", Reason: "jwks"},
		JWKS: func(_ *OIDC, doc map[string]any) {
			for range 10_000 {
				doc["keys"] = append(doc["keys"].([]any), map[string]any{"kty": "RSA"})
			}
		}},
	{Row: Row{ID: "R-87", Name: "key set is no JSON", Reason: "jwks"}, Serve: serve{jwksPath: body(http.StatusOK, "application/json", `["SECRET"`)}},
	{Row: Row{ID: "R-87", Name: "RSA key of 1024 bits", Reason: "sig"},
		JWKS: publish(func() map[string]any { return weakKey().public() }),
		Sign: signedBy(weakKey, func(_ *OIDC, h map[string]any) { h["kid"] = weakKey().id })},
	{Row: Row{ID: "R-87", Name: "RSA key of 16,384 bits", Reason: "sig"},
		JWKS: publish(hugeKey), Sign: signedBy(attackerKey, func(_ *OIDC, h map[string]any) { h["kid"] = attackerKey().id })},
	{Row: Row{ID: "R-87", Name: "RSA exponent huge", Reason: "sig"}, JWKS: alterKey("e", encodeRaw([]byte(long(256))))},
	{Row: Row{ID: "R-89", Name: "key set gone, keys at hand", Control: true}, Warm: true,
		Serve: serve{jwksPath: body(http.StatusServiceUnavailable, "text/plain", "later")}},
	{Row: Row{ID: "R-89", Name: "discovery gone, document at hand", Control: true}, Warm: true,
		Serve: serve{discoveryPath: body(http.StatusServiceUnavailable, "text/plain", "later")}},
	{Row: Row{ID: "R-89", Name: "key set gone, no keys", Reason: "upstream_broken", Status: badGateway},
		Serve: serve{jwksPath: body(http.StatusServiceUnavailable, "text/plain", "SECRET")}},
	{Row: Row{ID: "R-91", Name: "key set by untrusted TLS", Reason: "upstream_unreachable", Status: badGateway},
		Discovery: func(f *OIDC, doc map[string]any) { doc["jwks_uri"] = f.untrusted() }},
	{Row: Row{ID: "R-92", Name: "key for encryption", Reason: "sig"}, JWKS: alterKey("use", "enc")},
	{Row: Row{ID: "R-92", Name: "key that may not verify", Reason: "sig"}, JWKS: alterKey("key_ops", []string{"encrypt"})},
	{Row: Row{ID: "R-92", Name: "key of another algorithm", Reason: "sig"}, JWKS: alterKey("alg", "RS512")},
	{Row: Row{ID: "R-92", Name: "symmetric key", Reason: "alg"},
		JWKS: publish(func() map[string]any {
			return map[string]any{"kty": "oct", "kid": "oct", "use": "sig", "alg": "HS256", "k": encodeRaw([]byte(long(32)))}
		}),
		Sign: func(f *OIDC, header, claims map[string]any) string {
			header["kid"] = "oct"
			return hmacWith(func(*OIDC) []byte { return []byte(long(32)) })(f, header, claims)
		}},
	{Row: Row{ID: "R-92", Name: "private key published", Reason: "sig"}, JWKS: alterKey("d", encodeRaw([]byte(long(256))))},
	{Row: Row{ID: "R-92", Name: "two keys of one kid", Reason: "sig"},
		JWKS: func(f *OIDC, doc map[string]any) {
			k := attackerKey().public()
			k["kid"] = f.current().id
			doc["keys"] = append([]any{k}, doc["keys"].([]any)...)
		}},
	{Row: Row{ID: "R-92", Name: "keys of no use beside the one", Control: true},
		JWKS: func(f *OIDC, doc map[string]any) {
			doc["keys"] = append(doc["keys"].([]any), map[string]any{"kty": "new", "kid": "a"}, map[string]any{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"})
		}},
	{Row: Row{ID: "R-93", Name: "discovery document of another issuer", Reason: "upstream_broken", Status: badGateway}, Discovery: repoint("issuer", "https://evil.example")},
	{Row: Row{ID: "R-93", Name: "issuer with a slash more", Reason: "upstream_broken", Status: badGateway},
		Discovery: func(f *OIDC, doc map[string]any) { doc["issuer"] = f.Issuer + "/" }},
	{Row: Row{ID: "R-94", Name: "discovery redirects", Reason: "upstream_broken", Status: badGateway},
		Serve: serve{
			discoveryPath: func(f *OIDC, w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, f.otherHost()+"/internal", http.StatusFound)
			},
			"/internal": func(f *OIDC, w http.ResponseWriter, r *http.Request) { f.discovery(w, r) },
		}},
	{Row: Row{ID: "R-96", Name: "token endpoint without TLS", Reason: "upstream_broken", Status: badGateway}, Discovery: repoint("token_endpoint", "http://idp.example/token")},
	{Row: Row{ID: "R-96", Name: "token endpoint link-local", Reason: "upstream_broken", Status: badGateway}, Discovery: repoint("token_endpoint", "https://169.254.169.254/token")},
	{Row: Row{ID: "R-96", Name: "key set a file", Reason: "upstream_broken", Status: badGateway}, Discovery: repoint("jwks_uri", "file:///etc/passwd")},
	{Row: Row{ID: "R-96", Name: "key set missing", Reason: "upstream_broken", Status: badGateway}, Discovery: repoint("jwks_uri", "")},
	{Row: Row{ID: "R-96", Name: "authorization endpoint a script", Reason: "upstream_broken", Status: badGateway}, Discovery: repoint("authorization_endpoint", "javascript:alert(1)")},
	{Row: Row{ID: "R-97", Name: "no PKCE announced", Control: true}, // the fake wants it all the same
		Discovery: func(_ *OIDC, doc map[string]any) { delete(doc, "code_challenge_methods_supported") }},
}

// quiet is for a server whose clients are meant to hang up.
var quiet = log.New(io.Discard, "", 0)
