package pgtest

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// Way returns the address of a database of Start's by another way: each connection is carried by carry, and ends
// when that returns.
func Way(t testing.TB, dsn string, carry func(client, server net.Conn)) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	const socket = ".s.PGSQL.5432"
	database := filepath.Join(u.Query().Get("host"), socket)
	dir, err := os.MkdirTemp("", "way") // a test's own folder has too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				server, err := net.Dial("unix", database)
				if err != nil {
					return
				}
				defer server.Close()
				carry(client, server)
			}()
		}
	}()
	u.RawQuery = url.Values{"host": {dir}}.Encode()
	return u.String()
}
