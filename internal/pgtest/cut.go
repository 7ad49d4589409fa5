package pgtest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"sync"
	"testing"
)

// Cut is a way to a database that breaks where it is told to: a connection that ends before a statement runs, or
// after it was committed and before anybody is told.
type Cut struct {
	URL string // of the database, by this way

	counts *regexp.Regexp

	mu     sync.Mutex
	armed  bool
	at     int  // which statement, from 1
	after  bool // it runs first
	seen   int
	broken string // the statement
}

// NewCut is a way to dsn, a database of Start's. Statements count that counts matches.
func NewCut(t testing.TB, dsn string, counts *regexp.Regexp) *Cut {
	t.Helper()
	c := &Cut{counts: counts}
	c.URL = Way(t, dsn, c.connect)
	return c
}

// Arm breaks the way at the nth statement from now: before it runs, or after its transaction was committed.
func (c *Cut) Arm(n int, after bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed, c.at, c.after, c.seen, c.broken = true, n, after, 0, ""
}

// Disarm ends Arm and returns the statement at which the way broke; "": there were not so many.
func (c *Cut) Disarm() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = false
	return c.broken
}

// runs tells what becomes of a statement: nothing, its connection ends now, or after its transaction.
func (c *Cut) runs(sql string) (now, later bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.armed || !c.counts.MatchString(sql) {
		return false, false
	}
	if c.seen++; c.seen != c.at {
		return false, false
	}
	c.broken = sql
	return !c.after, c.after
}

// errCut ends a connection.
var errCut = errors.New("cut")

// link is one connection.
type link struct {
	*Cut
	client, server net.Conn
	statements     map[string]string // by name
	portal         string            // the statement that is bound
	mu             sync.Mutex
	silent         bool // what the server says is not passed on, up to the end of its transaction
}

func (c *Cut) connect(client, server net.Conn) {
	l := &link{Cut: c, client: client, server: server, statements: map[string]string{}}
	go func() {
		defer client.Close()
		defer server.Close()
		l.backward()
	}()
	l.forward()
}

// forward passes the client's messages on.
func (l *link) forward() error {
	first, err := packet(l.client, nil) // the only one without a letter
	for err == nil {
		if _, err = l.server.Write(first); err == nil {
			first, err = message(l.client)
		}
		if err == nil {
			err = l.look(first)
		}
	}
	return err
}

// look follows what is about to run (PostgreSQL's frontend protocol: Parse, Bind, Execute).
func (l *link) look(m []byte) error {
	texts := bytes.SplitN(m[5:], []byte{0}, 3)
	switch m[0] {
	case 'P':
		l.statements[string(texts[0])] = string(texts[1])
	case 'B':
		l.portal = l.statements[string(texts[1])]
	case 'E':
		now, later := l.runs(l.portal)
		if now {
			return errCut
		}
		if later {
			l.mu.Lock()
			l.silent = true
			l.mu.Unlock()
		}
	}
	return nil
}

// backward passes the server's messages on.
func (l *link) backward() error {
	for {
		m, err := message(l.server)
		if err != nil {
			return err
		}
		l.mu.Lock()
		silent := l.silent
		l.mu.Unlock()
		if silent && m[0] == 'Z' { // the transaction is over
			return errCut
		}
		if silent {
			continue
		}
		if _, err := l.client.Write(m); err != nil {
			return err
		}
	}
}

// message reads a letter and what follows it.
func message(r io.Reader) ([]byte, error) {
	letter := make([]byte, 1)
	if _, err := io.ReadFull(r, letter); err != nil {
		return nil, err
	}
	return packet(r, letter)
}

func packet(r io.Reader, start []byte) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > 16<<20 {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	m := append(start, size[:]...)
	m = append(m, make([]byte, n-4)...)
	_, err := io.ReadFull(r, m[len(m)-int(n)+4:])
	return m, err
}
