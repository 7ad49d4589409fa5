// Package storetest is the contract of the stores as tests, the same for each database.
//
// A test opens the package's DB like everybody does. What cannot be seen through its methods (that nothing
// was written, that a statement fails) is done over a second connection to the same database.
package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "modernc.org/sqlite"             // the driver sqlite

	"github.com/signet-broker/signet/store"
)

// Run runs the contract. fresh returns the URL of a database that is empty.
func Run(t *testing.T, fresh func(t testing.TB) string) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *bench)
	}{
		{"logins", testLogins},
		{"a used proof is refused and changes nothing", testOnce},
		{"texts that a database cannot hold are unknown, not an error", testHostileTexts},
		{"users are found by link, and by what people call them", testUsers},
		{"disabling a user ends everything of theirs", testDisable},
		{"accounts", testAccounts},
		{"a new password ends what the old one began", testSetPassword},
		{"counters", testCounters},
		{"trusted browsers", testTrust},
		{"sessions end", testSessions},
		{"an upstream ends the sessions that it names", testEndUpstream},
		{"apps are told of ended sessions, by one node at a time", testNotices},
		{"a sign-out comes back once", testLogouts},
		{"nothing outlives a session that ends meanwhile", testEndRaces},
		{"finish writes everything", testFinish},
		{"finish writes nothing when something stands against it", testFinishRefused},
		{"finish finds whom nothing has changed of", testFinishKnown},
		{"finish writes nothing for anybody else", testFinishKnownRefused},
		{"signing in again keeps the session's name", testFinishAgain},
		{"an artifact is good once", testRedeem},
		{"what is read from memory is judged by the database", testRecent},
		{"a login is remembered once, as it was made", testRecentLogin},
		{"a burned artifact is spent", testBurn},
		{"families rotate", testFamilies},
		{"a family that was begun from another ends with it", testBegin},
		{"a request is answered once", testRequests},
		{"requests expire", testRequestsExpire},
		{"a device is allowed once, and gets its tokens once", testDevices},
		{"devices that are refused, burnt or late get nothing", testDevicesEnd},
		{"what people allow is known until it is taken back", testConsents},
		{"keys", testKeys},
		{"events", testEvents},
		{"meta keeps the first value", testMeta},
		{"providers", testProviders},
		{"whether anybody has signed in at a provider", testHasLinks},
		{"registered apps", testApps},
		{"an app that is removed takes all of its own with it", testRemoveApp},
		{"an initial access token registers as many apps as it says", testInitialTokens},
		{"a domain has one owner", testDomains},
		{"sweep removes what has expired and nothing else", testSweep},
		{"what was single-use stays so after a restart", testReopen},
		{"a failed statement leaves nothing behind", testFaults},
		{"a failed commit fails its operation", testCommitFault},
		{"a failed operation takes no other with it", testNeighbours},
		{"an operation whose caller is gone is not run", testCancelled},
		{"of many who try one wins", testRaces},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newBench(t, fresh(t))) })
	}
}

// bench is what one test works on.
type bench struct {
	dsn string
	db  *store.DB
	raw *sql.DB
	ms  atomic.Int64 // the store's clock
}

func newBench(t *testing.T, dsn string) *bench {
	b := &bench{dsn: dsn}
	b.ms.Store(time.Now().UnixMilli())
	b.raw = Raw(t, dsn)
	b.open(t)
	return b
}

// open opens the database, for the second time after a restart.
func (b *bench) open(t *testing.T) {
	t.Helper()
	db, err := store.Open(t.Context(), b.dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.Now = b.now
	db.Notify([]string{"web", "second"}, true)
	b.db = db
	t.Cleanup(func() { db.Close() })
}

func (b *bench) now() time.Time          { return time.UnixMilli(b.ms.Load()).UTC() }
func (b *bench) advance(d time.Duration) { b.ms.Add(d.Milliseconds()) }

// Raw is a connection past the store.
func Raw(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	driver, name := "pgx", dsn
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, name = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func (b *bench) sqlite() bool { return strings.HasPrefix(b.dsn, "sqlite:") }

var tables = []string{"requests", "users", "links", "accounts", "logins", "once", "sessions", "artifacts", "families", "notices", "logouts", "keys", "counters", "trusted", "devices", "consents", "events", "providers", "domains", "apps", "app_tokens"}

// content is everything in the database.
func (b *bench) content(t testing.TB) string {
	t.Helper()
	var all strings.Builder
	for _, table := range tables {
		rows, err := b.raw.Query(`SELECT * FROM ` + table + ` ORDER BY 1, 2`)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&all, "%s:", table)
			for _, v := range values {
				fmt.Fprintf(&all, " %v", *v.(*any))
			}
			all.WriteByte('\n')
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	return all.String()
}

// count is the number of rows of a table.
func (b *bench) count(t testing.TB, table string) int {
	t.Helper()
	var n int
	if err := b.raw.QueryRow(`SELECT COUNT(*) FROM ` + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (b *bench) exec(t testing.TB, query string) {
	t.Helper()
	if _, err := b.raw.ExecContext(context.Background(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// want fails the test unless err is what is wanted; nil: no error.
func want(t testing.TB, what string, err, wanted error) {
	t.Helper()
	if !errors.Is(err, wanted) {
		t.Fatalf("%s = %v, want %v", what, err, wanted)
	}
}

func same(t testing.TB, what string, got, wanted any) {
	t.Helper()
	if !reflect.DeepEqual(got, wanted) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, wanted)
	}
}
