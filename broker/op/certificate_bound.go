package op

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
)

// certificateOf returns the thumbprint of the certificate that an app's tokens are bound to (RFC 8705 §3); "" when
// to none. An app that proves itself by its certificate gets no others, unless each is bound to a key instead.
func certificateOf(ctx context.Context, app *broker.App) (string, error) {
	method := app.Credentials.Method
	byIt := (method == broker.AuthTLS || method == broker.AuthSelfSigned) && !app.DPoPRequired
	if !byIt && !app.CertificateBound {
		return "", nil
	}
	sum := web.RequestInfo(ctx).Certificate
	if sum == nil {
		return "", oauth("invalid_request", "the app's tokens are bound to a certificate, and none was shown")
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// shows checks that who brings an access token has shown the certificate it is bound to.
func (p *Provider) shows(r *http.Request, a token.Access) error {
	if a.Certificate == "" {
		return nil
	}
	p.noteCertificate(r)
	if got := base64.RawURLEncoding.EncodeToString(web.RequestInfo(r.Context()).Certificate); got != a.Certificate {
		return badToken(fmt.Errorf("bound to certificate %q, shown %q", a.Certificate, got))
	}
	return nil
}
