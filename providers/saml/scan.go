package saml

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/beevik/etree"
	"github.com/signet-broker/signet/providers"
)

// Bounds of a message. An honest one with 5,000 groups stays below all of them.
const (
	maxEncoded  = 1 << 20 // bytes of base64
	maxDepth    = 32
	maxElements = 20_000
	maxAttrs    = 64 // of one element, namespace declarations included
	maxPrefixes = 32 // declared at one place of the document
)

const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsDSig      = "http://www.w3.org/2000/09/xmldsig#"
	nsExcC14N   = "http://www.w3.org/2001/10/xml-exc-c14n#"
	nsXML       = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS     = "http://www.w3.org/2000/xmlns/"
	nsSAML1     = "urn:oasis:names:tc:SAML:1."
)

// scanBytes refuses what needs no parser to be seen, and returns what comes after an XML declaration. A "<"
// starts markup and nothing else in XML, so this finds every DOCTYPE, comment, CDATA section and processing
// instruction, in whatever place.
func scanBytes(raw []byte) ([]byte, error) {
	if !utf8.Valid(raw) || !printable(raw) {
		return nil, providers.Refuse("malformed", "not UTF-8 text")
	}
	body := raw
	if bytes.HasPrefix(raw, []byte("<?xml")) {
		end := bytes.Index(raw, []byte("?>"))
		if end < 0 || !isSpace(raw[len("<?xml")]) || !plainDeclaration(string(raw[len("<?xml"):end])) {
			return nil, providers.Refuse("malformed", "xml declaration")
		}
		body = raw[end+2:]
	}
	if bytes.Contains(body, []byte("<?")) {
		return nil, providers.Refuse("malformed", "processing instruction")
	}
	_, rest, found := bytes.Cut(body, []byte("<!"))
	switch {
	case !found:
		return body, nil
	case bytes.HasPrefix(rest, []byte("--")), bytes.HasPrefix(rest, []byte("[CDATA[")):
		return nil, providers.Refuse("malformed", "comment or CDATA section")
	}
	return nil, providers.Refuse("dtd_forbidden", "document type or declaration")
}

// printable tells whether a UTF-8 text is made of the characters that XML allows (§2.2).
func printable(raw []byte) bool {
	for _, b := range raw {
		if b < ' ' && !isSpace(b) {
			return false
		}
	}
	return !bytes.Contains(raw, []byte("\uFFFE")) && !bytes.Contains(raw, []byte("\uFFFF"))
}

// plainDeclaration tells whether an XML declaration says version 1.0, UTF-8 and nothing surprising.
func plainDeclaration(s string) bool {
	s = strings.ReplaceAll(s, "'", `"`)
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < utf8.RuneSelf && isSpace(byte(r)) }), " ") //nolint:gosec // of 7 bits
	s = strings.TrimSuffix(s, ` standalone="yes"`)
	s = strings.TrimSuffix(s, ` standalone="no"`)
	version, encoding, named := strings.Cut(s, ` encoding=`)
	return version == `version="1.0"` && (!named || strings.EqualFold(encoding, `"utf-8"`))
}

// scanner holds the elements of a message to their bounds, names and places, as they are read.
type scanner struct {
	root     string // the message's local name; "" is a part of one, where no place is another's
	open     []scope
	bound    []binding // what is declared in the open elements, the innermost last
	ids      map[string]bool
	seen     []expanded // the attributes of the element that is being read
	elements int
	asserted int
	rooted   bool
}

// scope is one open element: itself, its name, and how much was declared outside of it.
type scope struct {
	el         *etree.Element
	name       qname
	ns         string
	outside    int
	signatures int
}

// binding is what a prefix stands for; "" is the default namespace.
type binding struct{ prefix, ns string }

// expanded is a name with its namespace (XML namespaces §2.1).
type expanded struct{ ns, local string }

// enter takes the element whose start tag was read. Until leave, it is open.
func (s *scanner) enter(name qname, attrs []attribute) error {
	s.elements++
	switch {
	case len(s.open) == 0 && s.rooted:
		return providers.Refuse("malformed", "second root element")
	case len(s.open) >= maxDepth:
		return providers.Refuse("malformed", "nested deeper than %d", maxDepth)
	case s.elements > maxElements:
		return providers.Refuse("malformed", "more than %d elements", maxElements)
	}
	s.rooted = true
	outside := len(s.bound)
	if err := s.declare(attrs); err != nil {
		return err
	}
	ns, ok := s.namespace(name.prefix)
	if !ok && name.prefix != "" {
		return providers.Refuse("malformed", "element name")
	}
	if err := s.attributes(attrs); err != nil {
		return err
	}
	el := scope{name: name, ns: ns, outside: outside}
	if s.root != "" {
		if err := s.place(el); err != nil {
			return err
		}
	}
	s.open = append(s.open, el)
	return nil
}

func (s *scanner) leave() {
	last := len(s.open) - 1
	s.bound, s.open = s.bound[:s.open[last].outside], s.open[:last]
}

// namespace returns what a prefix stands for where the scanner is.
func (s *scanner) namespace(prefix string) (string, bool) {
	for i := len(s.bound) - 1; i >= 0; i-- {
		if s.bound[i].prefix == prefix {
			return s.bound[i].ns, true
		}
	}
	if prefix == "xml" {
		return nsXML, true
	}
	return "", false
}

// declare takes the namespace declarations of a tag.
func (s *scanner) declare(attrs []attribute) error {
	for _, a := range attrs {
		prefix := a.name.local
		switch {
		case a.name.full == "xmlns":
			prefix = ""
		case a.name.prefix != "xmlns":
			continue
		case prefix == "xmlns" || prefix == "xml" || a.value == "":
			return providers.Refuse("malformed", "namespace declaration")
		}
		if !goodNamespace(a.value, prefix == "") {
			return providers.Refuse("malformed", "namespace name")
		}
		if ns, ok := s.namespace(prefix); ok && ns == a.value {
			continue
		}
		if len(s.bound) == maxPrefixes {
			return providers.Refuse("malformed", "more than %d prefixes", maxPrefixes)
		}
		s.bound = append(s.bound, binding{prefix, a.value})
	}
	return nil
}

// goodNamespace tells whether a namespace name is an absolute URI. A relative one makes some canonicalizers
// fail into an empty text, whose digest anyone can know. The default namespace may also be undeclared.
func goodNamespace(ns string, isDefault bool) bool {
	if ns == "" {
		return isDefault
	}
	if ns == nsXML || ns == nsXMLNS || strings.ContainsAny(ns, " \t\r\n<>\"{}|\\^`") {
		return false
	}
	u, err := url.Parse(ns)
	return err == nil && u.Scheme != ""
}

// attributes refuses an attribute given twice under one expanded name, and everything that could be taken
// for the element's ID beside the one ID.
func (s *scanner) attributes(attrs []attribute) error {
	s.seen = s.seen[:0]
	hasID := false
	for _, a := range attrs {
		name := expanded{a.name.prefix, a.name.local}
		if name.ns != "" && name.ns != "xmlns" {
			var ok bool
			if name.ns, ok = s.namespace(a.name.prefix); !ok {
				return providers.Refuse("malformed", "undeclared prefix of an attribute")
			}
		}
		if slices.Contains(s.seen, name) {
			return providers.Refuse("malformed", "attribute given twice")
		}
		s.seen = append(s.seen, name)
		if name.ns == "xmlns" || !strings.EqualFold(name.local, "id") {
			continue
		}
		if name.ns != "" || hasID {
			return providers.Refuse("malformed", "second ID of one element")
		}
		if hasID = true; s.ids[a.value] {
			return providers.Refuse("dup_id", "one ID on two elements")
		}
		if s.ids == nil {
			s.ids = map[string]bool{}
		}
		s.ids[a.value] = true
	}
	return nil
}

// place says where in a message the elements that matter may stand. The rule goes by the local name
// alone: an Assertion of another namespace is refused, not overlooked.
func (s *scanner) place(el scope) error {
	depth := len(s.open)
	if depth == 0 {
		return checkRoot(el, s.root)
	}
	parent := &s.open[depth-1]
	switch el.name.local {
	case "Response", "LogoutRequest", "LogoutResponse", "ArtifactResponse":
		return providers.Refuse("malformed", "message inside a message")
	case "Assertion", "EncryptedAssertion":
		if strings.HasPrefix(el.ns, nsSAML1) {
			return providers.Refuse("bad_version", "SAML 1 assertion")
		}
		if s.asserted++; s.asserted > 1 || depth != 1 || el.ns != nsAssertion || s.root != "Response" {
			return providers.Refuse("not_one_assertion", "assertion %d at depth %d", s.asserted, depth)
		}
	case "Signature":
		ours := depth == 1 || depth == 2 && parent.ns == nsAssertion && parent.name.local == "Assertion"
		if parent.signatures++; !ours || el.ns != nsDSig || parent.signatures > 1 {
			return providers.Refuse("sig_invalid", "signature %d at depth %d", parent.signatures, depth)
		}
	}
	return nil
}

func checkRoot(el scope, want string) error {
	if strings.HasPrefix(el.ns, nsSAML1) {
		return providers.Refuse("bad_version", "SAML 1 message")
	}
	if el.ns != nsProtocol || el.name.local != want {
		return providers.Refuse("wrong_type", "root element is no %s", want)
	}
	return nil
}
