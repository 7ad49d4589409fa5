package saml

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/beevik/etree"
	"github.com/signet-broker/signet/providers"
)

// parser reads the part of XML that a message may be written in, and builds the tree in the same pass: tags,
// attributes, text and the references to characters. Anything else is refused and not skipped, names outside
// of ASCII among it. It is the only reader of messages, so there is no second one to disagree with; a fuzz
// target holds it to another all the same.
type parser struct {
	scanner
	raw   []byte
	at    int         // the next byte
	attrs []attribute // of the tag that is being read
	names map[string]qname
}

// attribute is one of a tag, as it is written.
type attribute struct {
	name  qname
	value string
}

// qname is a name as it is written: prefix:local, or local alone.
type qname struct{ full, prefix, local string }

// parseMessage reads a message of that name whole, and refuses whatever two XML parsers could read
// differently, whatever costs more than it should, and every shape in which a signed assertion is not the
// only one: a second assertion, one that is not the Response's own child, a signature that is not its
// parent's own. It returns the message's element.
func parseMessage(raw []byte, root string) (*etree.Element, error) {
	return parseAs(raw, root)
}

// parsePart reads an element of a message that is by itself: one that was signed, whatever its name is. What
// it lets through is held to everything but the places of elements in a message.
func parsePart(raw []byte) (*etree.Element, error) { return parseAs(raw, "") }

func parseAs(raw []byte, root string) (*etree.Element, error) {
	body, err := scanBytes(raw)
	if err != nil {
		return nil, err
	}
	doc := etree.NewDocument()
	p := parser{scanner: scanner{root: root}, raw: body, names: make(map[string]qname, 32)}
	for p.at < len(p.raw) {
		if err := p.next(doc); err != nil {
			return nil, err
		}
	}
	if !p.rooted || len(p.open) > 0 {
		return nil, providers.Refuse("malformed", "no complete element")
	}
	return doc.Root(), nil
}

// next reads a tag, or the text in front of one.
func (p *parser) next(doc *etree.Document) error {
	rest := p.raw[p.at:]
	switch {
	case rest[0] != '<':
		return p.text(rest)
	case len(rest) > 1 && rest[1] == '/':
		p.at += 2
		return p.endTag()
	}
	p.at++
	parent := &doc.Element
	if len(p.open) > 0 {
		parent = p.open[len(p.open)-1].el
	}
	return p.startTag(parent)
}

func (p *parser) text(rest []byte) error {
	if end := bytes.IndexByte(rest, '<'); end >= 0 {
		rest = rest[:end]
	}
	p.at += len(rest)
	if len(p.open) == 0 {
		if len(bytes.Trim(rest, " \t\r\n")) > 0 {
			return providers.Refuse("malformed", "text outside the root element")
		}
		return nil
	}
	text, ok := characters(rest)
	if !ok || bytes.Contains(rest, []byte("]]>")) {
		return p.malformed("text")
	}
	p.open[len(p.open)-1].el.CreateText("").SetData(text)
	return nil
}

func (p *parser) endTag() error {
	if len(p.open) == 0 || !p.take(p.open[len(p.open)-1].name.full) {
		return p.malformed("end tag")
	}
	p.space() // what follows on another, longer name is no ">"
	if !p.take(">") {
		return p.malformed("end tag")
	}
	p.leave()
	return nil
}

// startTag reads what follows on "<". The attributes are counted as they come: a tag with more than may be
// ends there.
func (p *parser) startTag(parent *etree.Element) error {
	name, ok := p.name()
	if !ok {
		return p.malformed("element name")
	}
	p.attrs = p.attrs[:0]
	empty := false
	for {
		spaced := p.space()
		if empty = p.take("/>"); empty || p.take(">") {
			break
		}
		a, ok := p.attribute()
		if !spaced || !ok {
			return p.malformed("attribute")
		}
		if len(p.attrs) == maxAttrs {
			return providers.Refuse("malformed", "more than %d attributes", maxAttrs)
		}
		p.attrs = append(p.attrs, a)
	}
	if err := p.enter(name, p.attrs); err != nil {
		return err
	}
	el := parent.CreateElement(name.full)
	el.Attr = slices.Grow(el.Attr, len(p.attrs))
	for _, a := range p.attrs {
		el.Attr = append(el.Attr, etree.Attr{Space: a.name.prefix, Key: a.name.local, Value: a.value})
	}
	p.open[len(p.open)-1].el = el
	if empty {
		p.leave()
	}
	return nil
}

func (p *parser) attribute() (a attribute, ok bool) {
	if a.name, ok = p.name(); !ok {
		return a, false
	}
	p.space()
	if !p.take("=") {
		return a, false
	}
	p.space()
	quote := `"`
	if !p.take(quote) {
		if quote = `'`; !p.take(quote) {
			return a, false
		}
	}
	rest := p.raw[p.at:]
	end := bytes.IndexByte(rest, quote[0])
	if end < 0 || bytes.IndexByte(rest[:end], '<') >= 0 {
		return a, false
	}
	p.at += end + 1
	a.value, ok = characters(rest[:end])
	return a, ok
}

// name reads one name with at most one prefix.
func (p *parser) name() (n qname, ok bool) {
	start, colon := p.at, -1
	for first := true; p.at < len(p.raw); p.at++ {
		switch b := p.raw[p.at]; {
		case 'a' <= b|0x20 && b|0x20 <= 'z' || b == '_':
			first = false
		case !first && ('0' <= b && b <= '9' || b == '-' || b == '.'):
		case !first && b == ':' && colon < 0:
			colon, first = p.at-start, true // the local part begins like a name too
		default:
			return p.qname(p.raw[start:p.at], colon), !first
		}
	}
	return n, false
}

// qname returns the name that was written, the same for each time.
func (p *parser) qname(raw []byte, colon int) qname {
	if n, ok := p.names[string(raw)]; ok {
		return n
	}
	n := qname{full: string(raw), local: string(raw)}
	if colon >= 0 {
		n.prefix, n.local = n.full[:colon], n.full[colon+1:]
	}
	p.names[n.full] = n
	return n
}

// space skips white space and tells whether there was any.
func (p *parser) space() bool {
	start := p.at
	for p.at < len(p.raw) && isSpace(p.raw[p.at]) {
		p.at++
	}
	return p.at > start
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }

func (p *parser) take(s string) bool {
	if len(p.raw)-p.at < len(s) || string(p.raw[p.at:p.at+len(s)]) != s {
		return false
	}
	p.at += len(s)
	return true
}

func (p *parser) malformed(what string) error {
	return providers.Refuse("malformed", "%s at byte %d", what, p.at)
}

// characters returns the text that raw stands for: with its references replaced, and each end of a line as
// "\n" (XML §2.11). The scan has seen to it that all of it are characters of XML.
func characters(raw []byte) (string, bool) {
	i := bytes.IndexAny(raw, "&\r")
	if i < 0 {
		return string(raw), true
	}
	var b strings.Builder
	for ; i >= 0; i = bytes.IndexAny(raw, "&\r") {
		b.Write(raw[:i])
		if raw = raw[i:]; raw[0] == '\r' {
			b.WriteByte('\n')
			raw = bytes.TrimPrefix(raw[1:], []byte("\n"))
			continue
		}
		r, n := escaped(raw)
		if n == 0 {
			return "", false
		}
		b.WriteRune(r)
		raw = raw[n:]
	}
	b.Write(raw)
	return b.String(), true
}

// The entities that need no declaration (XML §4.6). There are no others, as nothing can declare one.
var predefined = map[string]rune{"amp": '&', "lt": '<', "gt": '>', "apos": '\'', "quot": '"'}

// maxReference is what a reference may be long; the longest character in use takes 10 bytes.
const maxReference = 16

// escaped reads the reference that raw begins with, and how long it is; 0: there is none.
func escaped(raw []byte) (rune, int) {
	end := bytes.IndexByte(raw[:min(len(raw), maxReference)], ';')
	if end < 0 {
		return 0, 0
	}
	word := string(raw[1:end])
	if digits, numbered := strings.CutPrefix(word, "#"); numbered {
		base := 10
		if hex, ok := strings.CutPrefix(digits, "x"); ok {
			digits, base = hex, 16
		}
		n, err := strconv.ParseUint(digits, base, 31)
		if r := rune(n); err == nil && isCharacter(r) { //nolint:gosec // of 31 bits
			return r, end + 1
		}
		return 0, 0
	}
	r, known := predefined[word]
	if !known {
		return 0, 0
	}
	return r, end + 1
}

// isCharacter tells whether a document may hold a character at all (XML §2.2).
func isCharacter(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD ||
		r >= 0x10000 && r <= 0x10FFFF
}
