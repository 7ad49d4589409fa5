package keys

import "context"

// Maintain is one turn of Run.
func (r *Ring) Maintain(ctx context.Context) error { return r.maintain(ctx) }
