package main

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/store"
)

// fill registers n providers with a domain each.
func fill(b *testing.B, w *world, n int) {
	b.Helper()
	var wg sync.WaitGroup
	next := make(chan int)
	for range 64 {
		wg.Go(func() {
			for i := range next {
				id := fmt.Sprintf("tenant-%d", i)
				document := fmt.Sprintf("id: %s\nkind: oidc\nname: Tenant %d\nissuer: %s\nclient_id: signet-%d\nclient_secret: globex-secret\n", id, i, w.globex.Issuer, i)
				sealed, err := w.signet.box.Seal(documentPurpose(id), []byte(document))
				if err != nil {
					b.Error(err)
				}
				d := store.Domain{Domain: id + ".example", Provider: id, Token: "t", Created: time.Now()}
				row := store.Provider{ID: id, Kind: "oidc", Name: fmt.Sprintf("Tenant %d", i), Created: time.Now(), Sealed: sealed}
				if err := w.signet.db.AddProvider(b.Context(), row, []store.Domain{d}, broker.Event{}); err != nil {
					b.Error(err)
				}
				if err := w.signet.db.VerifyDomain(b.Context(), d, time.Now(), broker.Event{}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	w.follow()
}

var tenants = []int{10, 10_000}

// BenchmarkAuthorizeWithHint must cost the same however many providers there are.
func BenchmarkAuthorizeWithHint(b *testing.B) {
	for _, n := range tenants {
		w := newWorld(b, withLoopback)
		fill(b, w, n)
		for name, hint := range map[string]url.Values{"id": {"provider": {"tenant-7"}}, "domain": {"login_hint": {"ann@tenant-7.example"}}} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				path := "/authorize?" + authorizeQuery(webApp, hint).Encode()
				for b.Loop() {
					req := httptest.NewRequest("GET", w.URL+path, nil)
					rec := httptest.NewRecorder()
					w.signet.site.ServeHTTP(rec, req)
					if rec.Code != 303 {
						b.Fatal(rec.Code, rec.Body)
					}
				}
			})
		}
	}
}

// BenchmarkStart opens a broker on a database that has providers, until it answers; it reports what their index weighs.
func BenchmarkStart(b *testing.B) {
	for _, n := range tenants {
		w := newWorld(b, withLoopback)
		fill(b, w, n)
		cfg, err := config.Load(w.configFile())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				s, err := open(b.Context(), cfg, slog.New(slog.DiscardHandler))
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				s.close()
				b.StartTimer()
			}
			b.ReportMetric(float64(weight(w)), "index-bytes")
		})
	}
}

// weight is what a snapshot adds to the heap.
func weight(w *world) int64 {
	var before, after runtime.MemStats
	r := w.signet.registry
	r.openers, r.seen = map[string]opener{}, 0
	r.Set(r.own)
	runtime.GC()
	runtime.ReadMemStats(&before)
	w.follow()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}
