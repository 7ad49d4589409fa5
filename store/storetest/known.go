package storetest

import (
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/store"
)

// known is the end of another login of somebody who has been here, without a word of which user they are.
func known(now time.Time, login *broker.Login, u broker.User) broker.Finish {
	f := Finish(now, login, u, false)
	f.Session.User, f.Artifact.User, f.Event.User = "", "", ""
	return f
}

func testFinishKnown(t *testing.T, b *bench) {
	ctx := t.Context()
	first := b.signedIn(t)
	b.signedIn(t) // somebody else
	l := b.login(t)
	done := l
	done.Stage, done.State = broker.Finished, nil
	f := known(b.now(), &done, *first.User)
	f.Once = once("a1", b.now().Add(time.Hour))
	u, err := b.db.FinishKnown(ctx, f, first.User.Attributes)
	want(t, "FinishKnown", err, nil)
	same(t, "User", u, *first.User)

	got, err := b.db.Login(ctx, l.ID)
	want(t, "Login", err, nil)
	done.Version++
	same(t, "Login", got, done)
	session, artifact := *f.Session, *f.Artifact
	session.User, artifact.User = u.ID, u.ID
	s, u, err := b.db.Session(ctx, f.Session.Hash)
	want(t, "Session", err, nil)
	same(t, "Session", s, session)
	same(t, "its user", u, *first.User)
	for _, from := range []string{"memory", "the database"} {
		a, u, alive, err := b.db.Artifact(ctx, f.Artifact.Hash)
		want(t, "Artifact from "+from, err, nil)
		same(t, "Artifact from "+from, a, artifact)
		same(t, "its user from "+from, u, *first.User)
		same(t, "whether its session is alive", alive, true)
	}
	events, err := b.db.Events(ctx, 1, store.OfUser(u.ID))
	if err != nil || len(events) != 1 || events[0].Login != l.ID || events[0].Session != s.ID {
		t.Fatalf("events = %+v, %v", events, err)
	}
	want(t, "Redeem", b.db.Redeem(ctx, f.Artifact.Hash, Family(b.now(), &s), event("x"), event("y")), nil)
	want(t, "Redeem again", b.db.Redeem(ctx, f.Artifact.Hash, Family(b.now(), &s), event("x"), event("y")), broker.ErrReplay)
}

func testFinishKnownRefused(t *testing.T, b *bench) {
	ctx := t.Context()
	first, disabled := b.signedIn(t), b.signedIn(t)
	want(t, "SetDisabled", b.db.SetDisabled(ctx, disabled.User.ID, true, event("x")), nil)
	used, pushed := b.login(t), Hash("pushed")
	want(t, "UpdateLogin", b.db.UpdateLogin(ctx, used, once("used", b.now().Add(time.Hour))), nil)
	for name, c := range map[string]struct {
		change func(*broker.Finish, broker.Attributes)
		want   error
	}{
		"nobody has the subject":               {func(f *broker.Finish, _ broker.Attributes) { f.Session.Subject = "fresh" }, broker.ErrNotFound},
		"another provider's subject":           {func(f *broker.Finish, _ broker.Attributes) { f.Session.Provider = "other" }, broker.ErrNotFound},
		"a text that cannot be kept":           {func(f *broker.Finish, _ broker.Attributes) { f.Session.Subject = "\x00" }, broker.ErrNotFound},
		"an attribute is new":                  {func(_ *broker.Finish, as broker.Attributes) { as["nickname"] = "Annie" }, broker.ErrNotFound},
		"an attribute has changed":             {func(_ *broker.Finish, as broker.Attributes) { as["name"] = "Ann Other" }, broker.ErrNotFound},
		"an attribute is gone":                 {func(_ *broker.Finish, as broker.Attributes) { delete(as, "name") }, broker.ErrNotFound},
		"a truth is no text":                   {func(_ *broker.Finish, as broker.Attributes) { as["email_verified"] = "true" }, broker.ErrNotFound},
		"the login changed":                    {func(f *broker.Finish, _ broker.Attributes) { f.Login = &used }, broker.ErrConflict},
		"the proof was used":                   {func(f *broker.Finish, _ broker.Attributes) { f.Once = once("used", b.now().Add(time.Hour)) }, broker.ErrReplay},
		"the session's ID is taken":            {func(f *broker.Finish, _ broker.Attributes) { f.Session.ID = first.Session.ID }, broker.ErrConflict},
		"the session's hash exists":            {func(f *broker.Finish, _ broker.Attributes) { f.Session.Hash = first.Session.Hash }, broker.ErrConflict},
		"the artifact's hash exists":           {func(f *broker.Finish, _ broker.Attributes) { f.Artifact.Hash = first.Artifact.Hash }, broker.ErrConflict},
		"the app's request is over":            {func(f *broker.Finish, _ broker.Attributes) { f.Artifact.Request = pushed }, broker.ErrConflict},
		"the artifact is of a strange session": {func(f *broker.Finish, _ broker.Attributes) { f.Artifact.Session = "none" }, broker.ErrConflict},
	} {
		l, as := b.login(t), broker.Attributes{}
		for name, value := range first.User.Attributes {
			as[name] = value
		}
		f := known(b.now(), &l, *first.User)
		c.change(&f, as)
		before := b.content(t)
		if u, err := b.db.FinishKnown(ctx, f, as); err != c.want || u.ID != "" {
			t.Errorf("%s: FinishKnown = %+v, %v, want %v", name, u, err, c.want)
		}
		same(t, name+": the database", b.content(t), before)
	}
	l := b.login(t)
	before := b.content(t)
	_, err := b.db.FinishKnown(ctx, known(b.now(), &l, *disabled.User), disabled.User.Attributes)
	want(t, "FinishKnown of a disabled user", err, broker.ErrNotFound)
	same(t, "the database", b.content(t), before)
}
