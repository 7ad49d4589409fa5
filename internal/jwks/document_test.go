package jwks

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-broker/signet/providers"
)

// A hundred first logins at once wait for one fetch, and one that goes away does not end it.
func TestDocumentIsFetchedOnce(t *testing.T) {
	var fetches atomic.Int32
	release := make(chan struct{})
	d := NewDocument(time.Now, func(ctx context.Context) (int, error) {
		fetches.Add(1)
		<-release
		return 7, ctx.Err()
	})
	early, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := d.Get(early); err == nil {
			t.Error("Get with an ended context has a document")
		}
	})
	for fetches.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 100 {
		all.Go(func() {
			if n, err := d.Get(t.Context()); n != 7 || err != nil {
				t.Errorf("Get = %d, %v", n, err)
			}
		})
	}
	leave()
	time.Sleep(10 * time.Millisecond)
	close(release)
	all.Wait()
	if n := fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

// A hung upstream keeps nobody for long who has an old document.
func TestHungRefreshDoesNotHoldLogins(t *testing.T) {
	now := time.Now()
	hang := make(chan struct{})
	defer close(hang)
	var fetches atomic.Int32
	d := NewDocument(func() time.Time { return now }, func(context.Context) (int, error) {
		if fetches.Add(1) > 1 {
			<-hang
		}
		return 7, nil
	})
	get := func() time.Duration {
		start := time.Now()
		if n, err := d.Get(t.Context()); n != 7 || err != nil {
			t.Errorf("Get = %d, %v", n, err)
		}
		return time.Since(start)
	}
	get()
	now = now.Add(55 * time.Minute)
	if took := get(); took > grace/2 {
		t.Errorf("within the hour: took %v, want no wait", took)
	}
	now = now.Add(time.Hour)
	if took := get(); took < grace/2 || took > 2*grace {
		t.Errorf("after the hour: took %v, want about %v", took, grace)
	}
	if n := fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

// A document that makes a parser panic must not end the process.
func TestPanicOverADocumentIsAnError(t *testing.T) {
	d := NewDocument(time.Now, func(context.Context) (int, error) { panic("parser") })
	_, err := d.Get(t.Context())
	if e := providers.AsError(err); e.Reason != "upstream_broken" || e.Kind != providers.Upstream {
		t.Errorf("Get = %v", err)
	}
}
