package idptest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
)

// samlReading is XML that two parsers read differently, and forms that two programs do.
var samlReading = []SAMLRow{
	refused("S-55", "comment inside NameID", "malformed", inNameID("<!-- -->")),
	refused("S-56", "processing instruction inside NameID", "malformed", inNameID("<?x y?>")),
	refused("S-57", "CDATA section inside NameID", "malformed", inNameID("<![CDATA[evil]]>")),
	refused("S-58", "DOCTYPE without subset", "dtd_forbidden", inject("<samlp:Response", "<!DOCTYPE samlp:Response>")),
	refused("S-59", "DOCTYPE with an entity, unused", "dtd_forbidden", inject("<samlp:Response", `<!DOCTYPE r [<!ENTITY e "evil">]>`)),
	refused("S-59b", "DOCTYPE with an entity, used", "dtd_forbidden", func(a *Answer) {
		a.Raw = func(raw []byte) []byte {
			raw = bytes.Replace(raw, []byte(">"+a.Person.Username+"<"), []byte(">&e;<"), 1)
			return append([]byte(`<!DOCTYPE r [<!ENTITY e "`+a.Person.Username+`">]>`), raw...)
		}
	}),
	fast(refused("S-61", "billion laughs", "dtd_forbidden", inject("<samlp:Response", laughs()))),
	fast(refused("S-61b", "one long entity, a thousand times", "dtd_forbidden", func(a *Answer) {
		a.Raw = func(raw []byte) []byte {
			return append([]byte(`<!DOCTYPE r [<!ENTITY a "`+many("x", 50_000)+`">]>`), replaced(raw, ">peter<", ">"+many("&a;", 1000)+"<")...)
		}
	})),
	refused("S-62", "external DTD", "dtd_forbidden", func(a *Answer) {
		inject("<samlp:Response", `<!DOCTYPE r SYSTEM "`+a.IDP.URL+`/dtd-probe">`)(a)
	}),
	refused("S-62b", "external entity", "dtd_forbidden", func(a *Answer) {
		inject("<samlp:Response", `<!DOCTYPE r [<!ENTITY % e SYSTEM "`+a.IDP.URL+`/dtd-probe"> %e;]>`)(a)
	}),
	refused("S-63", "attribute with an empty prefix", "malformed", func(a *Answer) {
		a.replace("<samlp:Response ", `<samlp:Response :xmlns="urn:evil" `)
	}),
	refused("S-63b", "attribute with an empty local name", "malformed", func(a *Answer) {
		a.replace("<samlp:Response ", `<samlp:Response evil:="x" `)
	}),
	refused("S-63c", "attribute with an undeclared prefix", "malformed", func(a *Answer) {
		a.replace("<samlp:Response ", `<samlp:Response evil:x="x" `)
	}),
	refused("S-63d", "prefix xml bound to something else", "malformed", func(a *Answer) {
		a.replace("<samlp:Response ", `<samlp:Response xmlns:xml="urn:evil" `)
	}),
	refused("S-64", "directive with quote and comment", "dtd_forbidden", inject("<samlp:Response", `<!x '<!-- '><!-- -->`)),
	refused("S-66", "second root element", "malformed", func(a *Answer) {
		a.Raw = func(raw []byte) []byte { return append(raw, "<evil/>"...) }
	}),
	refused("S-66b", "text after the root", "malformed", func(a *Answer) {
		a.Raw = func(raw []byte) []byte { return append(raw, "evil"...) }
	}),
	refused("S-67", "text before the root", "malformed", inject("<samlp:Response", "evil")),
	refused("S-68", "declared as utf-7", "malformed", inject("<samlp:Response", `<?xml version="1.0" encoding="utf-7"?>`)),
	refused("S-68b", "declared as windows-1252", "malformed", inject("<samlp:Response", `<?xml version="1.0" encoding="windows-1252"?>`)),
	refused("S-68c", "UTF-16 with its mark", "malformed", func(a *Answer) {
		a.Raw = func(raw []byte) []byte {
			out := []byte{0xff, 0xfe}
			for _, b := range raw {
				out = append(out, b, 0)
			}
			return out
		}
	}),
	refused("S-68d", "bytes that are no UTF-8", "malformed", inNameID("\xc3\x28")),
	refused("S-69", "attribute given twice", "malformed", func(a *Answer) {
		a.replace("<samlp:Response ", `<samlp:Response Version="2.0" `)
	}),
	refused("S-69b", "attribute given twice under two prefixes", "malformed", func(a *Answer) {
		a.replace("<samlp:Response ", `<samlp:Response xmlns:a="urn:x" xmlns:b="urn:x" a:y="1" b:y="2" `)
	}),
	refused("S-71", "nothing", "malformed", func(a *Answer) { a.send("") }),
	refused("S-71b", "only an XML declaration", "malformed", func(a *Answer) { a.send(`<?xml version="1.0"?>`) }),
	refused("S-71c", "JSON", "malformed", func(a *Answer) { a.send(`{"sub":"evil"}`) }),
	refused("S-71d", "HTML", "dtd_forbidden", func(a *Answer) { a.send("<!doctype html><html><body>evil</body></html>") }),
	refused("S-71e", "cut off", "malformed", func(a *Answer) {
		a.Raw = func(raw []byte) []byte { return raw[:len(raw)-20] }
	}),
	refused("S-72", "no base64", "malformed", func(a *Answer) {
		a.Form = func(f url.Values) { f.Set("SAMLResponse", "%%%"+f.Get("SAMLResponse")) }
	}),
	refused("S-72b", "URL-safe base64", "malformed", func(a *Answer) {
		a.Form = func(f url.Values) {
			raw, _ := base64.StdEncoding.DecodeString(f.Get("SAMLResponse"))
			raw = append(raw, "\n\xfb\xff\xfe"...)
			f.Set("SAMLResponse", base64.URLEncoding.EncodeToString(raw))
		}
	}),
	fast(refused("S-72c", "a million '='", "malformed", func(a *Answer) {
		a.Form = func(f url.Values) { f.Set("SAMLResponse", many("=", 1_000_000)) }
	})),
	refused("S-73", "SAMLResponse twice", "malformed", func(a *Answer) {
		a.Form = func(f url.Values) { f.Add("SAMLResponse", f.Get("SAMLResponse")) }
	}),
	refused("S-74", "SAMLResponse and SAMLart", "malformed", func(a *Answer) {
		a.Form = func(f url.Values) { f.Set("SAMLart", "AAQAAMh48/1oXIM+sDo7Dh2qMp1HM4IF5DaRNmDj6RdUmllwn9jJHyEgIi8=") }
	}),
}

// samlSizes is XML that costs.
var samlSizes = []SAMLRow{
	fast(refused("S-77", "50,000 deep", "wrong_type", func(a *Answer) { a.send(many("<a>", 50_000) + many("</a>", 50_000)) })),
	fast(refused("S-77b", "50,000 deep inside a Response", "malformed", func(a *Answer) { extension(many("<a>", 50_000) + many("</a>", 50_000))(a) })),
	fast(refused("S-78", "100,000 siblings", "malformed", func(a *Answer) { extension(many("<a/>", 100_000))(a) })),
	fast(refused("S-79", "40,000 namespace declarations", "malformed", func(a *Answer) {
		var b strings.Builder
		for i := range 40_000 {
			fmt.Fprintf(&b, ` xmlns:n%d="u:"`, i)
		}
		a.replace("<samlp:Response", "<samlp:Response"+b.String())
	})),
	fast(refused("S-79b", "1,000 prefixes in 31 levels", "malformed", func(a *Answer) {
		var open, end strings.Builder
		for level := range 31 {
			open.WriteString("<a")
			for i := range 40 {
				fmt.Fprintf(&open, ` xmlns:n%dx%d="u:"`, level, i)
			}
			open.WriteString(">")
			end.WriteString("</a>")
		}
		a.send(open.String() + end.String())
	})),
	fast(refused("S-80", "5,000 attributes on one element", "malformed", func(a *Answer) {
		var b strings.Builder
		for i := range 5000 {
			fmt.Fprintf(&b, ` a%d=""`, i)
		}
		a.replace("<samlp:Response", "<samlp:Response"+b.String())
	})),
	fast(refused("S-81", "52,000 Transforms", "malformed", afterSigning(func(a *Answer) {
		a.replace("<ds:Transforms>", "<ds:Transforms>"+many("<ds:Transform/>", 52_000))
	}))),
	fast(refused("S-82", "5,000 References", "sig_invalid", afterSigning(func(a *Answer) {
		a.replace("<ds:Reference ", many(`<ds:Reference URI="#x"/>`, 5000)+"<ds:Reference ")
	}))),
	fast(refused("S-83b", "value of more than 1 MiB", "malformed", func(a *Answer) {
		a.Form = func(f url.Values) { f.Set("SAMLResponse", many("AAAA", 1<<18+1)) }
	})),
}

// inNameID puts something into the NameID after signing.
func inNameID(s string) func(*Answer) {
	return func(a *Answer) {
		a.replace(">"+a.Person.Username+"<", ">"+a.Person.Username[:2]+s+a.Person.Username[2:]+"<")
	}
}

// extension puts text into the Response's Extensions.
func extension(text string) func(*Answer) {
	return inject("<samlp:Status>", "<samlp:Extensions>"+text+"</samlp:Extensions>")
}

func laughs() string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE r [<!ENTITY l0 "lol">`)
	for i := range 9 {
		fmt.Fprintf(&b, `<!ENTITY l%d "%s">`, i+1, many(fmt.Sprintf("&l%d;", i), 10))
	}
	b.WriteString("]>")
	return b.String()
}

func guid() string {
	var b [16]byte
	rand.Read(b[:])
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
