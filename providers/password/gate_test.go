package password

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/signet-broker/signet/providers"
)

func TestHashingWaitsForItsTurn(t *testing.T) {
	hash, err := Hash(Argon2{Memory: 64, Time: 1, Threads: 1}, "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	g := make(gate, 1)
	g <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = g.verify(ctx, "correct horse battery", hash)
	var e *providers.Error
	if !errors.As(err, &e) || e.Kind != providers.Unavailable || e.RetryAfter <= 0 {
		t.Errorf("verify while another is hashed = %v, want an Unavailable error", err)
	}
	<-g
	for range 3 { // each gives its place back
		if ok, err := g.verify(t.Context(), "correct horse battery", hash); !ok || err != nil {
			t.Fatalf("verify = %v, %v", ok, err)
		}
	}
}
