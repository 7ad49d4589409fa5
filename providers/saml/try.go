package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
)

// Claims returns the claims of a Response or Assertion in a file, as Done would have them, to try a mapping
// on. NOTHING is verified: what it returns proves nothing.
func Claims(document []byte) (map[string]any, error) {
	if bare := bareAssertion(document); bare != nil {
		document = bare
	}
	el, err := parseMessage(document, "Response")
	if err != nil {
		return nil, err
	}
	if el.Tag == "Response" {
		el = el.SelectElement("Assertion")
	}
	if el == nil || el.Tag != "Assertion" {
		return nil, errors.New("no assertion in it; encrypted ones cannot be tried")
	}
	var as assertion
	if subject := el.SelectElement("Subject"); subject != nil {
		if as.nameID, err = readNameID(subject); err != nil {
			return nil, fmt.Errorf("subject: %w", err)
		}
	}
	if statement := el.SelectElement("AuthnStatement"); statement != nil {
		as.authn.session = statement.SelectAttrValue("SessionIndex", "")
	}
	if as.attributes, err = readAttributes(el); err != nil {
		return nil, fmt.Errorf("attributes: %w", err)
	}
	return as.claims(), nil
}

// bareAssertion puts an assertion that is the whole document into a Response, the one form that is read;
// nil when the document is something else.
func bareAssertion(document []byte) []byte {
	var root struct{ XMLName xml.Name }
	if xml.Unmarshal(document, &root) != nil || root.XMLName.Local != "Assertion" {
		return nil
	}
	document = bytes.TrimSpace(document)
	if bytes.HasPrefix(document, []byte("<?xml")) {
		_, document, _ = bytes.Cut(document, []byte("?>"))
	}
	return slices.Concat([]byte(`<Response xmlns="`+nsProtocol+`">`), document, []byte("</Response>"))
}
