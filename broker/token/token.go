// Package token turns an authorization into tokens, and knows our own tokens again.
//
// Every grant ends in Issuer.Issue: it signs, and only then has what the grant redeemed spent and the
// family written, in one transaction. So a code is never burnt for tokens that nobody got, and tokens are
// never handed out that a crash has forgotten.
//
// Read in this order: token.go, subject.go (who somebody is to an app), claims.go (what is in a token), refresh.go,
// verify.go, store.go.
package token

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
)

// Issuer makes tokens.
type Issuer struct {
	URL   string // iss
	Keys  *keys.Ring
	Store Store
	Apps  Apps
	Now   func() time.Time
}

// Apps are those that tokens are made for. App returns nil for one that is unknown.
type Apps interface{ App(id string) *broker.App }

// Authorization is what a grant has found out: who may have tokens, and for what.
type Authorization struct {
	App    *broker.App
	User   broker.User
	Family Family // as it is to be once the tokens are out; Scope is what is granted. Without an ID it has no user
	Nonce  string // of the authentication request; "" when there was none
	// Resources are the identifiers of the APIs that were granted (RFC 8707); the refresh token keeps them.
	Resources []string
	// Claims are kept by the refresh token too.
	Claims Claims
	API    *broker.API // whom the access token is for; nil: Signet itself
	Bound  string      // the thumbprint of the key that the grant demands a proof of; "" when it does not
	Key    string      // the thumbprint of the key that was proven (RFC 9449 §6); "" when none was
	// Certificate is the thumbprint of the one that the app has shown (RFC 8705 §3.1), if its tokens are bound to it.
	Certificate string
	// Until is when the access token ends at the latest: a token that it was exchanged for ends then. Zero: no sooner
	// than others.
	Until      time.Time
	Actor      *Actor // who acts for the user (RFC 8693 §4.1); nil: nobody but them
	AccessOnly bool   // there is no ID token, whatever the scopes
	IssuedType string // what the access token is called where that was asked (RFC 8693 §2.2.1); "" else
	// Commit makes it final, in one transaction: what was redeemed is spent, the family is written. Nothing
	// is handed out when it fails.
	Commit func(ctx context.Context) error
}

// Set is what an app gets.
type Set struct {
	Access     string
	Type       string // Bearer or DPoP
	ID         string // "" without the scope openid
	Refresh    string // "" unless the family is offline
	ExpiresIn  time.Duration
	Scope      []string
	IssuedType string // as in Authorization
}

// Issue signs the tokens of an authorization and commits it.
func (i *Issuer) Issue(ctx context.Context, a Authorization) (Set, error) {
	now, f := i.Now(), a.Family
	alg, to := a.App.Signing, i.audience(a)
	if left := a.Until.Sub(now); !a.Until.IsZero() && left < to.lifetime {
		to.lifetime = left
	}
	set := Set{Type: "Bearer", ExpiresIn: to.lifetime, Scope: to.scope, IssuedType: a.IssuedType}
	if a.Key != "" {
		set.Type = "DPoP"
	}
	known, err := i.known(a)
	if err != nil {
		return Set{}, err
	}
	if set.Access, err = i.Keys.Sign(ctx, to.alg, keys.TypeAccess, i.accessClaims(known, to, now)); err != nil {
		return Set{}, err
	}
	if slices.Contains(f.Scope, "openid") && !a.AccessOnly {
		if set.ID, err = i.Keys.Sign(ctx, alg, keys.TypeID, i.idClaims(known, now, halfHash(alg, set.Access))); err != nil {
			return Set{}, err
		}
	}
	if f.Offline {
		if set.Refresh, err = i.seal(a); err != nil {
			return Set{}, err
		}
	}
	if err := a.Commit(ctx); err != nil {
		return Set{}, err
	}
	return set, nil
}

// Actor is who acts for a user, and who has acted before (RFC 8693 §4.1).
type Actor struct {
	Subject string `json:"sub"`
	Before  *Actor `json:"act,omitempty"`
}

// Depth is how many actors there are.
func (a *Actor) Depth() (n int) {
	for ; a != nil; a = a.Before {
		n++
	}
	return n
}

// audience is what an access token takes from whom it is for.
type audience struct {
	id       string
	alg      string
	lifetime time.Duration
	scope    []string // of what was granted, what means something there
}

func (i *Issuer) audience(a Authorization) audience {
	if a.API == nil {
		return audience{i.URL, a.App.Signing, a.App.Tokens.Access, common(a.Family.Scope, Scopes)}
	}
	return audience{a.API.ID, a.API.Signing, a.API.Access, common(a.Family.Scope, a.API.Scopes)}
}

// common returns those of scope that are known.
func common(scope, known []string) []string {
	out := make([]string, 0, len(scope))
	for _, s := range scope {
		if slices.Contains(known, s) {
			out = append(out, s)
		}
	}
	return out
}

// halfHash is at_hash: the left half of the hash that alg uses (OpenID Connect Core §3.1.3.6).
func halfHash(alg, token string) string {
	if alg == "EdDSA" {
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:32])
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func join(scope []string) string { return strings.Join(scope, " ") }
