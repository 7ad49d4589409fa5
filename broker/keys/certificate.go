package keys

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-broker/signet/broker"
)

// A certificate's peers are told of it by hand, or look for it once a day. So nothing exchanges it without a
// sign: its successor is made long before it runs out, or when somebody asks for it, and is published for
// weeks before it comes into use; its predecessor decrypts for weeks after.
const (
	certificateAhead = 14 * 24 * time.Hour
	certificateKeep  = 30 * 24 * time.Hour
	certificateRenew = 60 * 24 * time.Hour // before it runs out
)

// Certificates returns the key pairs of a use that are good now: the one in use, then its successor when one
// stands ready, then the predecessors that are still kept, the latest first. The first is made when there
// is none.
func (r *Ring) Certificates(ctx context.Context, use string) ([]*tls.Certificate, error) {
	first, err := r.Certificate(ctx, use)
	if err != nil {
		return nil, err
	}
	all := []*tls.Certificate{first}
	var former []*tls.Certificate
	now := r.now()
	ks := r.keys.Load().lines[certificateLine(use)]
	for i, k := range ks {
		switch {
		case k.Active.After(now):
			all = append(all, k.certificate)
		case i+1 < len(ks) && !ks[i+1].Active.After(now) && now.Sub(ks[i+1].Active) < certificateKeep:
			former = append(former, k.certificate)
		}
	}
	slices.Reverse(former)
	return append(all, former...), nil
}

// Certificate returns Signet's own RSA key pair for a use, self-signed, made at its first use.
func (r *Ring) Certificate(ctx context.Context, use string) (*tls.Certificate, error) {
	l := certificateLine(use)
	for range 2 {
		if k, err := r.keys.Load().current(l, r.now()); err == nil {
			return k.certificate, nil
		}
		if err := r.makeMissing(ctx, []line{l}); err != nil {
			return nil, err
		}
		if _, err := r.load(ctx); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no certificate for %s", use)
}

func certificateLine(use string) line { return line{use, "RS256"} }

// RotateCertificate makes the successor of a use's certificate, published from now on and in use two weeks
// later; one that stands ready already stays as it is. now puts it into use at once: its peers must have it
// by then. It returns the successor, or the first certificate where there was none.
func (r *Ring) RotateCertificate(ctx context.Context, use string, now bool) (Info, error) {
	if _, err := r.Certificate(ctx, use); err != nil {
		return Info{}, err
	}
	s, err := r.load(ctx)
	if err != nil {
		return Info{}, err
	}
	ks := s.lines[certificateLine(use)]
	newest, at := ks[len(ks)-1], r.now()
	switch {
	case !newest.Active.After(at) && !now:
		err = r.addCertificate(ctx, newest, at.Add(certificateAhead))
	case !newest.Active.After(at):
		err = r.addCertificate(ctx, newest, at)
	case now:
		err = r.store.ActivateKey(ctx, newest.ID, at, Record{}, r.rotated(newest.Record))
	}
	if err != nil && !errors.Is(err, broker.ErrConflict) { // another node was faster
		return Info{}, err
	}
	if s, err = r.load(ctx); err != nil {
		return Info{}, err
	}
	ks = s.lines[certificateLine(use)]
	return r.info(s, ks[len(ks)-1], r.now()), nil
}

func (r *Ring) addCertificate(ctx context.Context, newest *key, active time.Time) error {
	rec, err := r.make(line{newest.Use, newest.Alg}, newest.Seq+1, active)
	if err != nil {
		return err
	}
	e := r.rotated(rec)
	return r.store.AddKeys(ctx, []Record{rec}, &e)
}

func (r *Ring) rotated(rec Record) broker.Event {
	return broker.Event{ID: rand.Text(), Time: r.now(), Type: broker.KeyRotated, Detail: rec.Use + " " + rec.Alg + " " + rec.ID}
}

// runsOut tells whether a line's newest certificate needs a successor by now.
func (k *key) runsOut(now time.Time) bool {
	return k.certificate != nil && k.certificate.Leaf.NotAfter.Sub(now) < certificateRenew
}
