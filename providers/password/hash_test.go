package password_test

import (
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"go.yaml.in/yaml/v3"

	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/password"
)

// Hashes come from imports too: none of these may match anything, stop the process or take its memory.
func TestStoredHashesThatAreRefused(t *testing.T) {
	d := open(t, unlimited())
	good, err := password.Hash(quick, secret)
	if err != nil {
		t.Fatal(err)
	}
	sized := func(threads uint8, salt, key uint32) string { // right in all but its sizes
		hash, err := argon2id.CreateHash(secret, &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: threads, SaltLength: salt, KeyLength: key})
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	with := func(params string) string { return strings.Replace(good, "m=64,t=1,p=1", params, 1) }
	for name, hash := range map[string]string{
		"empty":         "",
		"clear text":    secret,
		"no key":        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$",
		"short key":     sized(1, 16, 8),
		"short salt":    sized(1, 4, 32),
		"no salt":       "$argon2id$v=19$m=64,t=1,p=1$$" + good[strings.LastIndex(good, "$")+1:],
		"time 0":        with("m=64,t=0,p=1"),
		"threads 0":     with("m=64,t=1,p=0"),
		"4 TiB":         with("m=4294967295,t=1,p=1"),
		"endless":       with("m=64,t=4294967295,p=1"),
		"many threads":  sized(17, 16, 32),
		"argon2i":       strings.Replace(good, "argon2id", "argon2i", 1),
		"other version": strings.Replace(good, "v=19", "v=16", 1),
		"truncated":     good[:len(good)-4],
	} {
		t.Run(name, func(t *testing.T) {
			username := strings.ReplaceAll(name, " ", "-")
			d.addHash(t, strings.ToLower(username), hash)
			start := time.Now()
			d.want(t, 1, try{username: username, password: secret, addr: home}, wrong)
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestHash(t *testing.T) {
	first, err := password.Hash(password.DefaultArgon2, secret)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := password.Hash(password.DefaultArgon2, secret)
	if !strings.HasPrefix(first, "$argon2id$v=19$m=19456,t=2,p=1$") || first == again {
		t.Errorf("Hash = %s and %s", first, again)
	}
	for _, c := range []password.Argon2{{}, {Memory: 64, Time: 1}, {Memory: 64, Threads: 1}} {
		if _, err := password.Hash(c, secret); err == nil {
			t.Errorf("Hash with %+v = nil", c)
		}
	}
}

func TestCheckNew(t *testing.T) {
	for word, ok := range map[string]bool{
		secret: true, "12345678": true, "passwört": true, strings.Repeat("x", 1000): true, "ann@acme.example!": true,
		"": false, "1234567": false, "ü234567": false, strings.Repeat("x", 1001): false, "12345678\xff": false,
		"ann.smith@acme.example": false, "Ann.Smith@Acme.example": false, "ANN.SMITH": false,
	} {
		if err := password.CheckNew("ann.smith@acme.example", word); (err == nil) != ok {
			t.Errorf("CheckNew(%.30q) = %v", word, err)
		} else if err != nil && len(word) > 3 && strings.Contains(err.Error(), word) {
			t.Errorf("the error tells the password: %v", err)
		}
	}
	if password.CheckNew("a\x00b", secret) == nil {
		t.Error("CheckNew took a user name that no one can have")
	}
}

func TestUsername(t *testing.T) {
	for typed, want := range map[string]string{
		"ann": "ann", " Ann ": "ann", "ＡＮＮ": "ann", "ﬁnn": "finn", "İ": "i̇", "ΟΔΟΣ": "οδος", "a b": "a b",
		"": "", "  ": "", "a\nb": "", "a\x00": "", "a\xffb": "", strings.Repeat("a", 256): "", strings.Repeat("\ufdfa", 80): "",
	} {
		got, err := password.Username(typed)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Username(%.20q) = %q, %v; want %q", typed, got, err, want)
		}
		if again, _ := password.Username(got); again != got {
			t.Errorf("Username(%q) = %q: not stable", got, again)
		}
	}
}

func TestConfig(t *testing.T) {
	c := password.Kind(nil).Config().(*password.Config)
	if f := c.Check(); f != nil {
		t.Errorf("the defaults are wrong: %+v", f)
	}
	err := yaml.Unmarshal([]byte("limits: {account: 3, window: 30m}\nargon2: {memory: 65536, threads: 2}"), c)
	want := password.Config{Limits: password.Limits{Account: 3, Address: 30, Window: 30 * time.Minute}, Argon2: password.Argon2{Memory: 65536, Time: 2, Threads: 2}}
	if err != nil || *c != want || c.Check() != nil {
		t.Errorf("config = %+v, %v, %+v; want %+v", *c, err, c.Check(), want)
	}
	for key, bad := range map[string]password.Config{
		"limits.account": {Limits: password.Limits{Account: -1, Window: time.Minute}, Argon2: password.DefaultArgon2},
		"limits.address": {Limits: password.Limits{Address: -1, Window: time.Minute}, Argon2: password.DefaultArgon2},
		"limits.window":  {Argon2: password.DefaultArgon2},
		"argon2.memory":  {Limits: password.DefaultLimits, Argon2: password.Argon2{Memory: 1024, Time: 1, Threads: 1}},
		"argon2.time":    {Limits: password.DefaultLimits, Argon2: password.Argon2{Memory: 19456, Threads: 1}},
		"argon2.threads": {Limits: password.DefaultLimits, Argon2: password.Argon2{Memory: 19456, Time: 1, Threads: 17}},
	} {
		if f := bad.Check(); len(f) != 1 || f[0].Key != key || f[0].Problem == "" {
			t.Errorf("%s: Check = %+v", key, f)
		}
	}
	if f := (&password.Config{}).Check(); len(f) < 3 {
		t.Errorf("Check of nothing = %+v, want all faults at once", f)
	}
	var _ interface{ Check() []providers.Fault } = c
}
