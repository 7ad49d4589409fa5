package saml

import (
	"bytes"
	"slices"
	"sort"
	"strings"

	"github.com/beevik/etree"
	"github.com/russellhaering/goxmldsig/etreeutils"
	"github.com/signet-broker/signet/providers"
)

// canonicalizer writes an element in exclusive canonical form (exclusive XML canonicalization §3), byte for
// byte as goxmldsig does, in one pass that costs what the element is long.
//
// Nothing is trusted because it comes from here. What was signed are the bytes that come out, and they alone
// are read afterwards: were they the wrong ones, their digest would be another.
type canonicalizer struct {
	out      bytes.Buffer
	without  *etree.Element // left out: the signature itself
	keep     []string       // prefixes that are written where they are declared, though nothing uses them
	scope    []binding      // what is declared, the innermost last
	written  []binding      // what of it is in the output
	prefixes []string       // that the element uses
	attrs    []etree.Attr   // of the element, as they are written
}

// canonical returns el without one of its children; with nil, all of it. keep is the PrefixList of
// InclusiveNamespaces.
func canonical(el, without *etree.Element, keep string) ([]byte, error) {
	c := canonicalizer{without: without, keep: strings.Fields(keep)}
	c.out.Grow(4 << 10)
	if err := c.element(el, append(inherited(el), el.Attr...)); err != nil {
		return nil, err
	}
	return c.out.Bytes(), nil
}

func declares(a etree.Attr) bool { return a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns" }

// inherited are the declarations of el's ancestors that hold in it and that it does not make anew. el alone
// would lose the meaning of its prefixes.
func inherited(el *etree.Element) []etree.Attr {
	var out []etree.Attr
	for p := el.Parent(); p != nil; p = p.Parent() {
		for _, a := range p.Attr {
			same := func(b etree.Attr) bool { return b.Space == a.Space && b.Key == a.Key }
			if declares(a) && !slices.ContainsFunc(el.Attr, same) && !slices.ContainsFunc(out, same) {
				out = append(out, a)
			}
		}
	}
	return out
}

// bound returns what a prefix stands for among bindings. goxmldsig takes no namespace for that of xml.
func bound(in []binding, prefix string) (string, bool) {
	for i := len(in) - 1; i >= 0; i-- {
		if in[i].prefix == prefix {
			return in[i].ns, true
		}
	}
	return nsXML, prefix == "" || prefix == "xml"
}

func (c *canonicalizer) element(el *etree.Element, attrs []etree.Attr) error {
	scope, written := len(c.scope), len(c.written)
	c.sort(el, attrs)
	if err := c.declare(); err != nil {
		return err
	}
	c.tag("<", el)
	for i := range c.attrs {
		c.out.WriteByte(' ')
		c.attrs[i].WriteTo(&c.out, &canonicalForm)
	}
	c.out.WriteByte('>')
	for _, child := range el.Child {
		switch child := child.(type) {
		case *etree.Comment:
		case *etree.Element:
			if child == c.without {
				continue
			}
			if err := c.element(child, child.Attr); err != nil {
				return err
			}
		default:
			child.WriteTo(&c.out, &canonicalForm)
		}
	}
	c.tag("</", el)
	c.out.WriteByte('>')
	c.scope, c.written = c.scope[:scope], c.written[:written]
	return nil
}

var canonicalForm = etree.WriteSettings{CanonicalAttrVal: true, CanonicalEndTags: true, CanonicalText: true}

// sort puts what an element declares into scope, what it uses into prefixes, and its other attributes into attrs.
func (c *canonicalizer) sort(el *etree.Element, attrs []etree.Attr) {
	c.prefixes, c.attrs = append(c.prefixes[:0], el.Space), c.attrs[:0]
	use := func(prefix string) {
		if !slices.Contains(c.prefixes, prefix) {
			c.prefixes = append(c.prefixes, prefix)
		}
	}
	for _, a := range attrs {
		if !declares(a) {
			if a.Space != "" {
				use(a.Space)
			}
			c.attrs = append(c.attrs, a)
			continue
		}
		b := binding{a.Key, a.Value}
		if a.Space == "" {
			b.prefix = ""
		} else if slices.Contains(c.keep, a.Key) {
			use(a.Key)
		}
		if ns, ok := bound(c.scope, b.prefix); !ok || ns != b.ns {
			c.scope = append(c.scope, b)
		}
	}
}

// declare adds the declarations that the output lacks to attrs, and orders them.
func (c *canonicalizer) declare() error {
	for _, prefix := range c.prefixes {
		ns, ok := bound(c.scope, prefix)
		if !ok {
			return providers.Refuse("sig_invalid", "undeclared prefix")
		}
		if was, ok := bound(c.written, prefix); ok && was == ns {
			continue
		}
		c.written = append(c.written, binding{prefix, ns})
		a := etree.Attr{Space: "xmlns", Key: prefix, Value: ns}
		if prefix == "" {
			a.Space, a.Key = "", "xmlns"
		}
		c.attrs = append(c.attrs, a)
	}
	if len(c.attrs) > 1 {
		sort.Sort(etreeutils.SortedAttrs(c.attrs))
	}
	return nil
}

func (c *canonicalizer) tag(open string, el *etree.Element) {
	c.out.WriteString(open)
	if el.Space != "" {
		c.out.WriteString(el.Space)
		c.out.WriteByte(':')
	}
	c.out.WriteString(el.Tag)
}
