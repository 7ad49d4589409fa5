package authcode

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/signet-broker/signet/providers"
)

// Exchange trades a code for tokens (RFC 6749, section 4.1.3) in exactly one request: a code that is sent
// twice is taken for a stolen one. strict is what Strict made; conf says how the client authenticates, and
// never leaves that to be found out. The token is a bearer token.
func Exchange(ctx context.Context, strict *http.Client, conf *oauth2.Config, code string, options ...oauth2.AuthCodeOption) (*oauth2.Token, error) {
	t, err := conf.Exchange(context.WithValue(ctx, oauth2.HTTPClient, strict), code, options...)
	if err != nil {
		return nil, exchangeError(err)
	}
	// Type() would read a missing token_type as Bearer.
	if !strings.EqualFold(t.TokenType, "Bearer") {
		return nil, providers.Refuse("malformed", "token response has token_type %.20q", t.TokenType)
	}
	return t, nil
}

// badCode are the errors by which upstreams say that the code is not ours to use, used, or too old.
var badCode = []string{
	"invalid_grant",
	"bad_verification_code", // GitHub
	"invalid_code",          // Slack
}

// exchangeError names what went wrong. The library's own text may hold the upstream's body, which may hold
// secrets, so nothing of it is used.
func exchangeError(err error) error {
	var refusal *oauth2.RetrieveError
	switch {
	case errors.Is(err, errFormat):
		return providers.Refuse("malformed", "token response is not JSON")
	case errors.As(err, &refusal):
		status := refusal.Response.StatusCode
		switch {
		case status >= 500 || status >= 300 && status < 400 || status == http.StatusTooManyRequests:
			return Broken("token endpoint answers %d", status)
		case slices.Contains(badCode, refusal.ErrorCode), facebookCode(refusal.Body) == 100:
			return providers.Refuse("token_refused", "token endpoint answers %d to the code: %s", status, errorWord(refusal.ErrorCode))
		}
		// Anything else is between the upstream and us, e.g. invalid_client: the person can do nothing.
		return &providers.Error{
			Kind: providers.Upstream, Reason: "token_refused",
			Err: Broken("token endpoint answers %d %s", status, errorWord(refusal.ErrorCode)).Err,
		}
	case TransportFailed(err):
		return Unreachable("token request", err)
	}
	return providers.Refuse("malformed", "token response cannot be read")
}

// facebookCode is the number of an error of Facebook's, which are objects: 100 is a code that is no good.
func facebookCode(body []byte) int {
	var answer struct {
		Error struct {
			Code int `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return 0
	}
	return answer.Error.Code
}

var errFormat = errors.New("not JSON")

// Strict returns a client for the token endpoint. It follows no redirect, which would carry code and secret
// to another host, and hands on only answers that were read to the end and, if they are good, are JSON:
// x/oauth2 reads forms as well, and cannot tell a body that was cut from one that is wrong.
func Strict(c *http.Client) *http.Client {
	strict := *c
	strict.Transport = jsonOnly{c.Transport}
	strict.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &strict
}

type jsonOnly struct{ next http.RoundTripper }

func (j jsonOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	req.Header.Set("Accept", "application/json")
	resp, err := j.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK && !isJSON(resp.Header.Get("Content-Type")) {
		return nil, errFormat
	}
	var body bytes.Buffer
	if n := resp.ContentLength; n > 0 && n <= maxAnswer {
		body.Grow(int(n) + bytes.MinRead) // what ReadFrom wants to see the end
	}
	if _, err := body.ReadFrom(resp.Body); err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(&body)
	return resp, nil
}

// maxAnswer is how many bytes are made room for because an answer says that it has so many.
const maxAnswer = 64 << 10

func isJSON(contentType string) bool {
	const want = "application/json"
	if contentType == want {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == want
}
