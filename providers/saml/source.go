package saml

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/signet-broker/signet/providers"
)

const (
	fetchTimeout = 8 * time.Second
	keepFor      = time.Hour          // when the metadata does not say
	keepAtLeast  = 5 * time.Minute    // whatever it says
	keepAtMost   = 24 * time.Hour     // until it is looked for again
	staleAtMost  = 7 * 24 * time.Hour // while it cannot be fetched any more
	retryAfter   = 5 * time.Minute    // a refresh that failed
	firstPause   = time.Second        // between two fetches while there is no good copy, doubled each time
	longestPause = 10 * time.Second
	renewAfter   = time.Minute // between two fetches by renew
	unreachable  = "upstream_unreachable"
	broken       = "upstream_broken"
)

// source has the identity provider's metadata. The first login that needs it fetches it, those that come
// meanwhile wait for the same fetch. A good copy is refreshed behind the logins, which never wait for that;
// the last good one serves up to a week while the address does not answer, or until its own end.
type source struct {
	env      providers.Env
	client   *http.Client
	url      string
	entityID string              // that it must have; "": that of the first fetch
	signers  []*x509.Certificate // one of them must have signed it; none: nobody has to
	overlap  time.Duration       // how long a certificate that was left out is taken
	fixed    *identityProvider   // from the configuration; then nothing is fetched

	mu       sync.Mutex
	kept     *identityProvider // the last good one, with the certificates that are leaving
	leaving  []leaving
	fetched  time.Time
	refresh  time.Time     // when to look again; before that there is none to be had where kept is no good
	renewed  time.Time     // when a fetch was last begun by renew
	failures int           // since the last good one
	running  chan struct{} // closed when the fetch under way is over; nil: none is
	err      error         // of the last fetch
}

// leaving is a signing certificate that is not in the metadata any more.
type leaving struct {
	cert  *x509.Certificate
	until time.Time
}

// get returns the identity provider, or an *providers.Error of kind Upstream.
func (s *source) get(ctx context.Context) (*identityProvider, error) {
	if s.fixed != nil {
		if until := s.fixed.goodUntil; !until.IsZero() && !s.env.Now().Before(until) {
			return nil, providers.Broken(broken, fmt.Errorf("metadata was valid until %s", until.Format(time.RFC3339)))
		}
		return s.fixed, nil
	}
	s.mu.Lock()
	now := s.env.Now()
	if s.usable(now) {
		defer s.mu.Unlock()
		if !now.Before(s.refresh) {
			s.fetch(ctx)
		}
		return s.serving(now), nil
	}
	if s.err != nil && s.running == nil && now.Before(s.refresh) {
		defer s.mu.Unlock()
		return nil, s.err
	}
	running := s.fetch(ctx)
	s.mu.Unlock()
	return s.wait(ctx, running)
}

// renew returns the identity provider as fetched after now, because a message is signed by a key that is not
// in the copy at hand; nil when it is too early to ask again. Strangers can cause it, so it is done once a
// minute. Other fetches do not count: a key may change right after one of them.
func (s *source) renew(ctx context.Context) *identityProvider {
	if s.fixed != nil {
		return nil
	}
	s.mu.Lock()
	if s.running == nil {
		now := s.env.Now()
		if now.Sub(s.renewed) < renewAfter {
			s.mu.Unlock()
			return nil
		}
		s.renewed = now
	}
	running := s.fetch(ctx)
	s.mu.Unlock()
	idp, err := s.wait(ctx, running)
	if err != nil {
		return nil
	}
	return idp
}

func (s *source) wait(ctx context.Context, running <-chan struct{}) (*identityProvider, error) {
	select {
	case <-running:
	case <-ctx.Done():
		return nil, providers.Broken(unreachable, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.env.Now()
	if s.usable(now) {
		return s.serving(now), nil
	}
	return nil, s.err
}

func (s *source) usable(now time.Time) bool {
	return s.kept != nil && now.Before(s.fetched.Add(staleAtMost)) &&
		(s.kept.goodUntil.IsZero() || now.Before(s.kept.goodUntil))
}

// serving returns what is kept without the certificates whose time is over; s.mu is held.
func (s *source) serving(now time.Time) *identityProvider {
	over := func(l leaving) bool { return !now.Before(l.until) }
	if !slices.ContainsFunc(s.leaving, over) {
		return s.kept
	}
	without := *s.kept
	without.certs = slices.DeleteFunc(slices.Clone(without.certs), func(c *x509.Certificate) bool {
		return slices.ContainsFunc(s.leaving, func(l leaving) bool { return over(l) && l.cert.Equal(c) })
	})
	s.leaving = slices.DeleteFunc(slices.Clone(s.leaving), over)
	s.kept = &without
	return s.kept
}

// fetch starts a fetch unless one is under way; s.mu is held. It outlives the login that asked for it.
func (s *source) fetch(ctx context.Context) <-chan struct{} {
	if s.running != nil {
		return s.running
	}
	done := make(chan struct{})
	s.running = done
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	want := s.entityID
	go func() {
		defer cancel()
		idp, err := s.load(ctx, want)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.keep(idp, err)
		s.running = nil
		close(done)
	}()
	return done
}

// keep takes the outcome of a fetch; s.mu is held.
func (s *source) keep(idp *identityProvider, err error) {
	now := s.env.Now()
	if s.err = err; err != nil {
		pause := retryAfter
		if !s.usable(now) {
			pause = min(firstPause<<min(s.failures, 10), longestPause)
		}
		s.failures++
		s.refresh = now.Add(pause)
		s.env.Log.Warn("saml metadata not fetched", "kept", s.usable(now), "err", err)
		return
	}
	keep := idp.cacheFor
	if keep == 0 {
		keep = keepFor
	}
	s.replace(idp, now)
	s.fetched, s.failures, s.entityID = now, 0, idp.entityID
	s.refresh = now.Add(min(max(keep, keepAtLeast), keepAtMost))
}

// replace keeps a new copy. A certificate that it leaves out is taken for a while longer, so that messages
// under way and an identity provider in several places come through; s.mu is held.
func (s *source) replace(idp *identityProvider, now time.Time) {
	if s.kept != nil {
		has := func(certs []*x509.Certificate, c *x509.Certificate) bool { return slices.ContainsFunc(certs, c.Equal) }
		before := s.serving(now)
		changed := slices.ContainsFunc(idp.certs, func(c *x509.Certificate) bool { return !has(before.certs, c) })
		s.leaving = slices.DeleteFunc(slices.Clone(s.leaving), func(l leaving) bool { return has(idp.certs, l.cert) })
		for _, c := range before.certs {
			known := slices.ContainsFunc(s.leaving, func(l leaving) bool { return l.cert.Equal(c) })
			if !known && !has(idp.certs, c) {
				s.leaving, changed = append(s.leaving, leaving{c, now.Add(s.overlap)}), true
			}
		}
		// Each is tried on every message: one who exchanges them all the time would make that dear.
		s.leaving = s.leaving[max(0, len(s.leaving)-maxCertificates):]
		if changed {
			// A new key is how a taken-over identity provider shows itself.
			s.env.Log.Warn("saml signing certificates changed", "before", fingerprints(before.certs), "now", fingerprints(idp.certs), "overlap", s.overlap)
		}
		published := *idp
		published.certs = slices.Clone(idp.certs)
		for _, l := range s.leaving {
			published.certs = append(published.certs, l.cert)
		}
		idp = &published
	}
	s.kept = idp
	s.serving(now)
}

func (s *source) load(ctx context.Context, entityID string) (*identityProvider, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, providers.Broken(broken, err)
	}
	request.Header.Set("Accept", "application/samlmetadata+xml, application/xml;q=0.9, */*;q=0.1")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, providers.Broken(unreachable, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, providers.Broken(broken, fmt.Errorf("metadata: status %d", response.StatusCode))
	}
	document, err := io.ReadAll(io.LimitReader(response.Body, maxMetadata+1))
	if err != nil {
		return nil, providers.Broken(unreachable, err)
	}
	idp, err := readMetadata(document, s.signers, entityID, s.env.Now())
	if err != nil {
		return nil, providers.Broken(broken, errors.Join(errors.New("metadata"), err))
	}
	return idp, nil
}

// fingerprints are the SHA-256 of the certificates, as everybody shows them.
func fingerprints(certs []*x509.Certificate) []string {
	out := make([]string, len(certs))
	for i, c := range certs {
		sum := sha256.Sum256(c.Raw)
		out[i] = hex.EncodeToString(sum[:])
	}
	return out
}
