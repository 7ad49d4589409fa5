package saml

import (
	"encoding/base64"
	"testing"

	"github.com/beevik/etree"
	"github.com/signet-broker/signet/providers"
)

// TestClaims: a Response and the assertion out of it say the same to someone who tries a mapping.
func TestClaims(t *testing.T) {
	b := openTest(t, nil)
	_, sent := b.begin(t, providers.Attempt{})
	response, err := base64.StdEncoding.DecodeString(b.answer(t, sent, nil).Values.Get("SAMLResponse"))
	if err != nil {
		t.Fatal(err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(response); err != nil {
		t.Fatal(err)
	}
	el := doc.Root().SelectElement("Assertion")
	el.Attr = append(inherited(el), el.Attr...)
	doc.SetRoot(el)
	assertion, err := doc.WriteToBytes()
	if err != nil {
		t.Fatal(err)
	}
	for name, document := range map[string]string{
		"response": string(response), "assertion": string(assertion),
		"assertion in a file": "<?xml version=\"1.0\"?>\n" + string(assertion) + "\n",
	} {
		if claims, err := Claims([]byte(document)); err != nil || claims["email"] != "peter@initech.example" || claims["name_id"] != "peter" {
			t.Errorf("%s: Claims = %v, %v", name, claims, err)
		}
	}
	for name, document := range map[string]string{"nothing": "", "text": "x", "other": "<x/>", "entity": "<!DOCTYPE x [<!ENTITY e 'x'>]>" + string(assertion)} {
		if claims, err := Claims([]byte(document)); err == nil {
			t.Errorf("%s: Claims = %v, want an error", name, claims)
		}
	}
}
