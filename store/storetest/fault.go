package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
)

// testFaults has each statement of the operations that matter fail in turn.
func testFaults(t *testing.T, b *bench) {
	ctx := t.Context()
	until := b.now().Add(time.Hour)
	l := b.login(t)
	former, _ := b.family(t, false)
	finish := Finish(b.now(), &l, User(b.now()), true)
	finish.Once, finish.EndSession = once("a1", until), former.Session.ID
	redeem := b.signedIn(t)
	_, rotate := b.family(t, true)
	replay, _ := b.family(t, true)
	parked := b.login(t)
	upstream, _ := b.family(t, false)

	for _, c := range []struct {
		name   string
		writes []string // "table operation"
		run    func() error
		done   error // when nothing fails
	}{
		{"Finish", []string{
			"logins UPDATE", "once INSERT", "users INSERT", "links INSERT", "sessions DELETE", "families UPDATE", "notices INSERT", "sessions INSERT", "artifacts INSERT", "events INSERT",
		}, func() error { return b.db.Finish(ctx, finish) }, nil},
		{"Redeem", []string{"artifacts UPDATE", "families INSERT", "events INSERT"}, func() error {
			return b.db.Redeem(ctx, redeem.Artifact.Hash, Family(b.now(), redeem.Session), event("x"), event("y"))
		}, nil},
		{"Redeem of a spent artifact", []string{"families UPDATE", "events INSERT"}, func() error {
			return b.db.Redeem(ctx, replay.Artifact.Hash, Family(b.now(), replay.Session), event("x"), event("y"))
		}, broker.ErrReplay},
		{"Rotate", []string{"families UPDATE"}, func() error { return b.db.Rotate(ctx, rotate.ID, 1, b.now(), until) }, nil},
		{"Extend", []string{"families UPDATE"}, func() error { return b.db.Extend(ctx, rotate.ID, 2, until.Add(time.Hour)) }, nil},
		{"UpdateLogin", []string{"logins UPDATE", "once INSERT"}, func() error { return b.db.UpdateLogin(ctx, parked, once("a2", until)) }, nil},
		{"EndSession", []string{"sessions DELETE", "events INSERT"}, func() error { return b.db.EndSession(ctx, redeem.Session.ID, event("x")) }, nil},
		{"EndUpstream", []string{"once INSERT", "sessions UPDATE", "families UPDATE", "notices INSERT", "sessions DELETE", "events INSERT"}, func() error {
			_, err := b.db.EndUpstream(ctx, "corp", providers.SignOut{Handle: upstream.User.ID, Once: once("a3", until)}, event("x"))
			return err
		}, nil},
		{"SetDisabled", []string{"users UPDATE", "events INSERT"}, func() error {
			return b.db.SetDisabled(ctx, redeem.User.ID, true, event("x"))
		}, nil},
	} {
		for _, write := range c.writes {
			before := b.content(t)
			undo := b.fault(t, write)
			err := c.run()
			undo()
			if err == nil || errors.Is(err, c.done) {
				t.Errorf("%s with a failing %s = %v, want an error", c.name, write, err)
			}
			same(t, fmt.Sprintf("the database after %s with a failing %s", c.name, write), b.content(t), before)
		}
		// Trying again is safe.
		want(t, c.name, c.run(), c.done)
	}
}

// fault has every statement fail that does an operation on a table, until undo.
func (b *bench) fault(t *testing.T, write string) (undo func()) {
	var table, operation string
	if _, err := fmt.Sscan(write, &table, &operation); err != nil {
		t.Fatal(err)
	}
	if b.sqlite() {
		b.exec(t, `CREATE TRIGGER fault BEFORE `+operation+` ON `+table+` BEGIN SELECT RAISE(ABORT, 'fault'); END`)
		return func() { b.exec(t, `DROP TRIGGER fault`) }
	}
	b.exec(t, `CREATE OR REPLACE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''fault''; END'`)
	b.exec(t, `CREATE TRIGGER fault BEFORE `+operation+` ON `+table+` FOR EACH ROW EXECUTE FUNCTION fault()`)
	return func() { b.exec(t, `DROP TRIGGER fault ON `+table) }
}

func testCommitFault(t *testing.T, b *bench) {
	if b.sqlite() { // a foreign key that is checked at the commit
		b.exec(t, `CREATE TABLE never (id INTEGER PRIMARY KEY REFERENCES never (none) DEFERRABLE INITIALLY DEFERRED, none INTEGER UNIQUE) STRICT`)
		b.exec(t, `CREATE TRIGGER fault AFTER INSERT ON events BEGIN INSERT INTO never (id) VALUES (1); END`)
	} else {
		b.exec(t, `CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''fault''; END'`)
		b.exec(t, `CREATE CONSTRAINT TRIGGER fault AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fault()`)
	}
	l := b.login(t)
	f := Finish(b.now(), &l, User(b.now()), true)
	before := b.content(t)
	if err := b.db.Finish(t.Context(), f); err == nil {
		t.Fatal("Finish = nil though its commit failed")
	}
	same(t, "the database", b.content(t), before)
	if b.sqlite() {
		b.exec(t, `DROP TRIGGER fault`)
	} else {
		b.exec(t, `DROP TRIGGER fault ON events`)
	}
	want(t, "Finish", b.db.Finish(t.Context(), f), nil)
}

// testNeighbours mixes operations that succeed with such that fail late, so that they share commits.
func testNeighbours(t *testing.T, b *bench) {
	known := b.signedIn(t)
	const n = 200
	finishes, errs := make([]broker.Finish, n), make([]error, n)
	for i := range finishes {
		l := b.login(t)
		finishes[i] = Finish(b.now(), &l, User(b.now()), true)
		if i%5 == 0 {
			finishes[i].Link.Subject = known.User.ID
		}
	}
	var group sync.WaitGroup
	for i := range finishes {
		group.Go(func() { errs[i] = b.db.Finish(context.Background(), finishes[i]) })
	}
	group.Wait()
	for i, f := range finishes {
		l, err := b.db.Login(t.Context(), f.Login.ID)
		want(t, "Login", err, nil)
		_, _, err = b.db.Session(t.Context(), f.Session.Hash)
		wanted, gone, version := error(nil), error(nil), int64(2)
		if i%5 == 0 {
			wanted, gone, version = broker.ErrConflict, broker.ErrNotFound, 1
		}
		want(t, "Finish", errs[i], wanted)
		want(t, "its session", err, gone)
		same(t, "its login's version", l.Version, version)
	}
}

func testCancelled(t *testing.T, b *bench) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := b.login(t)
	before := b.content(t)
	want(t, "Finish", b.db.Finish(ctx, Finish(b.now(), &l, User(b.now()), true)), context.Canceled)
	want(t, "Record", b.db.Record(ctx, event("x")), context.Canceled)
	_, err := b.db.Login(ctx, l.ID)
	want(t, "Login", err, context.Canceled)
	same(t, "the database", b.content(t), before)
}
