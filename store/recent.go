package store

import "sync"

// recentSize bounds what is remembered of each sort: more than a node has under way, and little memory.
const recentSize = 1024

// recentRow bounds one of them, in bytes: strangers make logins.
const recentRow = 4 << 10

// recent remembers the last rows that this process has written, because most rows that live minutes are read
// once, by the process that wrote them, a moment later. The database stays the judge: what is done with a row
// from here is a statement that checks it once more. The zero value is ready.
type recent[V any] struct {
	mu    sync.Mutex
	rows  map[string]V
	order []string // a ring, the oldest at next
	next  int
}

// put remembers a row, and forgets the oldest when there are too many.
func (r *recent[V]) put(id string, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows == nil {
		r.rows, r.order = make(map[string]V, recentSize), make([]string, recentSize)
	}
	delete(r.rows, r.order[r.next])
	r.rows[id], r.order[r.next] = v, id
	r.next = (r.next + 1) % recentSize
}

// take returns a row and forgets it.
func (r *recent[V]) take(id string) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.rows[id]
	delete(r.rows, id)
	return v, ok
}
