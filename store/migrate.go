package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

//go:embed migrations
var migrations embed.FS

// schema is the version of the tables that this program knows: the number of the last migration.
func schema(dialect string) (int64, error) {
	files, err := fs.ReadDir(migrations, "migrations/"+dialect)
	if err != nil {
		return 0, err
	}
	number, _, _ := strings.Cut(files[len(files)-1].Name(), "_")
	return strconv.ParseInt(number, 10, 64)
}

// migrate brings a database up to date. A current one costs a single SELECT. Migrations only add, so a
// program of the version before goes on working beside this one.
func migrate(ctx context.Context, db *sql.DB, dialect string, opts ...goose.ProviderOption) error {
	known, err := schema(dialect)
	if err != nil {
		return err
	}
	var found int64
	if err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&found); err == nil {
		if found > known {
			return fmt.Errorf("the database was written by a newer Signet (schema %d, this one knows %d): run that version or restore a backup", found, known)
		}
		if found == known {
			return nil
		}
	}
	files, err := fs.Sub(migrations, "migrations/"+dialect)
	if err != nil {
		return err
	}
	engine := goose.DialectSQLite3
	if dialect == "postgres" {
		engine = goose.DialectPostgres
	}
	p, err := goose.NewProvider(engine, db, files, append(opts, goose.WithDisableGlobalRegistry(true))...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

func migrateSQLite(ctx context.Context, path string) error {
	connector, err := sqlite.NewConnector(sqliteDSN(path, "foreign_keys(1)"))
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxOpenConns(1)
	// There is no lock across processes as PostgreSQL has one: of two that find an empty file one fails, and
	// finds the other's work when it looks again.
	for range 20 {
		if err = migrate(ctx, db, "sqlite"); err == nil || !errors.As(err, new(*goose.PartialError)) && !busy(err) {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// busy tells whether SQLite refused because of another process.
func busy(err error) bool {
	var s *sqlite.Error
	return errors.As(err, &s) && s.Code()&0xff == 5 // SQLITE_BUSY
}
