package demoapp

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// signIn sends the browser to the provider (OpenID Connect Core §3.1.2.1). It is the app's
// initiate_login_uri too, so it does nothing but that.
func (a *App) signIn(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if iss := q.Get("iss"); iss != "" && iss != a.opts.Issuer {
		return refused("wrong_issuer", "The link names a sign-in service that this app does not use.", nil)
	}
	p, err := a.party(r.Context())
	if err != nil {
		return err
	}
	s := a.sessions.find(r, a.cookie)
	if s == nil {
		s = &session{}
		a.sessions.name(w, a.cookie, s)
	}
	out := pending{state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier()}
	s.mu.Lock()
	s.add(out)
	s.mu.Unlock()
	options := []oauth2.AuthCodeOption{oidc.Nonce(out.nonce), oauth2.S256ChallengeOption(out.verifier)}
	if id := q.Get("provider"); a.way(id) {
		options = append(options, oauth2.SetAuthURLParam("provider", id))
	}
	if hint := q.Get("login_hint"); hint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", hint))
	}
	if q.Get("prompt") == "select_account" {
		options = append(options, oauth2.SetAuthURLParam("prompt", "select_account"))
	}
	http.Redirect(w, r, p.oauth.AuthCodeURL(out.state, options...), http.StatusSeeOther)
	return nil
}

// callback takes the provider's answer (OpenID Connect Core §3.1.2.5). Everything in it is anybody's until
// the state says that this browser asked for it, and iss that this provider answers.
func (a *App) callback(w http.ResponseWriter, r *http.Request) error {
	p, err := a.party(r.Context())
	if err != nil {
		return err
	}
	q := r.URL.Query()
	s := a.sessions.find(r, a.cookie)
	if s == nil {
		return refused("wrong_state", "This browser has no sign-in under way here.", errors.New("no session"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out, ok := s.take(q.Get("state"))
	if !ok {
		return refused("wrong_state", "The answer belongs to no sign-in of this browser, or it was used before.", errors.New("unknown state"))
	}
	if err := a.readAnswer(q); err != nil {
		return err
	}
	ctx := a.context(r.Context())
	got, err := p.oauth.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(out.verifier))
	if err != nil {
		return a.exchangeFailed("Sign-in refused", err)
	}
	t, err := a.verify(ctx, p, got)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(t.nonce), []byte(out.nonce)) != 1 {
		return refused("wrong_nonce", "The ID token was made for another sign-in.", errors.New("nonce"))
	}
	s.tokens, s.changes, s.ended = t, nil, false
	a.sessions.name(w, a.cookie, s)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// readAnswer refuses an answer of another provider, which would make this app take its code to ours (mix-up,
// RFC 9207 §2.4), and tells what the provider refused.
func (a *App) readAnswer(q url.Values) error {
	if len(q["iss"]) != 1 || q.Get("iss") != a.opts.Issuer {
		return refused("wrong_issuer", "Another sign-in service has answered than the one that was asked.", fmt.Errorf("iss %.100q", q.Get("iss")))
	}
	if code := q.Get("error"); code != "" {
		return &failure{
			Status: http.StatusBadRequest, Title: "You are not signed in", Text: "The sign-in service has ended the sign-in.",
			Code: code, Detail: q.Get("error_description"), Again: true,
		}
	}
	if len(q["code"]) != 1 {
		return refused("no_code", "The sign-in service has sent no code.", errors.New("no code"))
	}
	return nil
}

// exchangeFailed says what the token endpoint has refused. Its answer may hold secrets and is not kept.
func (a *App) exchangeFailed(title string, err error) *failure {
	f := &failure{Status: http.StatusBadGateway, Title: title, Text: "The sign-in service could not be asked for tokens.", Again: true, Err: errors.New("token endpoint cannot be reached")}
	var refusal *oauth2.RetrieveError
	if errors.As(err, &refusal) {
		f.Status, f.Text = http.StatusBadRequest, "The sign-in service has refused to hand out tokens."
		f.Code, f.Detail, f.Err = refusal.ErrorCode, refusal.ErrorDescription, fmt.Errorf("token endpoint: %s", refusal.ErrorCode)
	}
	return f
}
