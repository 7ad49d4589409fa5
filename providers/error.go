package providers

import (
	"errors"
	"fmt"
	"time"
)

// ErrorKind says what sort of failure an Error is: what the person can do, and which HTTP status it gets.
type ErrorKind int

const (
	Internal    ErrorKind = iota // our fault: 500
	Invalid                      // what came in must be refused: 400
	Forbidden                    // understood, and not allowed: 403
	Conflict                     // stands against something that is there already: 409
	Throttled                    // too many of them: 429 with Retry-After
	Upstream                     // a provider cannot be reached or is broken: 502
	Unavailable                  // our database, or what keeps our keys, cannot be reached: 503 with Retry-After
)

// Error is a refusal or a failure. A stranger sees the sentence that belongs to Reason and Kind, never Err.
type Error struct {
	Kind       ErrorKind
	Reason     string        // one word for the log and the event, e.g. sig_missing; names the sentence for people
	Status     int           // the HTTP status, where it is not the kind's own; 0 mostly
	RetryAfter time.Duration // with Throttled and Unavailable
	Provider   string        // where it happened, of what the login's own browser may be told; "" mostly
	Err        error         // why, for the log; without secrets
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Refuse returns an Invalid error; format and args are for the log, as in fmt.Errorf.
func Refuse(reason, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Reason: reason, Err: fmt.Errorf(format, args...)}
}

// Broken returns an Upstream error; err is for the log.
func Broken(reason string, err error) *Error {
	return &Error{Kind: Upstream, Reason: reason, Err: err}
}

// AsError returns err as an *Error; what it does not know is Internal, with the reason server_error.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Internal, Reason: "server_error", Err: err}
}
