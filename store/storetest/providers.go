package storetest

import (
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/store"
)

func (b *bench) changed(t testing.TB) int64 {
	t.Helper()
	n, err := b.db.ProvidersChanged(t.Context())
	want(t, "ProvidersChanged", err, nil)
	return n
}

func testProviders(t *testing.T, b *bench) {
	ctx, e := t.Context(), event(broker.ProviderAdded)
	if n := b.changed(t); n != 0 {
		t.Errorf("nothing was changed %d times", n)
	}
	corp := store.Provider{ID: "corp", Version: 1, Kind: "oidc", Name: "Acme", Peer: "oidc https://idp.example me", Created: b.now(), Updated: b.now(), Sealed: []byte{0, 1, 255}}
	want(t, "AddProvider", b.db.AddProvider(ctx, corp, []store.Domain{{Domain: "acme.example", Provider: "corp", Token: "t1", Created: b.now()}}, e), nil)
	blank := store.Provider{ID: "blank", Kind: "saml", Created: b.now(), Disabled: true, Sealed: []byte("x")}
	want(t, "AddProvider without a peer", b.db.AddProvider(ctx, blank, nil, e), nil)
	blank.ID = "blanker"
	want(t, "a second one without a peer", b.db.AddProvider(ctx, blank, nil, e), nil)

	before, n := b.content(t), b.changed(t)
	want(t, "AddProvider with its id", b.db.AddProvider(ctx, store.Provider{ID: "corp", Created: b.now(), Sealed: []byte("y")}, nil, e), broker.ErrConflict)
	want(t, "AddProvider with its peer", b.db.AddProvider(ctx, store.Provider{ID: "evil", Peer: corp.Peer, Created: b.now(), Sealed: []byte("y")}, []store.Domain{{Domain: "evil.example", Provider: "evil"}}, e), broker.ErrConflict)
	want(t, "SetProviderDisabled of none", b.db.SetProviderDisabled(ctx, "none", true, b.now(), e), broker.ErrNotFound)
	want(t, "RemoveProvider of none", b.db.RemoveProvider(ctx, "none", e), broker.ErrNotFound)
	want(t, "AddDomain to none", b.db.AddDomain(ctx, store.Domain{Domain: "a.example", Provider: "none"}, e), broker.ErrNotFound)
	if b.content(t) != before || b.changed(t) != n {
		t.Error("what was refused has changed something")
	}

	got, err := b.db.Provider(ctx, "corp")
	want(t, "Provider", err, nil)
	same(t, "Provider", got, corp)
	_, err = b.db.Provider(ctx, "no\x00ne")
	want(t, "Provider of none", err, broker.ErrNotFound)
	if id, err := b.db.ProviderWithPeer(ctx, corp.Peer); id != "corp" || err != nil {
		t.Errorf("ProviderWithPeer = %q, %v", id, err)
	}
	if id, err := b.db.ProviderWithPeer(ctx, ""); id != "" || err != nil {
		t.Errorf("ProviderWithPeer of none = %q, %v", id, err)
	}

	b.advance(time.Second)
	want(t, "SetProviderDisabled", b.db.SetProviderDisabled(ctx, "corp", true, b.now(), e), nil)
	if after := b.changed(t); after <= n {
		t.Errorf("changed = %d, was %d", after, n)
	}
	all, err := b.db.Providers(ctx)
	want(t, "Providers", err, nil)
	corp.Disabled, corp.Updated, corp.Sealed = true, b.now(), nil
	if len(all) != 3 {
		t.Fatalf("%d providers, want 3", len(all))
	}
	same(t, "Providers", all[2], corp)

	n = b.changed(t)
	want(t, "RemoveProvider", b.db.RemoveProvider(ctx, "corp", e), nil)
	if b.changed(t) <= n || b.count(t, "domains") != 0 || b.count(t, "providers") != 2 {
		t.Error("a provider was not removed as a whole")
	}
	want(t, "AddProvider once more", b.db.AddProvider(ctx, corp2(corp), nil, e), nil)
}

func corp2(p store.Provider) store.Provider {
	p.Sealed = []byte("z")
	return p
}

func testHasLinks(t *testing.T, b *bench) {
	if has, err := b.db.HasLinks(t.Context(), "corp"); has || err != nil {
		t.Errorf("HasLinks = %v, %v", has, err)
	}
	b.signedIn(t)
	if has, err := b.db.HasLinks(t.Context(), "corp"); !has || err != nil {
		t.Errorf("HasLinks = %v, %v", has, err)
	}
}

func testDomains(t *testing.T, b *bench) {
	ctx, e := t.Context(), event(broker.DomainVerified)
	for _, id := range []string{"a", "b"} {
		want(t, "AddProvider", b.db.AddProvider(ctx, store.Provider{ID: id, Created: b.now(), Sealed: []byte("x")}, nil, e), nil)
		want(t, "AddDomain", b.db.AddDomain(ctx, store.Domain{Domain: "acme.example", Provider: id, Token: "token of " + id, Created: b.now()}, e), nil)
	}
	want(t, "AddDomain again", b.db.AddDomain(ctx, store.Domain{Domain: "acme.example", Provider: "a", Token: "another", Created: b.now()}, e), nil)
	a := store.Domain{Domain: "acme.example", Provider: "a", Token: "token of a"}

	before, n := b.content(t), b.changed(t)
	other := a
	other.Token = "token of b"
	want(t, "VerifyDomain with another's token", b.db.VerifyDomain(ctx, other, b.now(), e), broker.ErrConflict)
	want(t, "RemoveDomain that it has not", b.db.RemoveDomain(ctx, "other.example", "a", e), broker.ErrNotFound)
	if b.content(t) != before || b.changed(t) != n {
		t.Error("what was refused has changed something")
	}

	want(t, "VerifyDomain", b.db.VerifyDomain(ctx, a, b.now(), e), nil)
	if b.changed(t) <= n {
		t.Error("a proven domain is no change")
	}
	second := store.Domain{Domain: "acme.example", Provider: "b", Token: "token of b"}
	want(t, "VerifyDomain of another's", b.db.VerifyDomain(ctx, second, b.now(), e), broker.ErrConflict)
	want(t, "VerifyDomain again", b.db.VerifyDomain(ctx, a, b.now(), e), nil)
	all, err := b.db.Domains(ctx)
	want(t, "Domains", err, nil)
	same(t, "Domains", all, []store.Domain{
		{Domain: "acme.example", Provider: "a", Token: "token of a", Created: b.now(), Verified: b.now()},
		{Domain: "acme.example", Provider: "b", Token: "token of b", Created: b.now()},
	})
	want(t, "RemoveDomain", b.db.RemoveDomain(ctx, "acme.example", "a", e), nil)
	want(t, "VerifyDomain of what is free", b.db.VerifyDomain(ctx, second, b.now(), e), nil)
}
