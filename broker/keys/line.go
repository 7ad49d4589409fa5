package keys

import (
	"crypto"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Algorithms are the JWS algorithms that tokens can be signed with (RFC 7518 §3, RFC 8037), the default first.
// PS256 has keys of its own: a published key says one alg, and verifiers take nothing else with it.
var Algorithms = []string{"RS256", "ES256", "EdDSA", "PS256"}

// lines are those that every ring has. A certificate's line is made when it is first wanted.
func lines() []line {
	all := []line{{"refresh", "A256GCM"}, lasting}
	for _, alg := range Algorithms {
		all = append(all, line{"sig", alg})
	}
	return all
}

// key is a Record that has been opened: exactly one of signing, sealing and certificate is there.
type key struct {
	Record
	public      jose.JSONWebKey
	private     crypto.Signer     // nil when remote
	remote      string            // where the private key is kept elsewhere, its name there; see remote.go
	headers     map[string]string // by typ: the JWS header, encoded, with its dot
	aead        cipher.AEAD
	iv          []byte // see refresh.go
	mac         []byte // see refresh.go and lasting.go
	certificate *tls.Certificate
}

// material is what is sealed.
type material struct {
	PKCS8       []byte `json:"pkcs8,omitempty"`
	Certificate []byte `json:"certificate,omitempty"` // DER
	Secret      []byte `json:"secret,omitempty"`
	Remote      string `json:"remote,omitempty"` // the name of a private key that is kept elsewhere
	Public      []byte `json:"public,omitempty"` // its public key, as PKIX
}

func purpose(r Record) string { return "key|" + r.Use + "|" + r.Alg + "|" + r.ID }

// make creates a key of a line.
func (r *Ring) make(l line, seq int64, active time.Time) (Record, error) {
	rec := Record{ID: rand.Text(), Use: l.use, Alg: l.alg, Seq: seq, Active: active, Created: r.now()}
	m, err := generate(&rec, r.schedule)
	if err != nil {
		return rec, fmt.Errorf("make a %s key: %w", l.alg, err)
	}
	return rec, r.seal(&rec, m)
}

func (r *Ring) seal(rec *Record, m material) error {
	plain, err := json.Marshal(m)
	if err != nil {
		return err
	}
	rec.Sealed, err = r.box.Seal(purpose(*rec), plain)
	return err
}

func generate(rec *Record, s Schedule) (m material, err error) {
	var private crypto.Signer
	switch rec.Alg {
	case "A256GCM", "HS256":
		m.Secret = make([]byte, 32)
		_, err = rand.Read(m.Secret)
		return m, err
	case "RS256", "PS256":
		private, err = s.newRSA()
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return m, fmt.Errorf("unknown algorithm")
	}
	if err != nil {
		return m, err
	}
	if rec.Use == "sig" {
		if rec.ID, err = thumbprint(private.Public()); err != nil {
			return m, err
		}
	} else if m.Certificate, err = selfSign(private, rec); err != nil {
		return m, err
	}
	m.PKCS8, err = x509.MarshalPKCS8PrivateKey(private)
	return m, err
}

// thumbprint is a public key's kid (RFC 7638).
func thumbprint(public crypto.PublicKey) (string, error) {
	thumb, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(thumb), err
}

// selfSign makes a certificate for peers that want one. They trust it because it was given to them, not
// because of who signed it, so it is valid for long.
func selfSign(private crypto.Signer, rec *Record) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Signet " + rec.Use},
		NotBefore: rec.Created.Add(-time.Hour), NotAfter: rec.Created.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	return x509.CreateCertificate(rand.Reader, t, t, private.Public(), private)
}

// open makes a record usable.
func open(rec Record, plain []byte) (*key, error) {
	var m material
	if err := json.Unmarshal(plain, &m); err != nil {
		return nil, fmt.Errorf("key %s: %w", rec.ID, err)
	}
	k := &key{Record: rec}
	if m.Secret != nil && rec.Use == lasting.use {
		return k, k.openLasting(m.Secret)
	}
	if m.Secret != nil {
		return k, k.openSecret(m.Secret)
	}
	if m.Remote != "" {
		public, err := x509.ParsePKIXPublicKey(m.Public)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", rec.ID, err)
		}
		k.remote = m.Remote
		return k, k.openSigner(public)
	}
	private, err := parsePrivate(m.PKCS8)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", rec.ID, err)
	}
	if m.Certificate != nil {
		leaf, err := x509.ParseCertificate(m.Certificate)
		k.certificate = &tls.Certificate{Certificate: [][]byte{m.Certificate}, PrivateKey: private, Leaf: leaf}
		return k, err
	}
	k.private = private
	return k, k.openSigner(private.Public())
}
