package oauth2

import (
	"bytes"
	"context"
	stdjson "encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/providers"
)

// API is an upstream's API, asked with one person's access token.
type API struct {
	client *http.Client
	token  string
}

// Token is the access token.
func (a *API) Token() string { return a.token }

// Get asks for address and decodes the JSON answer, names taken exactly and none twice; a number in a
// map[string]any becomes a json.Number, which Subject and Claims read. Anything but 200 is an error of kind
// Upstream that comes with the status; 0: there was no answer.
func (a *API) Get(ctx context.Context, address string, into any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, authcode.Broken("profile request cannot be made")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, unreachable(req, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode, authcode.Broken("%s%s answers %d", req.URL.Host, req.URL.Path, resp.StatusCode)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, unreachable(req, err)
	}
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
		return resp.StatusCode, providers.Refuse("malformed", "profile is %.40q", media)
	}
	return resp.StatusCode, decode(body, into)
}

// unreachable keeps the query out of the log: a preset's may hold a proof made of the client secret.
func unreachable(req *http.Request, err error) error {
	var where *url.Error
	if errors.As(err, &where) {
		err = where.Err
	}
	return authcode.Unreachable("profile from "+req.URL.Host+req.URL.Path, err)
}

func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() //nolint:staticcheck // what replaces it does the same
	// The standard library's look at it is for what ours has no limit on: how deep it is nested.
	if !utf8.Valid(body) || !stdjson.Valid(body) || d.Decode(into) != nil {
		return providers.Refuse("malformed", "profile is not the JSON that it should be")
	}
	return nil
}
