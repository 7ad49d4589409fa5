package idptest

import (
	"bytes"

	"github.com/beevik/etree"
)

// samlEncrypted is what only needs our public certificate to be made, and honest encryption. What one byte of
// a ciphertext does must not tell what is in it: everything behind a private key has one answer.
var samlEncrypted = []SAMLRow{
	control("S-147", "encrypted, signed inside: AES-256-GCM, RSA-OAEP with SHA-1", encrypted(nil)),
	control("S-147b", "AES-128-GCM", encrypted(func(e *Encryption) { e.Cipher = aes128GCM })),
	control("S-147c", "AES-192-GCM", encrypted(func(e *Encryption) { e.Cipher = aes192GCM })),
	control("S-147d", "RSA-OAEP with SHA-256 twice", encrypted(func(e *Encryption) {
		e.Wrap, e.Digest, e.MGF = oaep11, digestSHA256, mgfSHA256
	})),
	control("S-147e", "RSA-OAEP with SHA-256 and MGF1 with SHA-1", encrypted(func(e *Encryption) { e.Digest = digestSHA256 })),
	control("S-147f", "the key beside the data", encrypted(func(e *Encryption) { e.Beside = true })),
	control("S-147g", "the key beside the data, to which nothing points", encrypted(func(e *Encryption) {
		e.Beside = true
		e.Edit = func(el, _ *etree.Element) {
			data := el.SelectElement("EncryptedData")
			data.RemoveChild(data.SelectElement("KeyInfo"))
		}
	})),
	control("S-147h", "unsigned inside a signed Response", func(a *Answer) {
		a.Encrypt()
		a.SignAssertion, a.SignResponse = nil, a.SignAssertion
	}),
	control("S-147i", "signed inside a signed Response", func(a *Answer) {
		a.Encrypt()
		a.SignResponse = a.sign(a.IDP.next)
	}),
	control("S-147j", "namespaces of the assertion declared on the Response alone", func(a *Answer) {
		a.Encrypt().Plain = func(plain []byte) []byte { return replaced(plain, ` xmlns:saml="`+nsAssertion+`"`, "") }
		a.Assertion.RemoveAttr("xmlns:saml")
	}),
	control("S-142", "a key for another service beside ours", encrypted(func(e *Encryption) {
		e.Edit = func(_, key *etree.Element) {
			other := set(key.Copy(), "Id", "_other", "Recipient", "https://other.example")
			key.Parent().InsertChildAt(0, other)
		}
	})),

	refused("S-131", "unsigned encrypted Assertion in an unsigned Response", "sig_missing", unsignedEncrypted(nil)),
	refused("S-131b", "signed inside by a stranger", "sig_untrusted", func(a *Answer) {
		a.Encrypt()
		a.SignAssertion = a.sign(stranger())
	}),
	refused("S-131c", "the Response's signature bad, signed inside", "sig_invalid", func(a *Answer) {
		a.Encrypt()
		a.SignResponse = a.sign(a.IDP.key)
		a.SignResponse.Key = stranger().key
	}),
	refused("S-131d", "the Response's signature good, that inside bad", "sig_invalid", func(a *Answer) {
		a.Encrypt()
		a.SignResponse = a.sign(a.IDP.key)
		a.SignAssertion.Key = stranger().key
	}),
	refused("S-131e", "changed inside after it was signed", "sig_invalid", inside(func(plain []byte) []byte {
		return replaced(plain, ">peter@", ">milton@")
	})),
	refused("S-131f", "exchanged in a Response that was signed", "sig_invalid", func(a *Answer) {
		a.Encrypt()
		a.SignAssertion, a.SignResponse = nil, a.SignAssertion
		a.Signed = func() {
			evil, err := a.EncryptedAssertion(a.evil())
			if err != nil {
				panic(err)
			}
			was := a.Response.SelectElement("EncryptedAssertion")
			i := was.Index()
			a.Response.RemoveChildAt(i)
			a.Response.InsertChildAt(i, evil)
		}
	}),
	refused("S-132", "evil encrypted Assertion and a good plain one", "not_one_assertion", func(a *Answer) {
		a.Encryption = nil
		a.Signed = func() { a.addEncrypted(a.evil()) }
	}),
	refused("S-132b", "Assertion beside the encrypted data", "not_one_assertion", encrypted(func(e *Encryption) {
		e.Edit = func(el, _ *etree.Element) { set(add(el, "saml:Assertion"), "ID", "_evil") }
	})),
	refused("S-133", "text inside", "decrypt_failed", inside(is("SECRET"))),
	refused("S-133b", "a comment inside", "decrypt_failed", inside(is("<!-- -->"))),
	refused("S-133c", "another element inside", "decrypt_failed", inside(is("<x/>"))),
	refused("S-133d", "two Assertions inside", "decrypt_failed", inside(func(plain []byte) []byte {
		return append(plain, plain...)
	})),
	refused("S-133e", "something beside the Assertion inside", "decrypt_failed", inside(func(plain []byte) []byte {
		return append(plain, "evil"...)
	})),
	refused("S-133f", "a Response that ends and another that begins inside", "decrypt_failed", inside(func(plain []byte) []byte {
		return append([]byte(`</p:Response><p:Response xmlns:p="`+nsProtocol+`">`), plain...)
	})),
	refused("S-133g", "an encrypted Assertion inside", "decrypt_failed", inside(is(
		`<saml:EncryptedAssertion xmlns:saml="`+nsAssertion+`"/>`))),
	refused("S-133h", "a document type inside", "decrypt_failed", inside(func(plain []byte) []byte {
		return append([]byte(`<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x">`), plain...)
	})),
	refused("S-133i", "half an Assertion inside", "decrypt_failed", inside(func(plain []byte) []byte { return plain[:len(plain)/2] })),
	refused("S-133j", "the ID of the Response inside", "decrypt_failed", func(a *Answer) {
		a.Encrypt()
		a.Assertion.CreateAttr("ID", a.Response.SelectAttrValue("ID", ""))
	}),
	refused("S-133k", "bytes that are no text inside", "decrypt_failed", inside(is("\xff\xfe\x00"))),
	refused("S-133l", "nesting without end inside", "decrypt_failed", inside(func([]byte) []byte { return []byte(many("<x>", 50_000)) })),
	refused("S-134", "nothing inside", "decrypt_failed", inside(is(""))),
	refused("S-134b", "empty ciphertext", "decrypt_failed", sealed(func([]byte) []byte { return nil })),
	refused("S-136", "CBC not aligned to blocks, in a signed Response", "weak_alg", func(a *Answer) {
		e := a.Encrypt()
		e.Cipher, e.Sealed = aes128CBC, func(b []byte) []byte { return b[:17] }
		a.SignResponse = a.sign(a.IDP.key)
	}),
	refused("S-137", "GCM shorter than its nonce", "decrypt_failed", sealed(func(b []byte) []byte { return b[:4] })),
	refused("S-137b", "GCM of a nonce alone", "decrypt_failed", sealed(func(b []byte) []byte { return b[:12] })),
	refused("S-137c", "GCM with a short tag", "decrypt_failed", sealed(func(b []byte) []byte { return b[:len(b)-4] })),
	refused("S-137d", "GCM with a bit changed", "decrypt_failed", sealed(func(b []byte) []byte { b[20] ^= 1; return b })),
	refused("S-137e", "GCM with its nonce changed", "decrypt_failed", sealed(func(b []byte) []byte { b[0] ^= 1; return b })),
	refused("S-138", "triple DES", "weak_alg", encrypted(func(e *Encryption) { e.Cipher = tripleDES })),
	refused("S-138b", "RSA with PKCS #1 v1.5", "weak_alg", encrypted(func(e *Encryption) { e.Wrap = rsa15 })),
	refused("S-138c", "an unknown cipher", "weak_alg", renamed("./EncryptedData/EncryptionMethod", "urn:x:unknown")),
	refused("S-138d", "an unknown way to wrap the key", "weak_alg", renamed("./EncryptedData/KeyInfo/EncryptedKey/EncryptionMethod", nsEnc+"kw-aes128")),
	refused("S-138e", "a digest of RSA-OAEP that is not taken", "weak_alg", encrypted(func(e *Encryption) {
		e.Digest = "http://www.w3.org/2001/04/xmldsig-more#md5"
	})),
	refused("S-138f", "a mask of RSA-OAEP that is not taken", "weak_alg", encrypted(func(e *Encryption) { e.Wrap, e.MGF = oaep11, "urn:x" })),
	refused("S-139", "a key of another length", "decrypt_failed", renamed("./EncryptedData/EncryptionMethod", aes128GCM)),
	refused("S-139b", "the wrapped key changed", "decrypt_failed", encrypted(func(e *Encryption) {
		e.Edit = func(_, key *etree.Element) {
			value := key.FindElement("./CipherData/CipherValue")
			value.SetText("AAAA" + value.Text()[4:])
		}
	})),
	refused("S-139c", "the wrapped key cut short", "decrypt_failed", encrypted(func(e *Encryption) {
		e.Edit = func(_, key *etree.Element) { key.FindElement("./CipherData/CipherValue").SetText("AAAA") }
	})),
	refused("S-141", "AES-CBC as it is, in a signed Response", "weak_alg", func(a *Answer) {
		a.Encrypt().Cipher = aes128CBC
		a.SignResponse = a.sign(a.IDP.key)
	}),
	refused("S-142b", "encrypted for another service's certificate", "decrypt_failed", encrypted(func(e *Encryption) { e.Cert = stranger().cert })),
	refused("S-142c", "the key is meant for another service", "decrypt_failed", encrypted(func(e *Encryption) {
		e.Edit = func(_, key *etree.Element) { key.CreateAttr("Recipient", "https://other.example") }
	})),
	refused("S-142d", "two keys for us", "decrypt_failed", encrypted(func(e *Encryption) {
		e.Edit = func(_, key *etree.Element) { key.Parent().AddChild(set(key.Copy(), "Id", "_second")) }
	})),
	refused("S-143", "no EncryptedKey", "decrypt_failed", encrypted(func(e *Encryption) {
		e.Edit = func(_, key *etree.Element) { key.Parent().RemoveChild(key) }
	})),
	refused("S-143b", "the key is somewhere else", "decrypt_failed", encrypted(func(e *Encryption) {
		e.Beside = true
		e.Edit = func(_, key *etree.Element) { key.CreateAttr("Id", "_elsewhere") }
	})),
	refused("S-143c", "the key is at an address", "decrypt_failed", encrypted(func(e *Encryption) {
		e.Beside = true
		e.Edit = func(el, key *etree.Element) {
			el.RemoveChild(key)
			el.FindElement("./EncryptedData/KeyInfo/RetrievalMethod").CreateAttr("URI", "http://127.0.0.1:9/key")
		}
	})),
	refused("S-143d", "the ciphertext is at an address", "decrypt_failed", encrypted(func(e *Encryption) {
		e.Edit = func(el, _ *etree.Element) {
			data := el.FindElement("./EncryptedData/CipherData")
			data.RemoveChild(data.SelectElement("CipherValue"))
			set(add(data, "xenc:CipherReference"), "URI", "http://127.0.0.1:9/data")
		}
	})),
	refused("S-143e", "no EncryptedData", "decrypt_failed", encrypted(func(e *Encryption) {
		e.Edit = func(el, _ *etree.Element) { el.RemoveChild(el.SelectElement("EncryptedData")) }
	})),
	refused("S-143f", "two EncryptedData", "malformed", encrypted(func(e *Encryption) {
		e.Edit = func(el, _ *etree.Element) {
			el.AddChild(anew(el.SelectElement("EncryptedData").Copy()))
		}
	})),
	refused("S-143g", "content that is no element", "decrypt_failed", encrypted(func(e *Encryption) {
		e.Edit = func(el, _ *etree.Element) { set(el.SelectElement("EncryptedData"), "Type", nsEnc+"Content") }
	})),
	fast(refused("S-144", "ten encrypted Assertions", "not_one_assertion", func(a *Answer) {
		a.Encrypt()
		a.Signed = func() {
			for range 9 {
				a.addEncrypted(a.evil())
			}
		}
	})),
	refused("S-146", "EncryptedID for NameID", "encrypted_unsupported", encryptedID(false)),
	refused("S-146b", "EncryptedID inside of an encrypted Assertion", "encrypted_unsupported", encryptedID(true)),
	refused("S-146c", "EncryptedAttribute", "encrypted_unsupported", func(a *Answer) {
		add(a.In("AttributeStatement"), "saml:EncryptedAttribute")
	}),
	// What holds for a plain assertion holds for one inside.
	refused("S-89b", "encrypted, for another audience", "bad_audience", func(a *Answer) {
		a.Encrypt()
		text("Conditions/AudienceRestriction/Audience", "https://other.example")(a)
	}),
	refused("S-91b", "encrypted, for another recipient", "bad_recipient", func(a *Answer) {
		a.Encrypt()
		attribute(data, "Recipient", "https://other.example/saml/acs")(a)
	}),
	refused("S-11b", "encrypted, signed inside with rsa-sha1", "weak_alg", func(a *Answer) {
		a.Encrypt()
		a.SignAssertion.Method = rsaSHA1
	}),
}

// encrypted has the honest, signed assertion encrypted.
func encrypted(change func(*Encryption)) func(*Answer) {
	return func(a *Answer) {
		e := a.Encrypt()
		if change != nil {
			change(e)
		}
	}
}

// unsignedEncrypted is what everybody can make who has our certificate.
func unsignedEncrypted(change func(*Encryption)) func(*Answer) {
	return func(a *Answer) {
		encrypted(change)(a)
		a.SignAssertion = nil
	}
}

// inside changes what is encrypted.
func inside(change func([]byte) []byte) func(*Answer) {
	return encrypted(func(e *Encryption) { e.Plain = change })
}

func is(s string) func([]byte) []byte { return func([]byte) []byte { return []byte(s) } }

// sealed changes the ciphertext.
func sealed(change func([]byte) []byte) func(*Answer) {
	return encrypted(func(e *Encryption) { e.Sealed = change })
}

// renamed gives a method of the EncryptedAssertion another algorithm.
func renamed(path, algorithm string) func(*Answer) {
	return encrypted(func(e *Encryption) {
		e.Edit = func(el, _ *etree.Element) { el.FindElement(path).CreateAttr("Algorithm", algorithm) }
	})
}

func encryptedID(whole bool) func(*Answer) {
	return func(a *Answer) {
		if whole {
			a.Encrypt()
		}
		subject := a.In("Subject")
		subject.RemoveChild(subject.SelectElement("NameID"))
		subject.InsertChildAt(0, etree.NewElement("saml:EncryptedID"))
	}
}

// addEncrypted adds an assertion, encrypted.
func (a *Answer) addEncrypted(assertion *etree.Element) {
	if a.Encryption == nil {
		a.Encryption = &Encryption{Cipher: aes256GCM, Wrap: oaepMGF1P}
	}
	el, err := a.EncryptedAssertion(assertion)
	if err != nil {
		panic(err) // the algorithms are wrong
	}
	a.Response.AddChild(anew(el))
}

// anew gives everything below an element an Id of its own.
func anew(el *etree.Element) *etree.Element {
	if el.SelectAttr("Id") != nil {
		el.CreateAttr("Id", "_"+guid())
	}
	for _, c := range el.ChildElements() {
		anew(c)
	}
	return el
}

func replaced(b []byte, old, new string) []byte { return bytes.ReplaceAll(b, []byte(old), []byte(new)) }
