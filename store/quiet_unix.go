//go:build unix

package store

import (
	"crypto/tls"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// quiet tells whether nothing has arrived on a connection that waits for us: neither its end nor a server's
// farewell. It does not wait and sends nothing.
func quiet(c *pgx.Conn) bool {
	conn := c.PgConn().Conn()
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	s, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	nothing := false
	// Not Read: after a slow write pgx leaves a goroutine reading the connection, and Read would wait for it
	// for as long as nothing comes.
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		nothing = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
	})
	return err == nil && nothing
}
