package saml

import (
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

// TestSignatureOfOneShape: a SignedInfo that says more than the one shape does is refused, though the identity
// provider's own key has signed it and its digest is right.
func TestSignatureOfOneShape(t *testing.T) {
	child := func(path, tag string) func(*etree.Element) {
		return func(info *etree.Element) { info.FindElement(path).CreateElement(tag) }
	}
	attribute := func(path, key string) func(*etree.Element) {
		return func(info *etree.Element) { info.FindElement(path).CreateAttr(key, "x") }
	}
	const last = "./Reference/Transforms/Transform[2]"
	inclusive := func(info *etree.Element) {
		el := info.FindElement(last).CreateElement("ec:InclusiveNamespaces")
		el.CreateAttr("xmlns:ec", nsExcC14N)
		el.CreateAttr("PrefixList", "x")
	}
	b := openTest(t, nil)
	for name, edit := range map[string]func(*etree.Element){
		"":                                    inclusive,
		"two lists of prefixes":               func(info *etree.Element) { inclusive(info); inclusive(info) },
		"another parameter of the transform":  child(last, "ds:XPath"),
		"a list of prefixes of another name":  func(info *etree.Element) { inclusive(info); info.FindElement(last + "/*").Tag = "Prefixes" },
		"a list of prefixes of another space": child(last, "ds:InclusiveNamespaces"),
		"an attribute of the list":            func(info *etree.Element) { inclusive(info); attribute(last+"/*", "y")(info) },
		"a list of 33 prefixes": func(info *etree.Element) {
			inclusive(info)
			info.FindElement(last+"/*").CreateAttr("PrefixList", strings.Repeat("x ", 33))
		},
		"an element in the list":           func(info *etree.Element) { inclusive(info); child(last+"/*", "ds:x")(info) },
		"a parameter of the enveloped one": child("./Reference/Transforms/Transform[1]", "ds:XPath"),
		"an attribute of a transform":      attribute(last, "y"),
		"a parameter of the signature":     child("./SignatureMethod", "ds:HMACOutputLength"),
		"an attribute of the signature's":  attribute("./SignatureMethod", "y"),
		"a parameter of the digest":        child("./Reference/DigestMethod", "ds:x"),
		"an attribute of the digest's":     attribute("./Reference/DigestMethod", "y"),
		"an element in the digest":         child("./Reference/DigestValue", "ds:x"),
		"an attribute of the reference":    attribute("./Reference", "y"),
		"an attribute of canonicalization": attribute("./CanonicalizationMethod", "y"),
		"an attribute of SignedInfo":       attribute(".", "y"),
		"an element in SignedInfo":         child(".", "ds:Object"),
		"an element in the reference":      child("./Reference", "ds:Object"),
		"the digest's method after the value": func(info *etree.Element) {
			r := info.FindElement("./Reference")
			r.AddChild(r.SelectElement("DigestMethod"))
		},
		"no transform but the enveloped one": func(info *etree.Element) { ts := info.FindElement("./Reference/Transforms"); ts.RemoveChildAt(1) },
		"the transforms in the other order":  func(info *etree.Element) { ts := info.FindElement("./Reference/Transforms"); ts.AddChild(ts.Child[0]) },
		"a digest with white space inside":   func(info *etree.Element) { v := info.FindElement("./Reference/DigestValue"); v.SetText(" " + v.Text()) },
		"a digest that is longer": func(info *etree.Element) {
			v := info.FindElement("./Reference/DigestValue")
			v.SetText("AAAA" + v.Text())
		},
		"a digest that is shorter": func(info *etree.Element) { v := info.FindElement("./Reference/DigestValue"); v.SetText(v.Text()[4:]) },
		"a digest of another method": func(info *etree.Element) {
			info.FindElement("./Reference/DigestMethod").CreateAttr("Algorithm", "http://www.w3.org/2001/04/xmlenc#sha512")
		},
		"a method of signature that is another": func(info *etree.Element) {
			info.FindElement("./SignatureMethod").CreateAttr("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512")
		},
		"a list of prefixes that are used elsewhere": func(info *etree.Element) {
			inclusive(info)
			info.FindElement(last+"/*").CreateAttr("PrefixList", "samlp")
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.signIn(t, providers.Attempt{}, func(a *idptest.Answer) { a.SignAssertion.Edit = edit })
			if name == "" {
				if err != nil {
					t.Fatalf("a list of prefixes = %v, want it accepted", err)
				}
				return
			}
			wantReason(t, err, "sig_invalid")
		})
	}
}
