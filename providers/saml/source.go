package saml

import (
	"context"
	"crypto/sha256"
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
	keepFor      = time.Hour       // when the metadata does not say
	keepAtLeast  = time.Minute     // whatever it says
	keepAtMost   = 24 * time.Hour  // also when it cannot be fetched any more
	retryAfter   = 5 * time.Minute // a refresh that failed
	unreachable  = "upstream_unreachable"
	broken       = "upstream_broken"
)

// source has the identity provider's metadata. The first login that needs it fetches it, those that come
// meanwhile wait for the same fetch. A good copy is refreshed behind the logins, which never wait for that;
// the last good one serves up to a day while the address does not answer.
type source struct {
	env      providers.Env
	url      string
	entityID string            // that it must have; "": that of the first fetch
	fixed    *identityProvider // from the configuration; then nothing is fetched

	mu      sync.Mutex
	kept    *identityProvider
	fetched time.Time
	refresh time.Time     // when to look again
	running chan struct{} // closed when the fetch under way is over; nil: none is
	err     error         // of the last fetch
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
		kept := s.kept
		if !now.Before(s.refresh) {
			s.fetch(ctx)
		}
		s.mu.Unlock()
		return kept, nil
	}
	running := s.fetch(ctx)
	s.mu.Unlock()
	select {
	case <-running:
	case <-ctx.Done():
		return nil, providers.Broken(unreachable, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.usable(s.env.Now()) {
		return s.kept, nil
	}
	return nil, s.err
}

func (s *source) usable(now time.Time) bool {
	return s.kept != nil && now.Before(s.fetched.Add(keepAtMost)) &&
		(s.kept.goodUntil.IsZero() || now.Before(s.kept.goodUntil))
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
		s.refresh = now.Add(retryAfter)
		s.env.Log.Warn("saml metadata not fetched", "provider", s.env.ID, "kept", s.usable(now), "err", err)
		return
	}
	if s.kept != nil && !sameCertificates(s.kept, idp) {
		// A new key is how a taken-over identity provider shows itself.
		s.env.Log.Warn("saml signing certificates changed", "provider", s.env.ID,
			"before", fingerprints(s.kept), "now", fingerprints(idp))
	}
	keep := idp.cacheFor
	if keep == 0 {
		keep = keepFor
	}
	s.kept, s.fetched, s.entityID = idp, now, idp.entityID
	s.refresh = now.Add(min(max(keep, keepAtLeast), keepAtMost))
}

func (s *source) load(ctx context.Context, entityID string) (*identityProvider, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, providers.Broken(broken, err)
	}
	request.Header.Set("Accept", "application/samlmetadata+xml, application/xml;q=0.9, */*;q=0.1")
	response, err := s.env.Client.Do(request)
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
	idp, err := parseMetadata(document, entityID, s.env.Now())
	if err != nil {
		return nil, providers.Broken(broken, errors.Join(errors.New("metadata"), err))
	}
	return idp, nil
}

func sameCertificates(a, b *identityProvider) bool {
	return slices.Equal(slices.Sorted(slices.Values(fingerprints(a))), slices.Sorted(slices.Values(fingerprints(b))))
}

// fingerprints are the SHA-256 of the certificates, as everybody shows them.
func fingerprints(idp *identityProvider) []string {
	out := make([]string, len(idp.certs))
	for i, c := range idp.certs {
		sum := sha256.Sum256(c.Raw)
		out[i] = hex.EncodeToString(sum[:])
	}
	return out
}
