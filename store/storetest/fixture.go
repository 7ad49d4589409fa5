package storetest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/password"
)

// Hash is the SHA-256 of a secret.
func Hash(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

// Login is a login that has come to a provider.
func Login(now time.Time) broker.Login {
	return broker.Login{
		ID: broker.NewID(now), Version: 1, Stage: broker.AtProvider, Expires: now.Add(time.Hour), Browser: Hash(rand.Text()), Addr: "192.0.2.17",
		Door: "oidc", App: "web", Provider: "corp", State: []byte(rand.Text() + rand.Text()), Begun: now,
		Request: json.RawMessage(`{"redirect_uri":"https://app.example.com/callback","scope":["openid","email"],"nonce":"` + rand.Text() + `","challenge":"` + rand.Text() + rand.Text() + `"}`),
	}
}

// User is somebody who has never been here.
func User(now time.Time) broker.User {
	id := rand.Text()
	return broker.User{ID: id, Created: now, Updated: now, Attributes: broker.Attributes{
		"email": id + "@example.com", "email_verified": true, "name": "Ann Example", "groups": []any{"staff", "engineering"},
	}}
}

// Finish is the end of a login of a user, who is added when isNew. login may be nil.
func Finish(now time.Time, login *broker.Login, u broker.User, isNew bool) broker.Finish {
	s := &broker.Session{
		ID: rand.Text(), Hash: broker.HashSecret(broker.NewSecret(now)), User: u.ID, Provider: "corp", Subject: u.ID, Upstream: "idp-7", Handle: u.ID, AuthTime: now,
		AMR: []string{"pwd", "otp"}, ACR: "high", Created: now, Seen: now, Idle: now.Add(12 * time.Hour), Ends: now.Add(168 * time.Hour),
	}
	a := &broker.Artifact{
		Hash: broker.HashSecret(broker.NewSecret(now)), App: "web", User: u.ID, Session: s.ID, Provider: "corp", Expires: now.Add(time.Minute),
		Data: json.RawMessage(`{"redirect_uri":"https://app.example.com/callback","scope":["openid","email"],"nonce":"` + rand.Text() + `"}`),
	}
	f := broker.Finish{Login: login, Session: s, Artifact: a, Event: broker.Event{
		Type: broker.LoginFinished, User: u.ID, App: "web", Provider: "corp", Session: s.ID, Addr: "192.0.2.17", RequestID: rand.Text(),
	}}
	if login != nil {
		f.Event.Login = login.ID
	}
	if isNew {
		f.User, f.NewUser, f.Link = &u, true, &broker.Link{Provider: "corp", Subject: u.ID, User: u.ID, Created: now}
	}
	return f
}

// Family is what a session's artifact may be redeemed for.
func Family(now time.Time, s *broker.Session) token.Family {
	return token.Family{
		ID: rand.Text(), App: "web", User: s.User, Session: s.ID, Provider: "corp", Scope: []string{"openid", "offline_access"}, AuthTime: now,
		AMR: []string{"pwd"}, ACR: "high", Offline: true, Generation: 1, Rotated: now, Created: now, Expires: now.Add(720 * time.Hour), Ends: now.Add(2160 * time.Hour),
	}
}

// Key is a key of a line of keys.
func Key(alg string, seq int64, active time.Time) keys.Record {
	return keys.Record{ID: rand.Text(), Use: "sig", Alg: alg, Seq: seq, Sealed: []byte(rand.Text()), Active: active, Created: active.Add(-time.Hour)}
}

// Account is an account of a user who gets it now.
func Account(now time.Time, username string) (password.Account, broker.User, broker.Link) {
	u := User(now)
	a := password.Account{Provider: "local", Username: username, Subject: rand.Text(), Hash: "$argon2id$" + rand.Text(), Claims: map[string]any{"name": "Ann", "level": 3.0}}
	return a, u, broker.Link{Provider: a.Provider, Subject: a.Subject, User: u.ID, Created: now}
}

// signedIn adds a new user with a session and an artifact.
func (b *bench) signedIn(t testing.TB) broker.Finish {
	t.Helper()
	f := Finish(b.now(), nil, User(b.now()), true)
	want(t, "Finish", b.db.Finish(t.Context(), f), nil)
	return f
}

// family adds a family of a new user.
func (b *bench) family(t testing.TB, offline bool) (broker.Finish, token.Family) {
	t.Helper()
	f := b.signedIn(t)
	fam := Family(b.now(), f.Session)
	fam.Offline = offline
	want(t, "Redeem", b.db.Redeem(t.Context(), f.Artifact.Hash, fam, event(broker.TokensIssued), event(broker.CodeReplayed)), nil)
	return f, fam
}

func (b *bench) login(t testing.TB) broker.Login {
	t.Helper()
	l := Login(b.now())
	want(t, "CreateLogin", b.db.CreateLogin(t.Context(), l), nil)
	return l
}

func event(kind string) broker.Event { return broker.Event{Type: kind} }

func once(id string, until time.Time) []providers.Once {
	return []providers.Once{{ID: id, Until: until}}
}
