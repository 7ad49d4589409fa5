package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"github.com/signet-broker/signet/internal/pgtest"
)

// TestEveryStatementOfATokenRequestMayFail ends the connection to the database at each statement of a token request in
// turn: before it runs, and after its transaction was committed, so that nobody is told. What is asked for is done as
// a whole or not at all; the app learns that it failed; and when it asks again it has what it should have. What a
// statement does that fails by itself is the store's tests' to show.
func TestEveryStatementOfATokenRequestMayFail(t *testing.T) {
	dsn := pgtest.Start(t)
	cut := pgtest.NewCut(t, dsn, regexp.MustCompile(`artifacts|families`)) // not what a node does by itself
	f := &breaking{t: t, process: newProcess(t, cut.URL), cut: cut}
	var err error
	if f.db, err = sql.Open("pgx", dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.db.Close() })
	for name, try := range map[string]func() bool{"code": f.code, "spent code": f.spentCode, "refresh token": f.refreshToken, "stolen refresh token": f.stolen} {
		t.Run(name, func(t *testing.T) {
			f.t = t
			for _, f.after = range []bool{false, true} {
				for f.n = 1; try(); f.n++ {
				}
				if f.n < 3 {
					t.Errorf("broken at %d statements only", f.n-1)
				}
			}
		})
	}
}

// breaking is a broker whose database breaks off.
type breaking struct {
	*process
	t     *testing.T
	cut   *pgtest.Cut
	db    *sql.DB
	n     int // the statement
	after bool
	where string
}

// broken makes a request that breaks off, and tells whether it did. Its answer is tokens, or an error that says that
// it is our fault; refused is what it is when nothing has broken in its way.
func (f *breaking) broken(present func(context.Context, string) (tokenAnswer, error), with string, refused int) (a tokenAnswer, was bool) {
	f.t.Helper()
	f.cut.Arm(f.n, f.after)
	a, err := present(f.t.Context(), with)
	sql := f.cut.Disarm()
	f.where = fmt.Sprintf("statement %d, after it %v: %.60s", f.n, f.after, sql)
	if err != nil {
		f.t.Fatalf("%s: %v", f.where, err)
	}
	if s := a.status; s != refused && s != http.StatusServiceUnavailable && s != http.StatusInternalServerError {
		f.t.Errorf("%s: %d %s", f.where, s, a.body)
	}
	return a, sql != ""
}

func (f *breaking) newCode() string {
	f.t.Helper()
	code, err := f.login(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return code
}

// present makes an honest request whose answer is to have a status.
func (f *breaking) present(how func(context.Context, string) (tokenAnswer, error), with string, status int, what string) tokenAnswer {
	f.t.Helper()
	a, err := how(f.t.Context(), with)
	if err != nil || a.status != status {
		f.t.Errorf("%s: %s = %d %s, %v, want %d", f.where, what, a.status, a.body, err, status)
	}
	return a
}

// newest is how the code that was made last, and what was made of it, stand.
func (f *breaking) newest() (spent, families, live int, generation int64) {
	f.t.Helper()
	err := f.db.QueryRow(`WITH s AS (SELECT id FROM sessions ORDER BY created DESC, seen DESC LIMIT 1)
SELECT (SELECT COUNT(*) FROM artifacts, s WHERE session = s.id AND family <> ''), COUNT(f.id), COALESCE(SUM(1 - f.revoked), 0), COALESCE(MAX(f.generation), 0)
FROM families f, s WHERE f.session = s.id`).Scan(&spent, &families, &live, &generation)
	if err != nil {
		f.t.Fatal(err)
	}
	return spent, families, live, generation
}

// code is the redemption of a code.
func (f *breaking) code() bool {
	code := f.newCode()
	a, broken := f.broken(f.redeem, code, http.StatusOK)
	spent, families, live, _ := f.newest()
	if spent != families || families != live {
		f.t.Errorf("%s: %d spent codes, %d families, %d of them good", f.where, spent, families, live)
	}
	switch {
	case a.status == http.StatusOK:
		f.present(f.refresh, a.Refresh, http.StatusOK, "its refresh token")
	case spent == 0:
		a = f.present(f.redeem, code, http.StatusOK, "the code once more")
		f.present(f.refresh, a.Refresh, http.StatusOK, "its refresh token")
	default: // the tokens are lost, and nobody may find them
		f.present(f.redeem, code, http.StatusBadRequest, "the code once more")
		if _, _, live, _ := f.newest(); live != 0 {
			f.t.Errorf("%s: tokens that nobody has got are good", f.where)
		}
	}
	return broken
}

// spentCode is the replay of a code, which ends what was made of it.
func (f *breaking) spentCode() bool {
	code := f.newCode()
	a := f.present(f.redeem, code, http.StatusOK, "a code")
	_, broken := f.broken(f.redeem, code, http.StatusBadRequest)
	f.present(f.redeem, code, http.StatusBadRequest, "the code once more")
	f.present(f.refresh, a.Refresh, http.StatusBadRequest, "the refresh token of a replayed code")
	return broken
}

// refreshToken is a rotation. It may be done once more within its grace, whatever became of the first.
func (f *breaking) refreshToken() bool {
	a := f.present(f.redeem, f.newCode(), http.StatusOK, "a code")
	_, broken := f.broken(f.refresh, a.Refresh, http.StatusOK)
	next := f.present(f.refresh, a.Refresh, http.StatusOK, "the refresh token once more")
	if _, families, live, generation := f.newest(); families != 1 || live != 1 || generation != 2 {
		f.t.Errorf("%s: %d families, %d of them good, in generation %d", f.where, families, live, generation)
	}
	f.present(f.refresh, next.Refresh, http.StatusOK, "its successor")
	return broken
}

// stolen is a refresh token that was exchanged twice before, and ends its family.
func (f *breaking) stolen() bool {
	a := f.present(f.redeem, f.newCode(), http.StatusOK, "a code")
	second := f.present(f.refresh, a.Refresh, http.StatusOK, "a refresh token")
	third := f.present(f.refresh, second.Refresh, http.StatusOK, "a refresh token")
	_, broken := f.broken(f.refresh, a.Refresh, http.StatusBadRequest)
	f.present(f.refresh, a.Refresh, http.StatusBadRequest, "a stolen refresh token once more")
	f.present(f.refresh, third.Refresh, http.StatusBadRequest, "its successor")
	return broken
}
