package store_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/store"
	"github.com/signet-broker/signet/store/storetest"
)

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func open(b testing.TB) *store.DB {
	db, err := store.Open(b.Context(), "sqlite:"+filepath.Join(b.TempDir(), "signet.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return db
}

// signature is the CPU time of one RSA-2048 signature here.
func signature(b *testing.B) time.Duration {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256(nil)
	start := cpu()
	const n = 200
	for range n {
		if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err != nil {
			b.Fatal(err)
		}
	}
	return (cpu() - start) / n
}

// measure runs f by eight goroutines and reports its CPU time, also in units of an RSA-2048 signature.
func measure(b *testing.B, f func(i int64) error) {
	sig := signature(b)
	var i atomic.Int64
	b.SetParallelism(4)
	b.ReportAllocs()
	start := cpu()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := f(i.Add(1) - 1); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	per := float64(cpu()-start) / float64(b.N)
	b.ReportMetric(per/1000, "cpu-µs/op")
	b.ReportMetric(per/float64(sig), "signatures/op")
}

// each runs f for 0 to n-1, many at once.
func each(b *testing.B, n int, f func(i int) error) {
	var group sync.WaitGroup
	for r := range 64 {
		group.Go(func() {
			for i := r; i < n; i += 64 {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

func logins(b *testing.B, db *store.DB) []broker.Login {
	list := make([]broker.Login, b.N)
	each(b, b.N, func(i int) error {
		list[i] = storetest.Login(time.Now())
		return db.CreateLogin(b.Context(), list[i])
	})
	return list
}

func users(b *testing.B, db *store.DB, n int) []broker.Finish {
	list := make([]broker.Finish, n)
	each(b, n, func(i int) error {
		list[i] = storetest.Finish(time.Now(), nil, storetest.User(time.Now()), true)
		return db.Finish(b.Context(), list[i])
	})
	return list
}

func BenchmarkCreateLogin(b *testing.B) {
	db := open(b)
	measure(b, func(int64) error { return db.CreateLogin(b.Context(), storetest.Login(time.Now())) })
}

func BenchmarkFinishNew(b *testing.B) {
	db := open(b)
	list := logins(b, db)
	measure(b, func(i int64) error {
		return db.Finish(b.Context(), storetest.Finish(time.Now(), &list[i], storetest.User(time.Now()), true))
	})
}

func BenchmarkFinish(b *testing.B) {
	db := open(b)
	known := users(b, db, 1000)
	list := logins(b, db)
	measure(b, func(i int64) error {
		return db.Finish(b.Context(), storetest.Finish(time.Now(), &list[i], *known[i%1000].User, false))
	})
}

func BenchmarkFinishBySession(b *testing.B) {
	db := open(b)
	known := users(b, db, 1000)
	measure(b, func(i int64) error {
		f := storetest.Finish(time.Now(), nil, *known[i%1000].User, false)
		f.Session = nil
		return db.Finish(b.Context(), f)
	})
}

func BenchmarkRedeem(b *testing.B) {
	db := open(b)
	known := users(b, db, b.N)
	e := broker.Event{Type: broker.TokensIssued, App: "web", Addr: "192.0.2.17"}
	measure(b, func(i int64) error {
		f := known[i]
		e := e
		e.User = f.User.ID
		return db.Redeem(b.Context(), f.Artifact.Hash, storetest.Family(time.Now(), f.Session), e, e)
	})
}

// BenchmarkWhole is all that one login of somebody known writes: CreateLogin, Finish, Redeem.
func BenchmarkWhole(b *testing.B) {
	db := open(b)
	known := users(b, db, 1000)
	e := broker.Event{Type: broker.TokensIssued, App: "web", Addr: "192.0.2.17"}
	measure(b, func(i int64) error {
		l := storetest.Login(time.Now())
		f := storetest.Finish(time.Now(), &l, *known[i%1000].User, false)
		return errors.Join(db.CreateLogin(b.Context(), l), db.Finish(b.Context(), f), db.Redeem(b.Context(), f.Artifact.Hash, storetest.Family(time.Now(), f.Session), e, e))
	})
}

func BenchmarkRotate(b *testing.B) {
	db := open(b)
	known := users(b, db, 1000)
	var ids []string
	for i := range known {
		f := storetest.Family(time.Now(), known[i].Session)
		if err := db.Redeem(b.Context(), known[i].Artifact.Hash, f, broker.Event{}, broker.Event{}); err != nil {
			b.Fatal(err)
		}
		ids = append(ids, f.ID)
	}
	measure(b, func(i int64) error {
		return db.Rotate(b.Context(), ids[i%1000], i/1000+1, time.Now(), time.Now().Add(720*time.Hour))
	})
}

func BenchmarkLogin(b *testing.B) {
	db := open(b)
	l := storetest.Login(time.Now())
	if err := db.CreateLogin(b.Context(), l); err != nil {
		b.Fatal(err)
	}
	measure(b, func(int64) error { _, err := db.Login(b.Context(), l.ID); return err })
}

func BenchmarkSession(b *testing.B) {
	db := open(b)
	known := users(b, db, 1000)
	measure(b, func(i int64) error { _, _, err := db.Session(b.Context(), known[i%1000].Session.Hash); return err })
}

func BenchmarkArtifact(b *testing.B) {
	db := open(b)
	known := users(b, db, 1000)
	measure(b, func(i int64) error { _, _, _, err := db.Artifact(b.Context(), known[i%1000].Artifact.Hash); return err })
}

func BenchmarkUserByLink(b *testing.B) {
	db := open(b)
	known := users(b, db, 1000)
	measure(b, func(i int64) error { _, err := db.UserByLink(b.Context(), "corp", known[i%1000].User.ID); return err })
}
