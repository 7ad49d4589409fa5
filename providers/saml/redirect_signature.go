package saml

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/url"
	"strings"

	"github.com/signet-broker/signet/providers"
)

// maxInflated is what a deflated message may become. A sign-out of a hundred sessions stays below it.
const maxInflated = 64 << 10

const encodingDeflate = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"

// querySignature is the detached signature of the HTTP-Redirect binding (SAML bindings §3.4.4.1).
type querySignature struct {
	method string
	signed []byte // the octets that it is over
	value  []byte
}

// readQuery takes a message of the HTTP-Redirect binding out of a query as it came. What is signed are the
// octets in front of us: encoding them once more could make others of them. A parameter that comes twice,
// or under a name that only decoding makes one of ours, is read differently by two readers and refused.
func readQuery(query string) (message, error) {
	raw := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(key)
		if err != nil {
			return message{}, providers.Refuse("malformed", "name of a parameter")
		}
		switch name {
		case "SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding", "SAMLart":
			if _, twice := raw[name]; twice || name != key {
				return message{}, providers.Refuse("malformed", "%s comes twice or disguised", name)
			}
			raw[name] = value
		}
	}
	value := func(name string) (string, error) {
		v, err := url.QueryUnescape(raw[name])
		if err != nil {
			return "", providers.Refuse("malformed", "%s is not percent-encoded", name)
		}
		return v, nil
	}
	parameter, err := onlyParameter(func(name string) bool { _, ok := raw[name]; return ok })
	if err != nil {
		return message{}, err
	}
	m := message{parameter: parameter}
	encoded, err := value(parameter)
	if err != nil {
		return m, err
	}
	if m.raw, err = inflateMessage(encoded); err != nil {
		return m, err
	}
	if m.relayState, err = value("RelayState"); err != nil {
		return m, err
	}
	if encoding, err := value("SAMLEncoding"); err != nil || encoding != "" && encoding != encodingDeflate {
		return m, providers.Refuse("malformed", "SAMLEncoding")
	}
	m.signature, err = readQuerySignature(parameter, raw, value)
	return m, err
}

func readQuerySignature(parameter string, raw map[string]string, value func(string) (string, error)) (*querySignature, error) {
	method, err := value("SigAlg")
	if err != nil {
		return nil, err
	}
	encoded, err := value("Signature")
	if err != nil {
		return nil, err
	}
	if method == "" || encoded == "" {
		return nil, providers.Refuse("sig_missing", "query without SigAlg or Signature")
	}
	if signatureMethods[method] == x509.UnknownSignatureAlgorithm {
		return nil, providers.Refuse("weak_alg", "signature method")
	}
	// The value is outside of what is signed, and some senders break its lines.
	signature, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(signature) == 0 {
		return nil, providers.Refuse("sig_invalid", "signature value")
	}
	signed := parameter + "=" + raw[parameter]
	if relayState, ok := raw["RelayState"]; ok {
		signed += "&RelayState=" + relayState
	}
	return &querySignature{method: method, signed: []byte(signed + "&SigAlg=" + raw["SigAlg"]), value: signature}, nil
}

// inflateMessage decodes a parameter of the DEFLATE encoding (SAML bindings §3.4.4.1).
func inflateMessage(encoded string) ([]byte, error) {
	deflated, err := decodeMessage(encoded)
	if err != nil {
		return nil, err
	}
	in := bytes.NewReader(deflated)
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(in), maxInflated+1))
	switch {
	case err != nil:
		return nil, providers.Refuse("malformed", "deflate")
	case len(raw) > maxInflated: // a bomb: a few bytes that become many
		return nil, providers.Refuse("malformed", "more than %d bytes inflated", maxInflated)
	case in.Len() > 0:
		return nil, providers.Refuse("malformed", "%d bytes after the message", in.Len())
	}
	return raw, nil
}

// verifyQuery checks a detached signature with each trusted certificate.
func (t trust) verifyQuery(q *querySignature) error {
	outdated := false
	for _, cert := range t.certs {
		if !q.matches(cert) {
			continue
		}
		if t.expired || !t.now.Before(cert.NotBefore) && !t.now.After(cert.NotAfter) {
			return nil
		}
		outdated = true
	}
	if outdated {
		return providers.Refuse("certificate_expired", "signing certificate is not valid now")
	}
	return providers.Refuse("sig_invalid", "signature of the query does not verify")
}

// matches tells whether a certificate's key has signed. Senders write an ECDSA signature as XML does or, as
// their libraries give it, in ASN.1: both are taken, and either has to verify.
func (q *querySignature) matches(cert *x509.Certificate) bool {
	algorithm := signatureMethods[q.method]
	if value, ok := (signature{method: q.method, value: q.value}).valueFor(cert); ok && cert.CheckSignature(algorithm, q.signed, value) == nil {
		return true
	}
	_, isEC := cert.PublicKey.(*ecdsa.PublicKey)
	return isEC && strings.Contains(q.method, "#ecdsa-") && cert.CheckSignature(algorithm, q.signed, q.value) == nil
}
