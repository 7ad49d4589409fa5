package main

import (
	"context"
	"path/filepath"

	"github.com/signet-broker/signet/internal/pgtest"
)

// database makes an empty database and returns its name in the configuration, and how to end it.
// PostgreSQL runs with its own defaults: what it has acknowledged is on the disk.
func (b bed) database(ctx context.Context, engine string) (dsn string, drop func(), err error) {
	if engine == sqlite {
		return "sqlite:" + filepath.Join(b.dir, "signet.db"), func() {}, nil
	}
	progress("starting PostgreSQL")
	server, err := pgtest.New("")
	if err != nil {
		return "", nil, err
	}
	drop = func() {
		if err := server.Stop(); err != nil {
			progress("PostgreSQL did not end: %v", err)
		}
	}
	if dsn, err = server.Create(ctx); err != nil {
		drop()
		return "", nil, err
	}
	return dsn, drop, nil
}
