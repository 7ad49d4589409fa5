package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/store"
)

func testRedeem(t *testing.T, b *bench) {
	ctx := t.Context()
	f := b.signedIn(t)
	fam := Family(b.now(), f.Session)
	want(t, "Redeem", b.db.Redeem(ctx, f.Artifact.Hash, fam, event(broker.TokensIssued), event(broker.CodeReplayed)), nil)
	got, u, err := b.db.Family(ctx, fam.ID)
	want(t, "Family", err, nil)
	same(t, "Family", got, fam)
	same(t, "its user", u, *f.User)
	a, _, _, err := b.db.Artifact(ctx, f.Artifact.Hash)
	want(t, "Artifact, spent", err, nil)
	same(t, "what it was spent for", a.Family, fam.ID)

	second := Family(b.now(), f.Session)
	want(t, "Redeem again", b.db.Redeem(ctx, f.Artifact.Hash, second, event(broker.TokensIssued), event(broker.CodeReplayed)), broker.ErrReplay)
	_, _, err = b.db.Family(ctx, second.ID)
	want(t, "the replay's family", err, broker.ErrNotFound)
	if got, _, err := b.db.Family(ctx, fam.ID); err != nil || !got.Revoked {
		t.Fatalf("the first family = %+v, %v, want it revoked", got, err)
	}
	for kind, n := range map[string]int{broker.TokensIssued: 1, broker.CodeReplayed: 1} {
		if events, err := b.db.Events(ctx, 10, store.OfType(kind)); len(events) != n || err != nil {
			t.Fatalf("events %s = %v, %v, want %d", kind, events, err, n)
		}
	}
	// A replay is known a day long, whatever is swept.
	b.advance(23 * time.Hour)
	want(t, "Sweep", b.db.Sweep(ctx, b.now()), nil)
	want(t, "Redeem a day later", b.db.Redeem(ctx, f.Artifact.Hash, second, event("x"), event("y")), broker.ErrReplay)

	before := b.content(t)
	want(t, "Redeem of an unknown artifact", b.db.Redeem(ctx, Hash("unknown"), second, event("x"), event("y")), broker.ErrNotFound)
	_, _, _, err = b.db.Artifact(ctx, Hash("unknown"))
	want(t, "an unknown Artifact", err, broker.ErrNotFound)
	same(t, "the database", b.content(t), before)

	late := b.signedIn(t)
	b.advance(time.Minute)
	before = b.content(t)
	want(t, "Redeem of an expired artifact", b.db.Redeem(ctx, late.Artifact.Hash, Family(b.now(), late.Session), event("x"), event("y")), broker.ErrNotFound)
	same(t, "the database", b.content(t), before)
	if a, _, alive, err := b.db.Artifact(ctx, late.Artifact.Hash); err != nil || !alive || a.Family != "" {
		t.Fatalf("an expired Artifact = %+v, %v, %v", a, alive, err)
	}
}

func testBurn(t *testing.T, b *bench) {
	ctx := t.Context()
	f := b.signedIn(t)
	want(t, "Burn", b.db.Burn(ctx, f.Artifact.Hash, event(broker.TokensRefused), event(broker.CodeReplayed)), nil)
	a, _, _, err := b.db.Artifact(ctx, f.Artifact.Hash)
	if err != nil || a.Family != store.Burned {
		t.Fatalf("Artifact = %+v, %v, want it burned", a, err)
	}
	want(t, "Redeem of a burned artifact", b.db.Redeem(ctx, f.Artifact.Hash, Family(b.now(), f.Session), event("x"), event(broker.CodeReplayed)), broker.ErrReplay)
	want(t, "Burn again", b.db.Burn(ctx, f.Artifact.Hash, event("x"), event(broker.CodeReplayed)), broker.ErrReplay)
	want(t, "Burn of an unknown artifact", b.db.Burn(ctx, Hash("unknown"), event("x"), event("y")), broker.ErrNotFound)

	f, fam := b.family(t, true)
	want(t, "Burn of a redeemed artifact", b.db.Burn(ctx, f.Artifact.Hash, event("x"), event(broker.CodeReplayed)), broker.ErrReplay)
	if got, _, err := b.db.Family(ctx, fam.ID); err != nil || !got.Revoked {
		t.Fatalf("its family = %+v, %v, want it revoked", got, err)
	}
	if events, err := b.db.Events(ctx, 10, store.OfType(broker.CodeReplayed)); len(events) != 3 || err != nil {
		t.Fatalf("events = %v, %v, want 3", events, err)
	}
}

func testFamilies(t *testing.T, b *bench) {
	ctx := t.Context()
	_, fam := b.family(t, true)
	b.advance(time.Minute)
	at, expires := b.now(), b.now().Add(720*time.Hour)
	want(t, "Rotate", b.db.Rotate(ctx, fam.ID, 1, at, expires), nil)
	want(t, "Rotate from what is past", b.db.Rotate(ctx, fam.ID, 1, at, expires), broker.ErrConflict)
	want(t, "Rotate from what is to come", b.db.Rotate(ctx, fam.ID, 3, at, expires), broker.ErrConflict)
	want(t, "Rotate of an unknown family", b.db.Rotate(ctx, "unknown", 1, at, expires), broker.ErrConflict)
	fam.Generation, fam.Rotated, fam.Expires = 2, at, expires
	got, _, err := b.db.Family(ctx, fam.ID)
	want(t, "Family", err, nil)
	same(t, "Family", got, fam)
	later := expires.Add(time.Hour)
	want(t, "Extend", b.db.Extend(ctx, fam.ID, 2, later), nil)
	want(t, "Extend by less", b.db.Extend(ctx, fam.ID, 2, expires), nil)
	want(t, "Extend of what is past", b.db.Extend(ctx, fam.ID, 1, later.Add(time.Hour)), broker.ErrConflict)
	want(t, "Extend of an unknown family", b.db.Extend(ctx, "unknown", 1, later), broker.ErrConflict)
	fam.Expires = later
	got, _, err = b.db.Family(ctx, fam.ID)
	want(t, "Family", err, nil)
	same(t, "Family", got, fam)

	for range 2 {
		want(t, "Revoke", b.db.Revoke(ctx, fam.ID, event(broker.FamilyRevoked)), nil)
	}
	want(t, "Revoke of an unknown family", b.db.Revoke(ctx, "unknown", event(broker.FamilyRevoked)), nil)
	if events, err := b.db.Events(ctx, 10, store.OfType(broker.FamilyRevoked)); len(events) != 1 || err != nil {
		t.Fatalf("events = %v, %v, want one", events, err)
	}
	want(t, "Rotate of a revoked family", b.db.Rotate(ctx, fam.ID, 2, at, expires), broker.ErrConflict)
	want(t, "Extend of a revoked family", b.db.Extend(ctx, fam.ID, 2, later.Add(time.Hour)), broker.ErrConflict)
	fam.Revoked = true
	got, _, err = b.db.Family(ctx, fam.ID)
	want(t, "Family", err, nil)
	same(t, "Family", got, fam)

	_, idle := b.family(t, true)
	_, old := b.family(t, true)
	b.advance(720 * time.Hour)
	_, _, err = b.db.Family(ctx, idle.ID)
	want(t, "Family that was not used", err, broker.ErrNotFound)
	want(t, "Rotate of a family that was not used", b.db.Rotate(ctx, idle.ID, 1, b.now(), b.now().Add(time.Hour)), broker.ErrConflict)
	want(t, "Extend of a family that was not used", b.db.Extend(ctx, idle.ID, 1, b.now().Add(time.Hour)), broker.ErrConflict)
	b.advance(-time.Millisecond)
	want(t, "Rotate", b.db.Rotate(ctx, old.ID, 1, b.now(), b.now().Add(10_000*time.Hour)), nil)
	b.advance(1440*time.Hour + time.Millisecond)
	_, _, err = b.db.Family(ctx, old.ID)
	want(t, "Family past its end", err, broker.ErrNotFound)
	want(t, "Rotate of a family past its end", b.db.Rotate(ctx, old.ID, 2, b.now(), b.now().Add(time.Hour)), broker.ErrConflict)
	want(t, "Extend of a family past its end", b.db.Extend(ctx, old.ID, 2, b.now().Add(time.Hour)), broker.ErrConflict)
}

func testKeys(t *testing.T, b *bench) {
	ctx := t.Context()
	first, next := Key("RS256", 1, b.now().Add(-time.Hour)), Key("RS256", 2, b.now().Add(time.Hour))
	other := Key("ES256", 1, b.now().Add(-time.Hour))
	e := event(broker.KeyRotated)
	want(t, "AddKeys", b.db.AddKeys(ctx, []keys.Record{first, next, other}, &e), nil)
	all, err := b.db.Keys(ctx)
	want(t, "Keys", err, nil)
	same(t, "Keys", all, []keys.Record{other, first, next})
	before := b.content(t)
	for name, r := range map[string]keys.Record{
		"line": Key("RS256", 2, b.now()),
		"ID":   {ID: first.ID, Use: "sig", Alg: "PS256", Seq: 1, Sealed: []byte{1}},
	} {
		want(t, "AddKeys with a taken "+name, b.db.AddKeys(ctx, []keys.Record{Key("EdDSA", 1, b.now()), r}, &e), broker.ErrConflict)
		want(t, "ActivateKey with a taken "+name, b.db.ActivateKey(ctx, next.ID, b.now(), r, e), broker.ErrConflict)
	}
	want(t, "ActivateKey of an active key", b.db.ActivateKey(ctx, first.ID, b.now(), Key("RS256", 3, b.now()), e), broker.ErrConflict)
	want(t, "ActivateKey of an unknown key", b.db.ActivateKey(ctx, "unknown", b.now(), Key("RS256", 3, b.now()), e), broker.ErrConflict)
	same(t, "the database", b.content(t), before)

	third := Key("RS256", 3, b.now().Add(time.Hour))
	want(t, "ActivateKey", b.db.ActivateKey(ctx, next.ID, b.now(), third, e), nil)
	want(t, "ActivateKey again", b.db.ActivateKey(ctx, next.ID, b.now(), Key("RS256", 4, b.now()), e), broker.ErrConflict)
	lone := Key("PS256", 1, b.now().Add(time.Hour))
	want(t, "AddKeys", b.db.AddKeys(ctx, []keys.Record{lone}, nil), nil)
	want(t, "ActivateKey without a successor", b.db.ActivateKey(ctx, lone.ID, b.now(), keys.Record{}, e), nil)
	lone.Active = b.now()
	next.Active = b.now()
	want(t, "DeleteKeys", b.db.DeleteKeys(ctx, []string{first.ID, "unknown"}), nil)
	want(t, "DeleteKeys of none", b.db.DeleteKeys(ctx, nil), nil)
	all, err = b.db.Keys(ctx)
	want(t, "Keys", err, nil)
	same(t, "Keys", all, []keys.Record{other, lone, next, third})
	if events, err := b.db.Events(ctx, 10); len(events) != 3 || err != nil {
		t.Fatalf("events = %v, %v, want 3", events, err)
	}
}

func testReopen(t *testing.T, b *bench) {
	ctx := t.Context()
	f, fam := b.family(t, true)
	l := b.login(t)
	want(t, "UpdateLogin", b.db.UpdateLogin(ctx, l, once("a1", b.now().Add(time.Hour))), nil)
	want(t, "Rotate", b.db.Rotate(ctx, fam.ID, 1, b.now(), b.now().Add(time.Hour)), nil)
	want(t, "Close", b.db.Close(), nil)
	b.open(t)
	_, _, err := b.db.Session(ctx, f.Session.Hash)
	want(t, "Session", err, nil)
	want(t, "Rotate", b.db.Rotate(ctx, fam.ID, 1, b.now(), b.now().Add(time.Hour)), broker.ErrConflict)
	want(t, "UpdateLogin", b.db.UpdateLogin(ctx, l, nil), broker.ErrConflict)
	want(t, "UpdateLogin", b.db.UpdateLogin(ctx, b.login(t), once("a1", b.now().Add(time.Hour))), broker.ErrReplay)
	want(t, "Redeem", b.db.Redeem(ctx, f.Artifact.Hash, Family(b.now(), f.Session), event("x"), event("y")), broker.ErrReplay)
}

func testSweep(t *testing.T, b *bench) {
	ctx := t.Context()
	// More than one transaction removes.
	for i := range 1100 {
		l := Login(b.now())
		want(t, "CreateLogin", b.db.CreateLogin(ctx, l), nil)
		if i%2 == 0 {
			_, err := b.db.Count(ctx, []string{fmt.Sprint(i)}, b.now(), time.Hour+time.Minute)
			want(t, "Count", err, nil)
		}
	}
	f, fam := b.family(t, true)
	want(t, "UpdateLogin", b.db.UpdateLogin(ctx, b.login(t), once("a1", b.now().Add(time.Hour))), nil)
	want(t, "Trust", b.db.Trust(ctx, "local", "s", Hash("x"), b.now().Add(time.Hour+2*time.Minute)), nil)
	want(t, "AddKeys", b.db.AddKeys(ctx, []keys.Record{Key("RS256", 1, b.now())}, nil), nil)
	a, u, l := Account(b.now(), "ann")
	want(t, "CreateAccount", b.db.CreateAccount(ctx, a, u, l, event("x")), nil)
	events := b.count(t, "events")

	before := b.content(t)
	want(t, "Sweep", b.db.Sweep(ctx, b.now()), nil)
	same(t, "the database after a sweep with nothing to do", b.content(t), before)
	for _, c := range []struct {
		table string
		at    time.Time // until then a row stays
	}{
		{"logins", b.now().Add(time.Hour)},
		{"counters", b.now().Add(time.Hour + time.Minute)},
		{"trusted", b.now().Add(time.Hour + 2*time.Minute)},
		{"once", b.now().Add(3 * time.Hour)},
		{"sessions", f.Session.Idle},
		{"artifacts", f.Artifact.Expires.Add(24 * time.Hour)},
		{"families", fam.Expires},
	} {
		want(t, "Sweep", b.db.Sweep(ctx, c.at.Add(-time.Millisecond)), nil)
		if b.count(t, c.table) == 0 {
			t.Errorf("%s: removed before its time", c.table)
		}
		want(t, "Sweep", b.db.Sweep(ctx, c.at), nil)
		if n := b.count(t, c.table); n != 0 {
			t.Errorf("%s: %d rows left after their time", c.table, n)
		}
	}
	want(t, "Sweep", b.db.Sweep(ctx, b.now().Add(100_000*time.Hour)), nil)
	for table, n := range map[string]int{"events": events, "users": 2, "links": 2, "accounts": 1, "keys": 1} {
		same(t, "rows of "+table, b.count(t, table), n)
	}
}
