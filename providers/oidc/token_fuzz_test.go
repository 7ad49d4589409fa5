package oidc

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

// FuzzToken feeds texts to the way in of ID tokens and of logout tokens, with those of every row as seeds.
// Whatever comes: no panic, a refusal of kind Invalid, or the one token that the upstream made for this login.
func FuzzToken(f *testing.F) {
	start := time.Now()
	now := func() time.Time { return start } // a long run must not outlive the tokens
	up := upstream(f, now)
	p := openFor(f, up, now, nil).(*provider)
	honest, access, want := minted(f, up, p, &idptest.OIDCRow{})
	f.Add(honest, access)
	for i := range idptest.OIDCRows {
		row := &idptest.OIDCRows[i]
		if row.Claims == nil && row.Header == nil && row.Sign == nil {
			continue
		}
		if token, access, _ := minted(f, up, p, row); len(token) < maxToken {
			f.Add(token, access)
		}
	}
	farewell := up.LogoutToken("ann", nil)
	f.Add(farewell, "")
	for i := range idptest.LogoutRows {
		if token := up.LogoutToken("ann", &idptest.LogoutRows[i]); len(token) < maxToken {
			f.Add(token, "")
		}
	}
	if _, err := p.readIDToken(f.Context(), tokens{id: honest, access: access}, want); err != nil {
		f.Fatalf("the honest ID token = %v", err)
	}
	if _, err := p.readLogoutToken(f.Context(), farewell); err != nil {
		f.Fatalf("the honest logout token = %v", err)
	}
	f.Fuzz(func(t *testing.T, raw, access string) {
		c, err := p.readIDToken(t.Context(), tokens{id: raw, access: access}, want)
		if err == nil && (payload(raw) != payload(honest) || c["sub"] != "ann") {
			t.Fatalf("taken: %q", raw)
		}
		refused(t, err)
		// The seeds are signed too: of them, whatever the rows call good may be taken.
		out, err := p.readLogoutToken(t.Context(), raw)
		if err == nil && (out.Handle != "ann" && len(out.Sessions) == 0 || payload(raw) == payload(honest)) {
			t.Fatalf("taken: %q gives %+v", raw, out)
		}
		refused(t, err)
	})
}

func refused(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if e := providers.AsError(err); e.Kind != providers.Invalid || e.Reason == "" {
		t.Fatalf("error = %v, want an Invalid with a reason", err)
	}
}

// payload is the second part of a token.
func payload(raw string) string {
	_, rest, _ := strings.Cut(raw, ".")
	part, _, _ := strings.Cut(rest, ".")
	return part
}

// minted is what an upstream that does as row says makes for a login, and what that login expects.
func minted(t testing.TB, up *idptest.OIDC, p *provider, row *idptest.OIDCRow) (id, access string, want expectation) {
	t.Helper()
	a := providertest.Attempt()
	next, err := p.Begin(t.Context(), &a)
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(next.(providers.Redirect).URL)
	if err != nil {
		t.Fatal(err)
	}
	alter := row.Response
	up.Misbehave(&idptest.OIDCRow{Header: row.Header, Claims: row.Claims, Sign: row.Sign, Response: func(f *idptest.OIDC, doc map[string]any) {
		id, _ = doc["id_token"].(string)
		access, _ = doc["access_token"].(string)
		if alter != nil {
			alter(f, doc)
		}
	}})
	defer up.Honest()
	reply := signIn(t, up, next)
	p.Continue(t.Context(), &a, reply)
	return id, access, expectation{attempt: &a, issuer: up.Issuer, nonce: to.Query().Get("nonce"), code: reply.Values.Get("code")}
}
