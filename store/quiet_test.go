//go:build unix

package store

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signet-broker/signet/internal/pgtest"
)

// TestQuietDoesNotWait asks about a connection that somebody reads from, as pgx's own goroutine does after
// a slow write.
func TestQuietDoesNotWait(t *testing.T) {
	c, err := pgx.Connect(t.Context(), pgtest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	if !quiet(c) {
		t.Fatal("a connection that waits is not quiet")
	}
	read := make(chan error, 1)
	go func() { _, err := c.PgConn().Conn().Read(make([]byte, 1)); read <- err }()
	time.Sleep(20 * time.Millisecond)
	answer := make(chan bool, 1)
	go func() { answer <- quiet(c) }()
	select {
	case still := <-answer:
		if !still {
			t.Error("a connection that waits is not quiet")
		}
	case <-time.After(5 * time.Second):
		t.Error("quiet waits for a reader")
	}
	c.PgConn().Conn().Close()
	<-read
	if quiet(c) {
		t.Error("a closed connection is quiet")
	}
}
