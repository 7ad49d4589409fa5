package oidc

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

func wantReason(t *testing.T, err error, reason string, kind providers.ErrorKind) {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want *providers.Error", err, err)
	}
	if e.Reason != reason || e.Kind != kind {
		t.Errorf("refused with %q, kind %d (%v), want %q, kind %d", e.Reason, e.Kind, err, reason, kind)
	}
	// What is logged holds nothing that the upstream wrote.
	if s := err.Error(); strings.Contains(s, "SECRET") || strings.Contains(s, "<script>") || len(s) > 2<<10 {
		t.Errorf("error text of %d bytes quotes the upstream: %.300s", len(s), s)
	}
}

// Every row of the catalogue, against a provider of its own; after each, an honest login works.
func TestUpstreamRows(t *testing.T) {
	f := upstream(t, time.Now)
	for i := range idptest.OIDCRows {
		row := &idptest.OIDCRows[i]
		t.Run(row.ID+" "+row.Name, func(t *testing.T) {
			f.Honest()
			p := openFor(t, f, time.Now, func(c *Config) { c.UserInfo, c.ACRValues = row.UserInfo, row.ACRValues })
			a := providertest.Attempt()
			a.MaxAge = row.MaxAge
			if row.Warm {
				if _, err := login(t, f, p, a); err != nil {
					t.Fatalf("honest login before: %v", err)
				}
			}
			f.Misbehave(row)
			defer f.Honest()
			before, start := f.Requests("/token"), time.Now()
			next, err := login(t, f, p, a)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			requests := f.Requests("/token") - before
			if requests > 1 || requests > 0 && row.Callback != nil && !row.Control && row.Reason != "token_refused" {
				t.Errorf("%d token requests", requests)
			}
			checkRow(t, row, next, err)

			f.Honest()
			if row.ACRValues == nil {
				if _, err := login(t, f, openFor(t, f, time.Now, nil), providertest.Attempt()); err != nil {
					t.Errorf("honest login after: %v", err)
				}
			}
		})
	}
}

func checkRow(t *testing.T, row *idptest.OIDCRow, next providers.Next, err error) {
	t.Helper()
	if row.Control {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		if id := next.(providers.Done).Identity; id.Subject != "ann" {
			t.Fatalf("subject = %q, want ann", id.Subject)
		}
		return
	}
	if err == nil {
		t.Fatalf("accepted: %+v", next)
	}
	kind := providers.Invalid
	if row.Status == http.StatusBadGateway {
		kind = providers.Upstream
	}
	wantReason(t, err, row.Reason, kind)
}
