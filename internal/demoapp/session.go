package demoapp

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"
)

const (
	maxSessions = 1000
	maxPending  = 8 // sign-ins under way in one browser, e.g. in several tabs
	sessionIdle = 12 * time.Hour
)

// session is one browser. Whoever uses it holds its lock, so that two clicks on Refresh follow each other.
type session struct {
	mu      sync.Mutex
	pending []pending
	tokens  *tokens // nil: nobody is signed in
	changes *changes
	logout  string // state of a sign-out under way
	ended   bool   // the provider has said that it is over, and nobody has signed in since

	used time.Time // guarded by sessions
}

// pending is a sign-in under way.
type pending struct {
	state, nonce, verifier string
}

// take returns the sign-in that a state names, once.
func (s *session) take(state string) (pending, bool) {
	for i, p := range s.pending {
		if state != "" && p.state == state {
			s.pending = append(s.pending[:i:i], s.pending[i+1:]...)
			return p, true
		}
	}
	return pending{}, false
}

// add keeps a sign-in, in place of the oldest if there are too many.
func (s *session) add(p pending) {
	s.pending = append(s.pending, p)
	if len(s.pending) > maxPending {
		s.pending = s.pending[1:]
	}
}

// sessions are kept in memory: the cookie is a random name and nothing else.
type sessions struct {
	now func() time.Time

	mu   sync.Mutex
	byID map[string]*session
}

// find returns the session of a request's browser, nil when it has none.
func (ss *sessions) find(r *http.Request, cookie string) *session {
	c := r.CookiesNamed(cookie)
	if len(c) != 1 {
		return nil
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s := ss.byID[c[0].Value]
	if s == nil || ss.now().Sub(s.used) > sessionIdle {
		return nil
	}
	s.used = ss.now()
	return s
}

// name gives a session a new name and tells the browser. A name from before the sign-in may be known to
// somebody who planted it (session fixation).
func (ss *sessions) name(w http.ResponseWriter, cookie string, s *session) {
	id := rand.Text()
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.byID == nil {
		ss.byID = map[string]*session{}
	}
	var oldest string
	for other, o := range ss.byID {
		if o == s {
			delete(ss.byID, other)
			continue
		}
		if oldest == "" || o.used.Before(ss.byID[oldest].used) {
			oldest = other
		}
	}
	if len(ss.byID) >= maxSessions {
		delete(ss.byID, oldest)
	}
	s.used = ss.now()
	ss.byID[id] = s
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
