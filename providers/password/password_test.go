package password_test

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/password"
	"github.com/signet-broker/signet/providers/providertest"
)

func TestContract(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		d := open(t, unlimited())
		d.add(t, "ann")
		return providertest.Harness{
			Provider: d.provider,
			SignIn: func(*testing.T, providers.Attempt, providers.Next) providers.Reply {
				return reply(try{"ann", secret, home, "laptop"})
			},
			Subject: "subject-ann",
		}
	})
}

func TestBeginAsksForThePassword(t *testing.T) {
	d := open(t, limited())
	for hint, username := range map[string]string{"": "", "Ann@Acme.example": "ann@acme.example", strings.Repeat("x", 300): "", "a\x00b": ""} {
		next, err := d.provider.Begin(t.Context(), &providers.Attempt{LoginHint: hint})
		if err != nil {
			t.Fatalf("Begin = %v", err)
		}
		if want := (providers.Ask{Page: password.Page, Data: password.Form{Username: username}}); next != providers.Next(want) {
			t.Errorf("Begin with the hint %.20q = %+v, want %+v", hint, next, want)
		}
	}
}

func TestSignInSaysWho(t *testing.T) {
	d := open(t, limited())
	d.add(t, "ann")
	next, err := d.provider.Continue(t.Context(), &providers.Attempt{}, reply(try{"ann", secret, home, ""}))
	done, ok := next.(providers.Done)
	if err != nil || !ok {
		t.Fatalf("Continue = %+v, %v", next, err)
	}
	id := done.Identity
	claims := map[string]any{"email": "ann@acme.example", "preferred_username": "ann"}
	if id.Subject != "subject-ann" || !id.AuthTime.Equal(d.now) || !slices.Equal(id.AMR, []string{"pwd"}) || !maps.Equal(id.Claims, claims) {
		t.Errorf("identity = %+v", id)
	}
}

func TestUsernameAndPasswordMatchHoweverTheyAreTyped(t *testing.T) {
	d := open(t, unlimited())
	d.add(t, "ann")
	d.add(t, "jörg")
	hash, err := password.Hash(quick, "pass\u00e9 compos\u00e9")
	if err != nil {
		t.Fatal(err)
	}
	d.addHash(t, "zoe", hash)
	for _, g := range []try{
		{username: "Ann", password: secret},
		{username: " ANN\t", password: secret},
		{username: "ａｎｎ", password: secret}, // full width
		{username: "JO\u0308RG", password: secret},
		{username: "zoe", password: "pass\u00e9 compos\u00e9"},
		{username: "zoe", password: "passe\u0301 compose\u0301"},
	} {
		if got := d.try(t, g); got != in {
			t.Errorf("%q with %q: %+v", g.username, g.password, got)
		}
	}
	d.want(t, 1, try{username: "ann", password: " " + secret}, wrong)
	d.want(t, 1, try{username: "ann", password: strings.ToUpper(secret)}, wrong)
}

func TestFormsThatAreRefused(t *testing.T) {
	d := open(t, limited())
	d.add(t, "ann")
	for name, c := range map[string]struct {
		method string
		form   url.Values
	}{
		"GET":                {"GET", url.Values{"username": {"ann"}, "password": {secret}}},
		"PUT":                {"PUT", url.Values{"username": {"ann"}, "password": {secret}}},
		"no username":        {"POST", url.Values{"password": {secret}}},
		"no password":        {"POST", url.Values{"username": {"ann"}}},
		"two usernames":      {"POST", url.Values{"username": {"ann", "ann"}, "password": {secret}}},
		"two passwords":      {"POST", url.Values{"username": {"ann"}, "password": {"wrong", secret}}},
		"long username":      {"POST", url.Values{"username": {strings.Repeat("a", 256)}, "password": {secret}}},
		"long password":      {"POST", url.Values{"username": {"ann"}, "password": {strings.Repeat("a", 1025)}}},
		"megabyte password":  {"POST", url.Values{"username": {"ann"}, "password": {strings.Repeat("a", 1<<20)}}},
		"nothing whatsoever": {"POST", nil},
	} {
		t.Run(name, func(t *testing.T) {
			next, err := d.provider.Continue(t.Context(), &providers.Attempt{}, providers.Reply{Method: c.method, Values: c.form, Addr: home})
			var e *providers.Error
			if next != nil || !errors.As(err, &e) || e.Kind != providers.Invalid {
				t.Errorf("Continue = %+v, %v; want an Invalid error", next, err)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

// An unfilled form and a name that nobody can have are no guesses, so they use up no tries.
func TestFormsThatAreNoGuess(t *testing.T) {
	d := open(t, limited())
	d.add(t, "ann")
	d.want(t, 50, try{"ann", "", home, ""}, wrong)
	d.want(t, 50, try{"", secret, home, ""}, wrong)
	d.want(t, 50, try{" ", secret, home, ""}, wrong)
	d.want(t, 1, try{"ann", secret, home, ""}, in)
}

func TestMetacharactersHaveNoEffect(t *testing.T) {
	d := open(t, unlimited())
	d.add(t, "ann")
	for _, s := range []string{
		"' OR '1'='1", "ann'--", "ann' #", `ann" OR ""="`, "ann'; DROP TABLE accounts; --", "ann' UNION SELECT 1,2,3,4,5 --", `ann\`, "$1", "?1", ":username",
		"%", "a%", "_nn", "a_n", "ann%", "*", "a*", "*)(uid=*", "ann)(|(password=*", "(&(uid=ann))", "ann\x00", "ann\x00x", "\x00", "an\nn", "ann\xff", "\xc0\xae", "../ann", "ann/../ann",
		"${env:HOME}", "{{.}}", "<script>alert(1)</script>", "\u202eann", "ann\u200b",
	} {
		if got := d.try(t, try{username: s, password: secret, addr: home}); got != wrong {
			t.Errorf("user name %q: %+v", s, got)
		}
		if got := d.try(t, try{username: "ann", password: s, addr: home}); got != wrong {
			t.Errorf("password %q: %+v", s, got)
		}
	}
	d.want(t, 1, try{"ann", secret, home, ""}, in)
}

// Nothing of an answer may tell whether the account exists: not the text, not when it is throttled.
func TestUnknownAccountsAreAnsweredAlike(t *testing.T) {
	d := open(t, limited())
	d.add(t, "ann")
	d.add(t, "known")
	d.want(t, 1, try{"known", secret, office, "laptop"}, in) // a browser that is known to somebody
	for i, from := range []try{{addr: home}, {addr: office, device: "laptop"}} {
		for n := range 20 {
			var got [2]answer
			for j, name := range []string{"ann", "bob"} {
				from.username, from.password = name, "a guess"
				got[j] = d.try(t, from)
			}
			if got[0] != got[1] {
				t.Fatalf("way %d, try %d: %+v where there is an account, %+v where there is none", i, n, got[0], got[1])
			}
			d.now = d.now.Add(10 * time.Second)
		}
	}
}

// 200 tries, known and unknown in turn: their medians differ by less than 5 ms, where one hash takes more.
// A machine that is busy elsewhere can spoil a round; a difference of ours is there in all of them.
func TestUnknownAccountsTakeTheSameTime(t *testing.T) {
	c := unlimited()
	c.Argon2 = password.Argon2{Memory: 19456, Time: 1, Threads: 1}
	d := open(t, c)
	hash, err := password.Hash(c.Argon2, secret)
	if err != nil {
		t.Fatal(err)
	}
	d.addHash(t, "ann", hash)
	for round := range 10 {
		taken := map[string][]time.Duration{}
		for range 100 {
			for _, name := range []string{"ann", "bob"} {
				start := time.Now()
				d.want(t, 1, try{name, "a guess", home, "laptop"}, wrong)
				taken[name] = append(taken[name], time.Since(start))
			}
		}
		ann, bob := median(taken["ann"]), median(taken["bob"])
		t.Logf("round %d: %v where there is an account, %v where there is none", round, ann, bob)
		if bob < 5*time.Millisecond {
			t.Fatal("an unknown name is answered too soon: nothing was hashed, or the hash is too cheap for this test")
		}
		if (ann - bob).Abs() < 5*time.Millisecond {
			return
		}
	}
	t.Error("the time tells whether there is an account")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
