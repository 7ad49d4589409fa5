package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
)

func testLogins(t *testing.T, b *bench) {
	l := Login(b.now())
	l.Identity = &providers.Identity{Subject: "s1", Claims: map[string]any{"email": "ann@example.com", "n": 1.5, "list": []any{"a"}}, AuthTime: b.now(), AMR: []string{"pwd"}}
	l.Only, l.MaxAge, l.HasMaxAge, l.Locales, l.LoginHint = []string{"corp"}, time.Minute, true, []string{"de"}, "ann\x00<b>"
	want(t, "CreateLogin", b.db.CreateLogin(t.Context(), l), nil)
	want(t, "CreateLogin again", b.db.CreateLogin(t.Context(), l), broker.ErrConflict)
	got, err := b.db.Login(t.Context(), l.ID)
	want(t, "Login", err, nil)
	same(t, "Login", got, l)

	l.Stage, l.State = broker.Identified, []byte{0, 255}
	want(t, "UpdateLogin", b.db.UpdateLogin(t.Context(), l, nil), nil)
	want(t, "UpdateLogin of what was read before", b.db.UpdateLogin(t.Context(), l, nil), broker.ErrConflict)
	l.Version++
	got, err = b.db.Login(t.Context(), l.ID)
	want(t, "Login", err, nil)
	same(t, "Login", got, l)

	unknown := Login(b.now())
	want(t, "UpdateLogin of an unknown one", b.db.UpdateLogin(t.Context(), unknown, nil), broker.ErrNotFound)
	b.advance(time.Hour)
	_, err = b.db.Login(t.Context(), l.ID)
	want(t, "Login, expired", err, broker.ErrNotFound)
	want(t, "UpdateLogin, expired", b.db.UpdateLogin(t.Context(), l, nil), broker.ErrNotFound)
}

func testOnce(t *testing.T, b *bench) {
	first, second := b.login(t), b.login(t)
	until := b.now().Add(time.Hour)
	long := strings.Repeat("x", 100_000)
	want(t, "UpdateLogin", b.db.UpdateLogin(t.Context(), first, append(once("a1", until), once(long, until)...)), nil)
	for _, id := range []string{"a1", long} {
		before := b.content(t)
		want(t, "UpdateLogin with a used proof", b.db.UpdateLogin(t.Context(), second, append(once("fresh", until), once(id, until)...)), broker.ErrReplay)
		same(t, "the database after a replay", b.content(t), before)
	}
	// The same ID of another provider is another proof.
	second.Provider = "other"
	want(t, "UpdateLogin at another provider", b.db.UpdateLogin(t.Context(), second, once("a1", until)), nil)
	// A clock that leaps ahead and back does not make it fresh.
	b.advance(90 * time.Minute)
	want(t, "Sweep", b.db.Sweep(t.Context(), b.now()), nil)
	b.advance(-90 * time.Minute)
	third := b.login(t)
	want(t, "UpdateLogin after the clock leapt", b.db.UpdateLogin(t.Context(), third, once("a1", until)), broker.ErrReplay)
}

func testHostileTexts(t *testing.T, b *bench) {
	ctx := t.Context()
	for _, text := range []string{"\x00", "a\x00b", "\xff\xfe", "' OR 1=1 --", strings.Repeat("x", 10_000)} {
		_, err := b.db.Login(ctx, text)
		want(t, "Login", err, broker.ErrNotFound)
		_, err = b.db.UserByLink(ctx, "corp", text)
		want(t, "UserByLink", err, broker.ErrNotFound)
		_, _, err = b.db.Family(ctx, text)
		want(t, "Family", err, broker.ErrNotFound)
		if local, err := b.db.HasLocalAccount(ctx, text); local || err != nil {
			t.Fatalf("HasLocalAccount = %v, %v", local, err)
		}
		if _, ok, err := b.db.Account(ctx, "local", text); ok || err != nil {
			t.Fatalf("Account = %v, %v", ok, err)
		}
		if found, err := b.db.FindUsers(ctx, text); len(found) != 0 || err != nil {
			t.Fatalf("FindUsers = %v, %v", found, err)
		}
		want(t, "EndSession", b.db.EndSession(ctx, text, event(broker.SessionEnded)), nil)
		want(t, "Revoke", b.db.Revoke(ctx, text, event(broker.FamilyRevoked)), nil)
		want(t, "Rotate", b.db.Rotate(ctx, text, 1, b.now(), b.now()), broker.ErrConflict)
		want(t, "Extend", b.db.Extend(ctx, text, 1, b.now()), broker.ErrConflict)
		want(t, "SetDisabled", b.db.SetDisabled(ctx, text, true, event(broker.UserDisabled)), broker.ErrNotFound)
		want(t, "SetPassword", b.db.SetPassword(ctx, "local", text, "h", event(broker.PasswordSet)), broker.ErrNotFound)
		if _, err := b.db.Count(ctx, []string{text}, b.now(), time.Hour); err != nil {
			t.Fatalf("Count = %v", err)
		}
		want(t, "Record", b.db.Record(ctx, broker.Event{Type: "test", Login: text, Detail: text}), nil)
		u := User(b.now())
		u.Attributes["email"], u.Attributes["name"] = text, text
		want(t, "Finish", b.db.Finish(ctx, Finish(b.now(), nil, u, true)), nil)
	}
	for _, subject := range []string{"a\x00b", "\xff"} {
		f := Finish(b.now(), nil, User(b.now()), true)
		f.Link.Subject = subject
		err := b.db.Finish(ctx, f)
		var refused *providers.Error
		if !errors.As(err, &refused) || refused.Kind != providers.Invalid {
			t.Fatalf("Finish with the subject %q = %v, want a refusal", subject, err)
		}
	}
}
