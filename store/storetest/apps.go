package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
)

// anyone lets everybody register.
var anyone = broker.Admission{Most: 1000}

// registered is an app that has registered itself.
func registered(id string, now time.Time) broker.Registered {
	return broker.Registered{
		ID: broker.RegisteredPrefix + id, Version: 1, Name: "App " + id, Document: []byte(`{"client_name":"App ` + id + `"}`),
		SecretHash: Hash("secret " + id), TokenHash: Hash("token " + id), Created: now, Updated: now,
	}
}

func (b *bench) appsChanged(t testing.TB) int64 {
	t.Helper()
	n, err := b.db.AppsChanged(t.Context())
	want(t, "AppsChanged", err, nil)
	return n
}

func testApps(t *testing.T, b *bench) {
	ctx, e := t.Context(), event(broker.AppRegistered)
	if n := b.appsChanged(t); n != 0 {
		t.Errorf("nothing was changed %d times", n)
	}
	one, two := registered("one", b.now()), registered("two", b.now())
	one.SecretHash, one.Sealed, one.Notified = nil, []byte{0, 1, 255}, true
	want(t, "AddApp", b.db.AddApp(ctx, one, anyone, e), nil)
	want(t, "AddApp", b.db.AddApp(ctx, two, anyone, e), nil)

	before := b.content(t)
	want(t, "AddApp with its id", b.db.AddApp(ctx, two, anyone, e), broker.ErrConflict)
	want(t, "AddApp beyond what there may be", b.db.AddApp(ctx, registered("three", b.now()), broker.Admission{Most: 2}, e), broker.ErrConflict)
	want(t, "UpdateApp of another version", b.db.UpdateApp(ctx, broker.Registered{ID: one.ID, Version: 2}, true, b.now(), e), broker.ErrConflict)
	want(t, "SetAppDisabled of none", b.db.SetAppDisabled(ctx, "dyn-none", true, b.now(), e), broker.ErrNotFound)
	want(t, "RemoveApp of none", b.db.RemoveApp(ctx, "dyn-none", e), broker.ErrNotFound)
	want(t, "RemoveApp of none", b.db.RemoveApp(ctx, "dyn-\x00", e), broker.ErrNotFound)
	same(t, "the database after what was refused", b.content(t), before)

	one.Change, two.Change = 1, 2
	got, err := b.db.RegisteredApp(ctx, one.ID)
	want(t, "RegisteredApp", err, nil)
	same(t, "RegisteredApp", got, one)
	_, err = b.db.RegisteredApp(ctx, "dyn-\x00")
	want(t, "RegisteredApp of none", err, broker.ErrNotFound)

	b.advance(time.Second)
	change := one
	change.Name, change.Document, change.SecretHash, change.Sealed, change.Notified = "Eins", []byte(`{}`), Hash("new"), nil, false
	want(t, "UpdateApp", b.db.UpdateApp(ctx, change, false, b.now(), e), nil)
	change.Version, change.Change, change.Updated = 2, 3, b.now()
	since, err := b.db.AppsSince(ctx, 2)
	want(t, "AppsSince", err, nil)
	same(t, "AppsSince", since, []broker.Registered{change})
	want(t, "SetAppDisabled", b.db.SetAppDisabled(ctx, two.ID, true, b.now(), e), nil)
	since, err = b.db.AppsSince(ctx, 3)
	want(t, "AppsSince", err, nil)
	two.Disabled, two.Change, two.Updated = true, 4, b.now()
	same(t, "AppsSince", since, []broker.Registered{two})
	if n := b.appsChanged(t); n != 4 {
		t.Errorf("AppsChanged = %d, want 4", n)
	}
}

func testRemoveApp(t *testing.T, b *bench) {
	ctx, e := t.Context(), event(broker.AppRemoved)
	app := registered("gone", b.now())
	want(t, "AddApp", b.db.AddApp(ctx, app, anyone, e), nil)
	signIn := func(id string) broker.Finish {
		f := Finish(b.now(), nil, User(b.now()), true)
		f.Artifact.App = id
		f.Consent = &broker.Consent{User: f.User.ID, App: id, Scopes: []string{"openid"}, Created: b.now()}
		want(t, "Finish", b.db.Finish(ctx, f), nil)
		return f
	}
	redeem := func(f broker.Finish) string {
		fam := Family(b.now(), f.Session)
		fam.App = f.Artifact.App
		want(t, "Redeem", b.db.Redeem(ctx, f.Artifact.Hash, fam, e, e), nil)
		return fam.ID
	}
	again := registered("anew", b.now())
	want(t, "AddApp", b.db.AddApp(ctx, again, anyone, e), nil)
	asked := signIn(again.ID)
	for _, anew := range []bool{false, true} {
		want(t, "UpdateApp", b.db.UpdateApp(ctx, again, anew, b.now(), e), nil)
		if allowed, err := b.db.Consents(ctx, asked.User.ID, again.ID); err != nil || (len(allowed) == 0) != anew {
			t.Errorf("Consents of an app that is another one: %v = %v, %v", anew, allowed, err)
		}
		again.Version++
	}
	want(t, "RemoveApp", b.db.RemoveApp(ctx, again.ID, e), nil)
	spent, other := redeem(signIn(app.ID)), redeem(signIn("web"))
	waiting := signIn(app.ID)
	want(t, "AddRequest", b.db.AddRequest(ctx, broker.Request{Hash: Hash("request"), App: app.ID, Data: []byte(`{}`), Expires: b.now().Add(time.Minute)}), nil)

	want(t, "RemoveApp", b.db.RemoveApp(ctx, app.ID, e), nil)
	if ids, err := b.db.AppIDs(ctx); err != nil || len(ids) != 0 {
		t.Errorf("AppIDs = %v, %v", ids, err)
	}
	if f, _, err := b.db.Family(ctx, spent); err != nil || !f.Revoked {
		t.Errorf("its family = %+v, %v", f, err)
	}
	if f, _, err := b.db.Family(ctx, other); err != nil || f.Revoked {
		t.Errorf("another's family = %+v, %v", f, err)
	}
	_, _, _, err := b.db.Artifact(ctx, waiting.Artifact.Hash)
	want(t, "Artifact", err, broker.ErrNotFound)
	_, err = b.db.Request(ctx, Hash("request"))
	want(t, "Request", err, broker.ErrNotFound)
	if allowed, err := b.db.Consents(ctx, waiting.User.ID, app.ID); err != nil || len(allowed) != 0 {
		t.Errorf("Consents = %v, %v", allowed, err)
	}
	if n := b.count(t, "consents"); n != 1 {
		t.Errorf("%d consents, want another's alone", n)
	}
}

func testInitialTokens(t *testing.T, b *bench) {
	ctx, e := t.Context(), event(broker.AppTokenAdded)
	token := broker.InitialToken{ID: "partner", Hash: Hash("initial"), Most: 2, Created: b.now(), Expires: b.now().Add(time.Hour)}
	by := broker.Admission{TokenHash: token.Hash}
	want(t, "AddApp by a token of nobody's", b.db.AddApp(ctx, registered("0", b.now()), by, e), broker.ErrNotFound)
	want(t, "AddInitialToken", b.db.AddInitialToken(ctx, token, e), nil)
	want(t, "AddInitialToken with its id", b.db.AddInitialToken(ctx, broker.InitialToken{ID: "partner", Hash: Hash("x")}, e), broker.ErrConflict)
	unending := broker.InitialToken{ID: "any", Hash: Hash("any"), Created: b.now(), Expires: b.now().Add(2 * time.Hour)}
	want(t, "AddInitialToken without a bound", b.db.AddInitialToken(ctx, unending, e), nil)

	for _, id := range []string{"1", "2"} {
		want(t, "AddApp", b.db.AddApp(ctx, registered(id, b.now()), by, e), nil)
	}
	before := b.content(t)
	want(t, "AddApp by a token that is used up", b.db.AddApp(ctx, registered("3", b.now()), by, e), broker.ErrNotFound)
	_, err := b.db.InitialToken(ctx, token.Hash)
	want(t, "InitialToken that is used up", err, broker.ErrNotFound)
	same(t, "the database after it", b.content(t), before)
	for _, id := range []string{"4", "5", "6"} {
		want(t, "AddApp", b.db.AddApp(ctx, registered(id, b.now()), broker.Admission{TokenHash: unending.Hash}, e), nil)
	}
	got, err := b.db.InitialToken(ctx, unending.Hash)
	want(t, "InitialToken", err, nil)
	unending.Used = 3
	same(t, "InitialToken", got, unending)
	all, err := b.db.InitialTokens(ctx)
	want(t, "InitialTokens", err, nil)
	if len(all) != 2 || all[1].ID != "partner" || all[1].Used != 2 || slices.ContainsFunc(all, func(t broker.InitialToken) bool { return t.Hash != nil }) {
		t.Errorf("InitialTokens = %+v", all)
	}

	b.advance(2 * time.Hour)
	want(t, "AddApp by a token that has expired", b.db.AddApp(ctx, registered("7", b.now()), broker.Admission{TokenHash: unending.Hash}, e), broker.ErrNotFound)
	want(t, "RemoveInitialToken", b.db.RemoveInitialToken(ctx, "any", e), nil)
	want(t, "RemoveInitialToken again", b.db.RemoveInitialToken(ctx, "any", e), broker.ErrNotFound)
	want(t, "Sweep", b.db.Sweep(ctx, b.now()), nil)
	if n, apps := b.count(t, "app_tokens"), b.count(t, "apps"); n != 0 || apps != 5 {
		t.Errorf("%d tokens and %d apps are left, want 0 and 5", n, apps)
	}
}
