package store

// op is one atomic operation that writes.
type op struct {
	steps   []step
	relaxed bool // it may be lost with the machine's power, not with the process
	again   bool // it may be run a second time when nobody knows whether the first succeeded
}

// step is one statement of an operation.
type step struct {
	sql  string
	args []any // int64, string and []byte only
	// none is the operation's error when the statement touches no row; nothing is written then. nil: that is
	// fine.
	none  error
	reads bool            // it writes nothing, so that there is nothing to undo after it
	row   func(row) error // gets each row that the statement returns
	count func(n int64)   // gets the number of rows touched, before the operation is certain
}

// row is a row that was read.
type row interface{ Scan(dest ...any) error }
