package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// well is what an upstream without an ailment is.
const well = "well"

// ailments are what an upstream can do to Signet beside answering it. Its sign-in page goes on working: people
// come back from it, and wait.
var ailments = map[string]http.HandlerFunc{
	"refuses": func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				tcp.SetLinger(0) // a reset
			}
			conn.Close()
		}
	},
	"fails": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusInternalServerError) },
	"hangs": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"drips": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			io.WriteString(w, " ")
			http.NewResponseController(w).Flush()
			select {
			case <-time.After(100 * time.Millisecond):
			case <-r.Context().Done():
			}
		}
	},
	"floods": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for spaces := strings.Repeat(" ", 64<<10); r.Context().Err() == nil; {
			if _, err := io.WriteString(w, spaces); err != nil {
				return
			}
		}
	},
}

// health is how an upstream is, which changes.
type health struct {
	mu    sync.Mutex
	is    string
	since context.Context // ends when it changes
	end   context.CancelFunc
}

func newHealth() *health {
	h := &health{}
	h.set(well)
	return h
}

func (h *health) set(is string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.end != nil {
		h.end()
	}
	h.is = is
	h.since, h.end = context.WithCancel(context.Background())
}

func (h *health) now() (string, context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.is, h.since
}

// wrap has an upstream be as it is. POST /health with is=AILMENT changes that.
func (h *health) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		is, since := h.now()
		switch {
		case r.URL.Path == "/health":
			h.set(r.FormValue("is"))
		case is == well || r.URL.Path == "/authorize":
			next.ServeHTTP(w, r)
		default:
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(since, cancel)()
			ailments[is](w, r.WithContext(ctx))
		}
	})
}

// be tells an upstream how to be.
func be(ctx context.Context, upstream, is string) error {
	req, err := http.NewRequestWithContext(ctx, "POST", upstream+"/health?is="+is, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // to an upstream of this very program
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/health: %s", resp.Status)
	}
	return nil
}
