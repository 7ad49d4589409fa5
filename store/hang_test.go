package store

import (
	"io"
	"net"
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

// TestServerThatStopsAnswering holds all that comes and goes: an operation ends by itself, with the error that the
// database is not there, and once it answers again nothing is left of that.
func TestServerThatStopsAnswering(t *testing.T) {
	g := &gate{}
	dsn := pgtest.Way(t, pgtest.Start(t), func(client, server net.Conn) {
		go func() { g.carry(client, server); client.Close() }()
		g.carry(server, client)
	})
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
