// Package token turns an authorization into tokens, and knows our own tokens again.
//
// Every grant ends in Issuer.Issue: it signs, and only then has what the grant redeemed spent and the
// family written, in one transaction. So a code is never burnt for tokens that nobody got, and tokens are
// never handed out that a crash has forgotten.
//
// Read in this order: token.go, claims.go (what is in a token), refresh.go, verify.go, store.go.
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
	Now   func() time.Time
}

// Authorization is what a grant has found out: who may have tokens, and for what.
type Authorization struct {
	App    *broker.App
	User   broker.User
	Family Family // as it is to be once the tokens are out; Scope is what is granted
	Nonce  string // of the authentication request; "" when there was none
	// Commit makes it final, in one transaction: what was redeemed is spent, the family is written. Nothing
	// is handed out when it fails.
	Commit func(ctx context.Context) error
}

// Set is what an app gets.
type Set struct {
	Access    string
	ID        string // "" without the scope openid
	Refresh   string // "" unless the family is offline
	ExpiresIn time.Duration
	Scope     []string
}

// Issue signs the tokens of an authorization and commits it.
func (i *Issuer) Issue(ctx context.Context, a Authorization) (Set, error) {
	now, f := i.Now(), a.Family
	alg := a.App.Signing
	set := Set{ExpiresIn: a.App.Tokens.Access, Scope: f.Scope}
	var err error
	if set.Access, err = i.Keys.Sign(alg, keys.TypeAccess, i.accessClaims(a, now)); err != nil {
		return Set{}, err
	}
	if slices.Contains(f.Scope, "openid") {
		if set.ID, err = i.Keys.Sign(alg, keys.TypeID, i.idClaims(a, now, halfHash(alg, set.Access))); err != nil {
			return Set{}, err
		}
	}
	if f.Offline {
		if set.Refresh, err = i.seal(f); err != nil {
			return Set{}, err
		}
	}
	if err := a.Commit(ctx); err != nil {
		return Set{}, err
	}
	return set, nil
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
