package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/signet-broker/signet/internal/pgtest"
	"github.com/signet-broker/signet/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func sqliteURL(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "signet.db") }

func TestSQLite(t *testing.T) {
	storetest.Run(t, sqliteURL)
	t.Run("what was acknowledged survives a kill", func(t *testing.T) { storetest.RunKill(t, sqliteURL(t)) })
}

func TestPostgreSQL(t *testing.T) {
	pgtest.Start(t) // one server for all that follows
	storetest.Run(t, pgtest.Start)
	t.Run("what was acknowledged survives a kill", func(t *testing.T) { storetest.RunKill(t, pgtest.Start(t)) })
	t.Run("of two nodes that try one wins", func(t *testing.T) { storetest.RunNodes(t, pgtest.Start(t)) })
}
