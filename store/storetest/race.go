package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/store"
)

const (
	rounds = 1000
	racers = 3
)

// contest is something that one of many may do.
type contest struct {
	name string
	// prepare makes round i ready; all who race have it from i alone.
	prepare func(ctx context.Context, db *store.DB, now time.Time, i int) error
	try     func(ctx context.Context, db *store.DB, now time.Time, i int) error
	lost    error
}

func testRaces(t *testing.T, b *bench) {
	for _, c := range contests(rand.Text()) {
		t.Run(c.name, func(t *testing.T) {
			prepare(t, c, b.db, b.now())
			for i := range rounds {
				var group sync.WaitGroup
				errs := make([]error, racers)
				for r := range racers {
					group.Go(func() { errs[r] = c.try(context.Background(), b.db, b.now(), i) })
				}
				group.Wait()
				won := 0
				for _, err := range errs {
					if err == nil {
						won++
					} else if !errors.Is(err, c.lost) {
						t.Fatalf("round %d: %v, want %v", i, err, c.lost)
					}
				}
				if won != 1 {
					t.Fatalf("round %d: %d have won, want one", i, won)
				}
			}
		})
	}
}

func prepare(t testing.TB, c contest, db *store.DB, now time.Time) {
	t.Helper()
	var group sync.WaitGroup
	for r := range 16 { // together, for they share commits
		group.Go(func() {
			for i := r; i < rounds; i += 16 {
				if err := c.prepare(context.Background(), db, now, i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// contests are all that is single-use. run makes their names different from those of another run.
func contests(run string) []contest {
	name := func(what string, i int) string { return fmt.Sprint(run, what, i) }
	person := func(now time.Time, i int) broker.Finish {
		f := Finish(now, nil, User(now), true)
		f.User.ID = name("user", i)
		f.User.Attributes["email"] = f.User.ID + "@example.com"
		f.Link.User, f.Link.Subject, f.Session.User, f.Artifact.User = f.User.ID, f.User.ID, f.User.ID, f.User.ID
		f.Artifact.Hash, f.Artifact.Expires = Hash(name("code", i)), now.Add(time.Hour)
		return f
	}
	signIn := func(ctx context.Context, db *store.DB, now time.Time, i int) error {
		return db.Finish(ctx, person(now, i))
	}
	login := func(i int, now time.Time) broker.Login {
		l := Login(now)
		l.ID = name("login", i)
		return l
	}
	create := func(ctx context.Context, db *store.DB, now time.Time, i int) error {
		return db.CreateLogin(ctx, login(i, now))
	}
	nothing := func(context.Context, *store.DB, time.Time, int) error { return nil }
	family := func(now time.Time, i int) (f broker.Session, id string) {
		return broker.Session{User: name("user", i), ID: name("session", i)}, name("family", i)
	}
	redeem := func(ctx context.Context, db *store.DB, now time.Time, i int) error {
		s, _ := family(now, i)
		return db.Redeem(ctx, Hash(name("code", i)), Family(now, &s), event("x"), event("y"))
	}
	key := func(seq int, active time.Time, i int) keys.Record { return Key(name("alg", i), int64(seq), active) }
	return []contest{
		{"Redeem", signIn, redeem, broker.ErrReplay},
		{"Burn", func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			f := Finish(now, nil, broker.User{ID: name("user", i)}, false)
			f.Artifact.Hash, f.Artifact.Expires = Hash(name("burning", i)), now.Add(time.Hour)
			return db.Finish(ctx, f)
		}, func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			return db.Burn(ctx, Hash(name("burning", i)), event("x"), event("y"))
		}, broker.ErrReplay},
		{"UpdateLogin", create, func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			return db.UpdateLogin(ctx, login(i, now), nil)
		}, broker.ErrConflict},
		{"Once", nothing, func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			f := Finish(now, nil, broker.User{ID: name("user", i)}, false)
			f.Once = once(name("proof", i), now.Add(time.Hour))
			return db.Finish(ctx, f)
		}, broker.ErrReplay},
		{"Finish of a login", func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			l := login(i, now)
			l.ID = name("finishing", i)
			return db.CreateLogin(ctx, l)
		}, func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			l := login(i, now)
			l.ID = name("finishing", i)
			return db.Finish(ctx, Finish(now, &l, User(now), true))
		}, broker.ErrConflict},
		{"Finish of a login of somebody known", func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			l := login(i, now)
			l.ID = name("known", i)
			return db.CreateLogin(ctx, l)
		}, func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			l, u := login(i, now), person(now, i).User
			l.ID = name("known", i)
			_, err := db.FinishKnown(ctx, known(now, &l, *u), u.Attributes)
			return err
		}, broker.ErrConflict},
		{"Finish of a first login", nothing, func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			f := Finish(now, nil, User(now), true)
			f.Link.Subject = name("person", i)
			return db.Finish(ctx, f)
		}, broker.ErrConflict},
		{"Rotate", func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			f := person(now, i)
			f.User.ID = name("rotating", i)
			f.Link.User, f.Link.Subject, f.Session.User, f.Artifact.User = f.User.ID, f.User.ID, f.User.ID, f.User.ID
			f.Artifact.Hash = Hash(name("rotating", i))
			if err := db.Finish(ctx, f); err != nil {
				return err
			}
			fam := Family(now, f.Session)
			fam.ID = name("family", i)
			return db.Redeem(ctx, f.Artifact.Hash, fam, event("x"), event("y"))
		}, func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			return db.Rotate(ctx, name("family", i), 1, now, now.Add(time.Hour))
		}, broker.ErrConflict},
		{"AddKeys", nothing, func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			return db.AddKeys(ctx, []keys.Record{key(1, now.Add(-time.Hour), i), key(2, now.Add(time.Hour), i)}, nil)
		}, broker.ErrConflict},
		{"ActivateKey", func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			k := key(3, now.Add(time.Hour), i)
			k.ID = name("key", i)
			return db.AddKeys(ctx, []keys.Record{k}, nil)
		}, func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			return db.ActivateKey(ctx, name("key", i), now, key(4, now.Add(time.Hour), i), event("x"))
		}, broker.ErrConflict},
		{"AddApp by a token for one", func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			return db.AddInitialToken(ctx, broker.InitialToken{ID: name("token", i), Hash: Hash(name("token", i)), Most: 1, Expires: now.Add(time.Hour)}, event("x"))
		}, func(ctx context.Context, db *store.DB, now time.Time, i int) error {
			return db.AddApp(ctx, registered(rand.Text(), now), broker.Admission{TokenHash: Hash(name("token", i))}, event("x"))
		}, broker.ErrNotFound},
	}
}
