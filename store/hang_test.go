package store

import (
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/internal/pgtest"
	"github.com/signet-broker/signet/providers"
)

// gate lets bytes through, or holds them.
type gate struct{ sync.RWMutex }

func (g *gate) carry(to io.Writer, from io.Reader) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		g.RLock()
		to.Write(b[:n]) //nolint:errcheck // the next read tells
		g.RUnlock()
		if err != nil {
			return
		}
	}
}

// gated is a way to a database of pgtest's through a gate.
func gated(t *testing.T, dsn string) (string, *gate) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	const socket = ".s.PGSQL.5432"
	server := filepath.Join(u.Query().Get("host"), socket)
	dir, err := os.MkdirTemp("", "gate") // a test's own folder has too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); os.RemoveAll(dir) })
	g := &gate{}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			db, err := net.Dial("unix", server)
			if err != nil {
				client.Close()
				return
			}
			go func() { g.carry(db, client); db.Close() }()
			go func() { g.carry(client, db); client.Close() }()
		}
	}()
	u.RawQuery = url.Values{"host": {dir}}.Encode()
	return u.String(), g
}

// TestServerThatStopsAnswering holds all that comes and goes: an operation ends by itself, with the error that the
// database is not there, and once it answers again nothing is left of that.
func TestServerThatStopsAnswering(t *testing.T) {
	dsn, g := gated(t, pgtest.Start(t))
	db, err := Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer func(d time.Duration) { statementTimeout = d }(statementTimeout)
	statementTimeout = 500 * time.Millisecond
	write := func() error { return db.Record(t.Context(), broker.Event{Type: "x"}) }
	read := func() error { _, err := db.Events(t.Context(), 1); return err }
	works := func(when string) {
		t.Helper()
		for name, do := range map[string]func() error{"write": write, "read": read} {
			if err := do(); err != nil {
				t.Errorf("%s %s: %v", name, when, err)
			}
		}
	}
	works("at first")
	time.Sleep(statementTimeout + 100*time.Millisecond)
	works("after a pause that is longer than an operation may take")
	for name, do := range map[string]func() error{"write": write, "read": read} {
		g.Lock()
		began := time.Now()
		err := do()
		took := time.Since(began)
		g.Unlock()
		if e := providers.AsError(err); err == nil || e.Kind != providers.Unavailable {
			t.Errorf("%s: %v, want that the database is unavailable", name, err)
		}
		if took < statementTimeout || took > 20*statementTimeout {
			t.Errorf("%s took %v of %v", name, took, statementTimeout)
		}
		works("afterwards")
	}
}
