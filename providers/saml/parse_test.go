package saml

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

// sameTree tells where two trees differ, "" when they do not.
func sameTree(a, b *etree.Element) string {
	if a.Space != b.Space || a.Tag != b.Tag || len(a.Attr) != len(b.Attr) || len(a.Child) != len(b.Child) {
		return fmt.Sprintf("%s with %d attributes and %d children, %s with %d and %d", a.FullTag(), len(a.Attr), len(a.Child), b.FullTag(), len(b.Attr), len(b.Child))
	}
	for i, x := range a.Attr {
		if y := b.Attr[i]; x.Space != y.Space || x.Key != y.Key || x.Value != y.Value {
			return fmt.Sprintf("attribute %s=%q, %s=%q", x.FullKey(), x.Value, y.FullKey(), y.Value)
		}
	}
	for i, x := range a.Child {
		switch x := x.(type) {
		case *etree.Element:
			y, ok := b.Child[i].(*etree.Element)
			if !ok || x.Index() != i || x.Parent() != a {
				return fmt.Sprintf("child %d of %s", i, a.FullTag())
			}
			if d := sameTree(x, y); d != "" {
				return d
			}
		case *etree.CharData:
			y, ok := b.Child[i].(*etree.CharData)
			if !ok || x.Data != y.Data || x.IsCData() != y.IsCData() || x.IsWhitespace() != y.IsWhitespace() || x.Index() != i {
				return fmt.Sprintf("text of %s: %q", a.FullTag(), x.Data)
			}
		default:
			return fmt.Sprintf("a %T in %s", x, a.FullTag())
		}
	}
	return ""
}

// agreed holds what our parser has read to what encoding/xml and etree read, and to its own canonical form.
func agreed(t *testing.T, raw []byte, root *etree.Element) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(raw)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("we read what encoding/xml does not: %v", err)
		}
		if p, ok := token.(xml.ProcInst); ok && p.Target == "xml" {
			continue
		}
		switch token.(type) {
		case xml.ProcInst, xml.Comment, xml.Directive:
			t.Fatalf("we read past a %T", token)
		}
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(raw); err != nil {
		t.Fatalf("we read what etree does not: %v", err)
	}
	if d := sameTree(root, doc.Root()); d != "" {
		t.Fatalf("we read another tree than etree: %s", d)
	}
	for _, keep := range []string{"", "p xs", "saml samlp ds xsi #default"} {
		ours, err := canonical(root, nil, keep)
		theirs, theirErr := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(keep).Canonicalize(root.Copy())
		if err != nil || theirErr != nil || !bytes.Equal(ours, theirs) {
			t.Fatalf("canonical form with %q kept:\n%s (%v), goxmldsig's:\n%s (%v)", keep, ours, err, theirs, theirErr)
		}
	}
	first, err := canonical(root, nil, "")
	if err != nil {
		t.Fatalf("canonical form: %v", err)
	}
	again, err := parsePart(first)
	if err != nil {
		if strings.Contains(err.Error(), "more than") { // declarations move to where they are used
			return
		}
		t.Fatalf("canonical form is not read: %v\n%s", err, first)
	}
	if second, err := canonical(again, nil, ""); err != nil || !bytes.Equal(first, second) {
		t.Fatalf("canonical form of the canonical form (%v):\n%s\n%s", err, first, second)
	}
}

// FuzzParse holds the parser to encoding/xml and etree: whatever it reads, they read, and as the very same tree.
func FuzzParse(f *testing.F) {
	b := openTest(f, nil)
	_, sent := b.begin(f, providers.Attempt{})
	for _, row := range append([]idptest.SAMLRow{{}}, idptest.SAMLRows...) {
		reply := b.answer(f, sent, &row)
		if raw, err := base64.StdEncoding.DecodeString(reply.Values.Get("SAMLResponse")); err == nil && len(raw) < 16<<10 {
			f.Add(raw)
		}
	}
	for _, s := range parsed {
		f.Add([]byte(s.raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if root, err := parsePart(raw); err == nil {
			agreed(t, raw, root)
		} else if _, err := parseMessage(raw, "Response"); err == nil {
			t.Fatal("a message is read that is refused as a part")
		}
	})
}

// parsed are small documents, and whether they are read.
var parsed = []struct {
	name, raw string
	good      bool
}{
	{"an element", `<a/>`, true},
	{"everything there is", "<?xml version='1.0' encoding=\"utf-8\" standalone='no'?>\n<p:a xmlns:p=\"urn:p\" xmlns='urn:d' xml:lang = 'de'\tp:x='>&lt;&#65;&#x1F600;\"'\n><b ID='1'/>t&amp;\r\nu\r&#13;\nü]]<c >]&gt;</c ></p:a >\n", true},
	{"nothing", ``, false},
	{"text alone", `x`, false},
	{"no end", `<a><b></b>`, false},
	{"no end of a tag", `<a`, false},
	{"no end of an attribute", `<a b="c`, false},
	{"another end tag", `<a></b>`, false},
	{"a longer end tag", `<a></ab>`, false},
	{"an end tag with another prefix", `<p:a xmlns:p="urn:x" xmlns:q="urn:x"></q:a>`, false},
	{"an end tag alone", `</a>`, false},
	{"an end tag with an attribute", `<a></a b="c">`, false},
	{"white space before a name", `< a/>`, false},
	{"white space before an end tag's name", `<a></ a>`, false},
	{"white space in the end of an empty tag", `<a/ >`, false},
	{"two roots", `<a/><a/>`, false},
	{"text after the root", `<a/>x`, false},
	{"a reference after the root", `<a/>&#32;`, false},
	{"a byte order mark", "\uFEFF<a/>", false},
	{"a no-break space after the root", "<a/>\u00A0", false},
	{"an XML declaration without white space", `<?xmlversion="1.0"?><a/>`, false},
	{"an XML declaration of 1.1", `<?xml version="1.1"?><a/>`, false},
	{"an XML declaration of another encoding", `<?xml version="1.0" encoding="UTF-16"?><a/>`, false},
	{"an XML declaration with a no-break space", "<?xml version=\"1.0\"\u00A0encoding=\"utf-8\"?><a/>", false},
	{"two XML declarations", `<?xml version="1.0"?><?xml version="1.0"?><a/>`, false},
	{"a processing instruction", `<a><?x?></a>`, false},
	{"a comment", `<a><!-- --></a>`, false},
	{"a CDATA section", `<a><![CDATA[x]]></a>`, false},
	{"a document type", `<!DOCTYPE a><a/>`, false},
	{"an entity of its own", `<a>&b;</a>`, false},
	{"a reference without an end", `<a>&amp</a>`, false},
	{"a reference to no character", `<a>&#0;</a>`, false},
	{"a reference to a surrogate", `<a>&#xD800;</a>`, false},
	{"a reference to U+FFFE", `<a>&#xFFFE;</a>`, false},
	{"a reference beyond Unicode", `<a>&#x110000;</a>`, false},
	{"a reference that wraps", `<a>&#x100000041;</a>`, false},
	{"a reference with a sign", `<a>&#+65;</a>`, false},
	{"a reference with X", `<a>&#X41;</a>`, false},
	{"a reference of nothing", `<a>&#;</a>`, false},
	{"a reference with many zeros", `<a>&#0000000000000065;</a>`, false},
	{"an ampersand in an attribute", `<a b="&"/>`, false},
	{"a control character", "<a>\x01</a>", false},
	{"a NUL", "<a>\x00</a>", false},
	{"U+FFFF", "<a>\uFFFF</a>", false},
	{"not UTF-8", "<a>\xFF</a>", false},
	{"an overlong NUL", "<a>\xC0\x80</a>", false},
	{"the end of a CDATA section", `<a>]]></a>`, false},
	{"markup in an attribute", `<a b="<"/>`, false},
	{"an attribute without quotes", `<a b=c/>`, false},
	{"an attribute without a value", `<a b/>`, false},
	{"attributes without white space", `<a b="c"d="e"/>`, false},
	{"an attribute twice", `<a b="c" b="d"/>`, false},
	{"an attribute twice by two prefixes", `<a xmlns:p="urn:x" xmlns:q="urn:x" p:b="c" q:b="d"/>`, false},
	{"a prefix twice", `<a xmlns:p="urn:x" xmlns:p="urn:y"/>`, false},
	{"a prefix that is not declared", `<p:a/>`, false},
	{"a prefix that is declared inside", `<p:a><b xmlns:p="urn:x"/></p:a>`, false},
	{"a prefix that was declared", `<a><b xmlns:p="urn:x"/><p:c/></a>`, false},
	{"a prefix of an attribute that was declared", `<a><b xmlns:p="urn:x"/><c p:d="e"/></a>`, false},
	{"a prefix that is taken back", `<p:a xmlns:p="urn:x"><b xmlns:p=""/></p:a>`, false},
	{"a default namespace that is taken back", `<a xmlns="urn:x"><b xmlns=""/></a>`, true},
	{"another xml prefix", `<a xmlns:xml="urn:x"/>`, false},
	{"another xmlns prefix", `<a xmlns:xmlns="urn:x"/>`, false},
	{"a relative namespace", `<a xmlns="x"/>`, false},
	{"an element of xmlns", `<xmlns:a/>`, false},
	{"two colons", `<p:a:b xmlns:p="urn:x"/>`, false},
	{"a colon in front", `<:a/>`, false},
	{"a colon behind", `<a: />`, false},
	{"a local name of a digit", `<p:1 xmlns:p="urn:x"/>`, false},
	{"a name of another script", `<ä/>`, false},
	{"an ID twice", `<a ID="1"><b ID="1"/></a>`, false},
	{"an ID with a reference twice", `<a ID="1"><b ID="&#49;"/></a>`, false},
	{"two IDs", `<a ID="1" Id="2"/>`, false},
	{"an xml:id", `<a xml:id="1"/>`, false},
	{"64 attributes", "<a" + many(` a%d=""`, 64) + "/>", true},
	{"65 attributes", "<a" + many(` a%d=""`, 65) + "/>", false},
	{"32 prefixes", "<a" + many(` xmlns:a%d="urn:x"`, 32) + "/>", true},
	{"33 prefixes", "<a" + many(` xmlns:a%d="urn:x"`, 33) + "/>", false},
	{"32 levels", strings.Repeat("<a>", 32) + strings.Repeat("</a>", 32), true},
	{"33 levels", strings.Repeat("<a>", 33) + strings.Repeat("</a>", 33), false},
	{"20,000 elements", "<a>" + strings.Repeat("<a/>", 19_999) + "</a>", true},
	{"20,001 elements", "<a>" + strings.Repeat("<a/>", 20_000) + "</a>", false},
}

func many(format string, n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, format, i)
	}
	return s.String()
}

func TestParserReadsWhatItMayAndNothingElse(t *testing.T) {
	for _, test := range parsed {
		t.Run(test.name, func(t *testing.T) {
			root, err := parsePart([]byte(test.raw))
			if (err == nil) != test.good {
				t.Fatalf("error = %v, want it read: %v", err, test.good)
			}
			if err == nil {
				agreed(t, []byte(test.raw), root)
			}
		})
	}
}

// TestHostileXMLIsRefusedSoon holds the parser, and what comes after it, to 50 ms for what costs the most of
// 400 KB and more.
func TestHostileXMLIsRefusedSoon(t *testing.T) {
	const size = 400 << 10
	b := openTest(t, nil)
	attempt, sent := b.begin(t, providers.Attempt{})
	raw, err := base64.StdEncoding.DecodeString(b.answer(t, sent, nil).Values.Get("SAMLResponse"))
	if err != nil {
		t.Fatal(err)
	}
	inAssertion := func(s string) string { // the honest signature stays, so all of it is made canonical
		return strings.Replace(string(raw), "</saml:Assertion>", s+"</saml:Assertion>", 1)
	}
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	for name, message := range map[string]string{
		"elements":        inAssertion("<x>" + strings.Repeat("<x/>", 19_900) + "</x>"),
		"prefixes":        inAssertion("<x" + many(` xmlns:a%d="urn:x"`, 24) + ">" + strings.Repeat("<a1:x a2:y='' a3:z=''/>", size/24) + "</x>"),
		"declarations":    inAssertion("<x>" + fill("<a1:x"+many(` xmlns:a%d="urn:x:%[1]d"`, 24)+"/>") + "</x>"),
		"attributes":      inAssertion("<x>" + fill("<x"+many(` a%d=""`, 64)+"/>") + "</x>"),
		"attributes'":     "<samlp:Response" + many(` a%d=""`, size/8) + "/>",
		"IDs":             inAssertion("<x>" + many(`<x ID="%d"/>`, 19_900) + "</x>"),
		"references":      inAssertion("<x>" + fill("&#38;") + "</x>"),
		"ends of lines":   inAssertion("<x>" + fill("\r") + "</x>"),
		"ampersands":      inAssertion("<x>" + fill("&") + "</x>"),
		"open tags":       fill("<"),
		"open elements":   fill("<x>"),
		"open attributes": "<samlp:Response " + fill(`x="`),
		"names":           "<" + fill("x"),
		"colons":          "<" + fill("x:"),
		"spaces":          inAssertion("<x" + fill(" ") + "/>"),
		"end tags":        fill("</x>"),
		"signed infos":    strings.Replace(string(raw), "<ds:Reference ", "<ds:Reference"+many(` a%d=""`, 50)+" ", 1),
	} {
		t.Run(name, func(t *testing.T) {
			reply := b.answer(t, sent, nil)
			reply.Values.Set("SAMLResponse", base64.StdEncoding.EncodeToString([]byte(message)))
			if _, err := b.p.Continue(t.Context(), attempt, reply); err == nil {
				t.Fatal("accepted")
			} else if strings.Contains(err.Error(), "bytes)") {
				t.Fatal(err)
			} else {
				t.Logf("%d bytes: %v", len(message), err)
			}
			most := budget(idptest.SAMLRow{})
			took := quickest(func() { b.p.Continue(t.Context(), attempt, reply) }, most)
			if t.Logf("took %s", took); took > most {
				t.Errorf("took %s, want at most %s", took, most)
			}
		})
	}
}
