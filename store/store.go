// Package store keeps everything in a database: SQLite in one file for one machine, PostgreSQL for several.
//
// Every method is one atomic operation named for its purpose. An operation that writes is a list of steps,
// SQL statements with what must hold of each, and both engines run the same list: SQLite one after the
// other, many operations to a commit; PostgreSQL all of it in one round trip. A read is one statement.
//
// Read in this order: step.go (what an operation is), sqlite.go and writer.go, postgres.go, migrate.go, and
// then a file for each noun.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/password"
)

var (
	_ broker.Store   = (*DB)(nil)
	_ token.Store    = (*DB)(nil)
	_ keys.Store     = (*DB)(nil)
	_ password.Store = (*DB)(nil)
)

// DB is an open database. It is used by many goroutines at once.
type DB struct {
	// Now is the clock that decides what is expired. It is set before the first use.
	Now func() time.Time

	engine     engine
	notified   string // the apps that want to be told of ended sessions, as quoted makes it
	registered bool   // there may be registered apps beside them
	logins     recent[broker.Login]
	artifacts  recent[madeArtifact]
}

// An engine runs operations. Its errors are those that the steps name, the context's, an *Error of kind
// Unavailable, or something unexpected.
type engine interface {
	// write runs an operation, all of it or nothing. It returns after it is on the disk, or for a relaxed
	// one after it is safe from the end of this process.
	write(ctx context.Context, o op) error
	// read runs one SELECT and gives each row to row, whose error ends it.
	read(ctx context.Context, query string, args []any, row func(row) error) error
	ping(ctx context.Context) error
	close() error
}

// Open opens the database that dsn names, `sqlite:path` or `postgres://…`, makes it when it is empty, and
// brings its tables up to date. One that a newer Signet has written is refused. Its errors are one plain
// sentence.
func Open(ctx context.Context, dsn string) (*DB, error) {
	scheme, rest, _ := strings.Cut(dsn, ":")
	var e engine
	var err error
	switch scheme {
	case "sqlite":
		e, err = openSQLite(ctx, rest)
	case "postgres", "postgresql":
		e, err = openPostgres(ctx, dsn)
	default:
		return nil, errors.New("the database is neither sqlite:path nor postgres://…")
	}
	if err != nil {
		return nil, err
	}
	return &DB{Now: time.Now, engine: e}, nil
}

// Close waits for the writes under way and closes the database.
func (db *DB) Close() error { return db.engine.close() }

// Ping tells whether the database can be reached.
func (db *DB) Ping(ctx context.Context) error { return db.engine.ping(ctx) }

// Meta keeps a value for a name if there is none yet, and returns the one that is kept.
func (db *DB) Meta(ctx context.Context, name, value string) (string, error) {
	kept := value
	err := db.engine.write(ctx, op{again: true, steps: []step{
		{sql: `INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, args: []any{name, value}},
		{sql: `SELECT value FROM meta WHERE name = $1`, args: []any{name}, row: func(r row) error { return r.Scan(&kept) }},
	}})
	return kept, err
}

// unavailable says that the database cannot be used now.
func unavailable(err error) error {
	return &providers.Error{Kind: providers.Unavailable, Reason: "database_unavailable", RetryAfter: 5 * time.Second, Err: err}
}

func isUnavailable(err error) bool {
	var e *providers.Error
	return errors.As(err, &e) && e.Kind == providers.Unavailable
}

// one reads the only row of a query into dest; broker.ErrNotFound when there is none.
func (db *DB) one(ctx context.Context, query string, args []any, dest ...any) error {
	if !storable(args) {
		return broker.ErrNotFound // no database holds it, and PostgreSQL would call it an error
	}
	found := false
	err := db.engine.read(ctx, query, args, func(r row) error {
		found = true
		return r.Scan(dest...)
	})
	if err != nil {
		return err
	}
	if !found {
		return broker.ErrNotFound
	}
	return nil
}

// now is the time that expiry is measured against, in milliseconds.
func (db *DB) now() int64 { return db.Now().UnixMilli() }

func unreadable(what string, err error) error { return fmt.Errorf("%s in the database: %w", what, err) }
