package store

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/signet-broker/signet/providers"
)

func openWriter(t *testing.T) *sqliteDB {
	e, err := openSQLite(t.Context(), filepath.Join(t.TempDir(), "signet.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.close() })
	return e.(*sqliteDB)
}

// TestDurableCommitsWaitForTheDisk: nothing else would show it before a power failure.
func TestDurableCommitsWaitForTheDisk(t *testing.T) {
	d := openWriter(t)
	for i, relaxed := range []bool{false, true, true, false, true, false} {
		var level int64
		err := d.write(t.Context(), op{relaxed: relaxed, steps: []step{{sql: `PRAGMA synchronous`, row: func(r row) error { return r.Scan(&level) }}}})
		want := int64(2) // FULL
		if relaxed {
			want = 1 // NORMAL
		}
		if err != nil || level != want {
			t.Fatalf("operation %d (relaxed: %v): synchronous = %d, %v, want %d", i, relaxed, level, err, want)
		}
	}
	// One that is durable makes its whole batch so.
	batch := make([]*job, 3)
	var level int64
	for i := range batch {
		batch[i] = &job{ctx: t.Context(), answer: make(chan error, 1), op: op{relaxed: i != 1, steps: []step{{sql: `PRAGMA synchronous`, row: func(r row) error { return r.Scan(&level) }}}}}
	}
	d.w.commit(batch) // the writer itself is idle
	if level != 2 {
		t.Fatalf("synchronous = %d in a batch with a durable operation, want 2", level)
	}
}

// TestABatchStandsForItself runs one batch in which operations fail in every way.
func TestABatchStandsForItself(t *testing.T) {
	d := openWriter(t)
	errLate := errors.New("late")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	add := func(name string) step {
		return step{sql: `INSERT INTO meta (name, value) VALUES ($1, 'x')`, args: []any{name}}
	}
	half := step{sql: `INSERT INTO meta (name, value) SELECT 'a7', 'x' UNION ALL SELECT 'a0', 'x'`}
	nothing := step{sql: `UPDATE meta SET value = 'y' WHERE name = 'none'`, none: errLate}
	var batch []*job
	for _, c := range []struct {
		ctx   context.Context
		steps []step
	}{
		{t.Context(), []step{add("a0")}},
		{t.Context(), []step{nothing, add("a1")}},         // fails at once
		{t.Context(), []step{add("a2"), nothing}},         // fails late
		{t.Context(), []step{add("a3"), add("a0")}},       // breaks a constraint
		{t.Context(), []step{add("a4"), {sql: `SELEKT`}}}, // is no SQL
		{ctx, []step{add("a5")}},                          // nobody waits for it
		{t.Context(), []step{add("a6"), add("b6")}},
		{t.Context(), []step{half}},            // breaks a constraint with its second row
		{t.Context(), []step{add("a8"), half}}, // and late
	} {
		batch = append(batch, &job{ctx: c.ctx, answer: make(chan error, 1), op: op{steps: c.steps}})
	}
	d.w.commit(slices.Clone(batch))
	for i, want := range []func(error) bool{
		func(err error) bool { return err == nil },
		func(err error) bool { return err == errLate },
		func(err error) bool { return err == errLate },
		func(err error) bool { return err != nil },
		func(err error) bool { return err != nil },
		func(err error) bool { return err == context.Canceled },
		func(err error) bool { return err == nil },
		func(err error) bool { return err != nil },
		func(err error) bool { return err != nil },
	} {
		if err := <-batch[i].answer; !want(err) {
			t.Errorf("operation %d = %v", i, err)
		}
	}
	var names []string
	if err := d.read(t.Context(), `SELECT name FROM meta ORDER BY name`, nil, func(r row) error {
		names = append(names, "")
		return r.Scan(&names[len(names)-1])
	}); err != nil {
		t.Fatal(err)
	}
	if len(names) != 3 || names[0] != "a0" || names[1] != "a6" || names[2] != "b6" {
		t.Fatalf("meta holds %v, want what succeeded", names)
	}
}

// TestAStatementThatFailsHalfwayLeavesNothing: SQLite itself does not undo it, because the operation is undone.
func TestAStatementThatFailsHalfwayLeavesNothing(t *testing.T) {
	d := openWriter(t)
	err := d.write(t.Context(), op{steps: []step{{sql: `INSERT INTO meta (name, value) SELECT 'a0', 'x' UNION ALL SELECT 'a1', 'x' UNION ALL SELECT 'a0', 'x'`}}})
	if err == nil {
		t.Fatal("one name was added twice")
	}
	if err := d.read(t.Context(), `SELECT name FROM meta`, nil, func(row) error { return errors.New("a row is left") }); err != nil {
		t.Fatal(err)
	}
}

// TestAFailedCommitIsNobodysSuccess takes the disk away: the log cannot grow.
func TestAFailedCommitIsNobodysSuccess(t *testing.T) {
	d := openWriter(t)
	if _, err := d.w.conn.exec(`PRAGMA max_page_count = 1`, nil); err != nil { // not less than there are: full from now on
		t.Fatal(err)
	}
	long := make([]byte, 1<<20)
	for i := range long {
		long[i] = 'x'
	}
	for i := range 3 {
		err := d.write(t.Context(), op{steps: []step{{sql: `INSERT INTO meta (name, value) VALUES ($1, $2)`, args: []any{strconv.Itoa(i), string(long)}}}})
		var e *providers.Error
		if !errors.As(err, &e) || e.Kind != providers.Unavailable {
			t.Fatalf("a write to a full disk = %v, want database_unavailable", err)
		}
	}
	if _, err := d.w.conn.exec(`PRAGMA max_page_count = 100000`, nil); err != nil {
		t.Fatal(err)
	}
	if err := d.write(t.Context(), op{steps: []step{{sql: `INSERT INTO meta (name, value) VALUES ($1, $2)`, args: []any{"later", string(long)}}}}); err != nil {
		t.Fatalf("a write after the disk has room again = %v", err)
	}
}
