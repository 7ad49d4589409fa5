package op

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

// Error is an OAuth error as apps see it (RFC 6749 §5.2, RFC 6750 §3.1).
type Error struct {
	Code        string // e.g. invalid_grant
	Description string // for the app's developer; ASCII, without anything that came in
	Status      int
	RetryAfter  time.Duration
	Err         error // why, for the log
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Code + ": " + e.Err.Error()
	}
	return e.Code + ": " + e.Description
}

func (e *Error) Unwrap() error { return e.Err }

// oauth returns an error with the status that goes with its code.
func oauth(code, format string, args ...any) *Error {
	status := http.StatusBadRequest
	switch code {
	case "invalid_client", "invalid_token":
		status = http.StatusUnauthorized
	case "insufficient_scope":
		status = http.StatusForbidden
	case "server_error":
		status = http.StatusInternalServerError
	}
	return &Error{Code: code, Description: fmt.Sprintf(format, args...), Status: status}
}

// because adds why, for the log.
func (e *Error) because(err error) *Error {
	e.Err = err
	return e
}

// at gives another status.
func (e *Error) at(status int) *Error {
	e.Status = status
	return e
}

// wire turns any error into one of OAuth's. What it does not know is server_error without a text.
func wire(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	known := providers.AsError(err)
	switch known.Kind {
	case providers.Unavailable:
		return &Error{Code: "temporarily_unavailable", Status: http.StatusServiceUnavailable, RetryAfter: max(known.RetryAfter, time.Second), Err: err}
	case providers.Throttled:
		return &Error{Code: "temporarily_unavailable", Description: "too many requests", Status: http.StatusTooManyRequests, RetryAfter: max(known.RetryAfter, time.Second), Err: err}
	case providers.Invalid:
		status := known.Status
		if status == 0 {
			status = http.StatusBadRequest
		}
		return &Error{Code: "invalid_request", Status: status, Err: err}
	}
	return &Error{Code: "server_error", Status: http.StatusInternalServerError, Err: err}
}

// onPage makes an error of OAuth's one that a page can show.
func onPage(err error) error {
	var e *Error
	var known *providers.Error
	if !errors.As(err, &e) || errors.As(err, &known) || e.Status >= http.StatusInternalServerError {
		return err
	}
	return &providers.Error{Kind: providers.Invalid, Reason: e.Code, Status: e.Status, Err: cmp.Or(e.Err, errors.New(e.Description))}
}

// fail answers a program.
func (p *Provider) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := wire(err)
	info := web.RequestInfo(r.Context())
	info.Reason, info.Err = e.Code, err
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())))
	}
	if e.Code == "invalid_client" {
		w.Header().Set("WWW-Authenticate", `Basic realm="signet", charset="UTF-8"`)
	}
	body := map[string]string{"error": e.Code}
	if e.Description != "" {
		body["error_description"] = e.Description
	}
	writeJSON(w, e.Status, body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}
