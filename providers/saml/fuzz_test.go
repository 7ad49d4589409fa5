package saml

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

// FuzzContinue feeds bytes to the way in, with every row as a seed. Whatever comes: no panic, an
// *providers.Error of kind Invalid or the one honest person, whose signatures goxmldsig verifies too, and an
// answer within 100 ms.
func FuzzContinue(f *testing.F) {
	b := openTest(f, nil)
	attempt, sent := b.begin(f, providers.Attempt{})
	b.now = func() time.Time { return attempt.Begun } // a long run must not outlive the attempt
	honest := b.answer(f, sent, nil)
	for _, row := range append([]idptest.SAMLRow{{}}, idptest.SAMLRows...) {
		reply := b.answer(f, sent, &row)
		if raw, err := base64.StdEncoding.DecodeString(reply.Values.Get("SAMLResponse")); err == nil && len(raw) < 64<<10 {
			f.Add(raw)
		}
	}
	if _, err := b.p.Continue(f.Context(), attempt, honest); err != nil {
		f.Fatalf("honest login = %v", err)
	}
	idp, err := b.p.source.get(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		start := time.Now()
		next, err := b.p.Continue(t.Context(), attempt, providers.Reply{Method: http.MethodPost, Values: url.Values{
			"SAMLResponse": {base64.StdEncoding.EncodeToString(raw)}, "RelayState": {attempt.ID},
		}})
		if took := time.Since(start); took > 100*time.Millisecond && quickest(func() {
			b.p.Continue(t.Context(), attempt, providers.Reply{Method: http.MethodPost, Values: url.Values{
				"SAMLResponse": {base64.StdEncoding.EncodeToString(raw)}, "RelayState": {attempt.ID},
			}})
		}, 100*time.Millisecond) > 100*time.Millisecond {
			t.Errorf("took %s", took)
		}
		if err == nil {
			if id := next.(providers.Done).Identity; id.Subject != "peter" || id.Claims["email"] != "peter@initech.example" {
				t.Fatalf("accepted as %q", id.Subject)
			}
			agreedMessage(t, b.p.exchange(t.Context(), idp), raw)
			return
		}
		var e *providers.Error
		if !errors.As(err, &e) || e.Kind != providers.Invalid || e.Reason == "" {
			t.Fatalf("error = %v, want an Invalid with a reason", err)
		}
	})
}
