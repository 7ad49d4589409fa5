package oidc

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signet-broker/signet/internal/authcode"
	"github.com/signet-broker/signet/providers"
)

const (
	maxHint      = 4 << 10         // what is kept of an ID token for the sign-out
	maxLogoutAge = 2 * time.Minute // of a logout token; nobody waits with one
	logoutEvent  = "http://schemas.openid.net/event/backchannel-logout"
)

// Logout sends the browser to the upstream's end_session_endpoint (OpenID Connect RP-Initiated Logout 1.0,
// section 2).
func (p *provider) Logout(ctx context.Context, l *providers.Logout) (providers.Next, error) {
	if !p.conf.Logout {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m, err := p.metadata.Get(ctx)
	if err != nil {
		return nil, err
	}
	if m.EndSessionURL == "" {
		return nil, nil
	}
	to, err := url.Parse(m.EndSessionURL)
	if err != nil {
		return nil, authcode.Broken("end_session_endpoint is no URL")
	}
	q := to.Query()
	q.Set("client_id", p.conf.ClientID)
	q.Set("post_logout_redirect_uri", p.env.Callback()+"/logout")
	q.Set("state", l.ID)
	if len(l.Memory) > 0 {
		q.Set("id_token_hint", string(l.Memory))
	}
	to.RawQuery = q.Encode()
	return providers.Redirect{URL: to.String()}, nil
}

// ReceiveLogout reads a logout token that the upstream itself posts (OpenID Connect Back-Channel Logout 1.0),
// and the browser's way back from a sign-out of ours.
func (p *provider) ReceiveLogout(ctx context.Context, r providers.Reply, l *providers.Logout) (providers.SignOut, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if r.Method == http.MethodGet {
		switch {
		case len(r.Values["state"]) > 1:
			return providers.SignOut{}, providers.Refuse("malformed", "state comes more than once")
		case l == nil || r.Values.Get("state") != l.ID:
			return providers.SignOut{}, providers.Refuse("state_invalid", "the answer to no sign-out of ours")
		}
		return providers.SignOut{Answers: true}, nil
	}
	token := r.Values["logout_token"]
	if r.Method != http.MethodPost || len(token) != 1 {
		return providers.SignOut{}, providers.Refuse("malformed", "%.10q with %d logout tokens", r.Method, len(token))
	}
	return p.readLogoutToken(ctx, token[0])
}

// readLogoutToken is section 2.6 of OpenID Connect Back-Channel Logout 1.0.
func (p *provider) readLogoutToken(ctx context.Context, raw string) (providers.SignOut, error) {
	var none providers.SignOut
	jws, err := p.parse(raw, "logout+jwt", "JWT")
	if err != nil {
		return none, err
	}
	m, err := p.metadata.Get(ctx)
	if err != nil {
		return none, err
	}
	payload, err := p.verify(ctx, jws)
	if err != nil {
		return none, err
	}
	c, err := decode(payload)
	if err != nil {
		return none, err
	}
	for _, check := range []func() error{
		func() error { return p.checkParties(c, m.Issuer) },
		func() error { return p.checkLogoutTimes(c) },
		func() error { return checkLogoutEvent(c) },
	} {
		if err := check(); err != nil {
			return none, err
		}
	}
	return p.signOut(c)
}

func (p *provider) checkLogoutTimes(c claims) error {
	now := p.env.Now()
	iat, ok := c.time("iat")
	if !ok || iat.After(now.Add(drift)) || iat.Before(now.Add(-maxLogoutAge)) {
		return providers.Refuse("iat", "logout token is not of the last %v: is a clock wrong?", maxLogoutAge)
	}
	exp, ok := c.time("exp")
	if !ok || !exp.After(now.Add(-skew)) {
		return providers.Refuse("exp", "logout token has ended, or does not say when it does")
	}
	return nil
}

// checkLogoutEvent: an ID token is signed by the same key for the same audience, and everybody has one of
// their own. What tells the two apart are events, which it has not, and nonce, which it always has.
func checkLogoutEvent(c claims) error {
	if _, there := c["nonce"]; there {
		return providers.Refuse("nonce", "logout token has a nonce: it is an ID token")
	}
	events, _ := c["events"].(map[string]any)
	if _, ok := events[logoutEvent].(map[string]any); !ok {
		return providers.Refuse("events", "logout token is about no sign-out")
	}
	return nil
}

// signOut is what a logout token that may be believed says.
func (p *provider) signOut(c claims) (providers.SignOut, error) {
	var none providers.SignOut
	jti, ok := name(c, "jti")
	if !ok || jti == "" {
		return none, providers.Refuse("jti", "logout token has no jti of 1 to 255 bytes")
	}
	sub, ok := name(c, "sub")
	if !ok {
		return none, providers.Refuse("sub", "logout token has a sub that is none")
	}
	sid, ok := name(c, "sid")
	switch {
	case !ok:
		return none, providers.Refuse("sid", "logout token has a sid that is none")
	case sub == "" && sid == "":
		return none, providers.Refuse("sub", "logout token has neither sub nor sid")
	}
	// Until then: later it is refused for its age.
	once := providers.Once{ID: "logout " + jti, Until: p.env.Now().Add(maxLogoutAge + drift + skew)}
	out := providers.SignOut{Handle: sub, Once: []providers.Once{once}}
	if sid != "" {
		out.Sessions = []string{sid}
	}
	return out, nil
}

// name returns a claim that names something; "" when it is absent. ok is false for what cannot be a name.
func name(c claims, claim string) (s string, ok bool) {
	v, there := c[claim]
	if !there {
		return "", true
	}
	s, ok = v.(string)
	return s, ok && s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
