package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/signet-broker/signet/internal/pgtest"
)

func TestADatabaseIsFreshAndSurvivesACrash(t *testing.T) {
	s, err := pgtest.New("")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	dsn, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run := func(query string) {
		t.Helper()
		c, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(t.Context())
		if _, err := c.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	run(`CREATE TABLE kept (id INT)`)
	for _, end := range []func() error{s.Crash, s.Down} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if c, err := pgx.Connect(t.Context(), dsn); err == nil {
			c.Close(t.Context())
			t.Fatal("the server answers though it is down")
		}
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		run(`INSERT INTO kept VALUES (1)`)
	}
}

func TestTestsHaveDatabasesOfTheirOwn(t *testing.T) {
	if a, b := pgtest.Start(t), pgtest.Start(t); a == b {
		t.Fatalf("two tests share %s", a)
	}
}
