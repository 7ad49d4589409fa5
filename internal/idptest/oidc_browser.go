package idptest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// SignIn plays a browser: it follows an authorization URL as far as the way back, signs username in where
// a page asks, and returns the address that the browser is sent to.
func (f *OIDC) SignIn(ctx context.Context, authorizeURL, username string) (*url.URL, error) {
	resp, err := f.answer(ctx, authorizeURL, username)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	back, err := resp.Location()
	if errors.Is(err, http.ErrNoLocation) {
		return nil, fmt.Errorf("sign in: the upstream answers %d", resp.StatusCode)
	}
	return back, err
}

// SignInForm is SignIn for response_mode=form_post: it returns the form that the browser submits, and where to.
func (f *OIDC) SignInForm(ctx context.Context, authorizeURL, username string) (action string, form url.Values, err error) {
	resp, err := f.answer(ctx, authorizeURL, username)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	root, err := html.Parse(resp.Body)
	if err != nil {
		return "", nil, fmt.Errorf("sign in: %w", err)
	}
	form = url.Values{}
	for n := range root.Descendants() {
		switch n.Data {
		case "form":
			action = htmlAttr(n, "action")
		case "input":
			form.Add(htmlAttr(n, "name"), htmlAttr(n, "value"))
		}
	}
	if action == "" {
		return "", nil, fmt.Errorf("sign in: the upstream answers %d without a form", resp.StatusCode)
	}
	return action, form, nil
}

func htmlAttr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// answer is what the authorization endpoint says to somebody who has chosen who they are.
func (f *OIDC) answer(ctx context.Context, authorizeURL, username string) (*http.Response, error) {
	u, err := url.Parse(authorizeURL)
	if err != nil {
		return nil, fmt.Errorf("authorization URL: %w", err)
	}
	form := u.Query()
	form.Set("person", username)
	u.RawQuery = ""
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := f.browser.Do(req)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	return resp, nil
}
