package demoapp

import "net/http"

// maxLogout is the most bytes of a logout token's form.
const maxLogout = 16 << 10

// backchannel is told by the provider that a session has ended (OpenID Connect Back-Channel Logout 1.0 §2.5 to
// §2.8): whoever is signed in here by it is signed out. Nothing of it comes from a browser.
func (a *App) backchannel(w http.ResponseWriter, r *http.Request) {
	if err := a.endedElsewhere(w, r); err != nil {
		a.opts.Log.InfoContext(r.Context(), "demo app: logout token refused", "app", a.opts.Name, "error", err)
		w.WriteHeader(http.StatusBadRequest)
	}
}

func (a *App) endedElsewhere(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxLogout)
	p, err := a.party(r.Context())
	if err != nil {
		return err
	}
	token, err := p.verifier.VerifyLogout(a.context(r.Context()), r.PostFormValue("logout_token"))
	if err != nil {
		return err
	}
	a.sessions.end(token.SessionID, token.Subject)
	return nil
}

// end signs out whoever is signed in by a session of the provider, or without its name as a person.
func (ss *sessions) end(sid, sub string) {
	for _, s := range ss.all() {
		s.mu.Lock()
		if s.tokens.are(sid, sub) {
			s.tokens, s.changes, s.ended = nil, nil, true
		}
		s.mu.Unlock()
	}
}

// all are the sessions of now. They are not held meanwhile: whoever holds one may wait for the list.
func (ss *sessions) all() []*session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	list := make([]*session, 0, len(ss.byID))
	for _, s := range ss.byID {
		list = append(list, s)
	}
	return list
}

// are tells whether tokens came of a session, or without its name whether they are a person's.
func (t *tokens) are(sid, sub string) bool {
	switch {
	case t == nil || sub != "" && t.idClaims["sub"] != sub:
		return false
	case sid == "":
		return true
	}
	return t.idClaims["sid"] == sid
}
