package saml

import (
	"syscall"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

// TestRows holds every row of the catalogue against a provider, and an honest login after each refusal.
func TestRows(t *testing.T) {
	b := openTest(t, nil)
	if _, err := b.signIn(t, providers.Attempt{}, nil); err != nil {
		t.Fatalf("honest login = %v", err)
	}
	seen := map[string]bool{}
	accepted, refused := 0, 0
	for _, row := range idptest.SAMLRows {
		if seen[row.ID] {
			t.Errorf("row %s is there twice", row.ID)
		}
		seen[row.ID] = true
		t.Run(row.ID+" "+row.Name, func(t *testing.T) {
			attempt, sent := b.begin(t, providers.Attempt{ForceLogin: row.Forced})
			reply := b.answer(t, sent, &row)
			next, err := b.p.Continue(t.Context(), attempt, reply)
			if row.Fast {
				if took := quickest(func() { b.p.Continue(t.Context(), attempt, reply) }, budget(row)); took > budget(row) {
					t.Errorf("took %s, want at most %s", took, budget(row))
				}
			}
			if row.Control {
				accepted++
				if err != nil {
					t.Fatalf("error = %v, want it accepted", err)
				}
				if id := next.(providers.Done).Identity; id.Subject != "peter" || id.Claims["email"] != "peter@initech.example" {
					t.Errorf("identity = %q with email %v, want peter's", id.Subject, id.Claims["email"])
				}
				return
			}
			refused++
			if next != nil {
				t.Errorf("Continue = %T, want nothing beside the error", next)
			}
			wantReason(t, err, row.Reason)
			if _, err := b.signIn(t, providers.Attempt{}, nil); err != nil {
				t.Errorf("honest login afterwards = %v", err)
			}
		})
	}
	if n := b.idp.Probes(); n > 0 {
		t.Errorf("%d requests to an address that a document type names, want none", n)
	}
	t.Logf("%d bad inputs refused, %d controls accepted", refused, accepted)
}

// quickest is the least processor time that some runs took, so that a busy machine does not fail a test;
// one within the budget ends them.
func quickest(f func(), enough time.Duration) time.Duration {
	best := time.Hour
	for range 10 {
		start := processorTime()
		f()
		if best = min(best, processorTime()-start); best <= enough {
			break
		}
	}
	return best
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// budget is the time a row may take: 50 ms to refuse, twice that to accept 5,000 groups. The race detector
// makes everything some ten times slower.
func budget(row idptest.SAMLRow) time.Duration {
	d := 50 * time.Millisecond
	if row.Control {
		d *= 2
	}
	if raceEnabled {
		d *= 10
	}
	return d
}
