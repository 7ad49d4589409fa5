package password_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/password"
	"github.com/signet-broker/signet/store"
)

// replacing is a store in which an account gets another password right after it was read for the first time.
type replacing struct {
	*store.DB
	t    *testing.T
	done bool
}

func (r *replacing) Account(ctx context.Context, provider, username string) (password.Account, bool, error) {
	a, ok, err := r.DB.Account(ctx, provider, username)
	if !r.done {
		r.done = true
		hash, herr := password.Hash(quick, "another one entirely")
		if herr != nil {
			r.t.Fatal(herr)
		}
		if err := r.SetPassword(ctx, provider, username, hash, broker.Event{Type: broker.PasswordSet}); err != nil {
			r.t.Fatal(err)
		}
	}
	return a, ok, err
}

func TestPasswordThatIsReplacedMeanwhileIsWrong(t *testing.T) {
	d := open(t, unlimited())
	d.add(t, "ann")
	c := unlimited()
	p, err := password.Kind(&replacing{DB: d.db, t: t}).Open(t.Context(), providers.Env{
		ID: "local", Now: func() time.Time { return d.now }, Log: slog.New(slog.DiscardHandler),
	}, &c)
	if err != nil {
		t.Fatal(err)
	}
	d.provider = p
	d.want(t, 1, try{"ann", secret, home, "laptop"}, wrong)
	d.want(t, 1, try{"ann", "another one entirely", home, "laptop"}, in)
}
