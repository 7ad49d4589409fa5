package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
)

// maintain reads the keys, makes those that are due, and removes those whose time is over. Nodes that do
// it at once do not disturb each other: a place in a line is taken once.
func (r *Ring) maintain(ctx context.Context) error {
	s, err := r.load(ctx)
	if err != nil {
		return err
	}
	all := lines()
	for l := range s.lines {
		if !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	failed := r.makeMissing(ctx, all)
	if old := r.outlived(); len(old) > 0 {
		if err := r.store.DeleteKeys(ctx, old); err != nil {
			return errors.Join(failed, err)
		}
	}
	_, err = r.load(ctx)
	return errors.Join(failed, err)
}

// makeMissing sees to it that each line has a key in use and one that stands ready. A certificate has a
// successor only when it is about to run out, and the lasting key has none. A line whose keys cannot be had does
// not keep the others from it.
func (r *Ring) makeMissing(ctx context.Context, all []line) error {
	s, now := r.keys.Load(), r.now()
	var add []Record
	var failed error
	for _, l := range all {
		if r.isRemote(l) {
			more, err := r.remoteMissing(ctx, s, l)
			failed = errors.Join(failed, err)
			for _, rec := range more {
				if slices.ContainsFunc(add, func(a Record) bool { return a.ID == rec.ID }) {
					failed = errors.Join(failed, fmt.Errorf("%s: two of the names that are kept elsewhere are one key, %s", l.alg, rec.ID))
					continue
				}
				add = append(add, rec)
			}
			continue
		}
		last, active := int64(0), now
		if ks := s.lines[l]; len(ks) > 0 {
			newest := ks[len(ks)-1]
			if newest.remote == "" && (newest.Active.After(now) || !rotates(l) && !newest.runsOut(now)) {
				continue
			}
			last, active = newest.Seq, newest.Active.Add(r.schedule.Every)
			if newest.remote != "" { // keys are not kept elsewhere any more
				active = now
			}
			if !rotates(l) {
				active = now.Add(certificateAhead)
			}
			if due := now.Add(r.schedule.Ahead); active.Before(due) { // nobody was there in time
				active = due
			}
			if newest.remote != "" && r.signer(s, l.alg, now) == nil { // nothing else can sign
				active = now
			}
		}
		for {
			rec, err := r.make(l, last+1, active)
			if err != nil {
				return err
			}
			add, last = append(add, rec), rec.Seq
			if active.After(now) || !rotates(l) {
				break
			}
			active = now.Add(r.schedule.Every)
		}
	}
	if len(add) == 0 {
		return failed
	}
	// They are published from now on: making them has taken its time.
	for i, made := 0, r.now(); i < len(add); i++ {
		add[i].Created = made
	}
	if err := r.store.AddKeys(ctx, add, nil); !errors.Is(err, broker.ErrConflict) { // else another node was faster
		failed = errors.Join(failed, err)
	}
	return failed
}

func rotates(l line) bool { return l.use == "sig" || l.use == "refresh" }

// outlived are the keys that nothing valid can have been made with.
func (r *Ring) outlived() []string {
	var old []string
	for l, ks := range r.keys.Load().lines {
		keep := r.schedule.Keep
		switch {
		case !rotates(l):
			keep = certificateKeep
		case l.use != "sig":
			keep = keepRefresh
		}
		for i := range len(ks) - 1 {
			if l.use == "sig" && ks[i] == r.signer(r.keys.Load(), l.alg, r.now()) {
				continue // the one that it would be over by is not used here
			}
			if r.now().Sub(ks[i+1].Active) > keep {
				old = append(old, ks[i].ID)
			}
		}
	}
	return old
}

// Rotation is what has come of one by hand.
type Rotation struct {
	// At is when the last of the new keys is in use. That is now, unless one was made so recently (by a rotation
	// just before) that verifiers may not have seen it: then it is as soon as they have.
	At time.Time
	// Without are the algorithms whose next key is to be named first, because they are kept elsewhere.
	Without []string
}

// Rotate puts the keys that stand ready into use, in every line. The old keys stay published until what they
// signed has expired.
func (r *Ring) Rotate(ctx context.Context) (Rotation, error) {
	s, err := r.load(ctx)
	if err != nil {
		return Rotation{}, err
	}
	now := r.now()
	out := Rotation{At: now}
	for _, l := range lines() {
		ks := s.lines[l]
		i := r.next(s, l, now)
		if i < 0 {
			if r.isRemote(l) {
				out.Without = append(out.Without, l.alg)
			}
			continue
		}
		next, at := ks[i], r.earliest(ks, i, now)
		if at.After(next.Active) {
			at = next.Active
		}
		if at.After(out.At) {
			out.At = at
		}
		if at.Equal(next.Active) { // a rotation a moment ago has seen to it: keys must not pile up
			continue
		}
		var add Record
		if !r.isRemote(l) {
			if add, err = r.make(l, next.Seq+1, at.Add(r.schedule.Every)); err != nil {
				return out, err
			}
		}
		if err := r.store.ActivateKey(ctx, next.ID, at, add, r.rotated(next.Record)); err != nil && !errors.Is(err, broker.ErrConflict) {
			return out, err
		}
	}
	_, err = r.load(ctx)
	return out, err
}

// next is the place of the key of a line that stands ready; -1: there is none.
func (r *Ring) next(s *set, l line, now time.Time) int {
	return slices.IndexFunc(s.lines[l], func(k *key) bool {
		return k.Active.After(now) && (k.remote != "") == r.isRemote(l) // else it will not be used any more
	})
}

// earliest is when the key ks[i] may come into use: when it has been published long enough. One that was
// published together with the first of its line has been in every key set.
func (r *Ring) earliest(ks []*key, i int, now time.Time) time.Time {
	k := ks[i]
	at := k.Created.Add(r.schedule.Ahead)
	if i == 1 && k.Seq == 2 && k.Created.Equal(ks[0].Created) || at.Before(now) {
		return now
	}
	return at
}

// Info describes a key for people.
type Info struct {
	ID     string    `json:"kid"`
	Use    string    `json:"use"`
	Alg    string    `json:"alg"`
	Status string    `json:"status"` // next, active or retired
	Active time.Time `json:"active"` // since or from when it is in use
	// Remote is the name of a private key that is kept elsewhere; "" for one that is in the database.
	Remote string `json:"remote,omitempty"`
	// Expires is when a certificate runs out; zero for what is no certificate.
	Expires time.Time `json:"expires,omitzero"`
}

// List describes all keys, line by line, oldest first.
func (r *Ring) List() []Info {
	var all []Info
	s, now := r.keys.Load(), r.now()
	for _, ks := range s.lines {
		for _, k := range ks {
			all = append(all, r.info(s, k, now))
		}
	}
	slices.SortFunc(all, func(a, b Info) int {
		if a.Use+a.Alg != b.Use+b.Alg {
			return strings.Compare(a.Use+a.Alg, b.Use+b.Alg)
		}
		return a.Active.Compare(b.Active)
	})
	return all
}

func (r *Ring) info(s *set, k *key, now time.Time) Info {
	i := Info{ID: k.ID, Use: k.Use, Alg: k.Alg, Status: "retired", Active: k.Active, Remote: r.name(k)}
	current, _ := s.current(line{k.Use, k.Alg}, now)
	if k.Use == "sig" {
		current = r.signer(s, k.Alg, now)
	}
	switch {
	case k == current:
		i.Status = "active"
	case k.Active.After(now) && (k.Use != "sig" || (k.remote != "") == r.isRemote(line{k.Use, k.Alg})):
		i.Status = "next"
	}
	if k.certificate != nil {
		i.Expires = k.certificate.Leaf.NotAfter
	}
	return i
}
