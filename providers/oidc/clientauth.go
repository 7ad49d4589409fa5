package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"github.com/signet-broker/signet/providers"
)

// How Signet authenticates at the token endpoint (OpenID Connect Core 1.0, section 9), and for whom the JWT
// of the last two is.
const (
	authBasic      = "client_secret_basic"
	authPost       = "client_secret_post"
	authSecretJWT  = "client_secret_jwt"
	authPrivateKey = "private_key_jwt"

	audTokenEndpoint = "token_endpoint"
	audIssuer        = "issuer"
)

const (
	keyUse        = "oidc-client" // of Signet's own key pair
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionLife = 3 * time.Minute
)

// authStyle is never AuthStyleAutoDetect: that sends code and secret a second time after any error.
func (p *provider) authStyle(m *metadata) oauth2.AuthStyle {
	switch p.conf.TokenAuth {
	case authBasic:
		return oauth2.AuthStyleInHeader
	case authPost, authSecretJWT, authPrivateKey:
		return oauth2.AuthStyleInParams
	}
	post := slices.Contains(m.TokenAuth, authPost) && !slices.Contains(m.TokenAuth, authBasic)
	if post || p.conf.ClientSecret == "" {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// client returns what talks to the token endpoint, and the parameters by which it proves itself beside its
// secret.
func (p *provider) client(ctx context.Context, m *metadata) (oauth2.Config, []oauth2.AuthCodeOption, error) {
	client := m.client
	switch {
	case p.options.Secret != nil:
		secret, err := p.options.Secret()
		if err != nil {
			return client, nil, fmt.Errorf("client secret: %w", err)
		}
		client.ClientSecret = secret
		return client, nil, nil
	case p.conf.TokenAuth != authSecretJWT && p.conf.TokenAuth != authPrivateKey:
		return client, nil, nil
	}
	client.ClientSecret = ""
	assertion, err := p.assertion(ctx, m)
	if err != nil {
		return client, nil, fmt.Errorf("client assertion: %w", err)
	}
	return client, []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("client_assertion_type", assertionType), oauth2.SetAuthURLParam("client_assertion", assertion),
	}, nil
}

// assertion is a JWT that is good for one token request (RFC 7523, section 3).
func (p *provider) assertion(ctx context.Context, m *metadata) (string, error) {
	key := jose.SigningKey{Algorithm: jose.HS256, Key: []byte(p.conf.ClientSecret.Reveal())}
	if p.conf.TokenAuth == authPrivateKey {
		own, err := p.ownKeys(ctx)
		if err != nil {
			return "", err
		}
		key = jose.SigningKey{Algorithm: signingAlg(own[0].Key, m.TokenAlgs), Key: own[0]}
	}
	aud := m.TokenURL
	if p.conf.TokenAudience == audIssuer {
		aud = m.Issuer
	}
	now := p.env.Now()
	return SignJWT(key, map[string]any{
		"iss": p.conf.ClientID, "sub": p.conf.ClientID, "aud": aud, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
}

// signingAlg is the algorithm of a private key; RSA may be asked for as PS256.
func signingAlg(key any, wanted []string) jose.SignatureAlgorithm {
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		return jose.ES256
	}
	if slices.Contains(wanted, "PS256") && !slices.Contains(wanted, "RS256") {
		return jose.PS256
	}
	return jose.RS256
}

// SignJWT returns claims signed by key. A key that is a jose.JSONWebKey is named by its kid.
func SignJWT(key jose.SigningKey, claims map[string]any) (string, error) {
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return jws.CompactSerialize()
}

// ownKeys are Signet's private keys for this upstream, the one to use first.
func (p *provider) ownKeys(ctx context.Context) ([]jose.JSONWebKey, error) {
	if p.conf.PrivateKey != "" {
		key, problem := ParsePrivateKey(p.conf.PrivateKey.Reveal())
		if problem != "" {
			return nil, errors.New("private_key " + problem)
		}
		jwk, err := named(key)
		if p.conf.PrivateKeyID != "" {
			jwk.KeyID = p.conf.PrivateKeyID
		}
		return []jose.JSONWebKey{jwk}, err
	}
	pairs, err := p.env.Certificates(ctx, keyUse)
	if err != nil {
		return nil, fmt.Errorf("key for %s: %w", keyUse, err)
	}
	var keys []jose.JSONWebKey
	for _, pair := range pairs {
		jwk, err := named(pair.PrivateKey)
		if err != nil {
			return nil, err
		}
		keys = append(keys, jwk)
	}
	if len(keys) == 0 {
		return nil, errors.New("no key for " + keyUse)
	}
	return keys, nil
}

func named(key crypto.PrivateKey) (jose.JSONWebKey, error) {
	jwk := jose.JSONWebKey{Key: key, Use: "sig"}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return jwk, fmt.Errorf("thumbprint: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return jwk, nil
}

// Describe returns the JWK set (RFC 7517) that the upstream verifies private_key_jwt with.
func (p *provider) Describe(ctx context.Context) (contentType string, document []byte, err error) {
	if p.conf.TokenAuth != authPrivateKey {
		return "", nil, &providers.Error{Kind: providers.Invalid, Reason: "not_found", Status: http.StatusNotFound}
	}
	own, err := p.ownKeys(ctx)
	if err != nil {
		return "", nil, err
	}
	set := jose.JSONWebKeySet{}
	for _, key := range own {
		set.Keys = append(set.Keys, key.Public())
	}
	document, err = json.Marshal(set)
	return "application/json", document, err
}

// ParsePrivateKey reads an RSA or ECDSA P-256 key from PEM, or says what is wrong without a word of it.
func ParsePrivateKey(text string) (crypto.Signer, string) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || strings.TrimSpace(string(rest)) != "" {
		return nil, "must be one private key in PEM form"
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	if err != nil {
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, "is no private key that can be read; an encrypted one must be decrypted first"
	}
	switch key := parsed.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() >= 2048 {
			return key, ""
		}
	case *ecdsa.PrivateKey:
		if key.Curve == elliptic.P256() {
			return key, ""
		}
	}
	return nil, "must be an RSA key of 2048 bits or more, or an ECDSA key on P-256"
}
