package store

import (
	"context"
	"errors"
)

func openPostgres(ctx context.Context, dsn string) (engine, error) { return nil, errors.New("not yet") }
