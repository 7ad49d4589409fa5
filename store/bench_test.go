package store_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/store"
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

func hash(s string) []byte { h := sha256.Sum256([]byte(s)); return h[:] }

func login() broker.Login {
	return broker.Login{
		ID: rand.Text(), Version: 1, Stage: broker.AtProvider, Expires: time.Now().Add(time.Hour), Browser: hash(rand.Text()), Addr: "192.0.2.17",
		Door: "oidc", App: "web", Provider: "corp", State: []byte(rand.Text() + rand.Text() + rand.Text()), Begun: time.Now(),
		Request: json.RawMessage(`{"redirect_uri":"https://app.example.com/callback","scope":["openid","email","profile"],"state":"` + rand.Text() + `","nonce":"` + rand.Text() + `","challenge":"` + rand.Text() + rand.Text() + `"}`),
	}
}

func user() broker.User {
	id := rand.Text()
	return broker.User{ID: id, Created: time.Now(), Updated: time.Now(), Attributes: broker.Attributes{
		"email": id + "@example.com", "email_verified": true, "name": "Ann Example", "given_name": "Ann", "family_name": "Example", "groups": []string{"staff", "engineering"},
	}}
}

func finish(l *broker.Login, u broker.User, isNew bool) broker.Finish {
	now := time.Now()
	s := &broker.Session{ID: rand.Text(), Hash: hash(rand.Text()), User: u.ID, Provider: "corp", Subject: u.ID, AuthTime: now, AMR: []string{"pwd", "otp"},
		Created: now, Seen: now, Idle: now.Add(12 * time.Hour), Ends: now.Add(168 * time.Hour)}
	a := &broker.Artifact{Hash: hash(s.ID), App: "web", User: u.ID, Session: s.ID, Provider: "corp", Expires: now.Add(time.Minute),
		Data: json.RawMessage(`{"redirect_uri":"https://app.example.com/callback","scope":["openid","email","profile"],"nonce":"` + rand.Text() + `","challenge":"` + rand.Text() + rand.Text() + `"}`)}
	f := broker.Finish{Login: l, Session: s, Artifact: a, Event: broker.Event{Type: broker.LoginFinished, User: u.ID, App: "web", Provider: "corp", Session: s.ID, Addr: "192.0.2.17", RequestID: rand.Text()}}
	if l != nil {
		f.Event.Login = l.ID
	}
	if isNew {
		f.User, f.NewUser, f.Link = &u, true, &broker.Link{Provider: "corp", Subject: u.ID, User: u.ID, Created: now}
	}
	return f
}

func family(u, session string) token.Family {
	now := time.Now()
	return token.Family{ID: rand.Text(), App: "web", User: u, Session: session, Provider: "corp", Scope: []string{"openid", "email", "profile", "offline_access"},
		AuthTime: now, AMR: []string{"pwd", "otp"}, Offline: true, Generation: 1, Rotated: now, Created: now, Expires: now.Add(720 * time.Hour), Ends: now.Add(2160 * time.Hour)}
}

func logins(b *testing.B, db *store.DB) []broker.Login {
	list := make([]broker.Login, b.N)
	for i := range list {
		list[i] = login()
		if err := db.CreateLogin(b.Context(), list[i]); err != nil {
			b.Fatal(err)
		}
	}
	return list
}

func users(b *testing.B, db *store.DB, n int) []broker.Finish {
	list := make([]broker.Finish, n)
	for i := range list {
		list[i] = finish(nil, user(), true)
		if err := db.Finish(b.Context(), list[i]); err != nil {
			b.Fatal(err)
		}
	}
	return list
}

func BenchmarkCreateLogin(b *testing.B) {
	db := open(b)
	measure(b, func(int64) error { return db.CreateLogin(b.Context(), login()) })
}

func BenchmarkFinishNew(b *testing.B) {
	db := open(b)
	list := logins(b, db)
	measure(b, func(i int64) error { return db.Finish(b.Context(), finish(&list[i], user(), true)) })
}

func BenchmarkFinish(b *testing.B) {
	db := open(b)
	known := users(b, db, 1000)
	list := logins(b, db)
	measure(b, func(i int64) error { return db.Finish(b.Context(), finish(&list[i], *known[i%1000].User, false)) })
}

func BenchmarkFinishBySession(b *testing.B) {
	db := open(b)
	known := users(b, db, 1000)
	measure(b, func(i int64) error {
		f := finish(nil, *known[i%1000].User, false)
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
		return db.Redeem(b.Context(), f.Artifact.Hash, family(f.User.ID, f.Session.ID), e, e)
	})
}

func BenchmarkRotate(b *testing.B) {
	db := open(b)
	known := users(b, db, 1000)
	var ids []string
	for i := range known {
		f := family(known[i].User.ID, known[i].Session.ID)
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
	l := login()
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

var _ = providers.Once{}
