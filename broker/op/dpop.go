package op

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
)

// proofAlgorithms are those that a proof may be signed with.
var proofAlgorithms = []string{"ES256", "PS256", "EdDSA", "RS256"}

const (
	maxProof   = 8 << 10          // bytes; the largest key that is taken makes far less
	maxProofID = 128              // bytes of a jti
	proofOld   = 60 * time.Second // how long ago a proof may have been made
	proofNew   = 10 * time.Second // how far ahead its maker's clock may be
	proofs     = "dpop proof"     // the scope in which proofs are remembered
)

// dpopProof is a DPoP proof (RFC 9449 §4.2) whose signature is good and that is for the request it came with.
type dpopProof struct {
	key       string // the thumbprint of the key that signed it (RFC 7638)
	algorithm string
	id        string
	issued    time.Time
	nonce     string
	token     string // ath: the hash of the access token it goes with
	taken     bool   // it is this request's, and nobody else's any more
}

func badProof(format string, args ...any) *Error {
	return oauth("invalid_dpop_proof", "the DPoP proof is not valid").because(fmt.Errorf(format, args...))
}

// provenKey returns the proof that an app brings to the token endpoint (RFC 9449 §5), which is still to be taken;
// its key is "" when it brings none and need not.
func (p *Provider) provenKey(w http.ResponseWriter, r *http.Request, app *broker.App) (dpopProof, error) {
	if len(r.Header.Values("DPoP")) == 0 && !app.DPoPRequired {
		return dpopProof{}, nil
	}
	pr, err := p.proof(r)
	if err != nil {
		return dpopProof{}, err
	}
	return pr, p.suits(w, app, pr)
}

// bearerProves checks that who brings an access token has the key it is bound to (RFC 9449 §7). A bound token
// is nobody's without a proof; a proof for one that is not bound says nothing, and is refused as well.
func (p *Provider) bearerProves(w http.ResponseWriter, r *http.Request, a token.Access, scheme, raw string) error {
	switch {
	case a.Key == "" && scheme == "bearer":
		return nil
	case a.Key == "" || scheme == "bearer":
		return badToken(fmt.Errorf("by scheme %s, bound to key %q", scheme, a.Key))
	}
	err := p.holds(w, r, a, raw)
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.at(http.StatusUnauthorized)
	}
	return err
}

// holds checks the proof that goes with a bound access token.
func (p *Provider) holds(w http.ResponseWriter, r *http.Request, a token.Access, raw string) error {
	pr, err := p.proof(r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(raw))
	switch {
	case pr.token != base64.RawURLEncoding.EncodeToString(sum[:]):
		return badProof("made for another access token")
	case pr.key != a.Key:
		return badToken(fmt.Errorf("proof by key %q, bound to %q", pr.key, a.Key))
	}
	if err := p.suits(w, p.Registry.App(a.Family.App), pr); err != nil {
		return err
	}
	return p.take(r.Context(), &pr)
}

// proof reads the proof of a request and checks what the request and the clock can tell (RFC 9449 §4.3).
func (p *Provider) proof(r *http.Request) (dpopProof, error) {
	sent := r.Header.Values("DPoP")
	if len(sent) != 1 || len(sent[0]) > maxProof {
		return dpopProof{}, badProof("%d proofs, or one that is too long", len(sent))
	}
	pr, c, err := readProof(sent[0])
	if err != nil {
		return dpopProof{}, badProof("%w", err)
	}
	switch age := p.Now().Sub(pr.issued); {
	case c.Method != r.Method:
		return dpopProof{}, badProof("htm %.20q at %s", c.Method, r.Method)
	case target(c.URI) == "" || target(c.URI) != target(p.Site.URL(strings.TrimPrefix(r.URL.Path, p.Site.Issuer.Path))):
		return dpopProof{}, badProof("htu %.200q", c.URI)
	case age > proofOld || age < -proofNew:
		return dpopProof{}, badProof("made %v ago", age)
	}
	return pr, nil
}

// proofClaims are those of a proof.
type proofClaims struct {
	ID     string   `json:"jti"`
	Method string   `json:"htm"`
	URI    string   `json:"htu"`
	Issued *float64 `json:"iat"`
	Nonce  string   `json:"nonce"`
	Token  string   `json:"ath"`
}

// readProof checks a proof by the key that it brings. That key proves nothing but that its owner made it.
func readProof(text string) (dpopProof, proofClaims, error) {
	var c proofClaims
	algorithms := make([]jose.SignatureAlgorithm, len(proofAlgorithms))
	for i, a := range proofAlgorithms {
		algorithms[i] = jose.SignatureAlgorithm(a)
	}
	t, err := jwt.ParseSigned(text, algorithms)
	if err != nil {
		return dpopProof{}, c, err
	}
	h := t.Headers[0]
	if typ, _ := h.ExtraHeaders[jose.HeaderType].(string); typ != "dpop+jwt" {
		return dpopProof{}, c, fmt.Errorf("typ %.20q", typ)
	}
	if _, critical := h.ExtraHeaders["crit"]; critical {
		return dpopProof{}, c, errors.New("crit")
	}
	if h.JSONWebKey == nil || !h.JSONWebKey.IsPublic() || !fits(h.JSONWebKey.Key, h.Algorithm) {
		return dpopProof{}, c, fmt.Errorf("no public key for %s", h.Algorithm)
	}
	if err := t.Claims(h.JSONWebKey.Key, &c); err != nil {
		return dpopProof{}, c, err
	}
	if c.ID == "" || len(c.ID) > maxProofID || c.Issued == nil || *c.Issued < 0 || *c.Issued > 1<<40 {
		return dpopProof{}, c, errors.New("jti or iat is missing or odd")
	}
	thumb, err := h.JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil {
		return dpopProof{}, c, err
	}
	return dpopProof{
		key: base64.RawURLEncoding.EncodeToString(thumb), algorithm: h.Algorithm, id: c.ID,
		issued: time.UnixMilli(int64(*c.Issued * 1000)), nonce: c.Nonce, token: c.Token,
	}, c, nil
}

// fits tells whether a key is of the sort that an algorithm takes, and of a size that costs nobody a CPU.
func fits(key any, algorithm string) bool {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return algorithm == "ES256" && k.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	case *rsa.PublicKey:
		return (algorithm == "PS256" || algorithm == "RS256") && k.N.BitLen() >= 2048 && k.N.BitLen() <= 4096
	}
	return false
}

// target is what of an address counts (RFC 9449 §4.3, RFC 3986 §6.2): scheme and host in lower case, no default
// port, no query, no fragment. "" when it is no address.
func target(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return ""
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	host = strings.TrimSuffix(host, map[string]string{"https": ":443", "http": ":80"}[scheme])
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path
}

// suits checks what an app's proofs must be beside good, and tells it the next nonce where it needs one.
func (p *Provider) suits(w http.ResponseWriter, app *broker.App, pr dpopProof) error {
	if app.DPoPRequired && pr.algorithm == "RS256" {
		return badProof("RS256 from an app that must prove better") // FAPI 2.0 Security Profile §5.4
	}
	if app.DPoPNonce {
		return p.checkNonce(w, pr.nonce)
	}
	return nil
}

// take accepts a proof once. It is called when everything else is good: anybody can make proofs for an app
// without a secret, and each that is taken is written down.
func (p *Provider) take(ctx context.Context, pr *dpopProof) error {
	if pr.key == "" || pr.taken {
		return nil
	}
	err := p.Store.Remember(ctx, proofs, pr.key+" "+pr.id, pr.issued.Add(proofOld))
	if errors.Is(err, broker.ErrReplay) {
		return badProof("used before")
	}
	pr.taken = err == nil
	return err
}
