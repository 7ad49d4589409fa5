package saml

import (
	"time"

	"github.com/beevik/etree"
	"github.com/signet-broker/signet/providers"
)

// children returns el's children of one expanded name.
func children(el *etree.Element, ns, tag string) []*etree.Element {
	var found []*etree.Element
	for _, c := range el.ChildElements() {
		if c.Tag == tag && c.NamespaceURI() == ns {
			found = append(found, c)
		}
	}
	return found
}

// only returns el's single child of that name, nil when there is none. Two of them are refused: which one
// is meant is what two readers would disagree about.
func only(el *etree.Element, ns, tag string) (*etree.Element, error) {
	found := children(el, ns, tag)
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, providers.Refuse("malformed", "%d times %s", len(found), tag)
}

// text returns the text of an element without children.
func text(el *etree.Element) (string, error) {
	if len(el.ChildElements()) > 0 {
		return "", providers.Refuse("malformed", "element inside the text of %s", el.Tag)
	}
	return el.Text(), nil
}

// attr returns an attribute without a namespace, "" when there is none. The scan has refused doubles.
func attr(el *etree.Element, key string) string {
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == key {
			return a.Value
		}
	}
	return ""
}

// instant reads a time attribute. SAML core §1.3.3: xs:dateTime in UTC; one without a zone is read as UTC.
func instant(el *etree.Element, key string) (time.Time, error) {
	v := attr(el, key)
	if v == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, providers.Refuse("malformed", "%s of %s is no time", key, el.Tag)
}
