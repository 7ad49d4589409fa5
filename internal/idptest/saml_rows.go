package idptest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/beevik/etree"
)

// SAMLRows is every Response that must be refused and, as controls, some that must not be. The numbers are
// ids and have gaps.
var SAMLRows = slices.Concat(samlControls, samlSignatures, samlWrapping, samlReading, samlSizes, samlSubject,
	samlConditions, samlEncrypted, samlFlow)

// refused is a row of one fault.
func refused(id, name, reason string, alter func(*Answer)) SAMLRow {
	return SAMLRow{Row: Row{ID: id, Name: name, Reason: reason}, Alter: alter}
}

func control(id, name string, alter func(*Answer)) SAMLRow {
	return SAMLRow{Row: Row{ID: id, Name: name, Control: true}, Alter: alter}
}

func fast(r SAMLRow) SAMLRow {
	r.Fast = true
	return r
}

// stranger is a key that nobody trusts, with a certificate that looks like anyone's of that name.
var stranger = sync.OnceValue(func() keyPair {
	p, err := newRSA("Initech")
	if err != nil {
		panic(err)
	}
	return p
})

// evil is an assertion about somebody else, unsigned.
func (a *Answer) evil() *etree.Element {
	return a.NewAssertion(Person{Username: "evil", Email: "evil@initech.example", Name: "Evil"})
}

// signature is the signed assertion's.
func (a *Answer) signature() *etree.Element { return a.Assertion.SelectElement("Signature") }

// replace changes the document's text once.
func (a *Answer) replace(old, new string) {
	a.Raw = func(raw []byte) []byte { return bytes.Replace(raw, []byte(old), []byte(new), 1) }
}

// send makes the document another one altogether.
func (a *Answer) send(s string) { a.Raw = func([]byte) []byte { return []byte(s) } }

var samlControls = []SAMLRow{
	control("S-17", "two trusted certificates, no KeyInfo", func(a *Answer) { a.SignAssertion.Cert = nil }),
	control("S-17b", "signed by the second trusted key (ECDSA)", func(a *Answer) { a.SignAssertion = a.sign(a.IDP.next) }),
	control("S-17c", "only the Response is signed", func(a *Answer) { a.SignAssertion, a.SignResponse = nil, a.SignAssertion }),
	control("S-17d", "Response and Assertion are signed", func(a *Answer) { a.SignResponse = a.sign(a.IDP.key) }),
	control("S-17e", "Response and Assertion are signed by the ECDSA key", func(a *Answer) {
		a.SignAssertion, a.SignResponse = a.sign(a.IDP.next), a.sign(a.IDP.next)
	}),
	control("S-17f", "XML declaration and line ends around the root", func(a *Answer) {
		a.Raw = func(raw []byte) []byte {
			return slices.Concat([]byte("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"), raw, []byte("\n"))
		}
	}),
	control("S-17g", "no Destination on an unsigned Response", func(a *Answer) { a.Response.RemoveAttr("Destination") }),
	control("S-17h", "SignatureValue in lines", func(a *Answer) {
		a.Signed = func() {
			v := a.signature().SelectElement("SignatureValue")
			v.SetText("\n    " + v.Text()[:76] + "\n    " + v.Text()[76:] + "\n  ")
		}
	}),
	control("S-17i", "base64 in lines", func(a *Answer) {
		a.Form = func(form url.Values) {
			form["SAMLResponse"][0] = form["SAMLResponse"][0][:76] + "\r\n" + form["SAMLResponse"][0][76:]
		}
	}),
	control("S-17j", "default namespaces throughout", func(a *Answer) {
		plain(a.Assertion)
		a.Assertion.RemoveAttr("xmlns:saml")
		a.Assertion.CreateAttr("xmlns", nsAssertion)
		a.SignAssertion.Prefix = ""
	}),
	control("S-17k", "typed values, whose prefix InclusiveNamespaces keeps", func(a *Answer) {
		typed(a, a.Assertion)
	}),
	control("S-17l", "the same with the prefix declared on the Response", func(a *Answer) {
		typed(a, a.Response)
	}),
	fast(control("S-86", "5,000 groups", func(a *Answer) {
		el := a.In("AttributeStatement/Attribute[@Name='groups']")
		for range 5000 {
			add(el, "saml:AttributeValue").SetText(guid())
		}
	})),
	control("S-90", "one AudienceRestriction, ours the first of two", func(a *Answer) {
		add(a.In("Conditions/AudienceRestriction"), "saml:Audience").SetText("https://other.example")
	}),
	control("S-90b", "ours the last of two", func(a *Answer) {
		r := a.In("Conditions/AudienceRestriction")
		other := etree.NewElement("saml:Audience")
		other.SetText("https://other.example")
		r.InsertChildAt(0, other)
	}),
	control("S-98b", "NotBefore within the skew", func(a *Answer) {
		a.In("Conditions").CreateAttr("NotBefore", a.At(skewed))
	}),
	control("S-122", "OneTimeUse, for the first time", func(a *Answer) { add(a.In("Conditions"), "saml:OneTimeUse") }),
	control("S-128", "FriendlyName equal to another attribute's Name", func(a *Answer) {
		set(addAttribute(a.In("AttributeStatement"), "nickname", "evil@initech.example"), "FriendlyName", "email")
	}),
}

var samlSignatures = []SAMLRow{
	refused("S-1", "neither Response nor Assertion signed", "sig_missing", func(a *Answer) { a.SignAssertion = nil }),
	refused("S-2", "Signature cut out", "sig_missing", func(a *Answer) {
		a.Signed = func() { a.Assertion.RemoveChild(a.signature()) }
	}),
	refused("S-3", "empty Signature", "sig_invalid", func(a *Answer) {
		a.Signed = func() { a.signature().Child = nil }
	}),
	refused("S-4", "SignatureValue emptied", "sig_invalid", func(a *Answer) {
		a.Signed = func() { a.signature().SelectElement("SignatureValue").SetText("") }
	}),
	refused("S-6", "two Signatures in the Assertion", "sig_invalid", func(a *Answer) {
		a.Signed = func() { a.Assertion.InsertChildAt(2, a.signature().Copy()) }
	}),
	refused("S-7", "signed by an unknown key that KeyInfo shows", "sig_untrusted", func(a *Answer) {
		a.SignAssertion = a.sign(stranger())
		a.SignAssertion.Cert = strangerNamed("Mallory")
	}),
	refused("S-8", "KeyInfo shows the trusted certificate, another key signed", "sig_invalid", func(a *Answer) {
		a.SignAssertion.Key = stranger().key
	}),
	refused("S-9", "certificate with the trusted one's subject and serial number", "sig_untrusted", func(a *Answer) {
		a.SignAssertion = a.sign(stranger())
		a.SignAssertion.Cert = strangerNamed(a.IDP.opts.Name)
	}),
	refused("S-11", "rsa-sha1", "weak_alg", func(a *Answer) { a.SignAssertion.Method = rsaSHA1 }),
	refused("S-12", "digest sha1 below rsa-sha256", "weak_alg", func(a *Answer) { a.SignAssertion.Digest = digestSHA1 }),
	refused("S-13", "hmac-sha1 with the public certificate", "weak_alg", func(a *Answer) { a.SignAssertion.Method = hmacSHA1 }),
	refused("S-13b", "hmac-sha256 with the public certificate", "weak_alg", func(a *Answer) { a.SignAssertion.Method = hmacSHA256 }),
	refused("S-14", "rsa-md5", "weak_alg", func(a *Answer) { a.SignAssertion.Method = rsaMD5 }),
	refused("S-14b", "unknown signature method", "weak_alg", func(a *Answer) { a.SignAssertion.Method = "urn:x:unknown" }),
	refused("S-18", "Response's signature bad, Assertion's good", "sig_invalid", func(a *Answer) {
		a.SignResponse = a.sign(a.IDP.key)
		a.SignResponse.Key = stranger().key
	}),
	refused("S-19", "Response's signature good, Assertion's bad", "sig_invalid", func(a *Answer) {
		a.SignResponse = a.sign(a.IDP.key)
		a.SignAssertion.Key = stranger().key
	}),
	refused("S-21", "honest SignedInfo with two References", "sig_invalid", func(a *Answer) {
		a.SignAssertion.Edit = func(info *etree.Element) { info.AddChild(info.SelectElement("Reference").Copy()) }
	}),
	refused("S-22", "Reference to the whole document", "sig_invalid", reference("")),
	refused("S-23", "Reference '#'", "sig_invalid", reference("#")),
	refused("S-23b", "Reference without '#'", "sig_invalid", reference("x")),
	refused("S-23c", "Reference to another element", "sig_invalid", func(a *Answer) {
		reference("#" + a.Response.SelectAttrValue("ID", ""))(a)
	}),
	refused("S-24", "XSLT transform", "sig_invalid", transform("http://www.w3.org/TR/1999/REC-xslt-19991116")),
	refused("S-24b", "XPath transform", "sig_invalid", transform("http://www.w3.org/TR/1999/REC-xpath-19991116")),
	refused("S-24c", "base64 transform", "sig_invalid", transform("http://www.w3.org/2000/09/xmldsig#base64")),
	refused("S-24d", "inclusive canonicalization", "sig_invalid", func(a *Answer) {
		a.SignAssertion.Edit = func(info *etree.Element) {
			info.SelectElement("CanonicalizationMethod").CreateAttr("Algorithm", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315")
		}
	}),
	refused("S-26", "comment in DigestValue", "malformed", comment("DigestValue")),
	refused("S-26b", "comment in SignatureValue", "malformed", comment("SignatureValue")),
	refused("S-27", "relative namespace URI", "malformed", func(a *Answer) {
		a.Signed = func() { a.Response.CreateAttr("xmlns:x", "1") }
	}),
	refused("S-27b", "bad namespace URI", "malformed", func(a *Answer) {
		a.Signed = func() { a.Response.CreateAttr("xmlns:x", "http://[bad") }
	}),
	refused("S-28", "digest of nothing", "sig_invalid", func(a *Answer) {
		a.SignAssertion.Edit = func(info *etree.Element) {
			nothing := sha256.Sum256(nil)
			info.FindElement(".//DigestValue").SetText(base64.StdEncoding.EncodeToString(nothing[:]))
		}
	}),
	refused("S-29", "Algorithm given twice", "malformed", func(a *Answer) {
		a.replace(`<ds:SignatureMethod Algorithm`, `<ds:SignatureMethod Algorithm="`+rsaSHA1+`" Algorithm`)
	}),
	refused("S-29b", "Algorithm of another namespace beside it", "sig_invalid", func(a *Answer) {
		a.SignAssertion.Edit = func(info *etree.Element) {
			set(info.SelectElement("SignatureMethod"), "xmlns:x", "urn:x", "x:Algorithm", rsaSHA1)
		}
	}),
	refused("S-29c", "SignedInfo's children in another namespace", "sig_invalid", func(a *Answer) {
		a.SignAssertion.Edit = func(info *etree.Element) {
			method := info.SelectElement("SignatureMethod")
			method.Space = "x"
			method.CreateAttr("xmlns:x", "urn:x")
		}
	}),
}

// plain takes the prefixes off an element and all below it.
func plain(el *etree.Element) {
	el.Space = ""
	for _, c := range el.ChildElements() {
		plain(c)
	}
}

// typed gives each attribute value its type, a prefix inside of a text that canonicalization does not see.
func typed(a *Answer, declares *etree.Element) {
	set(declares, "xmlns:xs", "http://www.w3.org/2001/XMLSchema")
	for _, v := range a.Assertion.FindElements(".//AttributeValue") {
		set(v, "xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance", "xsi:type", "xs:string")
	}
	a.SignAssertion.Keep = "xs"
}

func reference(uri string) func(*Answer) {
	return func(a *Answer) {
		a.SignAssertion.Edit = func(info *etree.Element) { info.SelectElement("Reference").CreateAttr("URI", uri) }
	}
}

func transform(algorithm string) func(*Answer) {
	return func(a *Answer) {
		a.SignAssertion.Edit = func(info *etree.Element) {
			set(add(info.FindElement("./Reference/Transforms"), "ds:Transform"), "Algorithm", algorithm)
		}
	}
}

func comment(tag string) func(*Answer) {
	return func(a *Answer) {
		a.Raw = func(raw []byte) []byte {
			return bytes.Replace(raw, []byte("<ds:"+tag+">"), []byte("<ds:"+tag+">AAAA<!-- -->"), 1)
		}
	}
}

func strangerNamed(name string) []byte {
	p, err := certify(name, stranger().key)
	if err != nil {
		panic(err)
	}
	return p.cert
}

func many(s string, n int) string { return strings.Repeat(s, n) }
