package storetest

import (
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
)

func pushed(b *bench) broker.Request {
	return broker.Request{Hash: Hash("pushed"), App: "web", Data: []byte(`{"state":"s"}`), Expires: b.now().Add(time.Minute)}
}

func testRequests(t *testing.T, b *bench) {
	ctx, r := t.Context(), pushed(b)
	want(t, "AddRequest", b.db.AddRequest(ctx, r), nil)
	want(t, "AddRequest again", b.db.AddRequest(ctx, r), broker.ErrConflict)
	got, err := b.db.Request(ctx, r.Hash)
	want(t, "Request", err, nil)
	got.Expires = got.Expires.UTC()
	same(t, "Request", got, r)
	_, err = b.db.Request(ctx, Hash("guessed"))
	want(t, "Request that is unknown", err, broker.ErrNotFound)

	// It is over with the first login that finishes, and the second writes nothing.
	first, second := Finish(b.now(), nil, User(b.now()), true), Finish(b.now(), nil, User(b.now()), true)
	first.Artifact.Request, second.Artifact.Request = r.Hash, r.Hash
	want(t, "Finish", b.db.Finish(ctx, first), nil)
	_, err = b.db.Request(ctx, r.Hash)
	want(t, "Request that is answered", err, broker.ErrNotFound)
	before := b.content(t)
	want(t, "Finish of an answered request", b.db.Finish(ctx, second), broker.ErrConflict)
	same(t, "the database after it", b.content(t), before)
}

func testRequestsExpire(t *testing.T, b *bench) {
	ctx, r := t.Context(), pushed(b)
	want(t, "AddRequest", b.db.AddRequest(ctx, r), nil)
	b.advance(time.Minute)
	_, err := b.db.Request(ctx, r.Hash)
	want(t, "Request that has expired", err, broker.ErrNotFound)
	// A login that began with it in time may take an hour.
	b.advance(59 * time.Minute)
	want(t, "Sweep", b.db.Sweep(ctx, b.now()), nil)
	f := Finish(b.now(), nil, User(b.now()), true)
	f.Artifact.Request = r.Hash
	want(t, "Finish", b.db.Finish(ctx, f), nil)

	want(t, "AddRequest", b.db.AddRequest(ctx, r), nil)
	b.advance(2 * time.Minute)
	want(t, "Sweep", b.db.Sweep(ctx, b.now()), nil)
	if n := b.count(t, "requests"); n != 0 {
		t.Errorf("%d requests left", n)
	}
}
