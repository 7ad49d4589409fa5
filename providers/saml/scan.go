package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"

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

// scan reads a message token by token before any tree is built, and refuses whatever two XML parsers could
// read differently, whatever costs more than it should, and every shape in which a signed assertion is not
// the only one: a second assertion, one that is not the Response's own child, a signature that is not its
// parent's own. What it lets through is a single samlp:Response.
func scan(raw []byte) error { return scanMessage(raw, "Response") }

// scanMessage is scan for a message of that name; one other than a Response has no assertion.
func scanMessage(raw []byte, root string) error {
	if err := scanBytes(raw); err != nil {
		return err
	}
	s := scanner{root: root, ids: map[string]bool{}}
	d := xml.NewDecoder(bytes.NewReader(raw))
	for {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return providers.Refuse("malformed", "xml at byte %d", d.InputOffset())
		}
		if err := s.token(t); err != nil {
			return err
		}
	}
	if !s.rooted || len(s.open) > 0 {
		return providers.Refuse("malformed", "no complete element")
	}
	return nil
}

// scanBytes refuses what needs no parser to be seen. A "<" starts markup and nothing else in XML, so this
// finds every DOCTYPE, comment, CDATA section and processing instruction, in whatever place.
func scanBytes(raw []byte) error {
	if !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0 {
		return providers.Refuse("malformed", "not UTF-8 text")
	}
	body := raw
	if bytes.HasPrefix(raw, []byte("<?xml")) {
		end := bytes.Index(raw, []byte("?>"))
		if end < 0 || !plainDeclaration(string(raw[len("<?xml"):end])) {
			return providers.Refuse("malformed", "xml declaration")
		}
		body = raw[end+2:]
	}
	if bytes.Contains(body, []byte("<?")) {
		return providers.Refuse("malformed", "processing instruction")
	}
	if crowded(body) {
		return providers.Refuse("malformed", "more than %d attributes", maxAttrs)
	}
	_, rest, found := bytes.Cut(body, []byte("<!"))
	switch {
	case !found:
		return nil
	case bytes.HasPrefix(rest, []byte("--")), bytes.HasPrefix(rest, []byte("[CDATA[")):
		return providers.Refuse("malformed", "comment or CDATA section")
	}
	return providers.Refuse("dtd_forbidden", "document type or declaration")
}

// crowded tells whether a tag has more attributes than may be. The parser says so too, but only after it
// has read all of them.
func crowded(body []byte) bool {
	var quote byte
	inTag, equals := false, 0
	for _, b := range body {
		switch {
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '<':
			inTag, equals = true, 0
		case !inTag:
		case b == '>':
			inTag = false
		case b == '"' || b == '\'':
			quote = b
		case b == '=':
			if equals++; equals > maxAttrs {
				return true
			}
		}
	}
	return false
}

// plainDeclaration tells whether an XML declaration says version 1.0, UTF-8 and nothing surprising.
func plainDeclaration(s string) bool {
	s = strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "'", `"`)
	s = strings.TrimSuffix(s, ` standalone="yes"`)
	s = strings.TrimSuffix(s, ` standalone="no"`)
	version, encoding, named := strings.Cut(s, ` encoding=`)
	return version == `version="1.0"` && (!named || strings.EqualFold(encoding, `"utf-8"`))
}

type scanner struct {
	root     string // the message's local name
	open     []scope
	ids      map[string]bool
	elements int
	asserted int
	rooted   bool
}

// scope is one open element: its raw name, its resolved name, and the prefixes that hold in it.
type scope struct {
	raw        xml.Name
	ns, local  string
	prefixes   map[string]string
	signatures int
}

func (s *scanner) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		return s.start(t)
	case xml.EndElement:
		if len(s.open) == 0 || s.open[len(s.open)-1].raw != t.Name {
			return providers.Refuse("malformed", "end tag without its start tag")
		}
		s.open = s.open[:len(s.open)-1]
	case xml.CharData:
		if len(s.open) == 0 && len(bytes.TrimSpace(t)) > 0 {
			return providers.Refuse("malformed", "text outside the root element")
		}
	case xml.ProcInst:
		if s.rooted || t.Target != "xml" {
			return providers.Refuse("malformed", "processing instruction")
		}
	default:
		return providers.Refuse("malformed", "comment or declaration")
	}
	return nil
}

func (s *scanner) start(t xml.StartElement) error {
	s.elements++
	switch {
	case len(s.open) == 0 && s.rooted:
		return providers.Refuse("malformed", "second root element")
	case len(s.open) >= maxDepth:
		return providers.Refuse("malformed", "nested deeper than %d", maxDepth)
	case s.elements > maxElements:
		return providers.Refuse("malformed", "more than %d elements", maxElements)
	case len(t.Attr) > maxAttrs:
		return providers.Refuse("malformed", "more than %d attributes", maxAttrs)
	}
	s.rooted = true
	prefixes, err := s.declare(t.Attr)
	if err != nil {
		return err
	}
	ns, ok := prefixes[t.Name.Space]
	if t.Name.Space != "" && !ok || badName(t.Name) {
		return providers.Refuse("malformed", "element name")
	}
	if err := s.attributes(t.Attr, prefixes); err != nil {
		return err
	}
	el := scope{raw: t.Name, ns: ns, local: t.Name.Local, prefixes: prefixes}
	if err := s.place(el); err != nil {
		return err
	}
	s.open = append(s.open, el)
	return nil
}

// declare returns the prefixes that hold in an element with these attributes.
func (s *scanner) declare(attrs []xml.Attr) (map[string]string, error) {
	prefixes := map[string]string{"xml": nsXML}
	if n := len(s.open); n > 0 {
		prefixes = s.open[n-1].prefixes
	}
	copied := false
	for _, a := range attrs {
		prefix := a.Name.Local
		switch {
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			prefix = ""
		case a.Name.Space != "xmlns":
			continue
		case prefix == "xmlns" || prefix == "xml" || a.Value == "":
			return nil, providers.Refuse("malformed", "namespace declaration")
		}
		if !goodNamespace(a.Value, prefix == "") {
			return nil, providers.Refuse("malformed", "namespace name")
		}
		if prefixes[prefix] == a.Value {
			continue
		}
		if !copied {
			// A map is shared by all elements that declare nothing new.
			next := make(map[string]string, len(prefixes)+1)
			for k, v := range prefixes {
				next[k] = v
			}
			prefixes, copied = next, true
		}
		prefixes[prefix] = a.Value
	}
	if len(prefixes) > maxPrefixes {
		return nil, providers.Refuse("malformed", "more than %d prefixes", maxPrefixes)
	}
	return prefixes, nil
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

// attributes refuses an attribute given twice under one expanded name, names that parsers split in
// different places, and everything that could be taken for the element's ID beside the one ID.
func (s *scanner) attributes(attrs []xml.Attr, prefixes map[string]string) error {
	seen := make(map[xml.Name]bool, len(attrs))
	hasID := false
	for _, a := range attrs {
		if badName(a.Name) {
			return providers.Refuse("malformed", "attribute name")
		}
		name := a.Name
		if name.Space != "" && name.Space != "xmlns" {
			ns, ok := prefixes[name.Space]
			if !ok {
				return providers.Refuse("malformed", "undeclared prefix of an attribute")
			}
			name.Space = ns
		}
		if seen[name] {
			return providers.Refuse("malformed", "attribute given twice")
		}
		seen[name] = true
		if name.Space == "xmlns" || !strings.EqualFold(name.Local, "id") {
			continue
		}
		if name.Space != "" || hasID {
			return providers.Refuse("malformed", "second ID of one element")
		}
		if hasID = true; s.ids[a.Value] {
			return providers.Refuse("dup_id", "one ID on two elements")
		}
		s.ids[a.Value] = true
	}
	return nil
}

func badName(n xml.Name) bool {
	return n.Local == "" || strings.Contains(n.Space, ":") || strings.Contains(n.Local, ":")
}

// place says where in a message the elements that matter may stand. The rule goes by the local name
// alone: an Assertion of another namespace is refused, not overlooked.
func (s *scanner) place(el scope) error {
	depth := len(s.open)
	if depth == 0 {
		return checkRoot(el, s.root)
	}
	parent := &s.open[depth-1]
	switch el.local {
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
		ours := depth == 1 || depth == 2 && parent.ns == nsAssertion && parent.local == "Assertion"
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
	if el.ns != nsProtocol || el.local != want {
		return providers.Refuse("wrong_type", "root element is no %s", want)
	}
	return nil
}
