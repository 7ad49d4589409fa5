package password

import (
	"fmt"
	"time"

	"github.com/signet-broker/signet/providers"
)

// Config is this kind's part of the configuration.
type Config struct {
	Limits Limits `yaml:"limits" doc:"how often a password may be guessed"`
	Argon2 Argon2 `yaml:"argon2" doc:"the cost of a password's hash (argon2id)"`
}

// Limits bound guessing; the package comment says how.
type Limits struct {
	Account int           `yaml:"account" doc:"tries on one account from one address before they must wait; 0: no limit"`
	Address int           `yaml:"address" doc:"tries from one address before they must wait; 0: no limit"`
	Window  time.Duration `yaml:"window" doc:"the longest wait, and the time after which tries are forgotten"`
}

// Argon2 is the cost of a new hash (RFC 9106 §3.1).
type Argon2 struct {
	Memory  uint32 `yaml:"memory" doc:"memory of one hash in KiB"`
	Time    uint32 `yaml:"time" doc:"passes over the memory"`
	Threads uint8  `yaml:"threads" doc:"lanes of one hash"`
}

var (
	DefaultLimits = Limits{Account: 5, Address: 30, Window: 15 * time.Minute}
	DefaultArgon2 = Argon2{Memory: 19456, Time: 2, Threads: 1}
)

// minMemory is the least memory in KiB that still slows a guessing machine with graphics cards.
const minMemory = 7168

// Check returns everything that is wrong.
func (c *Config) Check() []providers.Fault {
	var faults []providers.Fault
	within := func(key string, value, least, most int64, unit string) {
		if value < least || value > most {
			faults = append(faults, providers.Fault{Key: key, Problem: fmt.Sprintf("must be %d to %d%s", least, most, unit)})
		}
	}
	within("limits.account", int64(c.Limits.Account), 0, 1000, "")
	within("limits.address", int64(c.Limits.Address), 0, 1_000_000, "")
	within("limits.window", int64(c.Limits.Window/time.Second), 60, 24*60*60, " seconds")
	within("argon2.memory", int64(c.Argon2.Memory), minMemory, maxMemory, " KiB")
	within("argon2.time", int64(c.Argon2.Time), 1, maxTime, "")
	within("argon2.threads", int64(c.Argon2.Threads), 1, maxThreads, "")
	return faults
}
