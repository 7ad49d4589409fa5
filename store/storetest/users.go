package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers/password"
	"github.com/signet-broker/signet/store"
)

func testUsers(t *testing.T, b *bench) {
	ctx := t.Context()
	f := b.signedIn(t)
	got, err := b.db.UserByLink(ctx, "corp", f.User.ID)
	want(t, "UserByLink", err, nil)
	same(t, "UserByLink", got, *f.User)
	for _, link := range [][2]string{{"other", f.User.ID}, {"corp", strings.ToLower(f.User.ID)}, {"corp", f.User.ID + " "}, {"", ""}} {
		_, err = b.db.UserByLink(ctx, link[0], link[1])
		want(t, "UserByLink of a stranger", err, broker.ErrNotFound)
	}
	links, err := b.db.Links(ctx, f.User.ID)
	want(t, "Links", err, nil)
	same(t, "Links", links, []broker.Link{*f.Link})

	a, u, l := Account(b.now(), "ann")
	u.Attributes["email"] = "Ann@Example.COM"
	want(t, "CreateAccount", b.db.CreateAccount(ctx, a, u, l, event(broker.UserCreated)), nil)
	for _, ref := range []string{u.ID, "ann", "ANN", "ann@example.com", "ANN@example.com"} {
		found, err := b.db.FindUsers(ctx, ref)
		want(t, "FindUsers", err, nil)
		same(t, "FindUsers "+ref, found, []broker.User{u})
	}
	found, err := b.db.FindUsers(ctx, "")
	if len(found) != 0 || err != nil {
		t.Fatalf("FindUsers of nothing = %v, %v", found, err)
	}
	for email, wanted := range map[string]bool{"ann@example.com": true, "Ann@EXAMPLE.com": true, strings.ToLower(f.User.Attributes.Email()): false, "": false} {
		if local, err := b.db.HasLocalAccount(ctx, email); local != wanted || err != nil {
			t.Fatalf("HasLocalAccount(%q) = %v, %v, want %v", email, local, err, wanted)
		}
	}

	changed := *f.User
	changed.Attributes, changed.Updated = broker.Attributes{"email": "new@example.com"}, b.now().Add(time.Second)
	again := Finish(b.now(), nil, changed, false)
	again.User = &changed
	want(t, "Finish", b.db.Finish(ctx, again), nil)
	found, err = b.db.FindUsers(ctx, "new@example.com")
	want(t, "FindUsers", err, nil)
	same(t, "FindUsers by the new address", found, []broker.User{changed})

	for range 5 {
		b.signedIn(t)
	}
	seen, after := 0, ""
	for {
		page, err := b.db.Users(ctx, after, 3)
		want(t, "Users", err, nil)
		for _, u := range page {
			if u.ID <= after {
				t.Fatalf("Users after %s has %s", after, u.ID)
			}
			after = u.ID
			seen++
		}
		if len(page) < 3 {
			break
		}
	}
	same(t, "the number of users", seen, 7)
}

func testDisable(t *testing.T, b *bench) {
	ctx := t.Context()
	f, fam := b.family(t, true)
	other, otherFam := b.family(t, true)
	want(t, "SetDisabled", b.db.SetDisabled(ctx, f.User.ID, true, event(broker.UserDisabled)), nil)
	_, _, err := b.db.Session(ctx, f.Session.Hash)
	want(t, "Session of a disabled user", err, broker.ErrNotFound)
	got, u, err := b.db.Family(ctx, fam.ID)
	if err != nil || !got.Revoked || !u.Disabled {
		t.Fatalf("Family = %+v, %+v, %v, want it revoked and its user disabled", got, u, err)
	}
	// Everybody who was on the way in meanwhile stays out.
	before := b.content(t)
	want(t, "Finish by a session", b.db.Finish(ctx, broker.Finish{Artifact: Finish(b.now(), nil, *f.User, false).Artifact, Event: event("x")}), broker.ErrConflict)
	want(t, "Finish", b.db.Finish(ctx, Finish(b.now(), nil, *f.User, false)), broker.ErrConflict)
	only := Finish(b.now(), nil, *f.User, false)
	only.Artifact = nil
	want(t, "Finish with a session alone", b.db.Finish(ctx, only), broker.ErrConflict)
	same(t, "the database", b.content(t), before)

	_, _, err = b.db.Session(ctx, other.Session.Hash)
	want(t, "Session of somebody else", err, nil)
	if got, _, err := b.db.Family(ctx, otherFam.ID); err != nil || got.Revoked {
		t.Fatalf("Family of somebody else = %+v, %v", got, err)
	}
	want(t, "SetDisabled of nobody", b.db.SetDisabled(ctx, "nobody", true, event(broker.UserDisabled)), broker.ErrNotFound)
	want(t, "SetDisabled", b.db.SetDisabled(ctx, f.User.ID, false, event(broker.UserEnabled)), nil)
	want(t, "Finish", b.db.Finish(ctx, Finish(b.now(), nil, *f.User, false)), nil)
	if got, _, err := b.db.Family(ctx, fam.ID); err != nil || !got.Revoked {
		t.Fatalf("Family = %+v, %v, want it revoked for good", got, err)
	}
	events, err := b.db.Events(ctx, 10, store.OfUser(f.User.ID), store.OfType(broker.UserDisabled))
	if len(events) != 1 || err != nil {
		t.Fatalf("events of disabling = %v, %v", events, err)
	}
	want(t, "Rotate of a family from before", b.db.Rotate(ctx, fam.ID, 1, b.now(), b.now().Add(time.Hour)), broker.ErrConflict)
	want(t, "Extend of a family from before", b.db.Extend(ctx, fam.ID, 1, b.now().Add(10_000*time.Hour)), broker.ErrConflict)
	// What was begun before stays ended, though the user may sign in again.
	early := b.signedIn(t)
	want(t, "SetDisabled", b.db.SetDisabled(ctx, early.User.ID, true, event(broker.UserDisabled)), nil)
	want(t, "SetDisabled", b.db.SetDisabled(ctx, early.User.ID, false, event(broker.UserEnabled)), nil)
	_, _, err = b.db.Session(ctx, early.Session.Hash)
	want(t, "Session from before", err, broker.ErrNotFound)
	_, _, alive, err := b.db.Artifact(ctx, early.Artifact.Hash)
	if err != nil || alive {
		t.Fatalf("Artifact from before = %v, %v, want its session dead", alive, err)
	}
	want(t, "Redeem of an artifact from before", b.db.Redeem(ctx, early.Artifact.Hash, Family(b.now(), early.Session), event("x"), event("y")), broker.ErrNotFound)
	// Between the look at an artifact and its redemption.
	late := b.signedIn(t)
	want(t, "SetDisabled", b.db.SetDisabled(ctx, late.User.ID, true, event(broker.UserDisabled)), nil)
	want(t, "Redeem of a disabled user", b.db.Redeem(ctx, late.Artifact.Hash, Family(b.now(), late.Session), event("x"), event("y")), broker.ErrNotFound)
}

func testAccounts(t *testing.T, b *bench) {
	ctx := t.Context()
	a, u, l := Account(b.now(), "ann")
	want(t, "CreateAccount", b.db.CreateAccount(ctx, a, u, l, event(broker.UserCreated)), nil)
	got, ok, err := b.db.Account(ctx, "local", "ann")
	if err != nil || !ok {
		t.Fatalf("Account = %v, %v", ok, err)
	}
	same(t, "Account", got, a)
	byLink, err := b.db.UserByLink(ctx, "local", a.Subject)
	want(t, "UserByLink", err, nil)
	same(t, "UserByLink", byLink, u)
	if _, ok, err := b.db.Account(ctx, "local", "bob"); ok || err != nil {
		t.Fatalf("Account of nobody = %v, %v", ok, err)
	}
	before := b.content(t)
	for name, change := range map[string]func(*password.Account, *broker.User, *broker.Link){
		"username": func(x *password.Account, _ *broker.User, _ *broker.Link) { x.Username = "ann" },
		"subject":  func(x *password.Account, _ *broker.User, y *broker.Link) { x.Subject, y.Subject = a.Subject, "fresh" },
		"user":     func(_ *password.Account, x *broker.User, y *broker.Link) { x.ID, y.User = u.ID, u.ID },
		"link":     func(_ *password.Account, _ *broker.User, x *broker.Link) { x.Subject = a.Subject },
	} {
		a2, u2, l2 := Account(b.now(), "bob")
		change(&a2, &u2, &l2)
		want(t, "CreateAccount with a taken "+name, b.db.CreateAccount(ctx, a2, u2, l2, event("x")), broker.ErrConflict)
		same(t, "the database after a taken "+name, b.content(t), before)
	}
}

func testSetPassword(t *testing.T, b *bench) {
	ctx := t.Context()
	a, u, l := Account(b.now(), "ann")
	want(t, "CreateAccount", b.db.CreateAccount(ctx, a, u, l, event(broker.UserCreated)), nil)
	f := Finish(b.now(), nil, u, false)
	want(t, "Finish", b.db.Finish(ctx, f), nil)
	fam := Family(b.now(), f.Session)
	want(t, "Redeem", b.db.Redeem(ctx, f.Artifact.Hash, fam, event("x"), event("y")), nil)
	want(t, "Trust", b.db.Trust(ctx, "local", a.Subject, Hash("browser"), b.now().Add(time.Hour)), nil)

	want(t, "SetPassword of nobody", b.db.SetPassword(ctx, "local", "bob", "new", event(broker.PasswordSet)), broker.ErrNotFound)
	want(t, "SetPassword", b.db.SetPassword(ctx, "local", "ann", "new", event(broker.PasswordSet)), nil)
	if got, _, err := b.db.Account(ctx, "local", "ann"); err != nil || got.Hash != "new" {
		t.Fatalf("Account = %+v, %v, want the new hash", got, err)
	}
	_, _, err := b.db.Session(ctx, f.Session.Hash)
	want(t, "Session", err, broker.ErrNotFound)
	if got, _, err := b.db.Family(ctx, fam.ID); err != nil || !got.Revoked {
		t.Fatalf("Family = %+v, %v, want it revoked", got, err)
	}
	if trusted, err := b.db.Trusted(ctx, "local", a.Subject, Hash("browser")); trusted || err != nil {
		t.Fatalf("Trusted = %v, %v", trusted, err)
	}
	if events, err := b.db.Events(ctx, 1, store.OfUser(u.ID), store.OfType(broker.PasswordSet)); len(events) != 1 || err != nil {
		t.Fatalf("events = %v, %v", events, err)
	}
}

func testCounters(t *testing.T, b *bench) {
	ctx := t.Context()
	start := b.now()
	for i, c := range []struct {
		names []string
		after time.Duration
		want  []password.Counter
	}{
		{[]string{"a", "b"}, 0, []password.Counter{{Count: 1}, {Count: 1}}},
		{[]string{"b", "a"}, 10 * time.Second, []password.Counter{{Count: 2, Last: start}, {Count: 2, Last: start}}},
		{[]string{"a"}, 60 * time.Second, []password.Counter{{Count: 3, Last: start.Add(10 * time.Second)}}},
		// b was last touched 60 s before: the window is over.
		{[]string{"a", "b", "c"}, 70 * time.Second, []password.Counter{{Count: 4, Last: start.Add(time.Minute)}, {Count: 1}, {Count: 1}}},
	} {
		got, err := b.db.Count(ctx, c.names, start.Add(c.after), time.Minute)
		want(t, "Count", err, nil)
		same(t, "Count "+string(rune('1'+i)), got, c.want)
	}
	want(t, "Forget", b.db.Forget(ctx, []string{"a", "unknown"}), nil)
	got, err := b.db.Count(ctx, []string{"a", "b"}, start.Add(71*time.Second), time.Minute)
	want(t, "Count", err, nil)
	same(t, "Count after Forget", got, []password.Counter{{Count: 1}, {Count: 2, Last: start.Add(70 * time.Second)}})
	if got, err := b.db.Count(ctx, nil, start, time.Minute); len(got) != 0 || err != nil {
		t.Fatalf("Count of nothing = %v, %v", got, err)
	}
}

func testTrust(t *testing.T, b *bench) {
	ctx := t.Context()
	until := b.now().Add(time.Hour)
	want(t, "Trust", b.db.Trust(ctx, "local", "s1", Hash("one"), b.now().Add(time.Minute)), nil)
	want(t, "Trust again", b.db.Trust(ctx, "local", "s1", Hash("one"), until), nil)
	trusted := func(provider, subject, device string) bool {
		ok, err := b.db.Trusted(ctx, provider, subject, Hash(device))
		want(t, "Trusted", err, nil)
		return ok
	}
	b.advance(59 * time.Minute)
	if !trusted("local", "s1", "one") {
		t.Fatal("a browser is not trusted until its time")
	}
	if trusted("local", "s1", "two") || trusted("local", "s2", "one") || trusted("other", "s1", "one") {
		t.Fatal("a browser is trusted that never signed in to this account")
	}
	b.advance(time.Minute)
	if trusted("local", "s1", "one") {
		t.Fatal("a browser is trusted after its time")
	}
}
