package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"modernc.org/sqlite"
)

// readers is how many reads run at once. They are short and hold a CPU, so more would only queue there.
const readers = 4

// sqliteDB is a database in a file: one connection that writes, driven by writer.go, and a few that read.
//
// The driver is used without database/sql in between, which would cost a third more for each statement.
type sqliteDB struct {
	path   string
	w      *writer
	closed chan struct{}
	once   sync.Once
	idle   chan *sqliteConn // those that nobody reads from now
}

func openSQLite(ctx context.Context, path string) (_ engine, err error) {
	if path, err = prepareFile(path); err != nil {
		return nil, err
	}
	if err := migrateSQLite(ctx, path); err != nil {
		return nil, sqliteSentence(path, err)
	}
	d := &sqliteDB{path: path, idle: make(chan *sqliteConn, readers), closed: make(chan struct{})}
	defer func() {
		for err != nil && len(d.idle) > 0 {
			(<-d.idle).close()
		}
	}()
	for range readers {
		c, err := connectSQLite(ctx, path, "cache_size(-256)", "query_only(1)")
		if err != nil {
			return nil, sqliteSentence(path, err)
		}
		d.idle <- c
	}
	c, err := connectSQLite(ctx, path, "cache_size(-2048)", "synchronous(FULL)", "foreign_keys(1)", "wal_autocheckpoint(4000)")
	if err != nil {
		return nil, sqliteSentence(path, err)
	}
	d.w = startWriter(c)
	return d, nil
}

// prepareFile makes path absolute and says in plain words what is wrong with it.
func prepareFile(path string) (string, error) {
	if path == "" || path == ":memory:" {
		return "", errors.New("the database needs a file: sqlite:path")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir, err := os.Stat(filepath.Dir(abs))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("the database's directory %s does not exist", filepath.Dir(abs))
	case err != nil:
		return "", fmt.Errorf("the database's directory: %w", err)
	case !dir.IsDir():
		return "", fmt.Errorf("%s is not a directory, so the database cannot be in it", filepath.Dir(abs))
	}
	if f, err := os.Stat(abs); err == nil && !f.Mode().IsRegular() {
		return "", fmt.Errorf("the database %s is not a file", abs)
	}
	// Nobody else on the machine reads sessions and hashes: SQLite gives its other files the same mode.
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("the database cannot be written: %w", err)
	}
	return abs, f.Close()
}

// sqliteSentence is a plain sentence for an error on opening.
func sqliteSentence(path string, err error) error {
	var s *sqlite.Error
	if errors.As(err, &s) {
		switch s.Code() & 0xff {
		case 26, 11: // SQLITE_NOTADB, SQLITE_CORRUPT
			return fmt.Errorf("the file %s is not a SQLite database, or is damaged: %w", path, err)
		case 8, 14: // SQLITE_READONLY, SQLITE_CANTOPEN
			return fmt.Errorf("the database %s or its directory cannot be written: %w", path, err)
		}
	}
	return fmt.Errorf("the database %s: %w", path, err)
}

func sqliteDSN(path string, pragmas ...string) string {
	q := url.Values{"_txlock": {"immediate"}}
	for _, p := range append([]string{"busy_timeout(5000)", "journal_mode(WAL)", "mmap_size(0)", "temp_store(MEMORY)"}, pragmas...) {
		q.Add("_pragma", p)
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// sqliteConn is one connection with its prepared statements: one for each statement text of this package.
type sqliteConn struct {
	conn  driver.Conn
	stmts map[string]sqliteStmt
	args  []driver.NamedValue
}

type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func connectSQLite(ctx context.Context, path string, pragmas ...string) (*sqliteConn, error) {
	connector, err := sqlite.NewConnector(sqliteDSN(path, pragmas...))
	if err != nil {
		return nil, err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &sqliteConn{conn: conn, stmts: map[string]sqliteStmt{}}, nil
}

func (c *sqliteConn) close() error {
	for _, s := range c.stmts {
		s.Close()
	}
	return c.conn.Close()
}

func (c *sqliteConn) prepare(query string) (sqliteStmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	text := query
	if rest, ok := strings.CutPrefix(query, "INSERT INTO"); ok {
		// A statement that fails undoes its operation here: SQLite need not keep what would undo it alone.
		text = "INSERT OR FAIL INTO" + rest
	}
	s, err := c.conn.Prepare(text)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = s.(sqliteStmt)
	return c.stmts[query], nil
}

func (c *sqliteConn) bind(args []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, a := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.args
}

// exec runs a statement and returns the number of rows it touched. It cannot be interrupted: a context that
// ends would cost a goroutine for each statement, and none of them takes long.
func (c *sqliteConn) exec(query string, args []any) (int64, error) {
	s, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(context.Background(), c.bind(args))
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// query runs a statement that returns rows, and returns their number.
func (c *sqliteConn) query(query string, args []any, each func(row) error) (n int64, err error) {
	s, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	rows, err := s.QueryContext(context.Background(), c.bind(args))
	if err != nil {
		return 0, err
	}
	defer func() {
		if cerr := rows.Close(); err == nil {
			err = cerr
		}
	}()
	values := make(sqliteRow, len(rows.Columns()))
	for {
		if err := rows.Next(values); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
		n++
		if err := each(values); err != nil {
			return n, err
		}
	}
}

// sqliteRow is a row as the driver gives it.
type sqliteRow []driver.Value

func (r sqliteRow) Scan(dest ...any) error {
	if len(dest) != len(r) {
		return fmt.Errorf("%d columns for %d values", len(r), len(dest))
	}
	for i, d := range dest {
		ok := false
		switch d := d.(type) {
		case *string:
			*d, ok = r[i].(string)
		case *int64:
			*d, ok = r[i].(int64)
		case *[]byte:
			*d, ok = r[i].([]byte)
		}
		if !ok {
			return fmt.Errorf("column %d is %T, wanted for %T", i, r[i], d)
		}
	}
	return nil
}

func (d *sqliteDB) read(ctx context.Context, query string, args []any, each func(row) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c := <-d.idle:
		defer func() { d.idle <- c }()
		_, err := c.query(query, args, each)
		return sqliteError(err)
	case <-ctx.Done():
		return ctx.Err()
	case <-d.closed:
		return unavailable(errClosed)
	}
}

func (d *sqliteDB) write(ctx context.Context, o op) error { return d.w.do(ctx, o) }

func (d *sqliteDB) ping(ctx context.Context) error {
	return d.read(ctx, `SELECT 1`, nil, func(row) error { return nil })
}

func (d *sqliteDB) close() (err error) {
	d.once.Do(func() {
		err = d.w.close()
		for range readers { // also those that are in use now
			err = errors.Join(err, (<-d.idle).close())
		}
		close(d.closed)
	})
	return err
}

// sqliteError translates what makes the database unusable for now; other errors are ours.
func sqliteError(err error) error {
	var s *sqlite.Error
	if !errors.As(err, &s) || isUnavailable(err) {
		return err
	}
	switch s.Code() & 0xff {
	case 5, 6, 7, 8, 10, 11, 13, 14, 26: // BUSY LOCKED NOMEM READONLY IOERR CORRUPT FULL CANTOPEN NOTADB
		return unavailable(err)
	}
	return fmt.Errorf("sqlite (%s): %w", strconv.Itoa(s.Code()), err)
}
