package idptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

const (
	nsDSig       = "http://www.w3.org/2000/09/xmldsig#"
	excC14N      = "http://www.w3.org/2001/10/xml-exc-c14n#"
	enveloped    = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	rsaSHA1      = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
	rsaSHA256    = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	rsaMD5       = "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"
	ecdsaSHA256  = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
	hmacSHA1     = "http://www.w3.org/2000/09/xmldsig#hmac-sha1"
	hmacSHA256   = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
	digestSHA1   = "http://www.w3.org/2000/09/xmldsig#sha1"
	digestSHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
)

// Signing says how an element is signed: honestly, unless a row changes it.
type Signing struct {
	Key    crypto.Signer
	Cert   []byte // shown in KeyInfo; nil: there is no KeyInfo
	Method string
	Digest string
	Prefix string                          // of the Signature's namespace: "ds:" or "" for the default one
	Keep   string                          // the PrefixList of InclusiveNamespaces; "": there is none
	Edit   func(signedInfo *etree.Element) // before it is signed
}

// sign is an honest signature by a pair of keys.
func (a *Answer) sign(p keyPair) *Signing {
	method := rsaSHA256
	if _, ok := p.key.(*ecdsa.PrivateKey); ok {
		method = ecdsaSHA256
	}
	return &Signing{Key: p.key, Cert: p.cert, Method: method, Digest: digestSHA256, Prefix: "ds:"}
}

// Sign puts an enveloped signature after the element's Issuer.
func (s *Signing) Sign(el *etree.Element) error {
	content, err := canonical(el, s.Keep)
	if err != nil {
		return err
	}
	var digest []byte
	if s.Digest == digestSHA1 {
		sum := sha1.Sum(content)
		digest = sum[:]
	} else {
		sum := sha256.Sum256(content)
		digest = sum[:]
	}
	signature := set(etree.NewElement(s.Prefix+"Signature"), strings.TrimSuffix("xmlns:"+s.Prefix, ":"), nsDSig)
	info := add(signature, s.Prefix+"SignedInfo")
	set(add(info, s.Prefix+"CanonicalizationMethod"), "Algorithm", excC14N)
	set(add(info, s.Prefix+"SignatureMethod"), "Algorithm", s.Method)
	reference := set(add(info, s.Prefix+"Reference"), "URI", "#"+el.SelectAttrValue("ID", ""))
	transforms := add(reference, s.Prefix+"Transforms")
	set(add(transforms, s.Prefix+"Transform"), "Algorithm", enveloped)
	last := set(add(transforms, s.Prefix+"Transform"), "Algorithm", excC14N)
	if s.Keep != "" {
		set(add(last, "ec:InclusiveNamespaces"), "xmlns:ec", excC14N, "PrefixList", s.Keep)
	}
	set(add(reference, s.Prefix+"DigestMethod"), "Algorithm", s.Digest)
	add(reference, s.Prefix+"DigestValue").SetText(base64.StdEncoding.EncodeToString(digest))
	if s.Edit != nil {
		s.Edit(info)
	}
	toSign, err := canonical(info, "")
	if err != nil {
		return err
	}
	value, err := s.Value(toSign)
	if err != nil {
		return err
	}
	add(signature, s.Prefix+"SignatureValue").SetText(base64.StdEncoding.EncodeToString(value))
	if s.Cert != nil {
		add(add(add(signature, s.Prefix+"KeyInfo"), s.Prefix+"X509Data"), s.Prefix+"X509Certificate").
			SetText(base64.StdEncoding.EncodeToString(s.Cert))
	}
	at := 0
	if issuer := el.SelectElement("Issuer"); issuer != nil {
		at = issuer.Index() + 1
	}
	el.InsertChildAt(at, signature)
	return nil
}

// Value is the signature over a message, as XML writes it.
func (s *Signing) Value(message []byte) ([]byte, error) {
	switch s.Method {
	case hmacSHA1, hmacSHA256:
		// The confusion of algorithms: what everybody knows serves as the secret.
		hash := sha256.New
		if s.Method == hmacSHA1 {
			hash = sha1.New
		}
		mac := hmac.New(hash, s.Cert)
		mac.Write(message)
		return mac.Sum(nil), nil
	case rsaSHA1:
		sum := sha1.Sum(message)
		return s.Key.Sign(rand.Reader, sum[:], crypto.SHA1)
	case rsaMD5:
		sum := md5.Sum(message)
		return s.Key.Sign(rand.Reader, sum[:], crypto.MD5)
	case ecdsaSHA256:
		key, ok := s.Key.(*ecdsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("method %s with another key", s.Method)
		}
		sum := sha256.Sum256(message)
		r, v, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			return nil, err
		}
		n := (key.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, n)), v.FillBytes(make([]byte, n))...), nil
	}
	sum := sha256.Sum256(message)
	return s.Key.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// canonical is an element's exclusive canonical form where it stands, with the prefixes to keep.
func canonical(el *etree.Element, keep string) ([]byte, error) {
	out := el.Copy()
	for p := el.Parent(); p != nil; p = p.Parent() {
		for _, a := range p.Attr {
			if (a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns") && out.SelectAttr(fullKey(a)) == nil {
				out.CreateAttr(fullKey(a), a.Value)
			}
		}
	}
	return dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(keep).Canonicalize(out)
}

func fullKey(a etree.Attr) string { return strings.TrimPrefix(a.Space+":"+a.Key, ":") }
