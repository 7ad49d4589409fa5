package store

import (
	"context"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
)

// Finish implements broker.Store.
//
// A user who was disabled since the broker looked counts as gone.
func (db *DB) Finish(ctx context.Context, f broker.Finish) error {
	steps, err := db.finishLogin(make([]step, 0, 8), f)
	if err != nil {
		return err
	}
	user, err := finishUser(f)
	if err != nil {
		return err
	}
	steps = append(steps, user...)
	// The same person signing in again keeps the session's ID, and what belongs to it.
	again := f.Session != nil && f.Session.ID == f.EndSession
	if f.EndSession != "" && !again {
		steps = append(steps, db.endSession(f.EndSession)...)
	}
	if f.Session != nil {
		steps = append(steps, addSession(*f.Session, again))
		if again {
			steps = append(steps, keepFamilies(*f.Session))
		}
	}
	if f.Artifact != nil {
		steps = append(steps, answer(f.Artifact.Request)...)
		steps = append(steps, db.addArtifact(*f.Artifact))
	}
	steps = append(steps, addConsent(f.Consent)...)
	if f.Login != nil {
		db.logins.take(f.Login.ID)
	}
	err = db.engine.write(ctx, op{steps: append(steps, db.record(f.Event))})
	if err == nil && f.Artifact != nil && f.Who != nil && !f.Artifact.Device {
		db.artifacts.put(string(f.Artifact.Hash), madeArtifact{*f.Artifact, *f.Who})
	}
	return err
}

// FinishKnown implements broker.Store.
func (db *DB) FinishKnown(ctx context.Context, f broker.Finish, as broker.Attributes) (u broker.User, err error) {
	known, err := attributesJSON(broker.User{Attributes: as})
	if err != nil {
		return u, err
	}
	find := step{
		sql: `SELECT u.id, u.created, u.updated FROM links l JOIN users u ON u.id = l.user_id
WHERE l.provider = $1 AND l.subject = $2 AND u.attributes = $3 AND u.disabled = 0`,
		args:  []any{f.Session.Provider, f.Session.Subject, known},
		none:  broker.ErrNotFound,
		reads: true,
		row: func(r row) error {
			var created, updated int64
			err := r.Scan(&u.ID, &created, &updated)
			u.Attributes, u.Created, u.Updated = as, at(created), at(updated)
			return err
		},
	}
	if !storable(find.args) {
		return u, broker.ErrNotFound
	}
	steps, err := db.finishLogin(append(make([]step, 0, 8), find), f)
	if err != nil {
		return u, err
	}
	steps = append(steps, addSession(*f.Session, false))
	if f.Artifact != nil {
		steps = append(steps, answer(f.Artifact.Request)...)
		steps = append(steps, db.addArtifact(*f.Artifact))
	}
	db.logins.take(f.Login.ID)
	if err := db.engine.write(ctx, op{steps: append(steps, db.recordSession(f.Event))}); err != nil {
		return broker.User{}, err
	}
	if f.Artifact != nil {
		a := *f.Artifact
		a.User = u.ID
		db.artifacts.put(string(a.Hash), madeArtifact{a, u})
	}
	return u, nil
}

// finishLogin adds what must hold for a login to finish at all.
func (db *DB) finishLogin(steps []step, f broker.Finish) ([]step, error) {
	provider := ""
	if f.Login != nil {
		update, err := db.updateLogin(*f.Login)
		if err != nil {
			return nil, err
		}
		steps, provider = append(steps, update), f.Login.Provider
	}
	return append(steps, remember(provider, f.Once)...), nil
}

func finishUser(f broker.Finish) (steps []step, err error) {
	if f.User != nil {
		add := updateUser
		if f.NewUser {
			add = addUser
		}
		s, err := add(*f.User)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	if f.Link != nil {
		if !storable([]any{f.Link.Subject}) {
			return nil, providers.Refuse("subject_invalid", "the subject has a NUL or is not UTF-8")
		}
		steps = append(steps, addLink(*f.Link))
	}
	return steps, nil
}
