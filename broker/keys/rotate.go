package keys

import (
	"context"
	"errors"
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
	if err := r.makeMissing(ctx, all); err != nil && !errors.Is(err, broker.ErrConflict) {
		return err
	}
	if old := r.outlived(); len(old) > 0 {
		if err := r.store.DeleteKeys(ctx, old); err != nil {
			return err
		}
	}
	_, err = r.load(ctx)
	return err
}

// makeMissing sees to it that each line has a key in use and one that stands ready. A certificate has a
// successor only when it is about to run out, and the lasting key has none.
func (r *Ring) makeMissing(ctx context.Context, all []line) error {
	s, now := r.keys.Load(), r.now()
	var add []Record
	for _, l := range all {
		last, active := int64(0), now
		if ks := s.lines[l]; len(ks) > 0 {
			newest := ks[len(ks)-1]
			if newest.Active.After(now) || !rotates(l) && !newest.runsOut(now) {
				continue
			}
			last, active = newest.Seq, newest.Active.Add(r.schedule.Every)
			if !rotates(l) {
				active = now.Add(certificateAhead)
			}
			if due := now.Add(r.schedule.Ahead); active.Before(due) { // nobody was there in time
				active = due
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
		return nil
	}
	// They are published from now on: making them has taken its time.
	for i, made := 0, r.now(); i < len(add); i++ {
		add[i].Created = made
	}
	return r.store.AddKeys(ctx, add, nil)
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
			if r.now().Sub(ks[i+1].Active) > keep {
				old = append(old, ks[i].ID)
			}
		}
	}
	return old
}

// Rotate puts the keys that stand ready into use, in every line, and returns when the last of them is. That
// is now, unless one was made so recently (by a rotation just before) that verifiers may not have seen it:
// then it is as soon as they have. The old keys stay published until what they signed has expired.
func (r *Ring) Rotate(ctx context.Context) (time.Time, error) {
	s, err := r.load(ctx)
	if err != nil {
		return time.Time{}, err
	}
	now := r.now()
	last := now
	for _, l := range lines() {
		ks := s.lines[l]
		i := slices.IndexFunc(ks, func(k *key) bool { return k.Active.After(now) })
		if i < 0 {
			continue
		}
		next, at := ks[i], r.earliest(ks, i, now)
		if at.After(next.Active) {
			at = next.Active
		}
		if at.After(last) {
			last = at
		}
		if at.Equal(next.Active) { // a rotation a moment ago has seen to it: keys must not pile up
			continue
		}
		add, err := r.make(l, next.Seq+1, at.Add(r.schedule.Every))
		if err != nil {
			return last, err
		}
		if err := r.store.ActivateKey(ctx, next.ID, at, add, r.rotated(next.Record)); err != nil && !errors.Is(err, broker.ErrConflict) {
			return last, err
		}
	}
	_, err = r.load(ctx)
	return last, err
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
	// Expires is when a certificate runs out; zero for what is no certificate.
	Expires time.Time `json:"expires,omitzero"`
}

// List describes all keys, line by line, oldest first.
func (r *Ring) List() []Info {
	var all []Info
	s, now := r.keys.Load(), r.now()
	for _, ks := range s.lines {
		for _, k := range ks {
			all = append(all, s.info(k, now))
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

func (s *set) info(k *key, now time.Time) Info {
	i := Info{ID: k.ID, Use: k.Use, Alg: k.Alg, Status: "retired", Active: k.Active}
	current, err := s.current(line{k.Use, k.Alg}, now)
	switch {
	case k.Active.After(now):
		i.Status = "next"
	case err == nil && k == current:
		i.Status = "active"
	}
	if k.certificate != nil {
		i.Expires = k.certificate.Leaf.NotAfter
	}
	return i
}
