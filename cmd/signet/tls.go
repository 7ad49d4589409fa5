package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/signet-broker/signet/config"
)

// certificate serves a certificate from files, and reads them again when they have changed, so that a
// renewal needs no restart.
type certificate struct {
	files config.TLS
	log   *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	stamp   string
	checked time.Time
}

// serveTLS returns the configuration of our own TLS: 1.2 or newer, with the defaults of Go.
func serveTLS(files config.TLS, log *slog.Logger) (*tls.Config, error) {
	c := &certificate{files: files, log: log}
	if err := c.read(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"}}, nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) > 10*time.Second {
		if err := c.read(); err != nil {
			c.log.Error("the new certificate could not be read; the old one stays in use", "error", err)
		}
	}
	return c.current, nil
}

// read takes the files if they have changed.
func (c *certificate) read() error {
	c.checked = time.Now()
	var stamp string
	for _, name := range []string{c.files.CertFile, c.files.KeyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		stamp += fmt.Sprintf("%d %d;", info.ModTime().UnixNano(), info.Size())
	}
	if stamp == c.stamp {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return fmt.Errorf("tls: %s and %s: %w", c.files.CertFile, c.files.KeyFile, err)
	}
	c.current, c.stamp = &pair, stamp
	return nil
}
