package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// gateway verifies tokens with a key set that it fetches when the one that it has is old, and never else.
type gateway struct {
	keep   time.Duration
	url    string
	client *http.Client

	mu      sync.Mutex
	set     jose.JSONWebKeySet
	fetched time.Time
}

func (g *gateway) verify(token string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.fetched) >= g.keep {
		resp, err := g.client.Get(g.url)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		g.set = jose.JSONWebKeySet{}
		if err := json.NewDecoder(resp.Body).Decode(&g.set); err != nil {
			return err
		}
		g.fetched = time.Now()
	}
	t, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA, jose.PS256})
	if err != nil {
		return err
	}
	kid := t.Headers[0].KeyID
	k := g.set.Key(kid)
	if len(k) != 1 || k[0].Algorithm != t.Headers[0].Algorithm {
		return fmt.Errorf("no key %s in the set of %v ago", kid, time.Since(g.fetched))
	}
	return t.Claims(k[0].Key, &map[string]any{})
}
