package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/store"
)

// roleVariable has a process of this test binary play a part of its own: "race dsn run" or "write dsn".
const roleVariable = "STORETEST_ROLE"

// Main runs the tests, or in a child process its part. A package's TestMain calls it.
func Main(m *testing.M) int {
	role := strings.Fields(os.Getenv(roleVariable))
	var err error
	switch {
	case len(role) == 0:
		return m.Run()
	case role[0] == "race":
		err = raceAlone(role[1], role[2])
	case role[0] == "write":
		err = writeForever(role[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// child starts a process of this test binary.
func child(t *testing.T, role ...string) (*exec.Cmd, io.WriteCloser, *bufio.Scanner) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), roleVariable+"="+strings.Join(role, " "))
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c, in, bufio.NewScanner(out)
}

// RunNodes has two processes on one database race for everything that is single-use.
func RunNodes(t *testing.T, dsn string) {
	b := newBench(t, dsn)
	run := fmt.Sprint("r", time.Now().UnixNano())
	all := contests(run)
	won, both := make([][]int, len(all)), make([]int, 2)
	for i := range won {
		won[i] = make([]int, rounds)
	}
	type node struct {
		in  io.WriteCloser
		out *bufio.Scanner
	}
	var nodes []node
	for range 2 {
		_, in, out := child(t, "race", dsn, run)
		nodes = append(nodes, node{in, out})
	}
	for i, c := range all {
		prepare(t, c, b.db, time.Now())
		for _, n := range nodes {
			fmt.Fprintln(n.in, "go") // the next contest
		}
		for k, n := range nodes {
			for n.out.Scan() && n.out.Text() != "done" {
				var round int
				if _, err := fmt.Sscan(n.out.Text(), &round); err != nil {
					t.Fatalf("%s: a node says %q", c.name, n.out.Text())
				}
				won[i][round]++
				both[k]++
			}
		}
		for round, n := range won[i] {
			if n != 1 {
				t.Fatalf("%s: round %d: %d have won, want one", c.name, round, n)
			}
		}
	}
	if both[0] < rounds/10 || both[1] < rounds/10 {
		t.Fatalf("the nodes have won %v times: they did not race", both)
	}
}

// raceAlone is one node of RunNodes: it tries each round of a contest when it is told to go, in the same order as
// the other, and says which it has won.
func raceAlone(dsn, run string) error {
	ctx := context.Background()
	db, err := store.Open(ctx, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	in := bufio.NewScanner(os.Stdin)
	for _, c := range contests(run) {
		if !in.Scan() {
			return errors.New("the test has ended")
		}
		next, said := make(chan int), make(chan error)
		for range racers {
			go func() {
				for i := range next {
					err := c.try(ctx, db, time.Now(), i)
					if err == nil {
						fmt.Println(i)
					} else if !errors.Is(err, c.lost) {
						said <- fmt.Errorf("%s, round %d: %w", c.name, i, err)
						return
					}
				}
				said <- nil
			}()
		}
		for i := range rounds {
			next <- i
		}
		close(next)
		for range racers {
			if err := <-said; err != nil {
				return err
			}
		}
		fmt.Println("done")
	}
	return nil
}

// RunKill kills a process that writes, and looks for all that it had been told is written.
func RunKill(t *testing.T, dsn string) {
	b := newBench(t, dsn)
	c, _, out := child(t, "write", dsn)
	time.AfterFunc(1500*time.Millisecond, func() { c.Process.Kill() })
	var acknowledged []string
	for out.Scan() {
		acknowledged = append(acknowledged, out.Text())
	}
	if err := c.Wait(); err == nil || len(acknowledged) < 50 {
		t.Fatalf("the process ended with %v after %d writes; want it killed after many", err, len(acknowledged))
	}
	// What was on its way when the process died is written as a whole, or not at all.
	b.ms.Store(time.Now().UnixMilli())
	for _, line := range acknowledged {
		what, id, _ := strings.Cut(line, " ")
		var err error
		switch what {
		case "created":
			_, err = b.db.Login(t.Context(), id)
		case "finished":
			_, _, err = b.db.Session(t.Context(), Hash(id))
		case "redeemed":
			_, _, err = b.db.Family(t.Context(), id)
		case "rotated":
			err = nil
			if f, _, ferr := b.db.Family(t.Context(), id); ferr != nil || f.Generation != 2 {
				err = fmt.Errorf("generation %d: %w", f.Generation, ferr)
			}
		default:
			continue // the last line may be cut
		}
		if err != nil {
			t.Fatalf("%s: %v, though it was acknowledged", line, err)
		}
	}
	b.invariants(t)
	if b.sqlite() {
		var ok string
		if err := b.raw.QueryRow(`PRAGMA integrity_check`).Scan(&ok); err != nil || ok != "ok" {
			t.Fatalf("integrity_check = %q, %v", ok, err)
		}
	}
}

// invariants are what must hold at any time.
func (b *bench) invariants(t *testing.T) {
	t.Helper()
	for name, query := range map[string]string{
		"session without a user":            `SELECT COUNT(*) FROM sessions s LEFT JOIN users u ON u.id = s.user_id WHERE u.id IS NULL`,
		"link without a user":               `SELECT COUNT(*) FROM links l LEFT JOIN users u ON u.id = l.user_id WHERE u.id IS NULL`,
		"spent artifact without its family": `SELECT COUNT(*) FROM artifacts a LEFT JOIN families f ON f.id = a.family WHERE a.family NOT IN ('', '-') AND f.id IS NULL`,
		"family without its artifact":       `SELECT COUNT(*) FROM families f LEFT JOIN artifacts a ON a.family = f.id WHERE a.hash IS NULL`,
		"finished login without its event":  `SELECT COUNT(*) FROM logins l LEFT JOIN events e ON e.login = l.id WHERE l.version > 1 AND e.id IS NULL`,
		"two families of one artifact":      `SELECT COUNT(*) FROM (SELECT session FROM families GROUP BY session HAVING COUNT(*) > 1) x`,
		"session whose artifact is missing": `SELECT COUNT(*) FROM sessions s LEFT JOIN artifacts a ON a.session = s.id WHERE a.hash IS NULL`,
		"user who has no link though new":   `SELECT COUNT(*) FROM users u LEFT JOIN links l ON l.user_id = u.id WHERE l.user_id IS NULL`,
	} {
		var n int
		if err := b.raw.QueryRow(query).Scan(&n); err != nil || n != 0 {
			t.Fatalf("%s: %d, %v", name, n, err)
		}
	}
}

// writeForever writes logins from start to end until it is killed, and says what it was told is written.
func writeForever(dsn string) error {
	ctx := context.Background()
	db, err := store.Open(ctx, dsn)
	if err != nil {
		return err
	}
	errs := make(chan error)
	var line sync.Mutex
	say := func(what, id string) {
		line.Lock()
		defer line.Unlock()
		fmt.Println(what, id)
	}
	for range 8 {
		go func() {
			for {
				if err := writeOne(ctx, db, say); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

func writeOne(ctx context.Context, db *store.DB, say func(what, id string)) error {
	now := time.Now()
	l := Login(now)
	if err := db.CreateLogin(ctx, l); err != nil {
		return err
	}
	say("created", l.ID)
	f := Finish(now, &l, User(now), true)
	secret := f.Session.ID
	f.Session.Hash = Hash(secret)
	f.Artifact.Hash = Hash("code" + secret)
	if err := db.Finish(ctx, f); err != nil {
		return err
	}
	say("finished", secret)
	fam := Family(now, f.Session)
	if err := db.Redeem(ctx, f.Artifact.Hash, fam, broker.Event{}, broker.Event{}); err != nil {
		return err
	}
	say("redeemed", fam.ID)
	if err := db.Rotate(ctx, fam.ID, 1, now, now.Add(time.Hour)); err != nil {
		return err
	}
	say("rotated", fam.ID)
	return nil
}
