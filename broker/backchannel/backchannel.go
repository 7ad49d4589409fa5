// Package backchannel tells apps that a session has ended (OpenID Connect Back-Channel Logout 1.0).
//
// Whatever ends a session leaves a notice for each of its apps in the same transaction. A Sender takes the
// notices that are due and posts a logout token for each, again and again until the app has taken it or a day
// has passed. Nothing is lost when a node stops in between: it only leases what it sends.
package backchannel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
)

const (
	// Timeout is how long an app may take for its answer. The client that a Sender is given has it.
	Timeout = 5 * time.Second
	// lease is how long a node has a notice for itself: after that it has been killed.
	lease = 30 * time.Second
	// pause is how often notices are looked for.
	pause = 500 * time.Millisecond
	// atOnce and toOne bound how many notices are under way, at all and to one app. An app that hangs so
	// keeps no other waiting.
	atOnce, toOne = 32, 4
	// giveUp is how long after a session's end its apps are still told.
	giveUp = 24 * time.Hour
)

// delays are the pauses after each try; the last is for all that follow.
var delays = []time.Duration{
	time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour,
}

// Store keeps the notices. Errors as in broker.Store.
type Store interface {
	// LeaseNotices takes notices that are due, at most limit and of one app at most each, and none of the
	// apps in busy. Nobody else gets them until then.
	LeaseNotices(ctx context.Context, until time.Time, limit, each int, busy []string) ([]broker.Notice, error)
	// PostponeNotice gives a leased notice back, to be taken from due on.
	PostponeNotice(ctx context.Context, n broker.Notice, due time.Time) error
	// DropNotice removes a notice. e, unless it is nil, is kept if the notice was still there.
	DropNotice(ctx context.Context, n broker.Notice, e *broker.Event) error
}

// Sender sends what is due.
type Sender struct {
	Store    Store
	Registry broker.Registry
	Issuer   *token.Issuer
	Client   *http.Client // within Timeout, and without redirects
	Public   *http.Client // the same for registered apps, which may be anybody's: to public addresses
	Now      func() time.Time
	Log      *slog.Logger
	Observe  func(broker.Event)       // is told of every notice that is given up; may be nil
	Count    func(app, result string) // is told of every try: delivered, failed or undelivered; may be nil

	mu    sync.Mutex
	busy  map[string]int // notices under way, by app
	all   int
	group sync.WaitGroup
}

// Run sends until ctx ends, and returns when nothing is under way any more.
func (s *Sender) Run(ctx context.Context) {
	defer s.group.Wait()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		if err := s.Send(ctx); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "ended sessions cannot be told to apps", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Send begins to send what is due now.
func (s *Sender) Send(ctx context.Context) error {
	free, busy := s.room()
	if free == 0 {
		return nil
	}
	list, err := s.Store.LeaseNotices(ctx, s.Now().Add(lease), free, toOne, busy)
	if err != nil {
		return err
	}
	s.take(list, 1)
	for _, n := range list {
		s.group.Go(func() {
			defer s.take([]broker.Notice{n}, -1)
			// What was begun is ended, also while the process stops: the client bounds it.
			s.tell(context.WithoutCancel(ctx), n)
		})
	}
	return nil
}

// room tells how many notices may be begun now, and which apps still have some under way.
func (s *Sender) room() (free int, busy []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for app := range s.busy {
		busy = append(busy, app)
	}
	return atOnce - s.all, busy
}

func (s *Sender) take(list []broker.Notice, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy == nil {
		s.busy = map[string]int{}
	}
	for _, n := range list {
		s.all += by
		if s.busy[n.App] += by; s.busy[n.App] == 0 {
			delete(s.busy, n.App)
		}
	}
}

// tell tries one notice and keeps what has become of it.
func (s *Sender) tell(ctx context.Context, n broker.Notice) {
	app := s.Registry.App(n.App)
	if app == nil || app.BackchannelLogoutURI == "" { // it was, when the session ended
		s.keep(ctx, n, s.Store.DropNotice(ctx, n, nil))
		return
	}
	reason, err := s.post(ctx, app, n)
	if err == nil {
		s.count(n.App, "delivered")
		s.keep(ctx, n, s.Store.DropNotice(ctx, n, nil))
		return
	}
	now := s.Now()
	next := now.Add(delays[min(n.Tries, len(delays))-1])
	log := s.Log.With("app", n.App, "session", n.Session, "try", n.Tries, "reason", reason, "error", err)
	if next.Sub(n.Created) < giveUp {
		s.count(n.App, "failed")
		log.InfoContext(ctx, "an app was not told that a session has ended", "again", next)
		s.keep(ctx, n, s.Store.PostponeNotice(ctx, n, next))
		return
	}
	s.count(n.App, "undelivered")
	log.WarnContext(ctx, "an app is not told that a session has ended")
	e := broker.Event{
		Time: now, Type: broker.LogoutLost, Reason: reason, User: n.User, App: n.App, Session: n.Session, Detail: fmt.Sprintf("%d tries", n.Tries),
	}
	s.keep(ctx, n, s.Store.DropNotice(ctx, n, &e))
	if s.Observe != nil {
		s.Observe(e)
	}
}

// keep notes a failure to keep what has become of a notice: it is tried again when its lease ends.
func (s *Sender) keep(ctx context.Context, n broker.Notice, err error) {
	if err != nil {
		s.Log.WarnContext(ctx, "what became of a notice was not kept", "app", n.App, "session", n.Session, "error", err)
	}
}

func (s *Sender) count(app, result string) {
	if strings.HasPrefix(app, broker.RegisteredPrefix) {
		app = "registered" // there may be thousands, with names that nobody knows
	}
	if s.Count != nil {
		s.Count(app, result)
	}
}

// post sends a logout token to an app (§2.5). reason is one word for what went wrong.
func (s *Sender) post(ctx context.Context, app *broker.App, n broker.Notice) (reason string, err error) {
	raw, err := s.Issuer.Logout(ctx, app, n.User, n.Session)
	if err != nil {
		return "unsigned", err
	}
	form := url.Values{"logout_token": {raw}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app.BackchannelLogoutURI, strings.NewReader(form.Encode()))
	if err != nil {
		return "unreachable", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := s.Client
	if app.Registered {
		client = s.Public
	}
	resp, err := client.Do(req)
	if err != nil {
		var slow interface{ Timeout() bool }
		if errors.As(err, &slow) && slow.Timeout() {
			return "timeout", err
		}
		return "unreachable", err
	}
	io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10)) //nolint:errcheck // so that the connection is kept, where it can be
	resp.Body.Close()
	// 200 is what §2.8 wants; 204 is what some frameworks make of an empty answer.
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		return "refused", fmt.Errorf("status %d", resp.StatusCode)
	}
	return "", nil
}
