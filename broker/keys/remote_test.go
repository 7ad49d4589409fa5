package keys_test

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/internal/awskms"
	"github.com/signet-broker/signet/internal/kmstest"
)

const day = 24 * time.Hour

// remoteBench is a bench beside a KMS.
type remoteBench struct {
	*bench
	kms *kmstest.Server
}

func newRemoteBench(t *testing.T) *remoteBench { return &remoteBench{newBench(t), kmstest.Start(t)} }

// ring opens a ring whose keys of algorithms are elsewhere.
func (b *remoteBench) ring(names map[string][]string) (*keys.Ring, error) {
	e := keys.Elsewhere{Remote: awskms.New(b.kms.URL), Names: names}
	if names == nil {
		e = keys.Elsewhere{}
	}
	schedule := keys.Default
	schedule.RSA = small
	return keys.Open(b.t.Context(), b.db, b.box, b.Now, slog.New(slog.DiscardHandler), schedule, e)
}

func (b *remoteBench) mustRing(names map[string][]string) *keys.Ring {
	b.t.Helper()
	r, err := b.ring(names)
	if err != nil {
		b.t.Fatalf("Open: %v", err)
	}
	return r
}

// kept is where the key is kept that a token was signed with now; "": here.
func (b *remoteBench) kept(r *keys.Ring, alg string) string {
	b.t.Helper()
	token, err := r.Sign(b.t.Context(), alg, keys.TypeAccess, map[string]any{})
	if err != nil {
		b.t.Fatalf("Sign: %v", err)
	}
	if err := r.Verify(b.t.Context(), token, keys.TypeAccess, &map[string]any{}); err != nil {
		b.t.Fatalf("Verify: %v", err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, k := range r.List() {
		if k.ID == parsed.Headers[0].KeyID {
			if k.Status != "active" {
				b.t.Errorf("key %s signs and is %s", k.ID, k.Status)
			}
			return k.Remote
		}
	}
	b.t.Fatal("a key that is not in the list")
	return ""
}

func TestKeysElsewhereTakeTheirTurns(t *testing.T) {
	b := newRemoteBench(t)
	one, two, ec := b.kms.NewRSA(t, "eu-central-1"), b.kms.NewRSA(t, "eu-central-1"), b.kms.NewEC(t, "eu-west-1")
	names := map[string][]string{"RS256": {one, two}, "ES256": {ec}}
	r := b.mustRing(names)
	step := func(when, rs string, without ...string) {
		t.Helper()
		if err := r.Maintain(t.Context()); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if got := b.kept(r, "RS256"); got != rs {
			t.Errorf("%s: signed with %q, want %q", when, got, rs)
		}
		if got := b.kept(r, "ES256"); got != ec {
			t.Errorf("%s: ES256 is signed with %q", when, got)
		}
		if got := b.kept(r, "PS256"); got != "" {
			t.Errorf("%s: PS256 is signed with %q, which nobody has named", when, got)
		}
	}
	step("at first", one)
	b.pass(89 * day)
	step("after 89 days", one)
	b.pass(2 * day)
	step("after 91 days", two)
	b.pass(200 * day)
	step("with no next one", two)
	if n := strings.Count(string(r.JWKS()), `"alg":"RS256"`); n != 1 {
		t.Errorf("%d keys of RS256 are published, want the one in use", n)
	}
	// Nobody has taken the first off the list: it has had its time.
	r = b.mustRing(names)
	step("after a restart", two)
	if done, err := r.Rotate(t.Context()); err != nil || !slices.Equal(done.Without, []string{"ES256", "RS256"}) && !slices.Equal(done.Without, []string{"RS256", "ES256"}) {
		t.Errorf("Rotate = %+v, %v, want nothing for RS256 and ES256", done, err)
	}
	step("after a rotation", two)
	asked := b.kms.Count("GetPublicKey")
	b.kms.Drop()
	r = b.mustRing(names)
	if n := b.kms.Count("GetPublicKey"); n != asked || !strings.Contains(string(r.JWKS()), `"alg":"ES256"`) {
		t.Errorf("a start while KMS is away asks it %d times", n-asked)
	}
	if _, err := r.Sign(t.Context(), "RS256", keys.TypeAccess, map[string]any{}); err == nil {
		t.Error("signed without KMS")
	}
}

// TestNoMoveOfKeysRefusesAToken: into KMS, from key to key there, and back. A gateway's key set is two hours old at
// most, a token a day.
func TestNoMoveOfKeysRefusesAToken(t *testing.T) {
	b := newRemoteBench(t)
	one, two, three := b.kms.NewEC(t, "eu-central-1"), b.kms.NewEC(t, "eu-central-1"), b.kms.NewEC(t, "eu-central-1")
	var r *keys.Ring
	var cached []byte
	var fetched time.Time
	type issued struct {
		token string
		until time.Time
	}
	var live []issued
	pass := func(d time.Duration) { // lets time pass in steps of an hour
		t.Helper()
		for end := b.Now().Add(d); b.Now().Before(end); b.pass(time.Hour) {
			if err := r.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if b.Now().Sub(fetched) >= 2*time.Hour {
				cached, fetched = r.JWKS(), b.Now()
			}
			token, err := r.Sign(t.Context(), "ES256", keys.TypeAccess, map[string]any{})
			if err != nil {
				t.Fatal(err)
			}
			live = append(live, issued{token, b.Now().Add(day)})
			live = slices.DeleteFunc(live, func(i issued) bool { return b.Now().After(i.until) })
			for _, i := range live {
				if !verifies(cached, i.token) {
					t.Fatalf("a valid token is refused with a key set of %v ago", b.Now().Sub(fetched))
				}
			}
		}
	}
	for _, move := range []struct {
		what   string
		names  map[string][]string
		rotate bool
		want   string
	}{
		{"kept here", nil, false, ""},
		{"into KMS", map[string][]string{"ES256": {one}}, false, one},
		{"a next one, by hand", map[string][]string{"ES256": {one, two}}, true, two},
		{"another instead", map[string][]string{"ES256": {three}}, false, three},
		{"back to one that had its time", map[string][]string{"ES256": {three, one}}, true, one},
		{"back to here", map[string][]string{}, false, ""},
	} {
		r = b.mustRing(move.names)
		if move.rotate {
			if _, err := r.Rotate(t.Context()); err != nil {
				t.Fatalf("%s: %v", move.what, err)
			}
		}
		pass(31 * time.Hour) // so that the next move finds a gateway in the middle of its two hours
		if got := b.kept(r, "ES256"); got != move.want {
			t.Errorf("%s: signed with %q, want %q", move.what, got, move.want)
		}
	}
}

func TestWithoutKMSTheDatabasesKeysSign(t *testing.T) {
	b := newRemoteBench(t)
	r := b.mustRing(map[string][]string{"ES256": {b.kms.NewEC(t, "eu-central-1")}})
	old, err := r.Sign(t.Context(), "ES256", keys.TypeAccess, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	r = b.mustRing(nil)
	if got := b.kept(r, "ES256"); got != "" {
		t.Errorf("signed with %q", got)
	}
	if err := r.Verify(t.Context(), old, keys.TypeAccess, &map[string]any{}); err != nil {
		t.Errorf("what KMS has signed: %v", err)
	}
}

func TestAKeyThatCannotBeHad(t *testing.T) {
	b := newRemoteBench(t)
	good, ec, agreement := b.kms.NewRSA(t, "eu-central-1"), b.kms.NewEC(t, "eu-central-1"), b.kms.NewAgreement(t, "eu-central-1")
	for _, row := range []struct {
		alg, name, code string
		want            string
	}{
		{"RS256", good, "AccessDeniedException", "RS256: keys_unavailable: AWS KMS does not allow kms:GetPublicKey"},
		{"RS256", ec, "", "none for RS256"},
		{"ES256", good, "", "none for ES256"},
		{"ES256", agreement, "", "SIGN_VERIFY"},
	} {
		fresh := &remoteBench{newBench(t), b.kms}
		b.kms.Fail(http.StatusBadRequest, row.code)
		if _, err := fresh.ring(map[string][]string{row.alg: {row.name}}); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("a first start with %s %s: %v, want %q", row.alg, row.name, err, row.want)
		}
	}
	b.mustRing(map[string][]string{"RS256": {good}})
	r := b.mustRing(map[string][]string{"RS256": {good, ec}})
	if got := b.kept(r, "RS256"); got != good {
		t.Errorf("with a next one that is none, signed with %q", got)
	}
	r = b.mustRing(map[string][]string{"RS256": {good}, "PS256": {good}})
	b.pass(day)
	if err := r.Maintain(t.Context()); err != nil || b.kept(r, "RS256") != good || b.kept(r, "PS256") != "" {
		t.Errorf("one key for two algorithms (%v): RS256 is signed with %q, PS256 with %q", err, b.kept(r, "RS256"), b.kept(r, "PS256"))
	}
}

// TestAKeyThatIsTakenBack: its successor is not to be used after all.
func TestAKeyThatIsTakenBack(t *testing.T) {
	b := newRemoteBench(t)
	one, two := b.kms.NewEC(t, "eu-central-1"), b.kms.NewEC(t, "eu-central-1")
	b.mustRing(map[string][]string{"ES256": {one}})
	r := b.mustRing(map[string][]string{"ES256": {one, two}})
	if _, err := r.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.pass(4 * time.Hour)
	if got := b.kept(r, "ES256"); got != two {
		t.Fatalf("signed with %q, want the second", got)
	}
	r = b.mustRing(map[string][]string{"ES256": {one}})
	for range 3 {
		if got := b.kept(r, "ES256"); got != one {
			t.Errorf("signed with %q, want the first again", got)
		}
		b.pass(day)
		if err := r.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneKeyUnderTwoNamesIsRefused(t *testing.T) {
	b := newRemoteBench(t)
	here := b.kms.NewRSA(t, "eu-central-1")
	there := b.kms.Replicate(here, "us-east-1")
	for _, names := range []map[string][]string{{"RS256": {here}, "PS256": {there}}, {"RS256": {here, there}}} {
		if _, err := b.ring(names); err == nil || !strings.Contains(err.Error(), "one key") {
			t.Errorf("%v: %v", names, err)
		}
		b.bench = newBench(t)
	}
}

// TestASignatureOfAnotherKeyIsNotHandedOut: nobody could verify it, or worse.
func TestASignatureOfAnotherKeyIsNotHandedOut(t *testing.T) {
	kms := kmstest.Start(t)
	for alg, newKey := range map[string]func(testing.TB, string) string{"RS256": kms.NewRSA, "PS256": kms.NewRSA, "ES256": kms.NewEC} {
		b := &remoteBench{newBench(t), kms}
		one, other := newKey(t, "eu-central-1"), newKey(t, "eu-central-1")
		r := b.mustRing(map[string][]string{alg: {one}})
		if got := b.kept(r, alg); got != one {
			t.Fatalf("%s: signed with %q", alg, got)
		}
		kms.Swap(one, other)
		if token, err := r.Sign(t.Context(), alg, keys.TypeAccess, map[string]any{}); err == nil {
			t.Errorf("%s: handed out %s", alg, token)
		}
	}
}

// TestAReplicaIsTheSameKey: a node in another region signs with what is near.
func TestAReplicaIsTheSameKey(t *testing.T) {
	b := newRemoteBench(t)
	here := b.kms.NewEC(t, "eu-central-1")
	there := b.kms.Replicate(here, "us-east-1")
	first := b.mustRing(map[string][]string{"ES256": {here}})
	second := b.mustRing(map[string][]string{"ES256": {there}})
	if got := b.kept(first, "ES256"); got != here {
		t.Errorf("signed with %q", got)
	}
	if got := b.kept(second, "ES256"); got != there {
		t.Errorf("signed with %q, want the replica", got)
	}
	if string(first.JWKS()) != string(second.JWKS()) {
		t.Error("two key sets")
	}
}
