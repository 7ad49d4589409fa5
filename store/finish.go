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
	steps, err := db.finishLogin(f)
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

// finishLogin is what must hold for a login to finish at all.
func (db *DB) finishLogin(f broker.Finish) ([]step, error) {
	steps := make([]step, 0, 8)
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
