package saml

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // the digest of rsa-oaep-mgf1p, where it carries no security
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/beevik/etree"
	"github.com/signet-broker/signet/providers"
)

const (
	nsEnc   = "http://www.w3.org/2001/04/xmlenc#"
	nsEnc11 = "http://www.w3.org/2009/xmlenc11#"

	oaepMGF1P = nsEnc + "rsa-oaep-mgf1p"
	oaep11    = nsEnc11 + "rsa-oaep"
)

// contentCipher is how the assertion itself is encrypted.
type contentCipher struct {
	size int  // of the key, in bytes
	cbc  bool // without integrity: taken only where the configuration says so and the Response is signed
}

// The ciphers that may encrypt (XML Encryption 1.1 §5.2). Triple DES is not among them.
var contentCiphers = map[string]contentCipher{
	nsEnc11 + "aes128-gcm": {size: 16},
	nsEnc11 + "aes192-gcm": {size: 24},
	nsEnc11 + "aes256-gcm": {size: 32},
	nsEnc + "aes128-cbc":   {size: 16, cbc: true},
	nsEnc + "aes192-cbc":   {size: 24, cbc: true},
	nsEnc + "aes256-cbc":   {size: 32, cbc: true},
}

// The hashes of RSA-OAEP (XML Encryption 1.1 §5.5.2), by the URIs of the digest and of the mask generation.
var (
	oaepDigests = map[string]crypto.Hash{
		"http://www.w3.org/2000/09/xmldsig#sha1":        crypto.SHA1,
		nsEnc + "sha256":                                crypto.SHA256,
		"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
		nsEnc + "sha512":                                crypto.SHA512,
	}
	oaepMasks = map[string]crypto.Hash{
		nsEnc11 + "mgf1sha1":   crypto.SHA1,
		nsEnc11 + "mgf1sha256": crypto.SHA256,
		nsEnc11 + "mgf1sha384": crypto.SHA384,
		nsEnc11 + "mgf1sha512": crypto.SHA512,
	}
)

// decryption is what an encrypted assertion is opened with.
type decryption struct {
	keys func() ([]crypto.Decrypter, error) // ours, the one in use first
	cbc  bool                               // AES-CBC is taken
	must bool                               // a plain assertion is refused
	sp   string                             // our entity ID
}

func (p *provider) decryption(ctx context.Context) decryption {
	return decryption{
		keys: func() ([]crypto.Decrypter, error) { return p.decrypters(ctx) },
		cbc:  p.cfg.AllowCBC, must: p.cfg.WantEncrypted, sp: p.entityID,
	}
}

// decrypters returns our private keys: during a roll-over the one in use, its successor and its predecessor.
func (p *provider) decrypters(ctx context.Context) ([]crypto.Decrypter, error) {
	certs, err := p.env.Certificates(ctx, use)
	if err != nil {
		return nil, providers.AsError(fmt.Errorf("keys for saml: %w", err))
	}
	var keys []crypto.Decrypter
	for _, c := range certs {
		if key, ok := c.PrivateKey.(crypto.Decrypter); ok {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, providers.AsError(errors.New("no key for saml can decrypt"))
	}
	return keys, nil
}

// encrypted is an EncryptedAssertion of the one shape that is taken.
type encrypted struct {
	cipher  contentCipher
	options *rsa.OAEPOptions
	key     []byte // the content's key, wrapped for us
	content []byte
}

// decrypt returns a Response that holds what was in the EncryptedAssertion of response, and nothing else of
// it but its ID and namespaces: it has been read as the message was. signed: response is built
// from bytes that its own signature covers.
//
// Whoever has our certificate can make a message that is decrypted, so from the first use of a private key
// on there is a single refusal, decrypt_failed, after the same work: which step fails would tell what is in
// somebody else's message (Jager and Somorovsky on CBC, Bleichenbacher on PKCS #1 v1.5, Manger on OAEP).
func (d decryption) decrypt(response *etree.Element, signed bool) (*etree.Element, error) {
	found := children(response, nsAssertion, "EncryptedAssertion")
	if len(found) != 1 {
		return nil, providers.Refuse("not_one_assertion", "%d encrypted assertions", len(found))
	}
	e, err := d.read(found[0])
	if err != nil {
		return nil, err
	}
	if e.cipher.cbc && (!d.cbc || !signed) {
		return nil, providers.Refuse("weak_alg", "AES-CBC: needs allow_cbc (now %v) and a signed response (now %v)", d.cbc, signed)
	}
	keys, err := d.keys()
	if err != nil {
		return nil, err
	}
	plain, err := e.open(keys)
	if err != nil {
		return nil, decryptFailed(err)
	}
	return embed(response, found[0], plain)
}

// decryptFailed is the one refusal; err is for the log alone.
func decryptFailed(err error) error {
	return &providers.Error{Kind: providers.Invalid, Reason: "decrypt_failed", Err: err}
}

// read holds an EncryptedAssertion to its shape (SAML core §2.3.4, XML Encryption §3), before any key is used.
func (d decryption) read(el *etree.Element) (encrypted, error) {
	var e encrypted
	data, err := one(el, nsEnc, "EncryptedData")
	if err != nil {
		return e, err
	}
	if kind := attr(data, "Type"); kind != "" && kind != nsEnc+"Element" {
		return e, decryptFailed(errors.New("encrypted content is no element"))
	}
	method, err := one(data, nsEnc, "EncryptionMethod")
	if err != nil {
		return e, err
	}
	var known bool
	if e.cipher, known = contentCiphers[attr(method, "Algorithm")]; !known {
		return e, providers.Refuse("weak_alg", "cipher of the assertion")
	}
	if e.content, err = cipherValue(data); err != nil {
		return e, err
	}
	key, err := d.wrappedKey(el, data)
	if err != nil {
		return e, err
	}
	if method, err = one(key, nsEnc, "EncryptionMethod"); err != nil {
		return e, err
	}
	if e.options, err = oaepOptions(method); err != nil {
		return e, err
	}
	e.key, err = cipherValue(key)
	return e, err
}

// wrappedKey returns the one EncryptedKey that is meant for us: inside of the EncryptedData's KeyInfo, or
// beside it, where a RetrievalMethod may point to it. Nothing is ever fetched.
func (d decryption) wrappedKey(el, data *etree.Element) (*etree.Element, error) {
	found := children(el, nsEnc, "EncryptedKey")
	info, err := only(data, nsDSig, "KeyInfo")
	if err != nil {
		return nil, err
	}
	if info != nil {
		method, err := only(info, nsDSig, "RetrievalMethod")
		if err != nil {
			return nil, err
		}
		if method != nil {
			found = slices.DeleteFunc(found, func(k *etree.Element) bool { return "#"+attr(k, "Id") != attr(method, "URI") })
		}
		found = append(found, children(info, nsEnc, "EncryptedKey")...)
	}
	found = slices.DeleteFunc(found, func(k *etree.Element) bool {
		recipient := attr(k, "Recipient")
		return recipient != "" && recipient != d.sp
	})
	if len(found) != 1 {
		return nil, decryptFailed(fmt.Errorf("%d encrypted keys for us", len(found)))
	}
	return found[0], nil
}

// oaepOptions reads the algorithm that has wrapped the key. PKCS #1 v1.5 is not taken: its padding is an
// oracle.
func oaepOptions(method *etree.Element) (*rsa.OAEPOptions, error) {
	algorithm := attr(method, "Algorithm")
	if algorithm != oaepMGF1P && algorithm != oaep11 {
		return nil, providers.Refuse("weak_alg", "cipher of the key")
	}
	o := &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	digest, err := only(method, nsDSig, "DigestMethod")
	if err != nil {
		return nil, err
	}
	if digest != nil {
		if o.Hash = oaepDigests[attr(digest, "Algorithm")]; o.Hash == 0 {
			return nil, providers.Refuse("weak_alg", "digest of RSA-OAEP")
		}
	}
	mask, err := only(method, nsEnc11, "MGF")
	if err != nil {
		return nil, err
	}
	if mask != nil && algorithm == oaep11 { // the other one's is always SHA-1
		if o.MGFHash = oaepMasks[attr(mask, "Algorithm")]; o.MGFHash == 0 {
			return nil, providers.Refuse("weak_alg", "mask generation of RSA-OAEP")
		}
	}
	label, err := only(method, nsEnc, "OAEPparams")
	if err == nil && label != nil && strings.TrimSpace(label.Text()) != "" {
		err = providers.Refuse("weak_alg", "RSA-OAEP with parameters")
	}
	return o, err
}

// one is only, where there must be one.
func one(el *etree.Element, ns, tag string) (*etree.Element, error) {
	found, err := only(el, ns, tag)
	if err == nil && found == nil {
		err = decryptFailed(fmt.Errorf("%s without %s", el.Tag, tag))
	}
	return found, err
}

func cipherValue(el *etree.Element) ([]byte, error) {
	data, err := one(el, nsEnc, "CipherData")
	if err != nil {
		return nil, err
	}
	value, err := one(data, nsEnc, "CipherValue") // a CipherReference would have us fetch something
	if err != nil {
		return nil, err
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value.Text()), ""))
	if err != nil || len(value.ChildElements()) > 0 {
		return nil, decryptFailed(fmt.Errorf("CipherValue of %s", el.Tag))
	}
	return decoded, nil
}

// open returns the plaintext. Every key is tried, and where none fits the content is decrypted with a random
// one, so that all failures take the same time.
func (e encrypted) open(keys []crypto.Decrypter) ([]byte, error) {
	content := make([]byte, e.cipher.size)
	if _, err := rand.Read(content); err != nil {
		return nil, err
	}
	unwrapped := false
	for _, key := range keys {
		plain, err := key.Decrypt(nil, e.key, e.options)
		if err == nil && len(plain) == e.cipher.size {
			content, unwrapped = plain, true
		}
	}
	block, err := aes.NewCipher(content)
	if err != nil {
		return nil, err
	}
	decrypt := openGCM
	if e.cipher.cbc {
		decrypt = openCBC
	}
	plain, err := decrypt(block, e.content)
	if !unwrapped {
		return nil, errors.New("the key is wrapped for none of our certificates")
	}
	return plain, err
}

// openGCM decrypts what begins with its 12 bytes of IV and ends in its 16 of tag (XML Encryption 1.1 §5.2.4).
func openGCM(block cipher.Block, content []byte) ([]byte, error) {
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if len(content) < aead.NonceSize()+aead.Overhead() {
		return nil, errors.New("ciphertext is too short")
	}
	return aead.Open(nil, content[:aead.NonceSize()], content[aead.NonceSize():], nil)
}

// openCBC decrypts what begins with its IV and ends in padding, whose last byte is its length (XML
// Encryption §5.2.2).
func openCBC(block cipher.Block, content []byte) ([]byte, error) {
	n := block.BlockSize()
	if len(content) < 2*n || len(content)%n != 0 {
		return nil, errors.New("ciphertext is not in blocks")
	}
	plain := make([]byte, len(content)-n)
	cipher.NewCBCDecrypter(block, content[:n]).CryptBlocks(plain, content[n:])
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > n {
		return nil, errors.New("padding")
	}
	return plain[:len(plain)-padding], nil
}

// embed reads what was decrypted where it stood: in a Response with the same namespaces and ID, by the same
// rules. It must be one Assertion and nothing beside it.
func embed(response, where *etree.Element, plain []byte) (*etree.Element, error) {
	if len(plain) > maxEncoded {
		return nil, decryptFailed(fmt.Errorf("%d bytes inside", len(plain)))
	}
	shell, prefix := etree.NewElement("Response"), "p"
	for _, a := range append(inherited(where), where.Attr...) {
		if declares(a) {
			shell.CreateAttr(a.FullKey(), a.Value)
		}
	}
	for shell.SelectAttr("xmlns:"+prefix) != nil { // a declaration of the message must keep its meaning
		prefix += "p"
	}
	shell.Space = prefix
	shell.CreateAttr("xmlns:"+prefix, nsProtocol)
	shell.CreateAttr("ID", attr(response, "ID"))
	raw, err := serialize(shell)
	if err != nil {
		return nil, decryptFailed(err)
	}
	document := slices.Concat(bytes.TrimSuffix(raw, []byte("/>")), []byte(">"), plain, []byte("</"+shell.FullTag()+">"))
	root, err := parseMessage(document, "Response")
	if err != nil {
		return nil, decryptFailed(err)
	}
	if len(root.ChildElements()) != 1 {
		return nil, decryptFailed(errors.New("not one element inside"))
	}
	for _, c := range root.Child {
		text, isText := c.(*etree.CharData)
		if el, isElement := c.(*etree.Element); isElement && el.Tag != "Assertion" || isText && !text.IsWhitespace() {
			return nil, decryptFailed(errors.New("more than an assertion inside"))
		}
	}
	return root, nil
}
