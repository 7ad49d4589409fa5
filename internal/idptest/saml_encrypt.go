package idptest

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/beevik/etree"
)

const (
	nsEnc   = "http://www.w3.org/2001/04/xmlenc#"
	nsEnc11 = "http://www.w3.org/2009/xmlenc11#"

	aes128GCM = nsEnc11 + "aes128-gcm"
	aes192GCM = nsEnc11 + "aes192-gcm"
	aes256GCM = nsEnc11 + "aes256-gcm"
	aes128CBC = nsEnc + "aes128-cbc"
	aes256CBC = nsEnc + "aes256-cbc"
	tripleDES = nsEnc + "tripledes-cbc"
	oaepMGF1P = nsEnc + "rsa-oaep-mgf1p"
	oaep11    = nsEnc11 + "rsa-oaep"
	rsa15     = nsEnc + "rsa-1_5"
	mgfSHA256 = nsEnc11 + "mgf1sha256"
)

// Encryption says how an assertion is encrypted: honestly, unless a row changes it.
type Encryption struct {
	Cipher string // of the assertion
	Wrap   string // of its key
	Digest string // of RSA-OAEP; "": none is named, which means SHA-1
	MGF    string // of RSA-OAEP; "": none is named, which means SHA-1
	Beside bool   // the key stands beside the data, and a RetrievalMethod points to it
	Cert   []byte // whom for, DER; nil: the first that the service provider's metadata has for encryption

	Plain  func([]byte) []byte                       // before it is encrypted
	Sealed func([]byte) []byte                       // the ciphertext
	Edit   func(el *etree.Element, e *etree.Element) // the EncryptedAssertion and its EncryptedKey, when all is done
}

// Encrypt has the assertion encrypted as common identity providers do.
func (a *Answer) Encrypt() *Encryption {
	a.Encryption = &Encryption{Cipher: aes256GCM, Wrap: oaepMGF1P}
	return a.Encryption
}

// encrypt exchanges the assertion for an encrypted one.
func (a *Answer) encrypt() error {
	el, err := a.EncryptedAssertion(a.Assertion)
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	i := a.Assertion.Index()
	a.Response.RemoveChildAt(i)
	a.Response.InsertChildAt(i, el)
	return nil
}

// EncryptedAssertion is an assertion encrypted as a.Encryption says.
func (a *Answer) EncryptedAssertion(assertion *etree.Element) (*etree.Element, error) {
	e := a.Encryption
	doc := etree.NewDocument()
	doc.SetRoot(assertion.Copy())
	plain, err := doc.WriteToBytes()
	if err != nil {
		return nil, err
	}
	if e.Plain != nil {
		plain = e.Plain(plain)
	}
	key := make([]byte, keySizes[e.Cipher])
	rand.Read(key)
	sealed, err := e.seal(key, plain)
	if err != nil {
		return nil, err
	}
	if e.Sealed != nil {
		sealed = e.Sealed(sealed)
	}
	wrapped, err := a.wrap(key)
	if err != nil {
		return nil, err
	}
	return e.element(sealed, wrapped), nil
}

func (e *Encryption) element(sealed, wrapped []byte) *etree.Element {
	el := etree.NewElement("saml:EncryptedAssertion")
	data := set(add(el, "xenc:EncryptedData"), "xmlns:xenc", nsEnc, "Id", "_data", "Type", nsEnc+"Element")
	set(add(data, "xenc:EncryptionMethod"), "Algorithm", e.Cipher)
	info := set(add(data, "ds:KeyInfo"), "xmlns:ds", nsDSig)
	parent := info
	if e.Beside {
		set(add(info, "ds:RetrievalMethod"), "Type", nsEnc+"EncryptedKey", "URI", "#_key")
		parent = el
	}
	key := set(add(parent, "xenc:EncryptedKey"), "xmlns:xenc", nsEnc, "Id", "_key")
	method := set(add(key, "xenc:EncryptionMethod"), "Algorithm", e.Wrap)
	if e.Digest != "" {
		set(add(method, "ds:DigestMethod"), "xmlns:ds", nsDSig, "Algorithm", e.Digest)
	}
	if e.MGF != "" {
		set(add(method, "xenc11:MGF"), "xmlns:xenc11", nsEnc11, "Algorithm", e.MGF)
	}
	add(add(key, "xenc:CipherData"), "xenc:CipherValue").SetText(lines(wrapped))
	add(add(data, "xenc:CipherData"), "xenc:CipherValue").SetText(lines(sealed))
	if e.Edit != nil {
		e.Edit(el, key)
	}
	return el
}

// lines is base64 in lines of 76, as many libraries write it.
func lines(b []byte) string {
	s := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for ; len(s) > 76; s = s[76:] {
		out.WriteString(s[:76] + "\n")
	}
	return out.String() + s
}

var keySizes = map[string]int{aes128GCM: 16, aes192GCM: 24, aes256GCM: 32, aes128CBC: 16, aes256CBC: 32, tripleDES: 24}

func (e *Encryption) seal(key, plain []byte) ([]byte, error) {
	newBlock := aes.NewCipher
	if e.Cipher == tripleDES {
		newBlock = des.NewTripleDESCipher
	}
	block, err := newBlock(key)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(e.Cipher, "-gcm") {
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		iv := make([]byte, aead.NonceSize())
		rand.Read(iv)
		return aead.Seal(iv, iv, plain, nil), nil
	}
	n := block.BlockSize()
	padding := n - len(plain)%n
	plain = append(append(plain, make([]byte, padding-1)...), byte(padding))
	out := make([]byte, n+len(plain))
	rand.Read(out[:n])
	cipher.NewCBCEncrypter(block, out[:n]).CryptBlocks(out[n:], plain)
	return out, nil
}

// wrap encrypts the content's key for the service provider.
func (a *Answer) wrap(key []byte) ([]byte, error) {
	der := a.Encryption.Cert
	if der == nil {
		sp, err := a.IDP.serviceProvider(context.Background(), a.Request.Issuer)
		if err != nil {
			return nil, err
		}
		if der = sp.encryptionKey(); der == nil {
			return nil, errors.New("the service provider has no certificate for encryption")
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("certificate without an RSA key")
	}
	if a.Encryption.Wrap == rsa15 {
		return rsa.EncryptPKCS1v15(rand.Reader, public, key) //nolint:staticcheck // what must be refused
	}
	hashes := map[bool]crypto.Hash{true: crypto.SHA256, false: crypto.SHA1}
	return rsa.EncryptOAEPWithOptions(rand.Reader, public, key, &rsa.OAEPOptions{
		Hash: hashes[a.Encryption.Digest == digestSHA256], MGFHash: hashes[a.Encryption.MGF == mgfSHA256],
	})
}

// encryptionKey is the first certificate that the service provider wants to be encrypted for.
func (sp *serviceProvider) encryptionKey() []byte {
	for _, k := range sp.Role.Keys {
		if der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(k.Cert), "")); err == nil && k.Use != "signing" {
			return der
		}
	}
	return nil
}
