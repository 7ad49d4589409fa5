package authcode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/providers"
)

// Broken is an upstream that can be reached and is of no use.
func Broken(format string, args ...any) *providers.Error {
	return providers.Broken("upstream_broken", fmt.Errorf(format, args...))
}

// Unreachable turns an error of an HTTP exchange into ours. What http.Client itself says names the URL and
// the cause, and nothing of a body.
func Unreachable(what string, err error) *providers.Error {
	reason := "upstream_unreachable"
	if errors.Is(err, egress.ErrTooLarge) || errors.Is(err, egress.ErrScheme) || errors.Is(err, egress.ErrAddress) {
		reason = "upstream_broken"
	}
	return providers.Broken(reason, fmt.Errorf("%s: %w", what, err))
}

// TransportFailed tells an exchange that failed from an answer that did not please.
func TransportFailed(err error) bool {
	var u *url.Error
	var n net.Error
	return errors.As(err, &u) || errors.As(err, &n) || errors.Is(err, context.Canceled)
}
