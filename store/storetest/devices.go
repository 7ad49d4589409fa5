package storetest

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
)

// waiting adds a device that waits.
func (b *bench) waiting(t testing.TB, code string) broker.Device {
	t.Helper()
	d := broker.Device{Hash: Hash(rand.Text()), Code: code, App: "web", Data: []byte(`{"scope":["openid"]}`), Expires: b.now().Add(10 * time.Minute)}
	want(t, "AddDevice", b.db.AddDevice(t.Context(), d), nil)
	return d
}

// allows is the end of the login in which a new user allows a device.
func (b *bench) allows(d broker.Device) broker.Finish {
	f := Finish(b.now(), nil, User(b.now()), true)
	f.Artifact = &broker.Artifact{Device: true, Hash: d.Hash, App: d.App, User: f.User.ID, Session: f.Session.ID, Provider: "corp", Data: []byte(`{"a":1}`), Expires: d.Expires}
	return f
}

func (b *bench) deviceFamily(f broker.Finish) token.Family {
	fam := Family(b.now(), f.Session)
	fam.Session = ""
	return fam
}

func (b *bench) deviceState(t testing.TB, d broker.Device) broker.DeviceState {
	t.Helper()
	got, _, err := b.db.Device(t.Context(), d.Hash)
	want(t, "Device", err, nil)
	return got.State
}

func testDevices(t *testing.T, b *bench) {
	ctx, d := t.Context(), b.waiting(t, "BCDFGHJK")
	other := d
	other.Hash = Hash("another")
	want(t, "AddDevice with a code that is taken", b.db.AddDevice(ctx, other), broker.ErrConflict)
	got, u, err := b.db.Device(ctx, d.Hash)
	want(t, "Device", err, nil)
	if got.State != broker.DeviceWaits || got.User != "" || u.ID != "" || string(got.Data) != string(d.Data) || !got.Expires.Equal(d.Expires) {
		t.Errorf("Device = %+v, %+v", got, u)
	}
	_, _, err = b.db.Device(ctx, Hash("guessed"))
	want(t, "Device that is unknown", err, broker.ErrNotFound)
	_, err = b.db.EnterDevice(ctx, "ZZZZZZZZ")
	want(t, "EnterDevice of no code", err, broker.ErrNotFound)
	entered, err := b.db.EnterDevice(ctx, d.Code)
	want(t, "EnterDevice", err, nil)
	if string(entered.Hash) != string(d.Hash) || entered.App != "web" || string(entered.Data) != string(d.Data) {
		t.Errorf("EnterDevice = %+v", entered)
	}
	f := b.allows(d)
	want(t, "RedeemDevice that waits", b.db.RedeemDevice(ctx, d.Hash, b.deviceFamily(f), event("x")), broker.ErrReplay)
	want(t, "Finish", b.db.Finish(ctx, f), nil)
	if n := b.count(t, "artifacts"); n != 0 {
		t.Errorf("%d artifacts beside the device", n)
	}
	got, u, err = b.db.Device(ctx, d.Hash)
	want(t, "Device", err, nil)
	if got.State != broker.DeviceAllowed || got.User != f.User.ID || u.Attributes.Email() != f.User.Attributes.Email() || got.Provider != "corp" || string(got.Answer) != `{"a":1}` {
		t.Errorf("Device = %+v, %+v", got, u)
	}
	before := b.content(t)
	want(t, "Finish of an answered device", b.db.Finish(ctx, b.allows(d)), broker.ErrConflict)
	want(t, "DenyDevice of an answered device", b.db.DenyDevice(ctx, d.Hash, event("x")), nil)
	same(t, "the database after them", b.content(t), before)
	_, err = b.db.EnterDevice(ctx, d.Code)
	want(t, "EnterDevice of an answered device", err, broker.ErrNotFound)

	fam := b.deviceFamily(f)
	want(t, "RedeemDevice", b.db.RedeemDevice(ctx, d.Hash, fam, event(broker.TokensIssued)), nil)
	before = b.content(t)
	want(t, "RedeemDevice again", b.db.RedeemDevice(ctx, d.Hash, b.deviceFamily(f), event("x")), broker.ErrReplay)
	same(t, "the database after it", b.content(t), before)
	want(t, "EndSession", b.db.EndSession(ctx, f.Session.ID, event(broker.SessionEnded)), nil)
	kept, _, err := b.db.Family(ctx, fam.ID)
	want(t, "Family", err, nil)
	if kept.Revoked {
		t.Error("the device's family ended with a browser's session")
	}
}

func testDevicesEnd(t *testing.T, b *bench) {
	ctx, denied := t.Context(), b.waiting(t, "BBBBBBBB")
	want(t, "DenyDevice", b.db.DenyDevice(ctx, denied.Hash, event(broker.DeviceDenied)), nil)
	want(t, "Finish of a denied device", b.db.Finish(ctx, b.allows(denied)), broker.ErrConflict)

	burnt := b.waiting(t, "CCCCCCCC")
	for range 5 {
		_, err := b.db.EnterDevice(ctx, burnt.Code)
		want(t, "EnterDevice", err, nil)
	}
	_, err := b.db.EnterDevice(ctx, burnt.Code)
	want(t, "EnterDevice a sixth time", err, broker.ErrNotFound)
	if s := b.deviceState(t, burnt); s != broker.DeviceBurnt {
		t.Errorf("state %d, want burnt", s)
	}
	want(t, "Finish of a burnt device", b.db.Finish(ctx, b.allows(burnt)), broker.ErrConflict)

	disabled := b.waiting(t, "DDDDDDDD")
	f := b.allows(disabled)
	want(t, "Finish", b.db.Finish(ctx, f), nil)
	want(t, "SetDisabled", b.db.SetDisabled(ctx, f.User.ID, true, event(broker.UserDisabled)), nil)
	want(t, "SetDisabled", b.db.SetDisabled(ctx, f.User.ID, false, event(broker.UserEnabled)), nil)
	if d, u, err := b.db.Device(ctx, disabled.Hash); err != nil || d.User != "" || u.ID != "" {
		t.Errorf("Device of a user who was signed out = %q, %v", d.User, err)
	}
	want(t, "RedeemDevice of a user who was signed out", b.db.RedeemDevice(ctx, disabled.Hash, b.deviceFamily(f), event("x")), broker.ErrReplay)

	late, allowed := b.waiting(t, "FFFFFFFF"), b.waiting(t, "GGGGGGGG")
	f = b.allows(allowed)
	want(t, "Finish", b.db.Finish(ctx, f), nil)
	b.advance(10 * time.Minute)
	_, err = b.db.EnterDevice(ctx, late.Code)
	want(t, "EnterDevice after its time", err, broker.ErrNotFound)
	want(t, "Finish after its time", b.db.Finish(ctx, b.allows(late)), broker.ErrConflict)
	want(t, "RedeemDevice after its time", b.db.RedeemDevice(ctx, allowed.Hash, b.deviceFamily(f), event("x")), broker.ErrReplay)
	want(t, "Sweep", b.db.Sweep(ctx, b.now()), nil)
	if n := b.count(t, "devices"); n != 5 {
		t.Errorf("%d devices just after their time, want 5", n)
	}
	b.advance(time.Hour)
	want(t, "Sweep", b.db.Sweep(ctx, b.now()), nil)
	if n := b.count(t, "devices"); n != 0 {
		t.Errorf("%d devices an hour later", n)
	}
}

func testConsents(t *testing.T, b *bench) {
	ctx, f := t.Context(), Finish(b.now(), nil, User(b.now()), true)
	user := f.User.ID
	f.Consent = &broker.Consent{User: user, App: "web", Scopes: []string{"openid", "email"}, Created: b.now()}
	want(t, "Finish", b.db.Finish(ctx, f), nil)
	again := Finish(b.now(), nil, broker.User{ID: user}, false)
	again.Consent = &broker.Consent{User: user, App: "web", Scopes: []string{"email", "groups"}, Created: b.now().Add(time.Second)}
	want(t, "Finish", b.db.Finish(ctx, again), nil)
	known := func(user, app string, n int) {
		t.Helper()
		if got, err := b.db.Consents(ctx, user, app); err != nil || len(got) != n {
			t.Errorf("Consents = %v, %v, want %d", got, err, n)
		}
	}
	known(user, "web", 3)
	known(user, "other", 0)
	known("nobody", "web", 0)
	all, err := b.db.UserConsents(ctx, user)
	if err != nil || len(all) != 1 || all[0].App != "web" || len(all[0].Scopes) != 3 || !all[0].Created.Equal(b.now()) {
		t.Errorf("UserConsents = %+v, %v", all, err)
	}

	fam := Family(b.now(), f.Session)
	want(t, "Redeem", b.db.Redeem(ctx, f.Artifact.Hash, fam, event("x"), event("y")), nil)
	d := b.waiting(t, "BCDFGHJK")
	third := b.allows(d)
	third.User, third.NewUser, third.Link, third.Artifact.User, third.Session.User = nil, false, nil, user, user
	want(t, "Finish", b.db.Finish(ctx, third), nil)
	want(t, "RevokeConsent of another app", b.db.RevokeConsent(ctx, user, "other", event("x")), broker.ErrNotFound)
	want(t, "RevokeConsent", b.db.RevokeConsent(ctx, user, "web", event(broker.ConsentRevoked)), nil)
	known(user, "web", 0)
	if got, _, err := b.db.Family(ctx, fam.ID); err != nil || !got.Revoked {
		t.Errorf("Family = %+v, %v, want it revoked", got, err)
	}
	want(t, "Redeem", b.db.Redeem(ctx, again.Artifact.Hash, Family(b.now(), again.Session), event("x"), event("y")), broker.ErrNotFound)
	if s := b.deviceState(t, d); s != broker.DeviceRefused {
		t.Errorf("the device's state is %d, want refused", s)
	}
}
