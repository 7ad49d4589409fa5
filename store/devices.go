package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
)

const (
	// devicesKept is how long a device is told that it was too late.
	devicesKept = time.Hour
	// maxEntries is how often a code may be typed: one person does it once, many do it when a stranger has
	// sent them all the same code.
	maxEntries = 5
)

// AddDevice implements op.DeviceStore.
func (db *DB) AddDevice(ctx context.Context, d broker.Device) error {
	return db.engine.write(ctx, op{relaxed: true, steps: []step{{
		sql: `INSERT INTO devices (hash, code, app, data, expires, state, entries, user_id, epoch, provider, answer)
VALUES ($1, $2, $3, $4, $5, $6, 0, '', 0, '', '') ON CONFLICT DO NOTHING`,
		args: []any{d.Hash, d.Code, d.App, string(d.Data), ms(d.Expires), int64(d.State)},
		none: broker.ErrConflict,
	}}})
}

// EnterDevice implements op.DeviceStore.
func (db *DB) EnterDevice(ctx context.Context, code string) (d broker.Device, err error) {
	if !storable([]any{code}) {
		return d, broker.ErrNotFound
	}
	var data string
	state, expires := int64(-1), int64(0)
	err = db.engine.write(ctx, op{relaxed: true, steps: []step{{
		sql: `UPDATE devices SET entries = entries + 1, state = CASE WHEN entries >= $1 THEN $2 ELSE state END
WHERE code = $3 AND state = $4 AND expires > $5 RETURNING hash, app, data, state, expires`,
		args: []any{int64(maxEntries), int64(broker.DeviceBurnt), code, int64(broker.DeviceWaits), db.now()},
		row:  func(r row) error { return r.Scan(&d.Hash, &d.App, &data, &state, &expires) },
	}}})
	if err == nil && state != int64(broker.DeviceWaits) { // burnt, or there is none
		err = broker.ErrNotFound
	}
	if err != nil {
		return broker.Device{}, err
	}
	d.Code, d.Data, d.State, d.Expires = code, json.RawMessage(data), broker.DeviceState(state), at(expires)
	return d, nil
}

// Device implements op.DeviceStore. A device that nobody has allowed, or whose user has been signed out
// everywhere since, has no user.
func (db *DB) Device(ctx context.Context, hash []byte) (d broker.Device, u broker.User, err error) {
	var r userRow
	var data, answer string
	var state, expires int64
	err = db.one(ctx, `SELECT d.hash, d.code, d.app, d.data, d.expires, d.state, d.provider, d.answer,
COALESCE(u.id, ''), COALESCE(u.attributes, '{}'), COALESCE(u.created, 0), COALESCE(u.updated, 0), COALESCE(u.disabled, 0)
FROM devices d LEFT JOIN users u ON u.id = d.user_id AND u.epoch = d.epoch WHERE d.hash = $1`, []any{hash},
		append([]any{&d.Hash, &d.Code, &d.App, &data, &expires, &state, &d.Provider, &answer}, r.dest()...)...)
	if err != nil {
		return broker.Device{}, broker.User{}, err
	}
	d.Data, d.Answer, d.Expires, d.State = json.RawMessage(data), json.RawMessage(answer), at(expires), broker.DeviceState(state)
	u, err = r.user()
	d.User = u.ID
	return d, u, err
}

// allowDevice says yes to a device that waits, for a user who may sign in.
func (db *DB) allowDevice(a broker.Artifact) step {
	return step{
		sql: `UPDATE devices SET state = $1, user_id = $2, epoch = (SELECT u.epoch FROM users u WHERE u.id = $3), provider = $4, answer = $5
WHERE hash = $6 AND app = $7 AND state = $8 AND expires > $9 AND EXISTS (SELECT 1 FROM users u WHERE u.id = $10 AND u.disabled = 0)`,
		args: []any{
			int64(broker.DeviceAllowed), a.User, a.User, a.Provider, string(a.Data), a.Hash, a.App, int64(broker.DeviceWaits), db.now(), a.User,
		},
		none: broker.ErrConflict,
	}
}

// DenyDevice implements op.DeviceStore.
func (db *DB) DenyDevice(ctx context.Context, hash []byte, e broker.Event) error {
	err := db.engine.write(ctx, op{steps: []step{{
		sql:  `UPDATE devices SET state = $1 WHERE hash = $2 AND state = $3`,
		args: []any{int64(broker.DeviceRefused), hash, int64(broker.DeviceWaits)},
		none: errNothing,
	}, db.record(e)}})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// RedeemDevice implements op.DeviceStore.
func (db *DB) RedeemDevice(ctx context.Context, hash []byte, f token.Family, e broker.Event) error {
	return db.engine.write(ctx, op{steps: []step{{
		sql: `UPDATE devices SET state = $1 WHERE hash = $2 AND state = $3 AND expires > $4
AND epoch = (SELECT u.epoch FROM users u WHERE u.id = devices.user_id AND u.disabled = 0)`,
		args: []any{int64(broker.DeviceSpent), hash, int64(broker.DeviceAllowed), db.now()},
		none: broker.ErrReplay,
	}, addFamily(f), db.record(e)}})
}
