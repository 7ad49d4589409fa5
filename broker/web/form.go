package web

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/signet-broker/signet/providers"
)

const (
	// FormLimit is the size of a usual form, in bytes.
	FormLimit = 64 << 10
	// MessageLimit is the size of a form that carries a SAML message.
	MessageLimit = 1 << 20
	maxFields    = 100
)

// Form reads an urlencoded form from a request's body, and only from there, up to limit bytes.
// Errors: invalid_request, too_large (413), encoding_unsupported (415).
func Form(w http.ResponseWriter, r *http.Request, limit int64) (url.Values, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, &providers.Error{Kind: providers.Invalid, Reason: "encoding_unsupported", Status: http.StatusUnsupportedMediaType, Err: fmt.Errorf("content encoding %.20q", e)}
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
		return nil, providers.Refuse("invalid_request", "content type %.40q", r.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, &providers.Error{Kind: providers.Invalid, Reason: "too_large", Status: http.StatusRequestEntityTooLarge, Err: err}
		}
		return nil, providers.Refuse("invalid_request", "read the form: %w", err)
	}
	return parse(string(body))
}

// Query reads a request's query.
func Query(r *http.Request) (url.Values, error) { return parse(r.URL.RawQuery) }

func parse(s string) (url.Values, error) {
	if strings.Count(s, "&") >= maxFields {
		return nil, providers.Refuse("invalid_request", "more than %d fields", maxFields)
	}
	v, err := url.ParseQuery(s)
	if err != nil {
		return nil, providers.Refuse("invalid_request", "not urlencoded") // the error itself would repeat the value
	}
	return v, nil
}

// Single returns a parameter that may come once. OAuth forbids repeated ones (RFC 6749 §3.1), because two
// readers may take different ones.
func Single(v url.Values, name string) (string, error) {
	if len(v[name]) > 1 {
		return "", providers.Refuse("invalid_request", "%s comes more than once", name)
	}
	return v.Get(name), nil
}
