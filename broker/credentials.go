package broker

import (
	"context"
	"crypto/sha256"
)

// The methods by which an app may prove who it is (RFC 7591 §2, RFC 8705 §2).
const (
	AuthNone       = "none"
	AuthBasic      = "client_secret_basic"
	AuthPost       = "client_secret_post"
	AuthSecretJWT  = "client_secret_jwt"
	AuthPrivateKey = "private_key_jwt"
	AuthTLS        = "tls_client_auth"
	AuthSelfSigned = "self_signed_tls_client_auth"
)

// Credentials are by what an app proves who it is and that a request is its own, beside the hashes of its
// secrets. The zero value leaves it at those.
type Credentials struct {
	Method      string   // the one that is accepted; "": a secret in either way, or nothing when there is none
	Keys        Keys     // its public keys; nil: none
	Algs        []string // the JWS algs that it may sign with
	RequestAlgs []string // those of its requests; none: Algs
	// Secrets returns the secrets themselves, which client_secret_jwt needs; nil with every other method.
	// They are never stored.
	Secrets      func() [][]byte
	Certificate  Subject             // of the certificate of tls_client_auth
	Certificates [][sha256.Size]byte // of self_signed_tls_client_auth, beside those in Keys
	MustPush     bool                // its requests come by PAR (RFC 9126 §6)
	MustSign     bool                // its requests are signed (RFC 9101 §10.5)
}

// Subject is what a certificate must name, in one way (RFC 8705 §2.1.2).
type Subject struct {
	DN    string // as RFC 4514 writes it
	DNS   string
	URI   string
	IP    string
	Email string
}

// Keys are somebody's public keys.
type Keys interface {
	// Verify returns the header's typ and the payload of a JWS in compact form (RFC 7515 §7.1) that one of the
	// keys has signed by one of algs.
	Verify(ctx context.Context, token string, algs []string) (typ string, payload []byte, err error)
	// HasCertificate tells whether a certificate with this SHA-256 is named beside a key.
	HasCertificate(ctx context.Context, thumbprint [sha256.Size]byte) (bool, error)
}
