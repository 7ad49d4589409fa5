package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/signet-broker/signet/config"
)

const (
	// farewell is how long a broker that was told to stop still takes requests: load balancers need that
	// long to see that it is not ready, and apps to be told to close their connections.
	farewell = 3 * time.Second
	// patience is how long requests under way may take after that.
	patience = 20 * time.Second
	// sweepEvery is how often expired rows are removed.
	sweepEvery = time.Minute
)

// serveCommand runs the broker.
type serveCommand struct {
	configFlag
	LogLevel slog.Level `default:"info" placeholder:"LEVEL" help:"The least level of log lines: debug, info, warn or error."`
}

// Run implements the command.
func (c *serveCommand) Run(ctx context.Context) error {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel}))
	for _, w := range cfg.Warnings {
		log.Warn("configuration", "at", w.String())
	}
	s, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer s.close()
	servers, err := s.listen(cfg)
	if err != nil {
		return err
	}
	tune()
	log.Info("ready", "issuer", cfg.Issuer, "listen", cfg.Listen, "admin", cfg.AdminListen, "apps", len(cfg.Apps), "providers", len(cfg.Providers), "version", version)
	return servers.run(ctx, log)
}

// servers are the listeners of one broker: for everybody, and for those who run it.
type servers struct {
	signet  *signet
	public  *http.Server
	admin   *http.Server // nil when there is none
	sockets []net.Listener
	ready   atomic.Bool
}

// listen opens the sockets, so that one that is taken is told before anything starts.
func (s *signet) listen(cfg *config.Config) (*servers, error) {
	errors := slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)
	sv := &servers{signet: s}
	sv.public = &http.Server{
		Handler: sv.parting(s.site), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: errors,
	}
	if cfg.TLS.CertFile != "" {
		var err error
		if sv.public.TLSConfig, err = serveTLS(cfg.TLS, s.log); err != nil {
			return nil, err
		}
		askCertificates(cfg, sv.public.TLSConfig)
	}
	if err := sv.socket(cfg.Listen, "listen"); err != nil {
		return nil, err
	}
	if cfg.AdminListen != "" {
		sv.admin = &http.Server{Handler: sv.adminHandler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10, ErrorLog: errors}
		if err := sv.socket(cfg.AdminListen, "admin_listen"); err != nil {
			return nil, err
		}
	}
	return sv, nil
}

func (sv *servers) socket(addr, key string) error {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: another program listens on %s already", key, addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: this user may not listen on %s", key, addr)
	case err != nil:
		return fmt.Errorf("%s: cannot listen on %s: %w", key, addr, err)
	}
	sv.sockets = append(sv.sockets, l)
	return nil
}

// adminHandler answers those who run it. It tells nothing but a status.
func (sv *servers) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if !sv.ready.Load() || sv.signet.db.Ping(ctx) != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ready\n")
	})
	mux.Handle("GET /metrics", sv.signet.site.Metrics.Handler())
	return mux
}

// run serves until ctx ends, then lets everybody finish.
func (sv *servers) run(ctx context.Context, log *slog.Logger) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go sv.signet.ring.Run(background)
	go sv.signet.registry.run(background)
	go sv.signet.watch().Run(background)
	go sv.signet.sweep(background)
	told := make(chan struct{})
	telling, hush := context.WithCancel(background)
	defer func() { hush(); <-told }()
	go func() {
		defer close(told)
		sv.signet.tell.Run(telling)
	}()
	failed := make(chan error, 2)
	serve := func(srv *http.Server, l net.Listener) {
		err := error(nil)
		if srv.TLSConfig != nil {
			err = srv.ServeTLS(l, "", "")
		} else {
			err = srv.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}
	go serve(sv.public, sv.sockets[0])
	if sv.admin != nil {
		go serve(sv.admin, sv.sockets[1])
	}
	sv.ready.Store(true)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	hush() // what is not sent by now is sent by another node, or after the start
	return sv.drain(log)
}

// parting has whoever is answered by a broker that stops end the connection. To end it ourselves while it waits
// would fail the request that is on its way just then, and nobody sends a POST a second time.
func (sv *servers) parting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !sv.ready.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// drain stops without a failed request: not ready first, then no connection is kept, then none is taken.
func (sv *servers) drain(log *slog.Logger) error {
	log.Info("stopping", "answers for", (farewell + patience).String())
	sv.ready.Store(false)
	time.Sleep(farewell)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := sv.public.Shutdown(ctx)
	if sv.admin != nil {
		err = errors.Join(err, sv.admin.Shutdown(ctx))
	}
	log.Info("stopped")
	return err
}

// sweep removes expired rows until ctx ends.
func (s *signet) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.db.Sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
				s.log.Warn("expired rows could not be removed", "error", err)
			}
		}
	}
}
