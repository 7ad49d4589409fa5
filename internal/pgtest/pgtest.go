// Package pgtest starts throw-away PostgreSQL servers for tests and benchmarks, from the binaries of this
// machine. They listen on a Unix socket alone and end with the process that started them.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

var shared struct {
	sync.Mutex
	server *Server
	users  int
}

// Start returns the URL of a fresh, empty database. All tests of a process share one server, which stops
// with the last of them. Without PostgreSQL's binaries the test fails: half of the store would go untested.
func Start(t testing.TB) string {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		s, err := New("", "fsync=off") // what is tested is the death of a process, not of the machine
		if err != nil {
			t.Fatal(err)
		}
		shared.server = s
	}
	shared.users++
	t.Cleanup(func() {
		shared.Lock()
		defer shared.Unlock()
		if shared.users--; shared.users == 0 {
			if err := shared.server.Stop(); err != nil {
				t.Error(err)
			}
			shared.server = nil
		}
	})
	dsn, err := shared.server.Create(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// Create makes a database of a random name and returns its URL.
func (s *Server) Create(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return "", err
	}
	name := "t" + strings.ToLower(rand.Text())
	_, err = c.Exec(ctx, "CREATE DATABASE "+name)
	return s.DSN(name), errors.Join(err, c.Close(ctx))
}
