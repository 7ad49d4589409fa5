package idptest

import (
	"bytes"
	"crypto/rand"

	"github.com/beevik/etree"
)

// samlWrapping is signature wrapping: something signed is in the message, and something else is to be read.
var samlWrapping = []SAMLRow{
	refused("S-30", "XSW1: evil Response, its Signature holds the original", "malformed", wrapResponse(func(evil, original, signature *etree.Element) {
		add(signature, "ds:Object").AddChild(original)
	})),
	refused("S-31", "XSW2: evil Response, the original beside the Signature", "malformed", wrapResponse(func(evil, original, _ *etree.Element) {
		evil.AddChild(original)
	})),
	refused("S-32", "XSW3: evil Assertion before the signed one", "not_one_assertion", afterSigning(func(a *Answer) {
		a.Response.InsertChildAt(a.Assertion.Index(), a.evil())
	})),
	refused("S-33", "XSW4: evil Assertion wraps the signed one", "not_one_assertion", afterSigning(func(a *Answer) {
		evil := a.evil()
		a.Response.RemoveChild(a.Assertion)
		evil.AddChild(a.Assertion)
		a.Response.AddChild(evil)
	})),
	refused("S-34", "XSW5: evil Assertion carries the Signature, the original appended", "not_one_assertion", afterSigning(func(a *Answer) {
		evil, signature := a.evil(), a.signature()
		a.Assertion.RemoveChild(signature)
		evil.InsertChildAt(1, signature)
		a.Response.InsertChildAt(a.Assertion.Index(), evil)
	})),
	refused("S-35", "XSW6: evil Assertion carries the Signature, which holds the original", "not_one_assertion", afterSigning(func(a *Answer) {
		evil, signature := a.evil(), a.signature()
		a.Response.RemoveChild(a.Assertion)
		a.Assertion.RemoveChild(signature)
		signature.AddChild(a.Assertion)
		evil.InsertChildAt(1, signature)
		a.Response.AddChild(evil)
	})),
	refused("S-36", "XSW7: Extensions holds an evil Assertion", "not_one_assertion", afterSigning(func(a *Answer) {
		extensions := etree.NewElement("samlp:Extensions")
		extensions.AddChild(a.evil())
		a.Response.InsertChildAt(1, extensions)
	})),
	refused("S-37", "XSW8: evil Assertion, its Signature's Object holds the original", "not_one_assertion", afterSigning(func(a *Answer) {
		evil, signature := a.evil(), a.signature()
		a.Response.RemoveChild(a.Assertion)
		a.Assertion.RemoveChild(signature)
		add(signature, "ds:Object").AddChild(a.Assertion)
		evil.InsertChildAt(1, signature)
		a.Response.AddChild(evil)
	})),
	refused("S-38", "evil and signed share one ID, evil first", "dup_id", afterSigning(func(a *Answer) {
		a.Response.InsertChildAt(a.Assertion.Index(), a.evilTwin())
	})),
	refused("S-39", "evil with the original's ID and Signature, alone", "sig_invalid", afterSigning(func(a *Answer) {
		evil := a.evilTwin()
		evil.InsertChildAt(1, a.signature().Copy())
		a.Response.RemoveChild(a.Assertion)
		a.Response.AddChild(evil)
	})),
	refused("S-41", "Assertion added to a signed Response", "not_one_assertion", signedResponse(func(a *Answer) {
		a.Response.AddChild(a.evil())
	})),
	refused("S-41b", "Assertion of a signed Response exchanged", "sig_invalid", signedResponse(func(a *Answer) {
		a.Response.RemoveChild(a.Assertion)
		a.Response.AddChild(a.evil())
	})),
	refused("S-41c", "NameID of a signed Assertion changed", "sig_invalid", afterSigning(func(a *Answer) {
		a.In("Subject/NameID").SetText("evil")
	})),
	refused("S-42", "signed Assertion followed by an unsigned one", "not_one_assertion", afterSigning(func(a *Answer) {
		a.Response.AddChild(a.evil())
	})),
	refused("S-43", "two validly signed Assertions", "not_one_assertion", afterSigning(func(a *Answer) {
		second := a.evil()
		must(a.SignAssertion.Sign(second))
		a.Response.AddChild(second)
	})),
	refused("S-44", "signed Response with two Assertions", "not_one_assertion", func(a *Answer) {
		a.SignResponse = a.sign(a.IDP.key)
		a.Response.AddChild(a.evil())
	}),
	refused("S-46", "signed Assertion as the document", "wrong_type", func(a *Answer) {
		a.Signed = func() { a.Response = a.Assertion }
	}),
	refused("S-47", "signed LogoutResponse", "wrong_type", another("LogoutResponse")),
	refused("S-47b", "signed ArtifactResponse", "wrong_type", another("ArtifactResponse")),
	refused("S-49", "evil Assertion inside an AttributeValue", "not_one_assertion", func(a *Answer) {
		a.In("AttributeStatement/Attribute/AttributeValue").AddChild(a.evil())
	}),
	refused("S-49b", "evil Assertion inside Advice", "not_one_assertion", func(a *Answer) {
		advice := etree.NewElement("saml:Advice")
		advice.AddChild(a.evil())
		a.Assertion.InsertChildAt(a.In("AuthnStatement").Index(), advice)
	}),
	refused("S-49c", "evil Assertion inside the Signature's Object", "not_one_assertion", afterSigning(func(a *Answer) {
		add(a.signature(), "ds:Object").AddChild(a.evil())
	})),
	refused("S-49d", "Signature's Object with anything", "sig_invalid", afterSigning(func(a *Answer) {
		add(a.signature(), "ds:Object")
	})),
	refused("S-49e", "Signature inside of the Subject", "sig_invalid", afterSigning(func(a *Answer) {
		a.In("Subject").AddChild(a.signature().Copy())
	})),
	refused("S-49f", "Signature not after Issuer", "sig_invalid", afterSigning(func(a *Answer) {
		signature := a.signature()
		a.Assertion.RemoveChild(signature)
		a.Assertion.AddChild(signature)
	})),
	refused("S-51", "Assertion of a foreign namespace on the prefix saml", "not_one_assertion", func(a *Answer) {
		a.Assertion.CreateAttr("xmlns:saml", "urn:evil:assertion")
	}),
	refused("S-52", "ID and evil:ID on one element", "malformed", afterSigning(func(a *Answer) {
		set(a.Assertion, "xmlns:evil", "urn:evil", "evil:ID", "_"+rand.Text())
	})),
	refused("S-52b", "ID and Id on one element", "malformed", afterSigning(func(a *Answer) {
		a.Assertion.CreateAttr("Id", "_"+rand.Text())
	})),
	refused("S-53", "Assertion of version 1.1", "bad_version", func(a *Answer) { a.Assertion.CreateAttr("Version", "1.1") }),
	refused("S-53b", "Response of version 1.1", "bad_version", func(a *Answer) { a.Response.CreateAttr("Version", "1.1") }),
	refused("S-53c", "SAML 1.1 Assertion", "bad_version", func(a *Answer) {
		a.Assertion.CreateAttr("xmlns:saml", "urn:oasis:names:tc:SAML:1.0:assertion")
	}),
	refused("S-53d", "SAML 1.1 Response", "bad_version", func(a *Answer) {
		a.Response.CreateAttr("xmlns:samlp", "urn:oasis:names:tc:SAML:1.0:protocol")
	}),
	refused("S-54", "signed Assertion of another identity provider", "sig_untrusted", func(a *Answer) {
		a.In("Issuer").SetText("https://other-idp.example")
		a.SignAssertion = a.sign(stranger())
	}),
}

func afterSigning(f func(*Answer)) func(*Answer) {
	return func(a *Answer) { a.Signed = func() { f(a) } }
}

// signedResponse alters a Response that alone is signed.
func signedResponse(f func(*Answer)) func(*Answer) {
	return func(a *Answer) {
		a.SignAssertion, a.SignResponse = nil, a.SignAssertion
		a.Signed = func() { f(a) }
	}
}

// wrapResponse makes an evil Response that carries the honest one's Signature.
func wrapResponse(hide func(evil, original, signature *etree.Element)) func(*Answer) {
	return signedResponse(func(a *Answer) {
		original := a.Response
		signature := original.SelectElement("Signature")
		original.RemoveChild(signature)
		evil := original.Copy()
		evil.CreateAttr("ID", "_"+rand.Text())
		evil.RemoveChild(evil.SelectElement("Assertion"))
		evil.AddChild(a.evil())
		evil.InsertChildAt(1, signature)
		hide(evil, original, signature)
		a.Response = evil
	})
}

// evilTwin is an evil assertion with the honest one's ID.
func (a *Answer) evilTwin() *etree.Element {
	evil := a.evil()
	evil.CreateAttr("ID", a.Assertion.SelectAttrValue("ID", ""))
	return evil
}

// another makes the answer a signed message of another type, with everything a Response has.
func another(tag string) func(*Answer) {
	return func(a *Answer) {
		a.Response.Tag = tag
		a.SignResponse = a.sign(a.IDP.key)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// inject puts text in front of a piece of the document.
func inject(before, text string) func(*Answer) {
	return func(a *Answer) {
		a.Raw = func(raw []byte) []byte {
			return bytes.Replace(raw, []byte(before), []byte(text+before), 1)
		}
	}
}
