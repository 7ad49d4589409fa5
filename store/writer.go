package store

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

var errClosed = errors.New("the database is closed")

const (
	// maxBatch bounds how many operations share a commit, and with it how long the first of them waits.
	maxBatch = 64
	// maxQueue bounds how many wait; whoever comes then waits to be queued.
	maxQueue = 256
	// wait is how long a commit that has fewer operations than the last one waits for more, and as much longer as
	// threads may sleep: each commit costs the disk and this process the same, however many share it. Whoever is
	// alone does not wait.
	wait = 600 * time.Microsecond
)

// writer owns SQLite's one connection that writes. Whatever has been queued while a commit was on its way
// to the disk is written by the next, so that the rate is not bound by the disk's latency, and nobody is
// answered before the disk has it.
type writer struct {
	conn    *sqliteConn
	queue   chan *job
	stop    sync.Once
	closing chan struct{}
	done    chan struct{}
	err     error // of closing the connection; read after done
	full    bool  // whether commits wait for the disk
	last    int   // how many operations the last commit had
}

// job is an operation that waits for its answer.
type job struct {
	op
	ctx    context.Context
	err    error
	answer chan error // holds one
}

func startWriter(c *sqliteConn) *writer {
	w := &writer{conn: c, queue: make(chan *job, maxQueue), closing: make(chan struct{}), done: make(chan struct{}), full: true}
	go w.run()
	return w
}

// do runs an operation and returns when it is written. One whose context ends before its turn is not run.
func (w *writer) do(ctx context.Context, o op) error {
	if len(o.steps) == 0 {
		return nil
	}
	j := &job{op: o, ctx: ctx, answer: make(chan error, 1)}
	select {
	case w.queue <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return unavailable(errClosed)
	}
	select {
	case err := <-j.answer:
		return err
	case <-w.done:
	}
	// The writer has ended; it may have answered just before.
	select {
	case err := <-j.answer:
		return err
	default:
		return unavailable(errClosed)
	}
}

func (w *writer) close() error {
	w.stop.Do(func() { close(w.closing) })
	<-w.done
	return w.err
}

func (w *writer) run() {
	defer close(w.done)
	batch := make([]*job, 0, maxBatch)
	for {
		batch = batch[:0]
		select {
		case j := <-w.queue:
			batch = append(batch, j)
		case <-w.closing:
			select { // what was queued before is still written
			case j := <-w.queue:
				batch = append(batch, j)
			default:
				w.err = w.conn.close()
				return
			}
		}
		batch = w.fill(batch)
		w.last = len(batch)
		w.commit(batch)
	}
}

// fill takes what else is waiting. It lets everybody run first who could, so that those who were just answered
// come along. Those who come while it waits do not wake it: that would cost as much as they save.
func (w *writer) fill(batch []*job) []*job {
	runtime.Gosched()
	batch = w.queued(batch)
	if len(batch) < w.last {
		time.Sleep(wait)
		batch = w.queued(batch)
	}
	return batch
}

func (w *writer) queued(batch []*job) []*job {
	for len(batch) < maxBatch {
		select {
		case j := <-w.queue:
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// commit writes a batch in one transaction and answers each job.
func (w *writer) commit(batch []*job) {
	live, durable := batch[:0], false
	for _, j := range batch {
		if err := j.ctx.Err(); err != nil {
			j.answer <- err
			continue
		}
		live, durable = append(live, j), durable || !j.relaxed
	}
	if len(live) == 0 {
		return
	}
	err := w.sync(durable)
	if err == nil {
		err = w.transaction(live, false)
	}
	if errors.Is(err, errUndo) {
		err = w.transaction(live, true)
	}
	for _, j := range live {
		if err != nil {
			j.err = sqliteError(err)
		}
		j.answer <- j.err
	}
}

// sync sets whether the next commit waits for the disk.
func (w *writer) sync(full bool) error {
	if w.full == full {
		return nil
	}
	query := `PRAGMA synchronous = NORMAL`
	if full {
		query = `PRAGMA synchronous = FULL`
	}
	_, err := w.conn.exec(query, nil)
	if err == nil {
		w.full = full
	}
	return err
}

// errUndo says that an operation failed after it had written something.
var errUndo = errors.New("an operation has to be undone")

// transaction runs a batch's jobs and sets each one's err. Its own error means that nothing was written.
//
// An operation that fails is nearly always one whose first statement found nothing to change, which leaves
// nothing to undo. So no savepoint is made at first; when one would have been needed, everything is rolled
// back, errUndo is returned, and the batch is run again with savepoints.
func (w *writer) transaction(batch []*job, savepoints bool) (err error) {
	if _, err := w.conn.exec(`BEGIN IMMEDIATE`, nil); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.conn.exec(`ROLLBACK`, nil) //nolint:errcheck // fails when SQLite has done so itself
		}
	}()
	for _, j := range batch {
		if savepoints {
			err = w.protected(j)
		} else {
			var touched bool
			touched, j.err = w.steps(j)
			if isUnavailable(j.err) {
				return j.err
			}
			if j.err != nil && touched {
				return errUndo
			}
		}
		if err != nil {
			return err
		}
	}
	_, err = w.conn.exec(`COMMIT`, nil)
	return err
}

// protected runs a job in a savepoint. Its own error means that the transaction cannot go on.
func (w *writer) protected(j *job) error {
	if _, err := w.conn.exec(`SAVEPOINT job`, nil); err != nil {
		return err
	}
	_, j.err = w.steps(j)
	if isUnavailable(j.err) { // a full disk, say: SQLite has rolled everything back by itself
		return j.err
	}
	if j.err != nil {
		if _, err := w.conn.exec(`ROLLBACK TO job`, nil); err != nil {
			return err
		}
	}
	_, err := w.conn.exec(`RELEASE job`, nil)
	return err
}

// steps runs a job's steps until one fails, and tells whether something may have been written by then.
func (w *writer) steps(j *job) (touched bool, err error) {
	for i := range j.steps {
		s := &j.steps[i]
		var n int64
		if s.row != nil {
			n, err = w.conn.query(s.sql, s.args, s.row)
		} else {
			n, err = w.conn.exec(s.sql, s.args)
		}
		if err != nil {
			return true, sqliteError(err)
		}
		if n == 0 && s.none != nil {
			return touched, s.none
		}
		touched = touched || n > 0 && !s.reads
		if s.count != nil {
			s.count(n)
		}
	}
	return touched, nil
}
