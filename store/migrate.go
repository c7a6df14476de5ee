package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"
	"go.uber.org/zap"
)

// migrate brings the schema up to date. Several processes may start on one
// database at once.
func migrate(ctx context.Context, d *dialect, db *sql.DB, logger *zap.Logger) error {
	provider, err := goose.NewProvider(d.goose, db, d.migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	return d.migrating(ctx, db, newest(provider), func() error { return migrateRacing(ctx, provider, logger) })
}

// migrateRacing looks again when it lost the race for a migration to another
// process, and goes on from there.
func migrateRacing(ctx context.Context, provider *goose.Provider, logger *zap.Logger) error {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		err := migrateOnce(ctx, provider, logger)
		if err == nil || attempt == attempts || ctx.Err() != nil {
			return err
		}
		if current, verr := provider.GetDBVersion(ctx); verr == nil && current > newest(provider) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(attempt) * 50 * time.Millisecond):
		}
	}
}

func migrateOnce(ctx context.Context, provider *goose.Provider, logger *zap.Logger) error {
	current, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if target := newest(provider); current > target {
		return fmt.Errorf("%w: schema version %d, this Dockit knows %d: start the newer Dockit, or restore a backup", ErrNewerSchema, current, target)
	}
	results, err := provider.Up(ctx)
	for _, r := range results {
		logger.Info("migrated database", zap.Int64("version", r.Source.Version), zap.Duration("took", r.Duration))
	}
	if err != nil {
		return fmt.Errorf("migrate database: %w", err)
	}
	return nil
}

func newest(provider *goose.Provider) int64 {
	sources := provider.ListSources()
	return sources[len(sources)-1].Version
}
