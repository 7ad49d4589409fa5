package broker

import (
	"encoding/json"
	"time"
)

// DeviceState is what has become of a Device.
type DeviceState int64

const (
	DeviceWaits   DeviceState = iota
	DeviceAllowed             // somebody has said yes
	DeviceRefused             // somebody has said no
	DeviceSpent               // it has its tokens
	DeviceBurnt               // its code was typed too often
)

// Device is a program that waits for a person who allows it in a browser elsewhere (RFC 8628).
type Device struct {
	Hash    []byte // SHA-256 of the secret that it asks with
	Code    string // what its person types: capital letters, nothing between them
	App     string
	Data    json.RawMessage // the door's
	Expires time.Time
	State   DeviceState

	// As of whoever has allowed it.
	User     string
	Provider string
	Answer   json.RawMessage // the door's: Artifact.Data
}
