package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Signing keys can be kept where nobody can read them, such as AWS KMS. They are in the ring as all others are:
// with a record, which holds the name and the public key, in a line with an order, published ahead and for a
// while after. But nobody makes their successors here: who runs Signet names them. A line that goes elsewhere,
// or comes back, is a rotation too.

// Remote keeps private keys.
type Remote interface {
	// Public returns the public key of a name.
	Public(ctx context.Context, name string) (crypto.PublicKey, error)
	// Sign returns the signature by an algorithm (RS256, PS256 or ES256) over a SHA-256 digest, in the form that a
	// crypto.Signer gives.
	Sign(ctx context.Context, name, alg string, digest []byte) ([]byte, error)
}

// Elsewhere says which signing keys are kept elsewhere. Its zero value says: none.
type Elsewhere struct {
	Remote Remote // nil: nothing is there, not even what was
	// Names of the keys by algorithm, in the order in which they come into use: the next one is the last.
	Names map[string][]string
}

// again is how long a key that could not be had is left alone.
const again = 30 * time.Second

func (r *Ring) isRemote(l line) bool { return l.use == "sig" && len(r.elsewhere.Names[l.alg]) > 0 }

// signer returns the key of an algorithm that is in use: where its keys are kept elsewhere, one of those that
// are named, then one that was, and only until one of them is due one of ours. nil: none can sign.
func (r *Ring) signer(s *set, alg string, now time.Time) *key {
	l := line{"sig", alg}
	ks := s.lines[l]
	latest := func(good func(*key) bool) *key {
		for i := len(ks) - 1; i >= 0; i-- {
			if k := ks[i]; !k.Active.After(now) && r.canSign(k) && good(k) {
				return k
			}
		}
		return nil
	}
	if r.isRemote(l) {
		if k := latest(r.isNamed); k != nil {
			return k
		}
		if k := latest(func(k *key) bool { return k.remote != "" }); k != nil {
			return k
		}
	}
	if k := latest(func(*key) bool { return true }); k != nil {
		return k
	}
	if i := slices.IndexFunc(ks, r.canSign); i >= 0 {
		return ks[i] // as in set.current
	}
	return nil
}

func (r *Ring) canSign(k *key) bool { return k.private != nil || r.elsewhere.Remote != nil }

// name is what a key is called elsewhere: a key of many regions has a name in each. "": it is kept here.
func (r *Ring) name(k *key) string {
	if here, ok := r.names.Load(k.ID); ok && k.remote != "" {
		return here.(string)
	}
	return k.remote
}

func (r *Ring) isNamed(k *key) bool {
	return k.remote != "" && slices.Contains(r.elsewhere.Names[k.Alg], r.name(k))
}

// remoteMissing returns records for those keys of a line that are named and not in it yet. When one cannot be had,
// others sign meanwhile; only where there is none it is an error.
func (r *Ring) remoteMissing(ctx context.Context, s *set, l line) ([]Record, error) {
	has := r.signer(s, l.alg, r.now()) != nil
	if has && r.now().Sub(r.tried) < again {
		return nil, nil
	}
	var add []Record
	for _, name := range r.unknown(s, l) {
		rec, err := r.adopt(ctx, s, l, name, add)
		switch {
		case err == nil && rec.ID != "":
			add = append(add, rec)
		case err == nil:
		case !has && len(add) == 0:
			return nil, fmt.Errorf("%s: %w", l.alg, err)
		default:
			r.tried = r.now()
			r.log.ErrorContext(ctx, "a signing key that is named cannot be used; others sign meanwhile", "alg", l.alg, "key", name, "error", err)
			return add, nil // its successors do not overtake it
		}
	}
	return add, nil
}

// unknown are the names behind the last one that is in the ring. One before it had its time, and need not be taken off
// the list before its record is removed.
func (r *Ring) unknown(s *set, l line) []string {
	names := r.elsewhere.Names[l.alg]
	for i := len(names) - 1; i >= 0; i-- {
		if slices.ContainsFunc(s.lines[l], func(k *key) bool { return r.name(k) == names[i] }) {
			return names[i+1:]
		}
	}
	return names
}

// adopt makes the record of a key that is kept elsewhere, which follows those of its line and add. One without an ID
// is in the ring under another name.
func (r *Ring) adopt(ctx context.Context, s *set, l line, name string, add []Record) (Record, error) {
	public, err := r.elsewhere.Remote.Public(ctx, name)
	if err == nil {
		err = fits(public, l.alg)
	}
	if err != nil {
		return Record{}, err
	}
	kid, err := thumbprint(public)
	if err != nil {
		return Record{}, err
	}
	if k := s.byID[kid]; k != nil {
		if k.remote == "" || k.Alg != l.alg {
			return Record{}, fmt.Errorf("%s is key %s, which is there for %s already", name, kid, k.Alg)
		}
		r.names.Store(kid, name)
		return Record{}, nil
	}
	rec := Record{ID: kid, Use: l.use, Alg: l.alg, Seq: 1, Active: r.due(s, l, add), Created: r.now()}
	if ks := s.lines[l]; len(ks) > 0 {
		rec.Seq = ks[len(ks)-1].Seq + 1
	}
	rec.Seq += int64(len(add))
	m := material{Remote: name}
	if m.Public, err = x509.MarshalPKIXPublicKey(public); err != nil {
		return Record{}, err
	}
	return rec, r.seal(&rec, m)
}

// due is when the next key of a line that is kept elsewhere comes into use: when its predecessor's time is over, and
// where that is not to be used any more, as soon as verifiers have seen the key.
func (r *Ring) due(s *set, l line, add []Record) time.Time {
	now := r.now()
	if len(add) > 0 {
		return add[len(add)-1].Active.Add(r.schedule.Every)
	}
	if r.signer(s, l.alg, now) == nil {
		return now
	}
	at := now.Add(r.schedule.Ahead)
	newest := s.lines[l][len(s.lines[l])-1]
	if end := newest.Active.Add(r.schedule.Every); r.isNamed(newest) && end.After(at) {
		return end
	}
	return at
}

// fits tells whether a public key is one of an algorithm's (RFC 7518 §3.3 to §3.5).
func fits(public crypto.PublicKey, alg string) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if (alg == "RS256" || alg == "PS256") && k.N.BitLen() >= 2048 {
			return nil
		}
	case *ecdsa.PublicKey:
		if alg == "ES256" && k.Curve == elliptic.P256() {
			return nil
		}
	}
	return fmt.Errorf("the key is none for %s: RS256 and PS256 need one of RSA with 2048 bits or more, ES256 one on the curve P-256", alg)
}

// Try tells what keeps a key from being used for an algorithm: it is asked for, and has to sign.
func Try(ctx context.Context, remote Remote, name, alg string) error {
	public, err := remote.Public(ctx, name)
	if err == nil {
		err = fits(public, alg)
	}
	if err != nil {
		return err
	}
	r := &Ring{elsewhere: Elsewhere{Remote: remote}}
	k := &key{Record: Record{Use: "sig", Alg: alg}, public: jose.JSONWebKey{Key: public}, remote: name}
	_, err = r.sign(ctx, k, []byte("a signature that is for nothing"))
	return err
}

// signRemote has a digest signed elsewhere. What comes back is looked at: a token whose signature is not good is never
// handed out.
func (r *Ring) signRemote(ctx context.Context, k *key, digest []byte) ([]byte, error) {
	signature, err := r.elsewhere.Remote.Sign(ctx, r.name(k), k.Alg, digest)
	if err != nil {
		return nil, err
	}
	good := false
	switch public := k.public.Key.(type) {
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(public, digest, signature)
	case *rsa.PublicKey:
		if k.Alg == "PS256" {
			good = rsa.VerifyPSS(public, crypto.SHA256, digest, signature, pss) == nil
		} else {
			good = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest, signature) == nil
		}
	}
	if !good {
		return nil, errors.New("the signature is not the key's")
	}
	return signature, nil
}
