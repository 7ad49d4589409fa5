package main

import (
	"fmt"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
)

// fillApps registers n apps and returns the id of one.
func fillApps(b *testing.B, w *world, n int) string {
	b.Helper()
	document := `{"redirect_uris":["` + callbackURI + `"],"application_type":"web","grant_types":["authorization_code"],"response_types":["code"],"scope":"openid email",` +
		`"client_name":"Calendar","policy_uri":"https://app.example.com/privacy","token_endpoint_auth_method":"client_secret_basic","subject_type":"public","id_token_signed_response_alg":"RS256"}`
	next := make(chan int)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := range next {
				row := broker.Registered{ID: fmt.Sprintf("%s%026d", broker.RegisteredPrefix, i), Name: "Calendar", Document: []byte(document), SecretHash: make([]byte, 32), TokenHash: make([]byte, 32), Created: time.Now()}
				if err := w.signet.db.AddApp(b.Context(), row, broker.Admission{Most: 1 << 30}, broker.Event{}); err != nil {
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
	return fmt.Sprintf("%s%026d", broker.RegisteredPrefix, 7)
}

// BenchmarkAuthorizeOfRegisteredApps must cost the same however many apps there are.
func BenchmarkAuthorizeOfRegisteredApps(b *testing.B) {
	for _, n := range tenants {
		w := newWorld(b, withRegistration)
		app := fillApps(b, w, n)
		before := heap()
		start := time.Now()
		w.follow()
		took := time.Since(start)
		grown := heap() - before
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := "/authorize?" + authorizeQuery(app, nil).Encode()
			for b.Loop() {
				rec := httptest.NewRecorder()
				req := httptest.NewRequest("GET", w.URL+path, nil)
				w.signet.site.ServeHTTP(rec, req)
				if rec.Code != 303 {
					b.Fatalf("%d %s", rec.Code, rec.Body)
				}
			}
			b.ReportMetric(float64(took.Milliseconds()), "ms/start")
			b.ReportMetric(float64(grown)/1e6, "MB")
		})
		b.Run(fmt.Sprintf("refresh/%d", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				if err := w.signet.db.SetAppDisabled(b.Context(), app, false, time.Now(), broker.Event{}); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				w.follow()
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
