// Package kmstest is an AWS KMS for tests: a real HTTP server that speaks its JSON 1.1 protocol and signs with keys
// of its own. It takes only requests that are signed for it (AWS Signature Version 4), and can be slow, busy,
// down or unwilling.
package kmstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The credentials that the server takes.
const (
	AccessKey = "AKIDEXAMPLE"
	SecretKey = "a-secret-key-for-tests"
	account   = "111122223333"
)

// Key is one that the server keeps.
type Key struct {
	ARN   string
	usage string
	spec  []string // the signing algorithms that it is for
	key   crypto.Signer
}

// Server is the KMS of every region.
type Server struct {
	URL string

	// Fault answers instead of the server, when it returns true.
	fault atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]

	mu     sync.Mutex
	keys   map[string]*Key
	counts map[string]int
	lent   int
}

// lent are the RSA keys of every server: making new ones for each would be most of what the tests do.
var lent struct {
	sync.Mutex
	keys []*rsa.PrivateKey
}

func (s *Server) lend() (*rsa.PrivateKey, error) {
	lent.Lock()
	defer lent.Unlock()
	if s.lent == len(lent.keys) {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		lent.keys = append(lent.keys, k)
	}
	s.lent++
	return lent.keys[s.lent-1], nil
}

// Start starts one and puts its credentials into the environment.
func Start(t *testing.T) *Server {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", SecretKey)
	t.Setenv("AWS_SESSION_TOKEN", "")
	s := &Server{keys: map[string]*Key{}, counts: map[string]int{}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	return s
}

// NewRSA makes an RSA key that signs and returns its ARN.
func (s *Server) NewRSA(t testing.TB, region string) string {
	t.Helper()
	k, err := s.lend()
	if err != nil {
		t.Fatal(err)
	}
	return s.add(region, &Key{usage: "SIGN_VERIFY", spec: []string{"RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PSS_SHA_256"}, key: k})
}

// NewEC makes a key on P-256 that signs and returns its ARN.
func (s *Server) NewEC(t testing.TB, region string) string { return s.newEC(t, region, "SIGN_VERIFY") }

// NewAgreement makes a key on P-256 that is for something else and returns its ARN.
func (s *Server) NewAgreement(t testing.TB, region string) string {
	return s.newEC(t, region, "KEY_AGREEMENT")
}

func (s *Server) newEC(t testing.TB, region, usage string) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s.add(region, &Key{usage: usage, spec: []string{"ECDSA_SHA_256"}, key: k})
}

func (s *Server) add(region string, k *Key) string {
	k.ARN = "arn:aws:kms:" + region + ":" + account + ":key/" + strings.ToLower(rand.Text())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[k.ARN] = k
	return k.ARN
}

// Replicate makes a key's replica in another region and returns its ARN.
func (s *Server) Replicate(arn, region string) string {
	s.mu.Lock()
	k := *s.keys[arn]
	s.mu.Unlock()
	return s.add(region, &k)
}

// Swap exchanges two keys: a KMS that is not what it was.
func (s *Server) Swap(a, b string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[a].key, s.keys[b].key = s.keys[b].key, s.keys[a].key
}

// Count is how many requests of an action there were.
func (s *Server) Count(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[action]
}

// Fail has every request fail with an AWS error code; "" for none any more.
func (s *Server) Fail(status int, code string) {
	if code == "" {
		s.fault.Store(nil)
		return
	}
	f := func(w http.ResponseWriter, _ *http.Request) bool {
		refuse(w, status, code)
		return true
	}
	s.fault.Store(&f)
}

// FailTimes has the next n requests fail.
func (s *Server) FailTimes(n int, status int, code string) {
	var left atomic.Int64
	left.Store(int64(n))
	f := func(w http.ResponseWriter, _ *http.Request) bool {
		if left.Add(-1) < 0 {
			return false
		}
		refuse(w, status, code)
		return true
	}
	s.fault.Store(&f)
}

// Hang has every request wait until its caller has given up.
func (s *Server) Hang() {
	f := func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-r.Context().Done():
		case <-time.After(30 * time.Second):
		}
		return true
	}
	s.fault.Store(&f)
}

// Drop has every connection break.
func (s *Server) Drop() {
	f := func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
	s.fault.Store(&f)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"__type":%q,"message":"no"}`, code)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	action, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	if err != nil || !ok || r.Method != http.MethodPost || r.URL.Path != "/" {
		refuse(w, http.StatusBadRequest, "UnknownOperationException")
		return
	}
	s.mu.Lock()
	s.counts[action]++
	s.mu.Unlock()
	if f := s.fault.Load(); f != nil && (*f)(w, r) {
		return
	}
	region, code := signedFor(r, body)
	if code != "" {
		refuse(w, http.StatusBadRequest, code)
		return
	}
	var in request
	if err := json.Unmarshal(body, &in); err != nil {
		refuse(w, http.StatusBadRequest, "SerializationException")
		return
	}
	s.mu.Lock()
	k := s.keys[in.KeyID]
	s.mu.Unlock()
	if k == nil || !strings.HasPrefix(in.KeyID, "arn:aws:kms:"+region+":") {
		refuse(w, http.StatusBadRequest, "NotFoundException")
		return
	}
	out, code := k.answer(action, in)
	if code != "" {
		refuse(w, http.StatusBadRequest, code)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	json.NewEncoder(w).Encode(out) //nolint:errcheck // who has gone away is told nothing
}

type request struct {
	KeyID     string `json:"KeyId"`
	Message   []byte
	Type      string `json:"MessageType"`
	Algorithm string `json:"SigningAlgorithm"`
}

func (k *Key) answer(action string, in request) (out map[string]any, code string) {
	switch action {
	case "GetPublicKey":
		der, err := x509.MarshalPKIXPublicKey(k.key.Public())
		if err != nil {
			return nil, "KMSInternalException"
		}
		return map[string]any{"KeyId": k.ARN, "PublicKey": der, "KeyUsage": k.usage, "SigningAlgorithms": k.spec}, ""
	case "Sign":
		if k.usage != "SIGN_VERIFY" || !strings.Contains(strings.Join(k.spec, " "), in.Algorithm) {
			return nil, "InvalidKeyUsageException"
		}
		if in.Type != "DIGEST" || len(in.Message) != sha256.Size {
			return nil, "ValidationException"
		}
		var how crypto.SignerOpts = crypto.SHA256
		if in.Algorithm == "RSASSA_PSS_SHA_256" {
			how = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		}
		signature, err := k.key.Sign(rand.Reader, in.Message, how)
		if err != nil {
			return nil, "KMSInternalException"
		}
		return map[string]any{"KeyId": k.ARN, "Signature": signature, "SigningAlgorithm": in.Algorithm}, ""
	}
	return nil, "UnknownOperationException"
}

// signedFor checks a request's signature and returns the region that it is for, or AWS's error code.
func signedFor(r *http.Request, body []byte) (region, code string) {
	auth, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return "", "MissingAuthenticationTokenException"
	}
	part := map[string]string{}
	for _, p := range strings.Split(auth, ", ") {
		name, value, _ := strings.Cut(p, "=")
		part[name] = value
	}
	scope := strings.Split(part["Credential"], "/")
	if len(scope) != 5 || scope[3] != "kms" || scope[4] != "aws4_request" {
		return "", "IncompleteSignature"
	}
	if scope[0] != AccessKey {
		return "", "UnrecognizedClientException"
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > 5*time.Minute {
		return "", "InvalidSignatureException"
	}
	canonical := r.Method + "\n/\n\n"
	for _, name := range strings.Split(part["SignedHeaders"], ";") {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		canonical += name + ":" + strings.TrimSpace(value) + "\n"
	}
	sum := sha256.Sum256(body)
	canonical += "\n" + part["SignedHeaders"] + "\n" + hex.EncodeToString(sum[:])
	sum = sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + SecretKey)
	for _, text := range scope[1:] {
		key = mac(key, text)
	}
	want := mac(key, "AWS4-HMAC-SHA256\n"+r.Header.Get("X-Amz-Date")+"\n"+strings.Join(scope[1:], "/")+"\n"+hex.EncodeToString(sum[:]))
	if hex.EncodeToString(want) != part["Signature"] {
		return "", "InvalidSignatureException"
	}
	return scope[2], ""
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
