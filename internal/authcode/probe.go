package authcode

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/signet-broker/signet/providers"
)

// Probe tells whether the token endpoint takes the client's credentials, as far as that shows without a
// person: it is sent a code that nobody has made, and must find fault with that and not with the client.
// options are as with Exchange.
func Probe(ctx context.Context, strict *http.Client, conf *oauth2.Config, options ...oauth2.AuthCodeOption) providers.Finding {
	f := providers.Finding{Name: "secret"}
	_, err := Exchange(ctx, strict, conf, "signet-inspection-"+rand.Text(), options...)
	var e *providers.Error
	switch {
	case err == nil:
		f.Problem = "the token endpoint gave tokens for a code that nobody has made: do not use this provider"
	case errors.As(err, &e) && e.Reason == "token_refused" && e.Kind == providers.Invalid:
		f.Detail = "the token endpoint takes client " + conf.ClientID + " and its secret"
	case errors.As(err, &e) && e.Reason == "token_refused":
		f.Problem = "the token endpoint does not take client " + conf.ClientID + " (" + err.Error() + "): compare client_id, the secret and how it is sent (token_auth) with what is registered there"
	default:
		f.Problem = "the token endpoint cannot be tried: " + err.Error()
	}
	return f
}
