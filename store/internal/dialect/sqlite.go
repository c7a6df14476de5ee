package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/dockit-registry/dockit/store/migrations"
	"github.com/dockit-registry/dockit/store/sqlitefile"
)

// SQLite is the dialect of SQLite.
var SQLite = &Dialect{
	Name:       "sqlite",
	Goose:      goose.DialectSQLite3,
	Migrations: migrations.SQLite,
	Open:       openSQLite,
	Check:      checkSQLite,
	Find:       findSQLite,
	Exposed:    exposedSQLite,
	Duplicate: func(err error) bool {
		code := sqlitefile.Code(err)
		return code == sqlitelib.SQLITE_CONSTRAINT_UNIQUE || code == sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY
	},
	Retryable: func(err error) bool {
		// The busy timeout has already waited; only a snapshot that went stale
		// is worth another attempt.
		return sqlitefile.Code(err) == sqlitelib.SQLITE_BUSY_SNAPSHOT
	},
	Busy: func(err error) bool {
		code := sqlitefile.Code(err) & 0xff
		return code == sqlitelib.SQLITE_BUSY || code == sqlitelib.SQLITE_LOCKED
	},
	// The transactions of the writer begin by taking the lock.
	Exclude:  func(context.Context, *sql.Tx) error { return nil },
	Snapshot: &sql.TxOptions{ReadOnly: true},

	HashSamples: steppedHashSamples,
	Lost:        func(error) bool { return false },
	Hint:        func(error) string { return "" },
	// Only a write shows it.
	Writable: func(context.Context, *sql.DB) error { return nil },
	// Each migration is a transaction.
	migrating: func(_ context.Context, _ *sql.DB, _ int64, migrate func() error) error { return migrate() },
	Forget:    checkpointSQLite,

	CheckSchema: func(ctx context.Context, db *sql.DB) error {
		return sqlitefile.CheckSchema(ctx, db, migrations.SQLite)
	},
}

// openSQLite opens one connection to write and several to read. SQLite has one
// writer at a time: a single connection queues writers in the program, where
// waiting is fair, instead of in the file lock.
func openSQLite(ctx context.Context, dsn string) (writer, reader *sql.DB, err error) {
	database, err := ParseSQLiteDSN(dsn)
	if err != nil {
		return nil, nil, err
	}
	path := database.Path
	if err := createPrivately(path); errors.Is(err, syscall.EISDIR) {
		return nil, nil, fmt.Errorf("open SQLite database %q: it is a folder: name a file in it, such as %s", path, filepath.Join(path, "dockit.sqlite"))
	} else if err != nil {
		return nil, nil, fmt.Errorf("open SQLite database %q: %w: check that its folder exists and that this process may write there", path, err)
	}
	defer func() {
		if err != nil && writer != nil {
			err = errors.Join(err, writer.Close())
		}
	}()
	writer, err = sql.Open("sqlite", database.URI("immediate", "journal_mode(WAL)", "synchronous(NORMAL)", "secure_delete(1)"))
	if err != nil {
		return nil, nil, fmt.Errorf("open SQLite database %q: %w", path, err)
	}
	writer.SetMaxOpenConns(1)
	if err = connectSQLite(ctx, writer); err != nil {
		return writer, nil, fmt.Errorf("open SQLite database %q: %w", path, WithHint(err, Hint(err)))
	}
	reader, err = sql.Open("sqlite", database.URI("deferred", "query_only(1)"))
	if err != nil {
		return writer, nil, fmt.Errorf("open SQLite database %q to read: %w", path, err)
	}
	// More readers than that only wait for each other.
	reader.SetMaxOpenConns(2 * runtime.GOMAXPROCS(0))
	reader.SetMaxIdleConns(2 * runtime.GOMAXPROCS(0))
	return writer, reader, nil
}

// checkpointSQLite moves the log into the database file and empties it: pages
// in the log still hold what they held before. Readers in the way are waited
// for only shortly, because no other write passes meanwhile; a later
// checkpoint does the same.
func checkpointSQLite(ctx context.Context, writer *sql.DB) (err error) {
	conn, err := writer.Conn(ctx)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var timeout int
	if err := conn.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&timeout); err != nil {
		return fmt.Errorf("read busy timeout: %w", err)
	}
	setTimeout := func(ctx context.Context, ms int) error {
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", ms)); err != nil {
			return fmt.Errorf("set busy timeout: %w", err)
		}
		return nil
	}
	if err := setTimeout(ctx, min(timeout, 200)); err != nil {
		return err
	}
	// The connection goes on to write for others, whatever became of ctx.
	defer func() { err = errors.Join(err, setTimeout(context.WithoutCancel(ctx), timeout)) }()
	var busy, logged, moved int
	if err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &logged, &moved); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// connectSQLite opens the first connection. Several processes that start on a
// new file all switch it to a write-ahead log, for which SQLite does not wait by
// itself.
func connectSQLite(ctx context.Context, writer *sql.DB) error {
	const attempts, pause = 250, 20 * time.Millisecond // as long as the busy timeout
	for attempt := 1; ; attempt++ {
		err := writer.PingContext(ctx)
		if err == nil || attempt == attempts || sqlitefile.Code(err)&0xff != sqlitelib.SQLITE_BUSY {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// ofServer finds a DSN that is meant for a database server: with a network, a
// password or a scheme in it.
var ofServer = regexp.MustCompile(`(?i)(^|@)(tcp|tcp6|unix|)\(|^[^/\\.:][^/:]+:.*@|^[a-z+]+://|(password|pwd)=|^(mysql|mariadb|sqlite|sqlite3):`)

// ParseSQLiteDSN takes a plain path, or a file: URI with its own parameters. No
// error shows what may be a password.
func ParseSQLiteDSN(dsn string) (sqlitefile.Database, error) {
	database := sqlitefile.Database{Migrations: migrations.SQLite}
	if err := checkDSNEnds(dsn); err != nil {
		return database, err
	}
	if !strings.HasPrefix(dsn, "file:") {
		if ofServer.MatchString(dsn) {
			return database, errors.New("the DSN is no path of a SQLite file: for MySQL and MariaDB, the dialect mysql is missing " +
				"(--sql-dialect mysql, DOCKIT_SQL_DIALECT, or `database mysql` in a Caddyfile); for SQLite, write the path alone")
		}
		database.Path = dsn
	} else {
		rest, rawQuery, _ := strings.Cut(strings.TrimPrefix(dsn, "file:"), "?")
		var err error
		if database.Parameters, err = url.ParseQuery(rawQuery); err != nil {
			return database, fmt.Errorf("the parameters of the SQLite DSN cannot be read: write file:/path/of/file?name=value: %w", err)
		}
		if database.Path, err = url.PathUnescape(rest); err != nil {
			return database, fmt.Errorf("the path in the SQLite DSN cannot be read: write file:/path/of/file: %w", err)
		}
		if after, ok := strings.CutPrefix(database.Path, "//"); ok { // file://[localhost]/path
			database.Path = strings.TrimPrefix(after, "localhost")
		}
	}
	switch {
	case database.Path == "":
		return database, errors.New("the SQLite DSN names no file: write its path")
	case database.Path == ":memory:" || database.Parameters.Get("mode") == "memory":
		return database, errors.New("the SQLite DSN names a database in memory, which would forget its keys and users: name a file")
	}
	return database, nil
}

// createPrivately makes the file readable by its owner alone: it holds password
// hashes and keys. SQLite gives its -wal and -shm files the same mode.
func createPrivately(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return errors.Unwrap(err) // the caller names the path
	}
	return f.Close()
}

// exposedSQLite finds a file that others may read: one that was there before,
// or that an administrator opened up. Its mode may be meant, so it is left as it is.
func exposedSQLite(dsn string) string {
	database, err := ParseSQLiteDSN(dsn)
	if err != nil {
		return ""
	}
	info, err := os.Stat(database.Path)
	if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return ""
	}
	return fmt.Sprintf("%s has mode %#o", database.Path, info.Mode().Perm())
}
