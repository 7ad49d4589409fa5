package oidc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

func posted(token ...string) providers.Reply {
	return providers.Reply{Method: http.MethodPost, Values: url.Values{"logout_token": token}}
}

// Every logout token of the catalogue; a refusal names nobody's sessions.
func TestLogoutTokenRows(t *testing.T) {
	f := upstream(t, time.Now)
	p := openFor(t, f, time.Now, nil)
	for i := range idptest.LogoutRows {
		row := &idptest.LogoutRows[i]
		t.Run(row.ID+" "+row.Name, func(t *testing.T) {
			out, err := p.(providers.Logouter).ReceiveLogout(t.Context(), posted(f.LogoutToken("ann", row)), nil)
			if row.Control {
				if err != nil {
					t.Fatal(err)
				}
				if out.Answers || out.Handle+strings.Join(out.Sessions, "") == "" || len(out.Once) != 1 || !out.Once[0].Until.After(time.Now().Add(maxLogoutAge)) {
					t.Errorf("SignOut = %+v", out)
				}
				return
			}
			wantReason(t, err, row.Reason, providers.Invalid)
			if out.Handle != "" || out.Sessions != nil || out.Once != nil {
				t.Errorf("a refusal says %+v", out)
			}
		})
	}
}

// A logout token is signed by the same key for the same client as an ID token, and passes for none.
func TestLogoutTokenIsNoIDToken(t *testing.T) {
	f := upstream(t, time.Now)
	p := openFor(t, f, time.Now, nil).(providers.TokenVerifier)
	as := func(typ string) string {
		return f.LogoutToken("ann", &idptest.OIDCRow{Header: func(_ *idptest.OIDC, h map[string]any) { h["typ"] = typ }})
	}
	_, _, err := p.VerifyToken(t.Context(), as("logout+jwt"))
	wantReason(t, err, "typ", providers.Invalid)
	_, _, err = p.VerifyToken(t.Context(), as("JWT"))
	wantReason(t, err, "events", providers.Invalid)
}

// The ID token of a login goes through the browser again when its person signs out: nobody can exchange it.
func TestIDTokenOfALoginIsNotTheApps(t *testing.T) {
	f := upstream(t, time.Now)
	p := openFor(t, f, time.Now, func(c *Config) { c.Logout = true })
	a := providertest.Attempt()
	a.Begun = time.Now()
	next, err := p.Begin(t.Context(), &a)
	if err != nil {
		t.Fatal(err)
	}
	back, err := f.SignIn(t.Context(), next.(providers.Redirect).URL, "ann")
	if err != nil {
		t.Fatal(err)
	}
	if next, err = p.Continue(t.Context(), &a, providers.Reply{Method: http.MethodGet, Values: back.Query()}); err != nil {
		t.Fatal(err)
	}
	hint := string(next.(providers.Done).Identity.Memory)
	_, _, err = p.(providers.TokenVerifier).VerifyToken(t.Context(), hint)
	wantReason(t, err, "nonce", providers.Invalid)
}

// A logout token says who, or which session, and only once.
func TestLogoutTokenNamesPersonAndSession(t *testing.T) {
	f := upstream(t, time.Now)
	p := openFor(t, f, time.Now, nil).(providers.Logouter)
	read := func(token string) providers.SignOut {
		t.Helper()
		out, err := p.ReceiveLogout(t.Context(), posted(token), nil)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	token := f.LogoutToken("ann", nil)
	out := read(token)
	if out.Handle != "ann" || !slices.Equal(out.Sessions, []string{"sid-ann"}) || out.Answer != nil {
		t.Errorf("SignOut = %+v", out)
	}
	if again := read(token); again.Once[0].ID != out.Once[0].ID {
		t.Errorf("the same token is %q and %q", out.Once[0].ID, again.Once[0].ID)
	}
	if other := read(f.LogoutToken("ann", nil)); other.Once[0].ID == out.Once[0].ID {
		t.Error("two tokens are one")
	}
	for name, r := range map[string]providers.Reply{
		"none": posted(), "two": posted(token, token), "by GET": {Method: http.MethodGet, Values: url.Values{"logout_token": {token}}},
		"by PUT": {Method: http.MethodPut, Values: url.Values{"logout_token": {token}}},
	} {
		if _, err := p.ReceiveLogout(t.Context(), r, nil); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// The ID token of an attacker's own login is signed by the right key for the right audience.
func TestIDTokenIsNoLogoutToken(t *testing.T) {
	f := upstream(t, time.Now)
	p := openFor(t, f, time.Now, func(c *Config) { c.Logout = true })
	next, err := login(t, f, p, providertest.Attempt())
	if err != nil {
		t.Fatal(err)
	}
	hint := string(next.(providers.Done).Identity.Memory)
	_, err = p.(providers.Logouter).ReceiveLogout(t.Context(), posted(hint), nil)
	wantReason(t, err, "nonce", providers.Invalid)
}

func TestLogoutSendsTheBrowserUpstreamAndBack(t *testing.T) {
	f := upstream(t, time.Now)
	p := openFor(t, f, time.Now, func(c *Config) { c.Logout = true })
	next, err := login(t, f, p, providertest.Attempt())
	if err != nil {
		t.Fatal(err)
	}
	id := next.(providers.Done).Identity
	if n := len(id.Memory); n == 0 || n > 4<<10 {
		t.Fatalf("Memory has %d bytes", n)
	}
	l := &providers.Logout{ID: "out-1", Subject: id.Subject, Memory: id.Memory}
	next, err = p.(providers.Logouter).Logout(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(next.(providers.Redirect).URL)
	if err != nil {
		t.Fatal(err)
	}
	q := to.Query()
	if q.Get("id_token_hint") != string(id.Memory) || q.Get("post_logout_redirect_uri") != "http://127.0.0.1:1/callback/globex/logout" ||
		q.Get("state") != "out-1" || q.Get("client_id") != "signet" || !strings.HasPrefix(to.String(), f.Issuer+"/logout?") {
		t.Errorf("sent to %s", to)
	}
	back := providers.Reply{Method: http.MethodGet, Values: url.Values{"state": {"out-1"}}}
	if out, err := p.(providers.Logouter).ReceiveLogout(t.Context(), back, l); err != nil || !out.Answers || out.Handle != "" || out.Sessions != nil {
		t.Errorf("the way back = %+v, %v", out, err)
	}
	_, err = p.(providers.Logouter).ReceiveLogout(t.Context(), back, nil)
	wantReason(t, err, "state_invalid", providers.Invalid)
	_, err = p.(providers.Logouter).ReceiveLogout(t.Context(), back, &providers.Logout{ID: "out-2"})
	wantReason(t, err, "state_invalid", providers.Invalid)
}

func TestLogoutGoesNowhereUnlessAskedFor(t *testing.T) {
	f := upstream(t, time.Now)
	p := openFor(t, f, time.Now, nil)
	next, err := login(t, f, p, providertest.Attempt())
	if err != nil {
		t.Fatal(err)
	}
	if m := next.(providers.Done).Identity.Memory; m != nil {
		t.Errorf("%d bytes are kept for nothing", len(m))
	}
	if next, err := p.(providers.Logouter).Logout(t.Context(), &providers.Logout{ID: "x"}); next != nil || err != nil {
		t.Errorf("Logout = %v, %v", next, err)
	}
	f.Misbehave(&idptest.OIDCRow{Discovery: func(_ *idptest.OIDC, doc map[string]any) { delete(doc, "end_session_endpoint") }})
	p = openFor(t, f, time.Now, func(c *Config) { c.Logout = true })
	if next, err := p.(providers.Logouter).Logout(t.Context(), &providers.Logout{ID: "x"}); next != nil || err != nil {
		t.Errorf("Logout without an endpoint = %v, %v", next, err)
	}
}

// An ID token with very many groups would not fit into an address.
func TestLargeIDTokenIsNotKept(t *testing.T) {
	f := upstream(t, time.Now)
	f.Misbehave(&idptest.OIDCRow{Claims: func(_ *idptest.OIDC, c map[string]any) { c["groups"] = strings.Repeat("g", 4<<10) }})
	p := openFor(t, f, time.Now, func(c *Config) { c.Logout = true })
	next, err := login(t, f, p, providertest.Attempt())
	if err != nil {
		t.Fatal(err)
	}
	if m := next.(providers.Done).Identity.Memory; m != nil {
		t.Errorf("%d bytes are kept", len(m))
	}
}
