package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/store"
)

func testEndUpstream(t *testing.T, b *bench) {
	ctx := t.Context()
	// with adds a user's session at a provider, with a family of an app.
	with := func(provider, handle, upstream, app string) (broker.Session, string) {
		t.Helper()
		f := Finish(b.now(), nil, User(b.now()), true)
		f.Link.Provider, f.Session.Provider, f.Session.Handle, f.Session.Upstream, f.Session.Memory = provider, provider, handle, upstream, []byte("m")
		want(t, "Finish", b.db.Finish(ctx, f), nil)
		fam := Family(b.now(), f.Session)
		fam.Offline, fam.App = false, app
		want(t, "Redeem", b.db.Redeem(ctx, f.Artifact.Hash, fam, event("x"), event("y")), nil)
		return *f.Session, fam.ID
	}
	lives := func(s broker.Session) bool {
		t.Helper()
		got, _, err := b.db.Session(ctx, s.Hash)
		if err == nil {
			same(t, "Session", got, s)
		} else {
			want(t, "Session", err, broker.ErrNotFound)
		}
		return err == nil
	}
	for i, c := range []struct {
		o    providers.SignOut
		ends []int // of those below
	}{
		{providers.SignOut{Handle: "ann"}, []int{0, 1}},
		{providers.SignOut{Handle: "ann", Sessions: []string{"s2"}}, []int{1}},
		{providers.SignOut{Handle: "ann", Sessions: []string{"s2", "s1", "s9"}}, []int{0, 1}},
		{providers.SignOut{Sessions: []string{"s3"}}, []int{2}},
		{providers.SignOut{Handle: "ann", Sessions: []string{"s3"}}, nil},
		{providers.SignOut{Handle: "ann", Sessions: []string{""}}, nil},
		{providers.SignOut{Sessions: []string{""}}, nil},
		{providers.SignOut{Handle: "nobody"}, nil},
		{providers.SignOut{Handle: "a\x00", Sessions: []string{"\xff"}}, nil},
		{providers.SignOut{}, nil},
	} {
		for _, table := range []string{"sessions", "notices", "events"} {
			b.exec(t, `DELETE FROM `+table)
		}
		all, families := make([]broker.Session, 5), make([]string, 5)
		for k, of := range [][4]string{{"corp", "ann", "s1", "web"}, {"corp", "ann", "s2", "untold"}, {"corp", "bob", "s3", "web"}, {"hooli", "ann", "s1", "web"}, {"corp", "eve", "", "second"}} {
			all[k], families[k] = with(of[0], of[1], of[2], of[3])
		}
		n, err := b.db.EndUpstream(ctx, "corp", c.o, broker.Event{Type: broker.LogoutReceived, Provider: "corp", RequestID: "r"})
		if err != nil || n != len(c.ends) {
			t.Errorf("%d: EndUpstream = %d, %v, want %d", i, n, err, len(c.ends))
		}
		notices := 0
		for k, s := range all {
			ended := slices.Contains(c.ends, k)
			fam, _, err := b.db.Family(ctx, families[k])
			if lives(s) == ended || err != nil || fam.Revoked != ended {
				t.Errorf("%d: session %d lives: %t, family %+v, %v", i, k, lives(s), fam, err)
			}
			if ended && fam.App == "web" {
				notices++
			}
		}
		same(t, "notices", b.count(t, "notices"), notices)
		events, err := b.db.Events(ctx, 10, store.OfType(broker.SessionEnded))
		if err != nil || len(events) != len(c.ends) {
			t.Errorf("%d: events %+v, %v", i, events, err)
		}
		for _, e := range events {
			if e.Reason != broker.EndedUpstream || e.User == "" || e.Session == "" || e.Provider != "corp" || e.RequestID != "r" {
				t.Errorf("%d: event %+v", i, e)
			}
		}
	}
	s, _ := with("corp", "dan", "s5", "web")
	o := providers.SignOut{Handle: "nobody", Once: once("jti", b.now().Add(time.Hour))}
	_, err := b.db.EndUpstream(ctx, "corp", o, event("x"))
	want(t, "EndUpstream", err, nil)
	before := b.content(t)
	o.Handle = "dan"
	_, err = b.db.EndUpstream(ctx, "corp", o, event("x"))
	want(t, "EndUpstream with a proof that was used", err, broker.ErrReplay)
	same(t, "the database", b.content(t), before)
	if !lives(s) {
		t.Error("a session has ended by a replay")
	}
}

func testNotices(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := func(limit, each int, busy ...string) (list []broker.Notice) {
		t.Helper()
		list, err := b.db.LeaseNotices(ctx, b.now().Add(time.Minute), limit, each, busy)
		want(t, "LeaseNotices", err, nil)
		return list
	}
	f, _ := b.family(t, true)
	apps, err := b.db.SessionApps(ctx, f.Session.ID)
	if err != nil || !slices.Equal(apps, []string{"web"}) {
		t.Fatalf("SessionApps = %v, %v", apps, err)
	}
	want(t, "EndSession", b.db.EndSession(ctx, f.Session.ID, event("x")), nil)
	want(t, "EndSession again", b.db.EndSession(ctx, f.Session.ID, event("x")), nil)
	list := lease(10, 4)
	same(t, "notices", list, []broker.Notice{{Session: f.Session.ID, App: "web", User: f.User.ID, Tries: 1, Created: b.now()}})
	same(t, "notices that another has leased", len(lease(10, 4)), 0)
	b.advance(time.Minute)
	same(t, "notices whose lease has ended", lease(10, 4)[0].Tries, 2)
	list[0].Tries = 1
	want(t, "PostponeNotice by one whose lease has ended", b.db.PostponeNotice(ctx, list[0], b.now()), nil)
	same(t, "notices", len(lease(10, 4)), 0)
	list[0].Tries = 2
	want(t, "PostponeNotice", b.db.PostponeNotice(ctx, list[0], b.now().Add(time.Second)), nil)
	b.advance(time.Second)
	same(t, "notices of an app that is busy", len(lease(10, 4, "other", "web")), 0)
	same(t, "notices beside a busy app whose name is longer", len(lease(10, 4, "web2")), 1)
	e := event(broker.LogoutLost)
	want(t, "DropNotice", b.db.DropNotice(ctx, list[0], &e), nil)
	want(t, "DropNotice again", b.db.DropNotice(ctx, list[0], &e), nil)
	if events, err := b.db.Events(ctx, 10, store.OfType(broker.LogoutLost)); len(events) != 1 || err != nil {
		t.Errorf("events %v, %v, want one", events, err)
	}

	for range 5 {
		f, _ := b.family(t, false)
		want(t, "EndSession", b.db.EndSession(ctx, f.Session.ID, event("x")), nil)
	}
	same(t, "notices of one app at once", len(lease(10, 3)), 3)
	same(t, "notices at once", len(lease(1, 3)), 1)

	// Who took part in a session is known to its end, also when that was put off.
	f = b.signedIn(t)
	fam := Family(b.now(), f.Session)
	fam.Expires, fam.Ends = b.now().Add(time.Hour), b.now().Add(time.Hour)
	want(t, "Redeem", b.db.Redeem(ctx, f.Artifact.Hash, fam, event("x"), event("y")), nil)
	b.advance(100 * time.Hour)
	again := Finish(b.now(), nil, *f.User, false)
	again.Session.ID, again.Artifact.Session, again.EndSession = f.Session.ID, f.Session.ID, f.Session.ID
	want(t, "Finish again", b.db.Finish(ctx, again), nil)
	for _, apps := range []int{1, 0} {
		b.advance(84 * time.Hour)
		want(t, "Sweep", b.db.Sweep(ctx, b.now()), nil)
		got, err := b.db.SessionApps(ctx, f.Session.ID)
		want(t, "SessionApps", err, nil)
		same(t, "apps of a session that was put off", len(got), apps)
	}

	// A user's end is that of all their sessions, and only of theirs.
	f, _ = b.family(t, false)
	before := b.count(t, "notices")
	want(t, "EndSessions", b.db.EndSessions(ctx, f.User.ID, event("x")), nil)
	want(t, "EndSessions of nobody", b.db.EndSessions(ctx, "nobody", event("x")), broker.ErrNotFound)
	want(t, "SetDisabled", b.db.SetDisabled(ctx, f.User.ID, true, event("x")), nil)
	same(t, "notices", b.count(t, "notices"), before+1)
}

func testLogouts(t *testing.T, b *bench) {
	ctx := t.Context()
	l := broker.Logout{
		ID: "id", Provider: "corp", Expires: b.now().Add(time.Minute), State: []byte("s"), Subject: "ann", Handle: "a", Upstream: "s1", Memory: []byte("m"),
		After: broker.After{App: "web", URI: "https://app.example.com/", State: "x", Locales: []string{"de"}, Session: "sid", Apps: []string{"web"}},
	}
	want(t, "CreateLogout", b.db.CreateLogout(ctx, l), nil)
	got, err := b.db.Logout(ctx, "id")
	want(t, "Logout", err, nil)
	same(t, "Logout", got, l)
	want(t, "TakeLogout", b.db.TakeLogout(ctx, "id", event("x")), nil)
	before := b.content(t)
	want(t, "TakeLogout again", b.db.TakeLogout(ctx, "id", event("x")), broker.ErrNotFound)
	same(t, "the database", b.content(t), before)
	_, err = b.db.Logout(ctx, "id")
	want(t, "Logout that was taken", err, broker.ErrNotFound)
	want(t, "CreateLogout", b.db.CreateLogout(ctx, l), nil)
	b.advance(time.Minute)
	_, err = b.db.Logout(ctx, "id")
	want(t, "Logout that has expired", err, broker.ErrNotFound)
	want(t, "TakeLogout of one that has expired", b.db.TakeLogout(ctx, "id", event("x")), broker.ErrNotFound)
	want(t, "Sweep", b.db.Sweep(ctx, b.now()), nil)
	same(t, "logouts", b.count(t, "logouts"), 0)
}

// testEndRaces: whatever is redeemed or refreshed while its session ends is dead afterwards, and its app told.
func testEndRaces(t *testing.T, b *bench) {
	ctx := context.Background()
	for i := range 200 {
		handle := fmt.Sprint("person", i)
		f := Finish(b.now(), nil, User(b.now()), true)
		f.Session.Handle = handle
		want(t, "Finish", b.db.Finish(ctx, f), nil)
		rotated := Family(b.now(), f.Session)
		rotated.Offline = false
		want(t, "Redeem", b.db.Redeem(ctx, f.Artifact.Hash, rotated, event("x"), event("y")), nil)
		late := Finish(b.now(), nil, *f.User, false)
		late.Session, late.Artifact.Session = nil, f.Session.ID
		want(t, "Finish by the session", b.db.Finish(ctx, late), nil)
		fam := Family(b.now(), f.Session)
		fam.Offline, fam.App = false, "second"
		var group sync.WaitGroup
		var redeemed, ended error
		start := make(chan struct{})
		race := func(do func()) { group.Go(func() { <-start; do() }) }
		race(func() { redeemed = b.db.Redeem(ctx, late.Artifact.Hash, fam, event("x"), event("y")) })
		race(func() { b.db.Rotate(ctx, rotated.ID, 1, b.now(), b.now().Add(time.Hour)) })
		race(func() {
			if i%2 == 0 {
				_, ended = b.db.EndUpstream(ctx, "corp", providers.SignOut{Handle: handle}, event("x"))
			} else {
				ended = b.db.EndSession(ctx, f.Session.ID, event("x"))
			}
		})
		close(start)
		group.Wait()
		want(t, "the end", ended, nil)
		want(t, "Rotate afterwards", b.db.Rotate(ctx, rotated.ID, 2, b.now(), b.now().Add(time.Hour)), broker.ErrConflict)
		notices := 1
		switch got, _, err := b.db.Family(ctx, fam.ID); {
		case errors.Is(err, broker.ErrNotFound):
			want(t, "Redeem", redeemed, broker.ErrNotFound)
		case err != nil || redeemed != nil || !got.Revoked:
			t.Fatalf("round %d: a family outlives its session: %+v, %v; Redeem = %v", i, got, err, redeemed)
		default:
			notices = 2
		}
		var n int
		if err := b.raw.QueryRow(`SELECT COUNT(*) FROM notices WHERE session = '` + f.Session.ID + `'`).Scan(&n); err != nil || n != notices {
			t.Fatalf("round %d: %d notices, %v, want %d", i, n, err, notices)
		}
	}
}
