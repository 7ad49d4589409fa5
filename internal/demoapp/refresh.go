package demoapp

import (
	"errors"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// changes are what a refresh has changed.
type changes struct {
	at      time.Time
	before  *tokens
	rotated bool // the refresh token is another one now
}

// refresh trades the refresh token for new tokens (OpenID Connect Core §12).
func (a *App) refresh(w http.ResponseWriter, r *http.Request) error {
	p, err := a.party(r.Context())
	if err != nil {
		return err
	}
	s := a.sessions.find(r, a.cookie)
	if s == nil {
		return ended()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.tokens
	if old == nil || old.refresh == "" {
		return ended()
	}
	ctx := a.context(r.Context())
	// A token that has no access token is asked for anew.
	got, err := p.oauth.TokenSource(ctx, &oauth2.Token{RefreshToken: old.refresh}).Token()
	if err != nil {
		f := a.exchangeFailed("Not refreshed", err)
		if f.Code == "invalid_grant" {
			s.tokens, s.changes = nil, nil // revoked, expired or used before: only a new sign-in helps
			f.Text = "The refresh token is not good any more, so you are signed out of this app."
		}
		return f
	}
	t, err := a.verify(ctx, p, got)
	if err != nil {
		s.tokens = nil
		return err
	}
	if !sameLogin(old, t) {
		s.tokens = nil
		return refused("other_user", "The refreshed ID token is about somebody else.", errors.New("refresh: another sub or auth_time"))
	}
	s.tokens, s.changes = t, &changes{at: t.came, before: old, rotated: t.refresh != old.refresh}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// sameLogin tells whether two ID tokens are of one sign-in of one person (OpenID Connect Core §12.2). iss
// and aud were verified in both.
func sameLogin(a, b *tokens) bool {
	return a.idClaims["sub"] == b.idClaims["sub"] && a.idClaims["auth_time"] == b.idClaims["auth_time"] &&
		(b.nonce == "" || a.nonce == "" || a.nonce == b.nonce)
}

func ended() *failure {
	return &failure{Status: http.StatusBadRequest, Title: "Nobody is signed in", Text: "The session in this app has ended.", Again: true}
}
