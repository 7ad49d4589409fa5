package main

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestPairwiseNamesLast follows a name through rotations, restarts and new sign-ins.
func TestPairwiseNamesLast(t *testing.T) {
	w := &trial{world: newWorld(t, withPairwise)}
	w.addAccount("ann", "ann@acme.example")
	signIn := func() (a tokenAnswer, c struct{ Sub, SID string }) {
		a = w.redeem(mineApp, w.browser().signInFor(mineApp, "ann", nil), nil)
		decodeClaims(w.t, a.ID, &c)
		return a, c
	}
	a, first := signIn()
	for i := range 15 {
		w.pass(25 * 24 * time.Hour)
		w.rotate()
		w.restart()
		if _, again := signIn(); again.Sub != first.Sub || again.SID == first.SID {
			t.Errorf("sub %s is %s now, sid %s is %s", first.Sub, again.Sub, first.SID, again.SID)
		}
		if i > 2 { // the refresh tokens are over
			continue
		}
		a = w.refresh(mineApp, a.Refresh)
		c := first
		if decodeClaims(w.t, a.ID, &c); c != first {
			t.Errorf("a refreshed ID token is of %v, it was %v", c, first)
		}
	}
}

// TestLogoutTokensNamePeopleAsTheirAppDoes: an app ends the session that it knows, and learns no other name.
func TestLogoutTokensNamePeopleAsTheirAppDoes(t *testing.T) {
	apps, edit := newReceiver(t)
	w := newWorld(t, edit, func(c string) string {
		c = strings.Replace(c, "{id: web,", "{id: web, subject_type: pairwise, sector_identifier: acme.example,", 1)
		return strings.Replace(c, "{id: other,", "{id: other, subject_type: pairwise, sector_identifier: rival.example,", 1)
	})
	apps.trust(w)
	w.telling()
	b := w.browser()
	has := map[string]signedIn{}
	for _, app := range []string{webApp, otherApp} {
		p := b.authorize(app, url.Values{"provider": {"globex"}})
		if app == webApp {
			p = b.atGlobex(p, w.globex, "ann")
		}
		var c struct{ Sub, SID string }
		decodeClaims(t, w.redeem(app, b.atApp(p).Get("code"), nil).ID, &c)
		has[app] = signedIn{sub: c.Sub, sid: c.SID}
	}
	if has[webApp].sub == has[otherApp].sub || has[webApp].sid == has[otherApp].sid {
		t.Errorf("both sectors have %v", has)
	}
	b.signOut()
	for app, want := range has {
		w.until(app+" is told", func() bool { return len(apps.sessions(app)) > 0 })
		apps.mu.Lock()
		if got := apps.got[app][0]; got.Subject != want.sub || got.SessionID != want.sid {
			t.Errorf("%s is told of %s and %s, it knows %s and %s", app, got.Subject, got.SessionID, want.sub, want.sid)
		}
		apps.mu.Unlock()
	}
}
