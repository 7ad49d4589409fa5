package op

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
)

// nowhere is a way out that leads nowhere, and counts who tried.
type nowhere struct{ tries int }

func (n *nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	n.tries++
	return nil, errors.New("nobody is there")
}

// Whoever registers many apps has no more fetched for them than for one; an app of the configuration has its own.
func TestRegisteredAppsShareTheirFetches(t *testing.T) {
	out := &nowhere{}
	p := &Provider{Objects: &http.Client{Transport: out}, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
	p.fetches.most, p.fetches.period = 3, time.Minute
	ask := func(app *broker.App) error {
		_, err := p.fetch(t.Context(), app, url.Values{"request_uri": {"https://app.example.com/object"}})
		return err
	}
	app := func(id string, registered bool) *broker.App {
		return &broker.App{ID: id, Registered: registered, RequestURIs: []string{"https://app.example.com/object"}}
	}
	var e *providers.Error
	for _, id := range []string{"one", "two", "three"} {
		if err := ask(app(id, true)); errors.As(err, &e) && e.Kind == providers.Throttled {
			t.Fatalf("%s must wait: %v", id, err)
		}
	}
	if err := ask(app("four", true)); !errors.As(err, &e) || e.Kind != providers.Throttled {
		t.Errorf("the fourth of one address = %v, want that it waits", err)
	}
	if ask(app("web", false)); out.tries != 4 {
		t.Errorf("%d were fetched, want 4: the app of the configuration too", out.tries)
	}
}
