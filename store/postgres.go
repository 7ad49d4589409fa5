package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2" //nolint:depguard // for pauses of chance, which are no secret
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

const (
	// durableConns and relaxedConns are how many connections a node opens at most: four nodes fit into the
	// hundred that PostgreSQL allows by default.
	durableConns, relaxedConns = 18, 4

	connectTimeout = 5 * time.Second
	idleConnection = 5 * time.Minute
	// maxSilence is how long a connection may wait before the server is asked whether it is still there: a
	// firewall in between may have forgotten it.
	maxSilence = 30 * time.Second
	// attempts bounds how often an operation is tried that another one stood in the way of.
	attempts = 5
)

// statementTimeout ends an operation on a server that has stopped answering. A test has less time.
var statementTimeout = 10 * time.Second

// postgresDB is a PostgreSQL server. What may be lost with the machine's power goes over connections of its
// own, whose commits do not wait for the disk.
type postgresDB struct {
	durable, relaxed *sql.DB
}

func openPostgres(ctx context.Context, dsn string) (engine, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The error repeats the URL, with the password in it.
		return nil, errors.New("the database's URL cannot be read: want postgres://user:password@host:port/database")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "signet"
	}
	d := &postgresDB{durable: pool(config, durableConns)}
	if err := migratePostgres(ctx, d.durable); err != nil {
		d.durable.Close()
		return nil, fmt.Errorf("the database on %s: %s", config.Host, strings.Join(strings.Fields(err.Error()), " "))
	}
	relaxed := config.Copy()
	relaxed.RuntimeParams["synchronous_commit"] = "off"
	d.relaxed = pool(relaxed, relaxedConns)
	if err := d.relaxed.PingContext(ctx); err != nil {
		// A pooler in between takes no such parameter. Everything is durable then.
		d.relaxed.Close()
		d.relaxed = d.durable
	}
	return d, nil
}

func pool(config *pgx.ConnConfig, size int) *sql.DB {
	// A connection that ended while it waited is noticed before anything is sent, and replaced: a write that
	// was sent into the dark could not be tried again.
	db := stdlib.OpenDB(*config, stdlib.OptionShouldPing(func(_ context.Context, p stdlib.ShouldPingParams) bool {
		return p.IdleDuration > maxSilence || !quiet(p.Conn)
	}))
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxIdleTime(idleConnection)
	return db
}

func migratePostgres(ctx context.Context, db *sql.DB) error {
	if err := db.PingContext(ctx); err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return err
	}
	return migrate(ctx, db, "postgres", goose.WithSessionLocker(locker))
}

func (d *postgresDB) close() error {
	err := d.durable.Close()
	if d.relaxed != d.durable {
		err = errors.Join(err, d.relaxed.Close())
	}
	return err
}

func (d *postgresDB) ping(ctx context.Context) error {
	return d.read(ctx, `SELECT 1`, nil, func(row) error { return nil })
}

func (d *postgresDB) read(ctx context.Context, query string, args []any, each func(row) error) error {
	return d.try(ctx, d.durable, true, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := each(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// write sends all steps at once. The server runs what comes between two Syncs of its protocol as one
// transaction, and a step that finds nothing though it must is made to fail, and so ends it.
func (d *postgresDB) write(ctx context.Context, o op) error {
	if len(o.steps) == 0 {
		return nil
	}
	db := d.durable
	if o.relaxed {
		db = d.relaxed
	}
	return d.try(ctx, db, o.again, func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch
		for _, s := range o.steps {
			b.Queue(guarded(s), s.args...)
		}
		results := c.SendBatch(ctx, &b)
		for _, s := range o.steps {
			if err := result(results, s); err != nil {
				results.Close()
				return err
			}
		}
		return results.Close() // the commit
	})
}

// guarded makes a statement fail that touches no row, if the operation is to fail then: by a division by
// zero, which every server of this protocol knows.
func guarded(s step) string {
	key := guardKey{s.sql, s.none != nil, s.row != nil}
	if sql, ok := guards.Load(key); ok {
		return sql.(string)
	}
	sql := strings.Replace(s.sql, share, "FOR SHARE", 1)
	switch {
	case s.none != nil && s.row != nil:
		sql = `WITH found AS (` + sql + `) SELECT found.* FROM (SELECT 1 / COUNT(*) AS one FROM found) counted LEFT JOIN found ON counted.one >= 0`
	case s.none != nil:
		sql = `WITH touched AS (` + sql + ` RETURNING 1) SELECT 1 / COUNT(*) FROM touched`
	}
	guards.Store(key, sql)
	return sql
}

// guards remembers what guarded has made: this package has some dozens of statements.
var guards sync.Map

type guardKey struct {
	sql  string
	must bool
	rows bool
}

// share stands where a row that is read must stay as it is until the operation is written. SQLite, which
// writes one operation after the other, takes it for a comment.
const share = "/* share */"

const divisionByZero = "22012"

func result(results pgx.BatchResults, s step) error {
	err := read(results, s)
	if s.none != nil && code(err) == divisionByZero {
		return s.none
	}
	return err
}

func read(results pgx.BatchResults, s step) error {
	if s.row == nil {
		tag, err := results.Exec()
		if err == nil && s.count != nil {
			s.count(tag.RowsAffected())
		}
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := s.row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// try runs f on a connection, and again when that is safe: nothing was written, or again says that it may
// be written twice.
func (d *postgresDB) try(ctx context.Context, db *sql.DB, again bool, f func(context.Context, *pgx.Conn) error) error {
	for n := 1; ; n++ {
		err := on(ctx, db, f)
		if err == nil {
			return nil
		}
		if n == attempts || ctx.Err() != nil || !repeatable(err, again, n) {
			return postgresError(ctx, err)
		}
		if c := code(err); c == "40001" || c == "40P01" { // two operations stood in each other's way
			select {
			case <-time.After(rand.N(time.Duration(n) * 5 * time.Millisecond)): //nolint:gosec // no secret
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// errConnect says that there is no connection, and nothing was sent.
var errConnect = errors.New("no connection")

// on runs f on a connection of db. Only the wait for it ends with ctx: a statement that is interrupted
// costs the connection, and a browser that goes away would cost everybody else one.
func on(ctx context.Context, db *sql.DB, f func(context.Context, *pgx.Conn) error) error {
	wait, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	conn, err := db.Conn(wait)
	if err != nil {
		return fmt.Errorf("%w: %w", errConnect, err)
	}
	defer conn.Close()
	return conn.Raw(func(dc any) error {
		c := dc.(*stdlib.Conn).Conn()
		// The connection's deadline, because a context's would be watched anew for each message.
		network := c.PgConn().Conn()
		if err := network.SetDeadline(time.Now().Add(statementTimeout)); err != nil {
			return fmt.Errorf("%w: %w", errConnect, err)
		}
		defer func() {
			if !c.IsClosed() { // pgx says goodbye in time of its own
				network.SetDeadline(time.Time{}) //nolint:errcheck // the next operation finds out
			}
		}()
		return f(context.WithoutCancel(ctx), c)
	})
}

// repeatable tells whether a failed operation may be tried again now.
func repeatable(err error, again bool, n int) bool {
	switch c := code(err); {
	case c == "40001", c == "40P01": // serialization failure, deadlock: rolled back
		return true
	case n > 2, errors.Is(err, errConnect):
		return false
	case c == "57P01": // the server ended the connection, and said so before it ran anything
		return true
	case c != "":
		return false
	}
	return lost(err) && (again || pgconn.SafeToRetry(err))
}

// code is the SQLSTATE that the server answered with; "" when it is no answer of the server.
func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// lost tells whether an error means that the connection is gone.
func lost(err error) bool {
	var broken interface{ Timeout() bool } // net.Error
	var connect *pgconn.ConnectError
	return errors.Is(err, errConnect) || errors.As(err, &broken) || errors.As(err, &connect) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, driver.ErrBadConn)
}

// postgresError translates what makes the database unusable for now; other errors are ours.
func postgresError(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, errConnect) {
		return ctx.Err()
	}
	switch c := code(err); {
	case c == "":
		if lost(err) {
			return unavailable(err)
		}
		return err
	case errors.Is(err, errConnect), c[:2] == "08", c[:2] == "53", c[:2] == "57", c[:2] == "58", c == "40001", c == "40P01",
		c == "25006", c == "XX000": // resources, operator's work, system errors, contention, a standby, damage
		return unavailable(err)
	}
	return fmt.Errorf("postgres: %w", err)
}
