package main

import (
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestRollingRestartFailsNoRequest tells one node after the other to stop, and starts it again when it has, while
// people sign in and apps call over connections that they keep. Who asks /readyz, as a load balancer does, sees no
// request fail.
func TestRollingRestartFailsNoRequest(t *testing.T) {
	c, k := newCluster(t), &kept{}
	var stop atomic.Bool
	var calls atomic.Int64
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { honest(t, c, k, &stop) })
	}
	for range 8 { // what is posted is sent once: a connection that is closed under it is a failed request
		all.Go(func() {
			for ; !stop.Load() && !t.Failed(); calls.Add(1) {
				p, err := c.asApp(c.any(), selfApp, "/token", url.Values{"grant_type": {"client_credentials"}, "resource": {ordersAPI}}, "")
				if err != nil || !succeeds(p) {
					t.Errorf("token = %v, %v", p, err)
				}
				time.Sleep(time.Millisecond) // the connection is idle now and then
			}
		})
	}
	restarts := 0
	for end := time.Now().Add(lasting(0)); restarts < 2 || time.Now().Before(end) && !t.Failed(); restarts++ {
		c.nodes[restarts%2].restart()
	}
	stop.Store(true)
	all.Wait()
	c.invariants(t)
	t.Logf("%d restarts, %d sign-ins, %d calls", restarts, len(k.tokens), calls.Load())
	if len(k.tokens) < 10 || calls.Load() < 100 {
		t.Error("too little has happened to say anything")
	}
}

// restart ends a node as its keeper does, and starts it again.
func (n *node) restart() {
	n.t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.t.Fatal(err)
	}
	for n.ready() {
		time.Sleep(100 * time.Millisecond) // as often as a load balancer asks
	}
	n.up.Store(false)
	if err := n.cmd.Wait(); err != nil {
		n.t.Errorf("the broker ended with %v: %s", err, n.stderr)
	}
	n.http.CloseIdleConnections()
	n.begin()
}
