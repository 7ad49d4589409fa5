package store_test

import (
	"path/filepath"
	"testing"

	"github.com/signet-broker/signet/internal/pgtest"
	"github.com/signet-broker/signet/store/storetest"
)

func sqliteURL(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "signet.db") }

func TestSQLite(t *testing.T) { storetest.Run(t, sqliteURL) }

func TestPostgreSQL(t *testing.T) {
	pgtest.Start(t) // one server for all that follows
	storetest.Run(t, pgtest.Start)
}
