package broker

import (
	"encoding/json"
	"time"
)

// Request is what an app has left here before it sends a person (RFC 9126).
type Request struct {
	Hash    []byte // SHA-256 of the secret that names it
	App     string
	Data    json.RawMessage // the door's
	Expires time.Time       // no login begins with it after that
}
