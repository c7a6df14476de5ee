package dockit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/handlers/admin"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/currentlog"
	"github.com/dockit-registry/dockit/internal/settings"
	"github.com/dockit-registry/dockit/store"
)

// DefaultDialect is the dialect of a [Database] that names none.
const DefaultDialect = settings.DefaultDialect

// Database says which SQL database keeps users, permissions and keys.
type Database struct {
	// Dialect is sqlite or mysql. Default: sqlite.
	Dialect string `json:"dialect,omitempty"`

	// DSN is, for SQLite, the path of a file or a file: URI, and for MySQL a
	// data source name with user and password; keep that one in a placeholder.
	// Default: dockit.sqlite in Caddy's data directory.
	DSN string `json:"dsn,omitempty"`

	// LitestreamSocket is the path of Litestream's control socket, for SQLite:
	// then a change is acknowledged only after Litestream has replicated it.
	// Default: none.
	LitestreamSocket string `json:"litestream_socket,omitempty"`
}

const (
	// openTimeout is how long opening and migrating a database may take.
	openTimeout = 5 * time.Minute
	// checkTimeout is how long looking at a database file may take.
	checkTimeout = 10 * time.Second
)

// databases holds the open databases of all configurations, so that a reload
// with the same database opens nothing.
var databases = caddy.NewUsagePool()

// config is the database that the configuration names, with its placeholders
// replaced.
func (d *Database) config() (store.Config, error) {
	config := store.Config{Dialect: d.Dialect}
	var err error
	if config.DSN, err = expand("database DSN", d.DSN); err != nil {
		return config, err
	}
	if config.LitestreamSocket, err = expand("litestream_socket", d.LitestreamSocket); err != nil {
		return config, err
	}
	if config.Dialect == "" {
		config.Dialect = DefaultDialect
	}
	if config.DSN == "" {
		if config.Dialect != DefaultDialect {
			return config, fmt.Errorf("database %s: no DSN: name the database to use", config.Dialect)
		}
		config.DSN = defaultFile()
	}
	return config, nil
}

// defaultFile is where a database is kept when the configuration names none.
func defaultFile() string { return filepath.Join(caddy.AppDataDir(), "dockit.sqlite") }

// checkDatabase says what is wrong with a database without touching it. One
// that is open was looked at before.
func checkDatabase(ctx context.Context, config store.Config) error {
	if _, open := databases.References(config); open {
		return nil
	}
	if config.DSN == defaultFile() {
		if _, err := os.Stat(caddy.AppDataDir()); errors.Is(err, fs.ErrNotExist) {
			return nil // the start makes the folder
		}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return store.Check(ctx, config)
}

// useDatabase returns the database opened by this configuration, or by the one
// that runs already. [database.leave] gives it back.
func useDatabase(ctx context.Context, config store.Config) (*database, error) {
	if config.DSN == defaultFile() {
		// Caddy makes its data directory when it first needs it, and so does this.
		if err := os.MkdirAll(caddy.AppDataDir(), 0o700); err != nil {
			return nil, fmt.Errorf("make Caddy's data directory for the database: %w", err)
		}
	}
	shared, _, err := databases.LoadOrNew(config, func() (caddy.Destructor, error) {
		ctx, cancel := context.WithTimeout(ctx, openTimeout)
		defer cancel()
		return openDatabase(ctx, config)
	})
	if err != nil {
		return nil, err
	}
	return shared.(*database), nil
}

// database is an open store, shared by the configurations that name the same
// one, and by the requests that use it. The last of them to let go closes it:
// on a reload Caddy cleans up a configuration while its requests still run.
type database struct {
	key   store.Config
	store *store.Store
	// directory, auth and refusals are what all configurations share of them.
	directory *cache.Cache
	auth      *auth.Authenticator
	refusals  *admin.Refusals
	logger    *zap.Logger

	// leases counts the pool, as one, and the requests in flight.
	leases atomic.Int64
}

func openDatabase(ctx context.Context, config store.Config) (*database, error) {
	named := currentlog.New(caddy.Log).Named
	logger := named("dockit.database")
	s, err := store.Open(ctx, config, logger)
	if err != nil {
		return nil, err
	}
	known := cache.New(s, named("dockit.cache"))
	known.Observe(announceDatabase)
	known.Start()
	authenticator := auth.New(s, known, named("dockit.auth"))
	authenticator.ObserveLockouts(noticeLockout)
	loginMetrics.Observe(authenticator)
	authenticator.Start()
	d := &database{key: config, store: s, directory: known, auth: authenticator, logger: logger}
	d.refusals = admin.NewRefusals(s, named("dockit.admin"))
	d.leases.Store(1)
	return d, nil
}

// acquire takes a lease for one request. It fails when the database is closed
// already, or about to be.
func (d *database) acquire() bool {
	for {
		held := d.leases.Load()
		if held == 0 {
			return false
		}
		if d.leases.CompareAndSwap(held, held+1) {
			return true
		}
	}
}

// release gives a lease back.
func (d *database) release() {
	if d.leases.Add(-1) > 0 {
		return
	}
	d.refusals.Close()
	d.auth.Close()
	d.directory.Close()
	if err := d.store.Close(); err != nil {
		d.logger.Error("cannot close the database", zap.Error(err))
	}
}

// leave ends the use by one configuration.
func (d *database) leave() error {
	_, err := databases.Delete(d.key)
	return err
}

// Destruct is called when no configuration uses the database any more.
func (d *database) Destruct() error {
	d.release()
	return nil
}
