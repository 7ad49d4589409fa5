package storetest

import (
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/store"
)

func testSessions(t *testing.T, b *bench) {
	ctx := t.Context()
	f := b.signedIn(t)
	s, u, err := b.db.Session(ctx, f.Session.Hash)
	want(t, "Session", err, nil)
	same(t, "Session", s, *f.Session)
	same(t, "its user", u, *f.User)
	_, _, err = b.db.Session(ctx, Hash("unknown"))
	want(t, "Session of an unknown secret", err, broker.ErrNotFound)
	_, _, err = b.db.Session(ctx, nil)
	want(t, "Session of no secret", err, broker.ErrNotFound)

	seen, idle := b.now().Add(time.Hour), b.now().Add(13*time.Hour)
	want(t, "TouchSession", b.db.TouchSession(ctx, s.ID, seen, idle), nil)
	b.advance(13*time.Hour - time.Millisecond)
	s, _, err = b.db.Session(ctx, f.Session.Hash)
	if err != nil || !s.Seen.Equal(seen) || !s.Idle.Equal(idle) {
		t.Fatalf("Session = %+v, %v, want it touched", s, err)
	}
	b.advance(time.Millisecond)
	_, _, err = b.db.Session(ctx, f.Session.Hash)
	want(t, "Session that was not used", err, broker.ErrNotFound)

	f = b.signedIn(t)
	want(t, "TouchSession", b.db.TouchSession(ctx, f.Session.ID, b.now(), f.Session.Ends.Add(time.Hour)), nil)
	b.advance(f.Session.Ends.Sub(b.now()))
	_, _, err = b.db.Session(ctx, f.Session.Hash)
	want(t, "Session past its end", err, broker.ErrNotFound)

	f, online := b.family(t, false)
	offline := Family(b.now(), f.Session)
	more := Finish(b.now(), nil, *f.User, false).Artifact
	more.Session = f.Session.ID
	want(t, "Finish", b.db.Finish(ctx, broker.Finish{Artifact: more, Event: event("x")}), nil)
	want(t, "Redeem", b.db.Redeem(ctx, more.Hash, offline, event("x"), event("y")), nil)
	want(t, "EndSession", b.db.EndSession(ctx, f.Session.ID, event(broker.SessionEnded)), nil)
	want(t, "EndSession again", b.db.EndSession(ctx, f.Session.ID, event(broker.SessionEnded)), nil)
	_, _, err = b.db.Session(ctx, f.Session.Hash)
	want(t, "Session that has ended", err, broker.ErrNotFound)
	if got, _, err := b.db.Family(ctx, online.ID); err != nil || !got.Revoked {
		t.Fatalf("the session's family = %+v, %v, want it revoked", got, err)
	}
	if got, _, err := b.db.Family(ctx, offline.ID); err != nil || got.Revoked {
		t.Fatalf("the offline family = %+v, %v, want it good", got, err)
	}
	events, err := b.db.Events(ctx, 10, store.OfType(broker.SessionEnded))
	if len(events) != 1 || err != nil {
		t.Fatalf("events = %v, %v, want one", events, err)
	}
	want(t, "TouchSession of one that is gone", b.db.TouchSession(ctx, f.Session.ID, b.now(), b.now()), broker.ErrNotFound)
}

func testFinish(t *testing.T, b *bench) {
	ctx := t.Context()
	l := b.login(t)
	former := b.signedIn(t)
	done := l
	done.Stage, done.State = broker.Finished, nil
	f := Finish(b.now(), &done, User(b.now()), true)
	f.Once, f.EndSession = once("a1", b.now().Add(time.Hour)), former.Session.ID
	want(t, "Finish", b.db.Finish(ctx, f), nil)

	got, err := b.db.Login(ctx, l.ID)
	want(t, "Login", err, nil)
	done.Version++
	same(t, "Login", got, done)
	s, u, err := b.db.Session(ctx, f.Session.Hash)
	want(t, "Session", err, nil)
	same(t, "Session", s, *f.Session)
	same(t, "User", u, *f.User)
	_, _, err = b.db.Session(ctx, former.Session.Hash)
	want(t, "the browser's former session", err, broker.ErrNotFound)
	a, u, alive, err := b.db.Artifact(ctx, f.Artifact.Hash)
	want(t, "Artifact", err, nil)
	same(t, "Artifact", a, *f.Artifact)
	same(t, "its user", u, *f.User)
	same(t, "whether its session is alive", alive, true)
	events, err := b.db.Events(ctx, 1, store.OfUser(f.User.ID))
	if err != nil || len(events) != 1 || events[0].Login != l.ID || events[0].Session != s.ID || events[0].ID == "" || !events[0].Time.Equal(b.now()) {
		t.Fatalf("events = %+v, %v", events, err)
	}

	// A session that satisfies an app: an artifact, and nothing else.
	by := Finish(b.now(), nil, *f.User, false)
	by.Session, by.Artifact.Session = nil, f.Session.ID
	want(t, "Finish by a session", b.db.Finish(ctx, by), nil)
	want(t, "EndSession", b.db.EndSession(ctx, f.Session.ID, event(broker.SessionEnded)), nil)
	_, _, alive, err = b.db.Artifact(ctx, by.Artifact.Hash)
	want(t, "Artifact", err, nil)
	same(t, "whether the session is alive after its end", alive, false)
}

func testFinishRefused(t *testing.T, b *bench) {
	ctx := t.Context()
	known := b.signedIn(t)
	used := b.login(t)
	want(t, "UpdateLogin", b.db.UpdateLogin(ctx, used, once("used", b.now().Add(time.Hour))), nil)
	finished := b.login(t)
	want(t, "Finish", b.db.Finish(ctx, Finish(b.now(), &finished, *known.User, false)), nil)
	expired := Login(b.now())
	expired.Expires = b.now()
	want(t, "CreateLogin", b.db.CreateLogin(ctx, expired), nil)
	unknown := Login(b.now())

	for name, c := range map[string]struct {
		change func(*broker.Finish)
		want   error
	}{
		"the login changed":          {func(f *broker.Finish) { f.Login = &used }, broker.ErrConflict},
		"the login was finished":     {func(f *broker.Finish) { f.Login = &finished }, broker.ErrConflict},
		"the login expired":          {func(f *broker.Finish) { f.Login = &expired }, broker.ErrConflict},
		"no such login":              {func(f *broker.Finish) { f.Login = &unknown }, broker.ErrConflict},
		"the proof was used":         {func(f *broker.Finish) { f.Once = once("used", b.now().Add(time.Hour)) }, broker.ErrReplay},
		"the link exists":            {func(f *broker.Finish) { f.Link.Subject = known.User.ID }, broker.ErrConflict},
		"the user exists":            {func(f *broker.Finish) { f.User.ID = known.User.ID }, broker.ErrConflict},
		"the user is gone":           {func(f *broker.Finish) { f.User, f.Link = nil, nil }, broker.ErrConflict},
		"the updated user is gone":   {func(f *broker.Finish) { f.NewUser, f.Link = false, nil }, broker.ErrConflict},
		"the session's ID is taken":  {func(f *broker.Finish) { f.Session.ID = known.Session.ID }, broker.ErrConflict},
		"someone else's session":     {func(f *broker.Finish) { f.Session.ID, f.EndSession = known.Session.ID, known.Session.ID }, broker.ErrConflict},
		"the session's hash exists":  {func(f *broker.Finish) { f.Session.Hash = known.Session.Hash }, broker.ErrConflict},
		"the artifact's hash exists": {func(f *broker.Finish) { f.Artifact.Hash = known.Artifact.Hash }, broker.ErrConflict},
	} {
		l := b.login(t)
		f := Finish(b.now(), &l, User(b.now()), true)
		f.Once = once("fresh", b.now().Add(time.Hour))
		c.change(&f)
		before := b.content(t)
		if err := b.db.Finish(ctx, f); err != c.want {
			t.Errorf("%s: Finish = %v, want %v", name, err, c.want)
		}
		same(t, name+": the database", b.content(t), before)
	}
	f := broker.Finish{Login: &broker.Login{Provider: "corp"}, Once: []providers.Once{{ID: "fresh", Until: b.now()}}}
	want(t, "Finish", b.db.Finish(ctx, f), broker.ErrConflict)
}

func testFinishAgain(t *testing.T, b *bench) {
	ctx := t.Context()
	f, online := b.family(t, false)
	again := Finish(b.now(), nil, *f.User, false)
	again.Session.ID, again.EndSession = f.Session.ID, f.Session.ID
	again.Session.AuthTime, again.Session.AMR = b.now().Add(time.Second), nil
	want(t, "Finish", b.db.Finish(ctx, again), nil)
	_, _, err := b.db.Session(ctx, f.Session.Hash)
	want(t, "Session by the former secret", err, broker.ErrNotFound)
	s, _, err := b.db.Session(ctx, again.Session.Hash)
	want(t, "Session", err, nil)
	same(t, "Session", s, *again.Session)
	if got, _, err := b.db.Family(ctx, online.ID); err != nil || got.Revoked {
		t.Fatalf("the session's family = %+v, %v, want it good", got, err)
	}
	// Somebody else in the same browser: the former session ends, and what was to last only as long as it.
	other := Finish(b.now(), nil, User(b.now()), true)
	other.EndSession = f.Session.ID
	want(t, "Finish", b.db.Finish(ctx, other), nil)
	if got, _, err := b.db.Family(ctx, online.ID); err != nil || !got.Revoked {
		t.Fatalf("the former session's family = %+v, %v, want it revoked", got, err)
	}
	_, _, err = b.db.Session(ctx, again.Session.Hash)
	want(t, "the former session", err, broker.ErrNotFound)
}

func testEvents(t *testing.T, b *bench) {
	ctx := t.Context()
	full := broker.Event{
		ID: "e1", Time: b.now().Add(-time.Hour), Type: "t", Reason: "r", User: "u", App: "a", Provider: "p", Session: "s", Login: "l",
		Addr: "192.0.2.1", RequestID: "q", Detail: "d",
	}
	want(t, "Record", b.db.Record(ctx, full), nil)
	for range 3 {
		want(t, "Record", b.db.Record(ctx, event("x")), nil)
		b.advance(time.Second)
	}
	all, err := b.db.Events(ctx, 10)
	want(t, "Events", err, nil)
	same(t, "the number of events", len(all), 4)
	same(t, "the oldest event", all[3], full)
	if !all[0].Time.After(all[1].Time) || all[0].ID == "" || all[0].ID == all[1].ID {
		t.Fatalf("Events = %+v, want the newest first, each with an ID", all)
	}
	for name, c := range map[string]struct {
		filters []store.EventFilter
		want    int
	}{
		"user":      {[]store.EventFilter{store.OfUser("u")}, 1},
		"type":      {[]store.EventFilter{store.OfType("x")}, 3},
		"both":      {[]store.EventFilter{store.OfUser("u"), store.OfType("x")}, 0},
		"since":     {[]store.EventFilter{store.Since(all[1].Time)}, 2},
		"broken":    {[]store.EventFilter{store.OfUser("\x00")}, 0},
		"injection": {[]store.EventFilter{store.OfType("x' OR '1'='1")}, 0},
	} {
		got, err := b.db.Events(ctx, 10, c.filters...)
		if len(got) != c.want || err != nil {
			t.Errorf("Events by %s = %v, %v, want %d", name, got, err, c.want)
		}
	}
	limited, err := b.db.Events(ctx, 2)
	want(t, "Events", err, nil)
	same(t, "Events, limited", limited, all[:2])
}

func testMeta(t *testing.T, b *bench) {
	for _, value := range []string{"first", "second", "first"} {
		got, err := b.db.Meta(t.Context(), "check", value)
		if got != "first" || err != nil {
			t.Fatalf("Meta(%q) = %q, %v, want the first value", value, got, err)
		}
	}
	got, err := b.db.Meta(t.Context(), "other", "third")
	if got != "third" || err != nil {
		t.Fatalf("Meta = %q, %v", got, err)
	}
	if err := b.db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}
