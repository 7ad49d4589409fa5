package broker

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/providers"
)

type watched struct {
	providers.Provider
	findings []providers.Finding
}

func (w *watched) Inspect(context.Context) []providers.Finding { return w.findings }

type told struct {
	known  map[string]bool
	events []Event
}

func (t *told) Record(_ context.Context, e Event) error {
	t.events = append(t.events, e)
	return nil
}

func (t *told) Remember(_ context.Context, scope, id string, _ time.Time) error {
	if t.known[scope+id] {
		return ErrReplay
	}
	t.known[scope+id] = true
	return nil
}

func TestWatchTellsOfWhatExpiresOnceAtEachMark(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	expires := now.Add(100 * day)
	p := &watched{findings: []providers.Finding{
		{Name: "certificate", Detail: "CN=idp", Expires: expires},
		{Name: "discovery"},
	}}
	store := &told{known: map[string]bool{}}
	w := &Watch{
		Providers: func() []*Provider {
			return []*Provider{{ID: "corp", Opener: Ready(&Opened{Upstream: p})}, {ID: "plain", Opener: Ready(&Opened{})}}
		},
		Store: store, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
	}
	for _, step := range []struct {
		left int    // days
		want string // of the new event; "" for none
	}{
		{100, ""}, {61, ""}, {60, "in 60 days"}, {59, ""}, {30, "in 30 days"}, {29, ""}, {6, "in 6 days"}, {5, ""}, {-1, "expired on 2026-04-11"}, {-2, ""},
	} {
		now = expires.Add(-time.Duration(step.left) * day)
		before := len(store.events)
		w.Round(t.Context())
		w.Round(t.Context()) // another node
		added := store.events[before:]
		if step.want == "" && len(added) > 0 || step.want != "" && (len(added) != 1 || !strings.Contains(added[0].Detail, step.want)) {
			t.Errorf("%d days before: %+v, want %q once", step.left, added, step.want)
		}
	}
	for _, e := range store.events {
		if e.Type != ProviderExpiring || e.Provider != "corp" || e.Reason != "certificate" || !strings.Contains(e.Detail, "CN=idp") {
			t.Errorf("event %+v", e)
		}
	}
}
