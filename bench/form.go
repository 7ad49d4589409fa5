package main

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// form is an HTML form with what a browser would send of it.
type form struct {
	action string
	method string
	fields url.Values
}

// firstForm returns the first form of a page.
func firstForm(page []byte) (f form, ok bool) {
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return f, ok
		case html.EndTagToken:
			if name, _ := z.TagName(); ok && string(name) == "form" {
				return f, true
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			tag := z.Token()
			a := attributes(tag)
			switch tag.Data {
			case "form":
				if !ok {
					f, ok = form{a["action"], strings.ToUpper(a["method"]), url.Values{}}, true
				}
			case "input", "button":
				if name := a["name"]; ok && name != "" && !f.fields.Has(name) {
					f.fields.Set(name, a["value"])
				}
			}
		}
	}
}

func attributes(t html.Token) map[string]string {
	m := make(map[string]string, len(t.Attr))
	for _, a := range t.Attr {
		m[a.Key] = a.Val
	}
	return m
}

// submit returns the request that the form makes on the page at base, with some of its fields filled in.
func (f form) submit(ctx context.Context, base *url.URL, fill url.Values) (*http.Request, error) {
	for name, v := range fill {
		if f.fields.Has(name) {
			f.fields[name] = v
		}
	}
	to, err := base.Parse(f.action)
	if err != nil {
		return nil, err
	}
	if f.method != "POST" {
		to.RawQuery = f.fields.Encode()
		return http.NewRequestWithContext(ctx, "GET", to.String(), nil)
	}
	req, err := http.NewRequestWithContext(ctx, "POST", to.String(), strings.NewReader(f.fields.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", base.Scheme+"://"+base.Host)
	return req, nil
}
