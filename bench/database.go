package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// database makes an empty database and returns its name in the configuration and how to end it.
func (b bed) database(ctx context.Context, engine string) (dsn string, drop func(), err error) {
	if engine == sqlite {
		return "sqlite:" + filepath.Join(b.dir, "signet.db"), func() {}, nil
	}
	return "", nil, fmt.Errorf("no database %q", engine)
}
