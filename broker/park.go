package broker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/signet-broker/signet/providers"
)

// park keeps the identity of a login until the browser that started it comes for it. What brought the
// identity came without that browser's cookie, so it may have been another one: somebody whom an attacker
// sent to the upstream with a login of the attacker's. Both would be missing something then, because the
// browser that brought the identity alone is given a receipt, and the other alone has the cookie.
func (b *Broker) park(ctx context.Context, l *Login, v Visitor, once []providers.Once) (Turn, error) {
	receipt := rand.Text()
	sum := sha256.Sum256([]byte(receipt))
	l.Stage, l.Receipt = Identified, sum[:]
	if err := b.update(ctx, l, once); err != nil {
		return Turn{}, b.refused(ctx, l, v, err)
	}
	return Turn{Login: l.ID, App: l.App, Receipt: receipt}, nil
}

// unpark goes on with a parked identity. One that is asked for without its receipt, or long after, is
// forgotten: its login begins anew.
func (b *Broker) unpark(ctx context.Context, l *Login, v Visitor, receipt string) (Turn, error) {
	sum := sha256.Sum256([]byte(receipt))
	if subtle.ConstantTimeCompare(sum[:], l.Receipt) != 1 {
		return Turn{}, b.refusedFor(ctx, l, v, providers.Refuse("state_mismatch", "the identity of login %s may have been brought by another browser", l.ID))
	}
	if b.Now().Sub(l.Begun) > AttemptLifetime {
		return Turn{}, b.refusedFor(ctx, l, v, providers.Refuse("request_expired", "begun at %s", l.Begun.Format(time.RFC3339)))
	}
	return b.conclude(ctx, l, v, nil)
}
