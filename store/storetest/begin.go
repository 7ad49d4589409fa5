package storetest

import (
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/store"
)

func testBegin(t *testing.T, b *bench) {
	ctx := t.Context()
	f, parent := b.family(t, true)
	child := func() (id string, err error) {
		c := Family(b.now(), f.Session)
		c.Offline, c.Parent = false, parent.ID
		return c.ID, b.db.Begin(ctx, c, event(broker.TokensIssued))
	}
	id, err := child()
	want(t, "Begin", err, nil)
	got, u, err := b.db.Family(ctx, id)
	if err != nil || got.Revoked || got.Parent != parent.ID || u.ID != f.User.ID {
		t.Fatalf("Family = %+v of %s, %v", got, u.ID, err)
	}
	want(t, "Revoke", b.db.Revoke(ctx, id, event(broker.FamilyRevoked)), nil)
	if got, _, err := b.db.Family(ctx, parent.ID); err != nil || got.Revoked {
		t.Fatalf("the parent of a revoked family = %+v, %v", got, err)
	}
	id, err = child()
	want(t, "Begin a second one", err, nil)
	want(t, "Revoke", b.db.Revoke(ctx, parent.ID, event(broker.FamilyRevoked)), nil)
	if got, _, err := b.db.Family(ctx, id); err != nil || !got.Revoked {
		t.Fatalf("Family of a revoked parent = %+v, %v, want it revoked", got, err)
	}

	_, err = child()
	want(t, "Begin from a revoked family", err, broker.ErrNotFound)
	_, parent = b.family(t, true)
	_, err = child()
	want(t, "Begin from another user's family", err, broker.ErrNotFound)
	parent.ID = "unknown"
	_, err = child()
	want(t, "Begin from an unknown family", err, broker.ErrNotFound)
	lone := Family(b.now(), f.Session)
	lone.Session = ""
	want(t, "Begin from nothing", b.db.Begin(ctx, lone, event(broker.TokensIssued)), nil)
	if n, err := b.db.Events(ctx, 10, store.OfType(broker.TokensIssued)); err != nil || len(n) < 3 {
		t.Fatalf("events = %v, %v", n, err)
	}
	want(t, "SetDisabled", b.db.SetDisabled(ctx, f.User.ID, true, event(broker.UserDisabled)), nil)
	lone.ID = "another"
	before := b.content(t)
	want(t, "Begin of a disabled user", b.db.Begin(ctx, lone, event(broker.TokensIssued)), broker.ErrNotFound)
	same(t, "the database", b.content(t), before)
	f, parent = b.family(t, true)
	b.advance(2161 * time.Hour)
	before = b.content(t)
	_, err = child()
	want(t, "Begin from a family past its end", err, broker.ErrNotFound)
	same(t, "the database", b.content(t), before)
}
