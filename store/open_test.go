package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/internal/pgtest"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/store"
	"github.com/signet-broker/signet/store/storetest"
)

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database\n", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	for dsn, wanted := range map[string]string{
		"":                                     "neither sqlite:path nor postgres://",
		"mysql://x":                            "neither sqlite:path nor postgres://",
		"sqlite:":                              "needs a file",
		"sqlite::memory:":                      "needs a file",
		"sqlite:" + dir:                        "is not a file",
		"sqlite:" + dir + "/none/x.db":         "does not exist",
		"sqlite:" + file + "/x.db":             "is not a directory",
		"sqlite:" + file:                       "is not a SQLite database",
		"sqlite:/proc/x.db":                    "cannot be written",
		"postgres://u:hidden@h:bad/db":         "cannot be read",
		"postgres://u:hidden@127.0.0.1:1/none": "127.0.0.1",
	} {
		db, err := store.Open(t.Context(), dsn)
		if err == nil {
			db.Close()
			t.Errorf("Open(%q) = nil, want an error", dsn)
			continue
		}
		if !strings.Contains(err.Error(), wanted) || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "\n") {
			t.Errorf("Open(%q) = %v, want one line with %q and no password", dsn, err, wanted)
		}
	}
}

func TestOpenTakesAnyPath(t *testing.T) {
	for _, name := range []string{"a b.db", "a?b#c.db", "a%20b.db", "ü.db", "_pragma=x;.db"} {
		path := filepath.Join(t.TempDir(), name)
		db, err := store.Open(t.Context(), "sqlite:"+path)
		if err != nil {
			t.Errorf("Open(%q) = %v", name, err)
			continue
		}
		db.Close()
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
			t.Errorf("the file %q: %v, %v, want one that only its owner reads", name, info, err)
		}
	}
}

func TestOpenRefusesANewerSchema(t *testing.T) {
	pgtest.Start(t)
	for _, fresh := range []func(testing.TB) string{sqliteURL, pgtest.Start} {
		dsn := fresh(t)
		db, err := store.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		db.Close()
		if _, err := storetest.Raw(t, dsn).Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, TRUE)`); err != nil {
			t.Fatal(err)
		}
		_, err = store.Open(t.Context(), dsn)
		if err == nil || !strings.Contains(err.Error(), "the database was written by a newer Signet (schema 999, this one knows ") {
			t.Fatalf("Open of a newer database = %v", err)
		}
	}
}

func TestManyOpenAFreshDatabaseAtOnce(t *testing.T) {
	pgtest.Start(t)
	for _, fresh := range []func(testing.TB) string{sqliteURL, pgtest.Start} {
		dsn := fresh(t)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				db, err := store.Open(context.Background(), dsn)
				if err != nil {
					t.Errorf("Open = %v", err)
					return
				}
				defer db.Close()
				if _, err := db.Meta(context.Background(), "a", "b"); err != nil {
					t.Errorf("Meta = %v", err)
				}
			})
		}
		group.Wait()
	}
}

// TestSQLitePragmas holds what an operator relies on and no behaviour of a test shows.
func TestSQLitePragmas(t *testing.T) {
	dsn := sqliteURL(t)
	db, err := store.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var mode string
	if err := storetest.Raw(t, dsn).QueryRow(`PRAGMA journal_mode`).Scan(&mode); err != nil || mode != "wal" {
		t.Fatalf("journal_mode = %q, %v", mode, err)
	}
	rows, err := storetest.Raw(t, dsn).Query(`SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict
AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		t.Errorf("the table %s takes values of any type", name)
	}
}

func TestAClosedDatabaseIsUnavailable(t *testing.T) {
	pgtest.Start(t)
	for _, fresh := range []func(testing.TB) string{sqliteURL, pgtest.Start} {
		db, err := store.Open(t.Context(), fresh(t))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := db.Close(); err != nil {
				t.Fatalf("Close = %v", err)
			}
		}
		isUnavailable(t, "Record", db.Record(t.Context(), broker.Event{}))
		_, err = db.Login(t.Context(), "x")
		isUnavailable(t, "Login", err)
		isUnavailable(t, "Ping", db.Ping(t.Context()))
	}
}

func isUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) || e.Kind != providers.Unavailable || e.Reason != "database_unavailable" || e.RetryAfter != 5*time.Second {
		t.Fatalf("%s = %v, want database_unavailable", what, err)
	}
}

func TestPostgreSQLGoesAndComesBack(t *testing.T) {
	server, err := pgtest.New("", "fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	dsn, err := server.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	work := func() error {
		now := time.Now()
		l := storetest.Login(now)
		if err := db.CreateLogin(t.Context(), l); err != nil {
			return err
		}
		if _, err := db.Login(t.Context(), l.ID); err != nil {
			return err
		}
		return db.Finish(t.Context(), storetest.Finish(now, &l, storetest.User(now), true))
	}
	together := func() (failed int) {
		var group sync.WaitGroup
		var m sync.Mutex
		for range 12 {
			group.Go(func() {
				if err := work(); err != nil {
					isUnavailable(t, "a login", err)
					m.Lock()
					defer m.Unlock()
					failed++
				}
			})
		}
		group.Wait()
		return failed
	}
	for name, end := range map[string]func() error{"stopped": server.Down, "crashed": server.Crash} {
		if n := together(); n != 0 {
			t.Fatalf("%d logins failed with the database up", n)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if n := together(); n != 12 {
			t.Fatalf("%s: %d of 12 logins failed", name, n)
		}
		isUnavailable(t, "Ping", db.Ping(t.Context()))
		if d := time.Since(start); d > 6*time.Second {
			t.Fatalf("%s: it took %v to say so", name, d)
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
		if n := together(); n != 0 {
			t.Fatalf("%s: %d logins failed after the database came back", name, n)
		}
	}
}

// TestRestartUnnoticed restarts the server between two uses of the same connections.
func TestRestartUnnoticed(t *testing.T) {
	server, err := pgtest.New("", "fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	dsn, err := server.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	admin, err := sql.Open("pgx", server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for range 20 {
		if err := db.Record(t.Context(), broker.Event{Type: "x"}); err != nil {
			t.Fatalf("Record = %v", err)
		}
		if _, err := admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'signet'`); err != nil {
			t.Fatal(err)
		}
	}
	events, err := db.Events(t.Context(), 100)
	if len(events) != 20 || err != nil {
		t.Fatalf("events = %d, %v, want each once", len(events), err)
	}
}
