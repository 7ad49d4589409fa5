package storetest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
)

// testRecent has things change between the write of an artifact or a login and its use, also by another node.
func testRecent(t *testing.T, b *bench) {
	ctx := t.Context()
	node := b.db
	b.open(t) // another node on the same database
	for name, change := range map[string]func(f broker.Finish) error{
		"the session ended": func(f broker.Finish) error { return b.db.EndSession(ctx, f.Session.ID, event("x")) },
		"the user was disabled": func(f broker.Finish) error {
			return b.db.SetDisabled(ctx, f.User.ID, true, event("x"))
		},
		"the session was not used": func(f broker.Finish) error { return b.db.TouchSession(ctx, f.Session.ID, b.now(), b.now()) },
	} {
		f := Finish(b.now(), nil, User(b.now()), true)
		f.Who = f.User
		want(t, "Finish", node.Finish(ctx, f), nil)
		want(t, name, change(f), nil)
		before := b.content(t)
		if _, _, _, err := node.Artifact(ctx, f.Artifact.Hash); err != nil {
			t.Fatalf("%s: Artifact = %v", name, err)
		}
		want(t, "Redeem after "+name, node.Redeem(ctx, f.Artifact.Hash, Family(b.now(), f.Session), event("x"), event("y")), broker.ErrNotFound)
		same(t, "the database after "+name, b.content(t), before)
		if _, _, alive, err := node.Artifact(ctx, f.Artifact.Hash); err != nil || alive {
			t.Fatalf("%s: Artifact = %v, %v, want its session dead", name, alive, err)
		}
	}

	f := Finish(b.now(), nil, User(b.now()), true)
	f.Who = f.User
	want(t, "Finish", node.Finish(ctx, f), nil)
	want(t, "Redeem elsewhere", b.db.Redeem(ctx, f.Artifact.Hash, Family(b.now(), f.Session), event("x"), event("y")), nil)
	a, u, _, err := node.Artifact(ctx, f.Artifact.Hash)
	want(t, "Artifact", err, nil)
	same(t, "its user", u, *f.User)
	same(t, "its app", a.App, f.Artifact.App)
	want(t, "Redeem again", node.Redeem(ctx, f.Artifact.Hash, Family(b.now(), f.Session), event("x"), event("y")), broker.ErrReplay)
}

func testRecentLogin(t *testing.T, b *bench) {
	ctx := t.Context()
	somebody, node := b.signedIn(t), b.db
	b.open(t) // another node on the same database
	l := Login(b.now())
	l.Request, l.Asked = nil, map[string]any{"state": "<&>", "scope": []any{"openid"}}
	want(t, "CreateLogin", node.CreateLogin(ctx, l), nil)
	read, err := b.db.Login(ctx, l.ID)
	want(t, "Login", err, nil)
	var asked any
	want(t, "json.Unmarshal", json.Unmarshal(read.Request, &asked), nil)
	same(t, "what was asked for", asked, l.Asked)
	read.Request, read.Asked = nil, l.Asked
	same(t, "all else", read, l)
	if _, ok := b.db.RecentLogin(l.ID); ok {
		t.Fatal("a node remembers what another has made")
	}
	want(t, "UpdateLogin", b.db.UpdateLogin(ctx, l, nil), nil)
	made, ok := node.RecentLogin(l.ID)
	same(t, "whether the login is remembered", ok, true)
	same(t, "RecentLogin", made, l)
	if now, err := node.Login(ctx, l.ID); err != nil || now.Version != 2 {
		t.Fatalf("Login = %+v, %v, want it as it is now", now, err)
	}
	if _, ok := node.RecentLogin(l.ID); ok {
		t.Error("a login is remembered twice")
	}
	want(t, "UpdateLogin as it was", node.UpdateLogin(ctx, made, nil), broker.ErrConflict)
	forgotten := func(what, id string) {
		t.Helper()
		if l, ok := node.RecentLogin(id); ok {
			t.Errorf("RecentLogin after %s = %+v, want nothing", what, l)
		}
	}
	forgotten("UpdateLogin", l.ID)
	large := Login(b.now())
	large.Asked = strings.Repeat("x", 8<<10)
	want(t, "CreateLogin", node.CreateLogin(ctx, large), nil)
	forgotten("a large one", large.ID)
	for what, end := range map[string]func(l broker.Login) error{
		"Finish": func(l broker.Login) error { return node.Finish(ctx, Finish(b.now(), &l, User(b.now()), true)) },
		"FinishKnown": func(l broker.Login) error {
			_, err := node.FinishKnown(ctx, known(b.now(), &l, *somebody.User), somebody.User.Attributes)
			return err
		},
		"its end": func(broker.Login) error { b.advance(time.Hour); return nil },
	} {
		l := Login(b.now())
		want(t, "CreateLogin", node.CreateLogin(ctx, l), nil)
		want(t, what, end(l), nil)
		forgotten(what, l.ID)
	}
	b.advance(time.Hour)
	_, err = node.Login(ctx, l.ID)
	want(t, "Login, expired", err, broker.ErrNotFound)
}
