package demoapp

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// signOut ends the session here, gives the refresh token back (RFC 7009), and has the provider end its own
// session (OpenID Connect RP-Initiated Logout §2).
func (a *App) signOut(w http.ResponseWriter, r *http.Request) error {
	p, err := a.party(r.Context())
	if err != nil {
		return err
	}
	s := a.sessions.find(r, a.cookie)
	if s == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens
	s.tokens, s.changes, s.ended, s.logout = nil, nil, false, rand.Text()
	if t == nil || p.endSession == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	if err := a.revoke(r.Context(), p, t.refresh); err != nil {
		a.opts.Log.InfoContext(r.Context(), "demo app: refresh token not revoked", "app", a.opts.Name, "error", err)
	}
	to, err := url.Parse(p.endSession)
	if err != nil {
		return fmt.Errorf("end_session_endpoint: %w", err)
	}
	q := to.Query()
	q.Set("id_token_hint", t.id)
	q.Set("post_logout_redirect_uri", a.opts.URL+"/signed-out")
	q.Set("state", s.logout)
	to.RawQuery = q.Encode()
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
	return nil
}

func (a *App) revoke(ctx context.Context, p *party, refresh string) error {
	if p.revocation == "" || refresh == "" {
		return nil
	}
	form := url.Values{"token": {refresh}, "token_type_hint": {"refresh_token"}}
	if a.opts.ClientSecret == "" {
		form.Set("client_id", a.opts.ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if a.opts.ClientSecret != "" {
		req.SetBasicAuth(url.QueryEscape(a.opts.ClientID), url.QueryEscape(a.opts.ClientSecret))
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("revocation endpoint answers %d", resp.StatusCode)
	}
	return nil
}

// signedOut is where the provider sends the browser after a sign-out.
func (a *App) signedOut(w http.ResponseWriter, r *http.Request) error {
	if s := a.sessions.find(r, a.cookie); s != nil {
		s.mu.Lock()
		state := s.logout
		s.logout = ""
		s.mu.Unlock()
		if state != "" && r.URL.Query().Get("state") == state {
			return a.show(w, http.StatusOK, "signedout", nil)
		}
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}
